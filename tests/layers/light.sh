#!/bin/sh
# light.sh COMPILER FLAG...: <exeunt/exit_stack.hpp> takes multiple_exceptions.hpp from Asio, and what
# that needs, but no executor, no io_context, nothing else.
set -eu

allowed='boost/asio/(multiple_exceptions|impl/multiple_exceptions|version|detail/(config|push_options|pop_options))\.[hi]pp'

files=$(echo '#include <exeunt/exit_stack.hpp>' | "$@" -x c++ -M - | tr -s ' \\' '\n')
echo "$files" | grep -q 'exeunt/exit_stack\.hpp$' # the list is one

if surplus=$(echo "$files" | grep 'boost/asio' | grep -vE "/$allowed\$"); then
    echo "exit_stack.hpp pulls in:"
    echo "$surplus"
    exit 1
fi
