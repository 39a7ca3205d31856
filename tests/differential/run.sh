#!/bin/sh
# run.sh PROGRAM: has CPython carry out the plans that PROGRAM writes, and compares.
#
# EXEUNT_DIFFERENTIAL_PLANS says how many, EXEUNT_TEST_SEED where they begin.
set -eu

if ! command -v python3 >/dev/null; then
    echo "skipped: there is no python3 to compare with"
    exit 77
fi
{ "$1" || echo "status $?"; } | python3 -B "$(dirname "$0")/compare.py"
