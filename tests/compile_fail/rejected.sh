#!/bin/sh
# rejected.sh FILE COMPILER FLAG...: the compiler rejects the file, and one of exeunt's own messages has
# the text that the first line of the file wants to hear:    // error: <text>
set -eu

file=$1
shift
text=$(sed -n '1s|^// error: ||p' "$file")
if [ -z "$text" ]; then
    echo "$file: the first line has to be // error: <text>"
    exit 1
fi
if output=$("$@" "$file" 2>&1); then
    echo "$file compiles"
    exit 1
fi
if ! echo "$output" | grep -F 'exeunt: ' | grep -qF -- "$text"; then
    echo "$output"
    echo "$file is rejected, but nowhere stands: $text"
    exit 1
fi
