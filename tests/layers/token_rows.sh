#!/bin/sh
# token_rows.sh ROOT: every function of a public header that takes a completion token has a row in the matrix
# of tokens (tests/contract/token_matrix_*.cpp), one for each overload. What a class takes over from its
# base (`using base::async_...;`) is a function of its own.
set -eu
cd "$1"

# operations HEADER...: prints "header.hpp: function" for each overload
operations()
{
    awk '
        function name(text) {
            if (match(text, /(async_[a-z_]+|until_cancelled)/))
                return substr(text, RSTART, RLENGTH)
        }
        FNR == 1 { head = ""; file = FILENAME; sub(/.*\//, "", file) }
        /^ *(\/\/|\*|\/\*)/ { next }
        /^ *using base::async_[a-z_]+;$/ { print file ": " name($0) }
        head == "" && /(auto\)?|void) (async_[a-z_]+|until_cancelled)\(/ { head = name($0); text = "" }
        head != "" {
            text = text $0
            if (/;$/ || /\{$/) {
                if (/\{$/ && text ~ /Token/)
                    print file ": " head
                head = ""
            }
        }' "$@" | sort
}

rows()
{
    sed -n 's/.*"\([a-z_]*\.hpp: [a-z_]*\)[^"]*".*/\1/p' tests/contract/token_matrix_*.cpp | sort
}

found=$(operations include/exeunt/*.hpp)
tried=$(rows)
status=0

# Nothing found is nothing looked for.
[ "$(echo "$found" | wc -l)" -ge 20 ] || { echo "there are too few operations"; status=1; }

for each in $(echo "$found" | tr ' ' '|' | uniq); do
    operation=$(echo "$each" | tr '|' ' ')
    overloads=$(echo "$found" | grep -cxF "$operation")
    have=$(echo "$tried" | grep -cxF "$operation" || true)
    if [ "$have" -lt "$overloads" ]; then
        echo "$operation: $overloads overloads, $have rows in the matrix of tokens"
        status=1
    fi
done
echo "$(echo "$found" | wc -l) operations, $(echo "$tried" | wc -l) rows"
exit $status
