# Reads figures of the kind "time"; prints the library, hand-written code and Python side by side, as a table
# in Markdown.
{ value[$2, $3, $4] = $5 }

function cell(name, who, n,    each)
{
    each = value[name, who, n] / n
    return sprintf(each < 100 ? "%.1f" : "%.0f", each)
}

function row(name, title, n)
{
    if (((name, "library", n) in value) && ((name, "python", n) in value))
        printf "| %-42s | %4d | %9s | %9s | %10s |\n", title, n, cell(name, "library", n),
            cell(name, "reference", n), cell(name, "python", n)
}

END {
    printf "| %-42s | %4s | %9s | %9s | %10s |\n", "nanoseconds an exit", "N", "exeunt", "by hand",
        "contextlib"
    print "| --- | --- | --- | --- | --- |"
    row("G2", "synchronous exits", 16)
    row("G2", "synchronous exits", 1024)
    row("G6", "asynchronous exits that take one hop", 16)
    row("G8", "a scope, its body and exits coroutines", 16)
    row("G9", "closing a stack of coroutines", 16)
    row("G9", "closing a stack of coroutines", 1024)
}
