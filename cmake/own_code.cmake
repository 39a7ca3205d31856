# How exeunt's own sources are compiled. Included only when exeunt is the top level project:
# a consumer's sources never see this.

add_compile_options(-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # Where it optimises, g++ 12 warns of overflows in strings and vectors of its library that cannot be.
    add_compile_options(-Wno-error=restrict -Wno-error=stringop-overflow)
endif()

set(EXEUNT_SANITIZE "" CACHE STRING "address (with undefined and leak), thread, or nothing")
set_property(CACHE EXEUNT_SANITIZE PROPERTY STRINGS "" address thread)

if(EXEUNT_SANITIZE STREQUAL "address")
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
    if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
        # clang 14 takes calls through Asio's handler functions for calls with a wrong type.
        list(APPEND sanitize -fno-sanitize=function)
    endif()
elseif(EXEUNT_SANITIZE STREQUAL "thread")
    set(sanitize -fsanitize=thread)
    if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
        # Asio has fences; g++ warns that TSan does not see them.
        add_compile_options(-Wno-tsan)
    endif()
elseif(EXEUNT_SANITIZE)
    message(FATAL_ERROR "EXEUNT_SANITIZE is address, thread or empty, not '${EXEUNT_SANITIZE}'")
endif()

if(EXEUNT_SANITIZE)
    add_compile_options(${sanitize} -g1 -fno-omit-frame-pointer)
    add_link_options(${sanitize})
    # Asio recycles memory, coroutine frames above all: the use of a dead one would go unseen.
    add_compile_definitions(
        BOOST_ASIO_DISABLE_AWAITABLE_FRAME_RECYCLING
        BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING)
endif()
