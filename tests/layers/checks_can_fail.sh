#!/bin/sh
# The checks of this folder, given something that breaks their rules: each has to say so.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
status=0

# expect TEXT COMMAND...: the command fails, and what it prints contains the text.
expect()
{
    text=$1
    shift
    if output=$("$@" 2>&1); then
        echo "passed, but should have failed: $text"
        status=1
    elif ! echo "$output" | grep -qF -- "$text"; then
        echo "failed, but did not say: $text"
        echo "$output"
        status=1
    fi
}

# Three floors of headers that keep the rules, and one line that breaks one of them.
layers_with()
{
    rm -rf "$scratch/exeunt"
    mkdir -p "$scratch/exeunt/impl"
    (
        cd "$scratch/exeunt"
        touch first.hpp second.hpp upper.hpp tool_a.hpp tool_b.hpp more.hpp impl/first.ipp
        printf '#include <exeunt/%s.hpp>\n' first second upper tool_a tool_b >exeunt.hpp
        echo '#include <exeunt/impl/first.ipp>' >src.hpp
        echo '#include <exeunt/second.hpp>' >impl/first.ipp
        echo '#include <exeunt/second.hpp>' >upper.hpp
        echo "$2" >>"$1"
    )
    cat >"$scratch/map" <<END
0 first.hpp
0 second.hpp
1 upper.hpp
tool tool_a.hpp
tool tool_b.hpp
optional more.hpp
roof exeunt.hpp
roof src.hpp
END
    sh "$here/layers.sh" "$scratch/map" "$scratch/exeunt"
}

layers_with second.hpp '#include <exeunt/first.hpp>' || status=1
expect 'upper.hpp stands on a floor above' layers_with first.hpp '#include <exeunt/upper.hpp>'
expect 'upper.hpp stands on a floor above' layers_with impl/first.ipp '#include <exeunt/upper.hpp>'
expect 'further down in the map' layers_with first.hpp '# include <exeunt/second.hpp>'
expect 'tools never include each other' layers_with tool_b.hpp '#include <exeunt/tool_a.hpp>'
expect 'tools never include each other' layers_with more.hpp '#include <exeunt/tool_a.hpp>'
expect 'without what is optional' layers_with exeunt.hpp '#include <exeunt/more.hpp>'
expect 'nothing includes a roof' layers_with upper.hpp '#include <exeunt/exeunt.hpp>'
expect 'by its own header' layers_with second.hpp '#include <exeunt/impl/first.ipp>'
expect 'other.hpp: not in the layer map' layers_with other.hpp '#include <exeunt/first.hpp>'
expect 'includes all of Asio' layers_with first.hpp '#include <boost/asio.hpp>'
expect 'is written <exeunt/...>' layers_with upper.hpp '#include "first.hpp"'
expect 'only config.hpp reads' layers_with first.hpp '#if BOOST_ASIO_VERSION >= 102700'
expect 'second.ipp: missing in src.hpp' layers_with impl/second.ipp ''

# A README with one block, cut from a file with one snippet.
# shellcheck disable=SC2016
snippets_with()
{
    mkdir -p "$scratch/tests"
    printf '{\n    // [part]\n    f();\n    // [/part]\n}\n' >"$scratch/tests/file.cpp"
    printf '%s\n```cpp\n%s\n```\n' "$1" "$2" >"$scratch/README.md"
    awk -v root="$scratch" -f "$here/snippets.awk" "$scratch/README.md"
}

snippets_with '<!-- snippet: tests/file.cpp#part -->' 'f();' >/dev/null || status=1
expect 'is not what stands in' snippets_with '<!-- snippet: tests/file.cpp#part -->' 'g();'
expect 'no snippet' snippets_with '<!-- snippet: tests/file.cpp#other -->' 'f();'
expect 'does not say' snippets_with 'Like this:' 'f();'

# Tests that carry one number.
conformance_with()
{
    mkdir -p "$scratch/numbers"
    echo "// C02 with an $1" >"$scratch/numbers/file.cpp"
    sh "$here/conformance.sh" "$scratch/numbers"
}

expect 'the synchronous stack: C01 C05' conformance_with exit_stack
expect 'the synchronous stack: C01 C02 C05' conformance_with async_exit_stack
expect 'the asynchronous stack: C01 C02 C05' conformance_with exit_stack
expect 'the asynchronous stack: C01 C05' conformance_with async_exit_stack

# The headers, and the matrix, of which the rows that match are taken away.
rows_without()
{
    mkdir -p "$scratch/rows/tests/contract" "$scratch/rows/include"
    cp -r "$here/../../include/exeunt" "$scratch/rows/include"
    for file in "$here"/../contract/token_matrix_*.cpp; do
        grep -v "$1" "$file" >"$scratch/rows/tests/contract/${file##*/}"
    done
    if [ -n "${2-}" ]; then
        echo "$2" >>"$scratch/rows/include/exeunt/exit_group.hpp"
    fi
    sh "$here/token_rows.sh" "$scratch/rows"
}

rows_without 'no such row' >/dev/null || status=1
expect 'exit_group.hpp: async_acquire: 1 overloads, 0 rows' rows_without 'exit_group.hpp: async_acq'
expect 'async_close: 3 overloads, 2 rows' rows_without 'async_close, error code'
expect 'async_extra: 1 overloads, 0 rows' rows_without 'no such row' \
    'decltype(auto) async_extra(Token&& token) {'

exit $status
