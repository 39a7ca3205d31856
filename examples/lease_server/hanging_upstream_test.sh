#!/bin/sh
# hanging_upstream_test.sh LEASE_SERVER CHECK_TRACE TRACE: 50 connections, an upstream that stops
# answering RESET, SIGTERM, one second of grace. The server ends well; its report names what was
# forced, and its trace is whole.
set -eu

status=0
report=$("$1" --connections 50 --seconds 1 --hang-after-resets 100 --grace 1 --trace "$3") ||
    status=$?
echo "$report"
if [ "$status" -ne 0 ]; then
    echo "lease_server ends with status $status"
    exit 1
fi

require() {
    echo "$report" | grep -q "$1" || {
        echo "the report does not say: $1"
        exit 1
    }
}
require '^nothing leaked$'
require '^  RESET .* [1-9][0-9]* cut .* [1-9][0-9]* forced  '

exits=$(echo "$report" | sed -n 's/^\([0-9]*\) exits in .*/\1/p')
"$2" "$3" "$exits"
