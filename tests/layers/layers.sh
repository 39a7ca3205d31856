#!/bin/sh
# layers.sh MAP DIRECTORY: checks the headers in DIRECTORY (include/exeunt) against the layer map.
set -eu

rules=$(cd "$(dirname "$0")" && pwd)/layers.awk
map=$1
cd "$2"
find . -name '*.[hi]pp' | sed 's|^\./||' | sort | xargs awk -v map="$map" -f "$rules" "$map"
