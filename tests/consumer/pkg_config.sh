#!/bin/sh
# pkg_config.sh PREFIX APP COMPILER FLAG...: builds and runs the app with what exeunt.pc says.
set -eu

prefix=$1
app=$2
shift 2
PKG_CONFIG_PATH=$(dirname "$(find "$prefix" -name exeunt.pc)")
export PKG_CONFIG_PATH
flags=$(pkg-config --cflags --libs exeunt)
case $flags in
*"-I$PKG_CONFIG_PATH"* | *"-I$prefix"*) ;;
*)
    echo "exeunt.pc does not point into $prefix: $flags"
    exit 1
    ;;
esac
# shellcheck disable=SC2086
"$@" "$app" -o "$prefix/pkg_config_app" $flags
exec "$prefix/pkg_config_app"
