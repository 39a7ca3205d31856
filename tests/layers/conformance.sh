#!/bin/sh
# conformance.sh DIRECTORY: every behaviour that is numbered C01 to C100 has a test that carries its
# number, for the synchronous and for the asynchronous stack where both can do it. Which one a test file is about is told by the names in it; one that names neither is
# taken for the synchronous stack.
set -eu
cd "$1"

both='01-02 05-08 10-14 16-19 21 26-47 50-53 56-60 62-70 74 78 90 93-96 98-99'
async_only='03-04 09 15 20 22-25 48-49 54-55 61 71-73 75-77 79-89 91-92 97 100-100'

# expand RANGE...: prints C and the number, one a line
expand()
{
    for range; do
        seq -f 'C%02g' "${range%-*}" "${range#*-}"
    done
}

# numbers FILE...: prints the numbers that the files carry
numbers()
{
    cat /dev/null "$@" | tr -c '0-9A-Za-z' '\n' | grep -xE 'C[0-9]{2,3}' | sort -u
}

files=$(find . -name '*.cpp' ! -path './support/*' | sort)
async_files=$(grep -lE 'async_(exit_stack|with|fixture)' $files || true)
sync_files=$(
    grep -lE '(^|[^_[:alnum:]])exit_stack' $files || true
    grep -LE 'async_(exit_stack|with|fixture)' $files || true
)

sync_numbers=$(numbers $sync_files)
async_numbers=$(numbers $async_files)
status=0

# demand WHICH NUMBERS RANGES
demand()
{
    missing=$(expand $3 | grep -vxF "$2" | tr '\n' ' ')
    if [ -n "$missing" ]; then
        echo "without a test for the $1: $missing"
        status=1
    fi
}

demand 'synchronous stack' "$sync_numbers" "$both"
demand 'asynchronous stack' "$async_numbers" "$both $async_only"

exit $status
