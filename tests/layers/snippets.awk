# Reads a README and compares every ```cpp block in it with the place it was cut from, which the line
# above the block names:    <!-- snippet: path/to/file.cpp#name -->
# In that file the text stands between the lines // [name] and // [/name].

function fault(text) {
    printf "%s:%d: %s\n", FILENAME, FNR, text
    faults = 1
}

# The text of a snippet, its common indentation removed; nothing if there is none.
function cut(path, name,    line, text, inside, found, lines, n, i, indent, least) {
    while ((getline line < (root "/" path)) > 0) {
        if (line ~ "^ *// \\[" name "\\]$") { inside = 1; found = 1; continue }
        if (line ~ "^ *// \\[/" name "\\]$") inside = 0
        if (inside && line !~ /^ *\/\/ \[\/?[a-z0-9_]+\]$/) lines[++n] = line
    }
    close(root "/" path)

    least = 1000
    for (i = 1; i <= n; i++)
        if (match(lines[i], /[^ ]/) && RSTART - 1 < least) least = RSTART - 1
    for (i = 1; i <= n; i++)
        text = text substr(lines[i], least + 1) "\n"
    return text
}

!in_block && /^```(cpp|c\+\+|C\+\+)/ {
    in_block = 1
    start = FNR
    block = ""
    next
}

in_block && /^```/ {
    in_block = 0
    if (source !~ /^(tests|examples)\/[a-z0-9_\/]+\.[ch]pp#[a-z0-9_]+$/) {
        fault("the block of line " start " does not say which tested file it was cut from")
    } else {
        split(source, part, "#")
        expected = cut(part[1], part[2])
        if (expected == "")
            fault("no snippet " source)
        else if (expected != block)
            fault("the block of line " start " is not what stands in " source ":\n" expected)
        else
            compared++
    }
    source = ""
    next
}

in_block {
    block = block $0 "\n"
    next
}

/^<!-- snippet: .* -->$/ {
    source = $3
    next
}

NF { source = "" }

END {
    print compared + 0 " snippets are as in their files"
    exit faults
}
