# Reads figures of the kind "time"; prints the library, hand-written code and Python side by side.
{ value[$2, $3, $4] = $5 }

function row(name, title, n)
{
    printf "%-40s %7d %12.1f %12.1f %12.1f %7.1f\n", title, n, value[name, "library", n] / n,
        value[name, "reference", n] / n, value[name, "python", n] / n,
        value[name, "python", n] / value[name, "library", n]
}

END {
    printf "%-40s %7s %12s %12s %12s %7s\n", "nanoseconds an exit", "N", "library", "by hand", "contextlib",
        "factor"
    row("G2", "synchronous exits", 16)
    row("G2", "synchronous exits", 1024)
    row("G9", "coroutines", 16)
    row("G9", "coroutines", 1024)
}
