#!/bin/sh
# two_signals_test.sh LEASE_SERVER OUTPUT: the grace is a minute and the upstream hangs, so that a first
# SIGTERM takes its time. A second one ends the server, which gives everything back all the same.
set -eu

output=$2
"$1" --connections 50 --seconds 3600 --hang-after-resets 0 --grace 60 >"$output" 2>&1 &
server=$!
trap 'kill -KILL "$server"; cat "$output"' EXIT

wait_for() {
    until grep -q "$1" "$output"; do
        kill -0 "$server"
        sleep 0.1
    done
}
wait_for '^lease_server on '
sleep 1
kill -TERM "$server"
wait_for '^stopping: '
kill -TERM "$server"

status=0
wait "$server" || status=$?
trap 'cat "$output"' EXIT
[ "$status" -eq 0 ]
grep -q '^forced: ' "$output"
grep -q '^nothing leaked$' "$output"
