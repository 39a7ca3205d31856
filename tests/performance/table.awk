# Reads figures ("kind row who n value"), missed.txt, then gates.txt; prints the table. Fails if a gate is
# missed; with no_worse=1 one that is in missed.txt may be, by as much as it says there, and may not be met.
# What the loop around the cycles of a row costs by itself is taken off first: "harness", where it is not
# negligible. "beyond" is the ratio of what is left when a cycle without exits is taken off as well.

function known(kind, row, who, n) { return (kind, row, who, n) in value }

function net(kind, row, who, n)
{
    return value[kind, row, who, n] - value[kind, row, "harness", n]
}

# What is known of a gate that is missed is compared with what it comes to.
function judge(gate, name, n, limit, is,    key, which)
{
    key = gate SUBSEP name SUBSEP n
    which = (gate == name ? gate : gate " (" name ")") " at " n
    if (is + 0 <= limit + 0) {
        if (key in allowed)
            complain(which " is met: take it out of missed.txt")
        return "met"
    }
    ++missed
    if (!(key in allowed)) {
        complain(which " is missed: " is ", at most " limit)
        return "MISSED"
    }
    if (is > allowed[key] * 1.02)
        complain(which " is worse than known: " is ", was " allowed[key])
    return "missed"
}

function complain(text) { complaints[++complained] = text }

function show(gate, name, title, n, library, reference, ratio, beyond, limit, is)
{
    judged[gate, name, n]
    printf "%-4s %-70s %7d %12s %12s %7s %7s %7s %s\n", gate, title, n, library, reference, ratio,
        beyond, limit, limit == "-" ? "" : judge(gate, name, n, limit, is)
}

function number(x) { return x == int(x) ? sprintf("%d", x) : sprintf("%.4g", x) }

# Whether there is all that a row is made of. A gate without its figures is missed, unless they were not asked for.
function is_measured(name, n, what)
{
    if (what == "mallocs" || what == "count" || what == "few")
        return known("allocations", name, "library", n) &&
            (what != "few" || known("allocations", name, "few", n))
    return known(kind, name, "library", n) &&
        (what == "each" || what == "all" || known(kind, name, "reference", n)) &&
        (what != "beyond" || known(kind, name, "library", 0) && known(kind, name, "reference", 0))
}

function row(gate, name, title, n, limit, what,    l, r, l0, r0, beyond)
{
    if (!is_measured(name, n, what)) {
        if (kind == "instructions" && !only) {
            ++missed
            judged[gate, name, n]
            complain(gate " (" name ") at " n " has no figures")
        }
        return
    }
    if (what == "ratio" || what == "beyond") {
        l = net(kind, name, "library", n)
        r = net(kind, name, "reference", n)
        beyond = ""
        if (known(kind, name, "library", 0)) {
            l0 = net(kind, name, "library", 0)
            r0 = net(kind, name, "reference", 0)
            beyond = (l - l0) / (r - r0)
        }
        show(gate, name, title, n, sprintf("%.1f", l / n), sprintf("%.1f", r / n), sprintf("%.2f", l / r),
            beyond == "" ? "" : sprintf("%.2f", beyond), limit, what == "beyond" ? beyond : l / r)
    } else if (kind != "instructions") {
        return
    } else if (what == "each" || what == "all") {
        l = net(kind, name, "library", n) / (what == "each" ? n : 1)
        show(gate, name, title, n, sprintf("%.1f", l), "", "", "", limit, l)
    } else if (what == "mallocs") {
        l = value["allocations", name, "library", n]
        show(gate, name, title, n, number(l), number(value["allocations", name, "reference", n]), "", "",
            limit, l)
    } else if (what == "count") {
        l = value["allocations", name, "library", n]
        show(gate, name, title, n, number(l), "", "", "", limit, l)
    } else if (what == "few") {
        l = value["allocations", name, "library", n]
        r = value["allocations", name, "few", n]
        show(gate, name, title, n, number(l), number(r), "", "", limit, l > r ? l - r : r - l)
    }
}

function heading()
{
    printf "%-4s %-70s %7s %12s %12s %7s %7s %7s\n", "gate",
        kind == "instructions" ? "what, in instructions an exit unless said otherwise" \
                               : "what, in nanoseconds an exit", "N", "library", "reference", "ratio",
        "beyond", "at most"
}

FILENAME ~ /missed\.txt$/ {
    if ($0 !~ /^#/) {
        split($0, field, / *\| */)
        allowed[field[1], field[2], field[3]] = field[4]
    }
    next
}

FILENAME ~ /gates\.txt$/ {
    if ($0 ~ /^#/)
        next
    if (!headed++)
        heading()
    count = split($0, field, / *\| */)
    split(field[4], exits, " ")
    split(field[5], limits, " ")
    for (i = 1; i in exits; ++i)
        row(field[1], field[2], field[3], exits[i], kind == "time" ? "-" : limits[i], field[6])
    next
}

{ value[$1, $2, $3, $4] = $5 }

END {
    for (key in value) {
        split(key, part, SUBSEP)
        if (part[2] == "sizes")
            printf "sizeof(%s) = %d\n", part[3], value[key]
    }
    if (kind != "instructions")
        exit
    printf "%d gates missed\n", missed
    for (key in allowed)
        if (!only && !(key in judged)) {
            split(key, part, SUBSEP)
            complain("missed.txt: there is no gate " part[1] " " part[2] " at " part[3])
        }
    for (i = 1; i <= complained; ++i)
        print complaints[i]
    exit no_worse ? complained != 0 : missed != 0
}
