#!/bin/sh
# caught.sh TEXT PROGRAM: the program fails, and its last words contain the sanitizer's TEXT.
set -eu

if output=$("$2" 2>&1); then
    echo "not caught: $2"
    exit 1
fi
echo "$output"
echo "$output" | grep -qF -- "$1"
