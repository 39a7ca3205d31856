include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/exeunt)

install(TARGETS exeunt exeunt_compiled exeunt_beast exeunt_ssl EXPORT exeunt-targets FILE_SET HEADERS)
install(EXPORT exeunt-targets NAMESPACE exeunt:: DESTINATION ${package_dir})

configure_package_config_file(cmake/exeunt-config.cmake.in exeunt-config.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(exeunt-config-version.cmake COMPATIBILITY SameMinorVersion)

# The .pc file finds its prefix from where it lies, so that an installed tree can be moved.
set(pkgconfig_dir ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
file(RELATIVE_PATH relative_prefix
    ${CMAKE_INSTALL_PREFIX}/${pkgconfig_dir} ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/exeunt.pc.in exeunt.pc @ONLY)

install(
    FILES
        ${CMAKE_CURRENT_BINARY_DIR}/exeunt-config.cmake
        ${CMAKE_CURRENT_BINARY_DIR}/exeunt-config-version.cmake
    DESTINATION ${package_dir})
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/exeunt.pc DESTINATION ${pkgconfig_dir})
