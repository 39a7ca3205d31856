# Sourced by tests/run, examples/run and .ci/run. Finds what a build needs; what is missing is
# installed where that is possible, else the user is told what to run. What is there is used.

needed=
wanted=

have()
{
    command -v "$1" >/dev/null 2>&1
}

# need PROGRAM PACKAGE: nothing works without it.
need()
{
    have "$1" || needed="$needed $2"
}

# want PROGRAM PACKAGE: installed along if anything can be; what uses it is skipped without it.
want()
{
    have "$1" || wanted="$wanted $2"
}

need_compiler()
{
    if [ -n "${CMAKE_TOOLCHAIN_FILE-}" ]; then
        return # it names the compiler
    fi
    case ${CXX-} in
    '') have c++ || have g++ || have clang++ || needed="$needed g++" ;;
    clang++*) need "$CXX" "clang${CXX#clang++}" ;;
    *) need "${CXX%% *}" "${CXX%% *}" ;;
    esac
}

need_cmake()
{
    need cmake cmake
    if [ -z "${CMAKE_GENERATOR-}" ]; then
        if have ninja || ! have make; then
            export CMAKE_GENERATOR=Ninja
            need ninja ninja-build
        fi
    fi
    if [ -z "${CMAKE_CXX_COMPILER_LAUNCHER-}" ] && have ccache; then
        export CMAKE_CXX_COMPILER_LAUNCHER=ccache
    fi
    if [ -z "${CMAKE_BUILD_PARALLEL_LEVEL-}" ]; then
        CMAKE_BUILD_PARALLEL_LEVEL=$(getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
        export CMAKE_BUILD_PARALLEL_LEVEL
    fi
}

# Looks where CMake will look. An older Boost does no harm as long as there is a newer one as well.
old_boost=
need_boost()
{
    if [ -n "${CMAKE_TOOLCHAIN_FILE-}" ]; then
        return # it may name any place
    fi
    saved_ifs=$IFS
    IFS=':;'
    for prefix in ${Boost_ROOT-} ${BOOST_ROOT-} ${CMAKE_PREFIX_PATH-} /usr/local /usr; do
        for header in "$prefix/include/boost/version.hpp" "$prefix/boost/version.hpp"; do
            if [ -f "$header" ]; then
                version=$(sed -n 's/^#define BOOST_VERSION *\([0-9]*\).*/\1/p' "$header")
                if [ "$version" -ge 108100 ]; then
                    IFS=$saved_ifs
                    return
                fi
                old_boost="Boost 1.$((version / 100 % 1000)) in $prefix"
            fi
        done
    done
    IFS=$saved_ifs
    needed="$needed libboost1.81-dev"
}

# The library behind Asio's spawn, which one test uses. One that was not built with the Boost in use
# would not do.
want_boost_context()
{
    if [ -n "${CMAKE_TOOLCHAIN_FILE-}${Boost_ROOT-}${BOOST_ROOT-}${CMAKE_PREFIX_PATH-}" ]; then
        return
    fi
    for config in /usr/lib/*/cmake/boost_context-1.*; do
        [ -d "$config" ] || wanted="$wanted libboost-context1.81-dev"
    done
}

# OpenSSL: a peer for the tests, and what exeunt::ssl needs.
want_openssl()
{
    want openssl openssl
    if [ -z "${CMAKE_TOOLCHAIN_FILE-}${OPENSSL_ROOT_DIR-}${CMAKE_PREFIX_PATH-}" ]; then
        [ -f /usr/include/openssl/ssl.h ] || wanted="$wanted libssl-dev"
    fi
}

# How to become root without being asked where nobody can answer; fails if there is no way.
root_prefix()
{
    if [ "$(id -u)" = 0 ]; then
        :
    elif have sudo && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
        echo sudo
    else
        return 1
    fi
}

give_up()
{
    if [ -n "$old_boost" ]; then
        echo "exeunt needs Boost 1.81 or newer; found $old_boost." >&2
        echo "On Debian 12 libboost1.81-dev takes the place of libboost1.74-dev, so installing it" \
            "is left to you. Or set Boost_ROOT to a newer Boost (its headers are enough)." >&2
        guard=
    else
        guard=' --no-remove'
    fi
    echo "To install what is missing, run:" >&2
    echo "    ${1}apt-get install -y$guard --no-install-recommends$needed" >&2
    exit 2
}

# Installs what need and want have found missing.
install_missing()
{
    if [ -z "$needed$wanted" ]; then
        return
    fi
    if ! have apt-get || ! sudo=$(root_prefix); then
        if [ -n "$needed" ]; then
            give_up 'sudo '
        fi
        echo "Not installed, so what uses it is skipped:$wanted" >&2
        return
    fi
    echo "Installing$needed$wanted" >&2
    install="$sudo env DEBIAN_FRONTEND=noninteractive
        apt-get install -y -q --no-remove --no-install-recommends $needed $wanted"
    if ! $install </dev/null >&2; then
        # The package lists may be old, or not there at all.
        $sudo apt-get update -q </dev/null >&2 || true
        $install </dev/null >&2 || give_up "${sudo:+$sudo }"
    fi
}
