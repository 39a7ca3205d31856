# Boost's headers, version 1.81 or newer, or a message that says what to do. Nothing has to be built.
find_package(Boost 1.81 QUIET)

if(NOT Boost_FOUND)
    find_package(Boost QUIET)
    if(Boost_FOUND)
        set(found "found ${Boost_VERSION_STRING} in ${Boost_INCLUDE_DIRS}")
    else()
        set(found "found none")
    endif()
    message(FATAL_ERROR
        "exeunt needs the headers of Boost 1.81 or newer (${found}).\n"
        "Debian 12: apt-get install libboost1.81-dev (in place of libboost1.74-dev).\n"
        "Elsewhere: set Boost_ROOT or CMAKE_PREFIX_PATH to a newer Boost.")
endif()
