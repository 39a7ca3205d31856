# Reads figures of the kind "growth"; prints instructions an exit. Fails where ten times as many exits
# take more than a tenth more each. What there is no room for so many exits in is told as "room" and listed.
$1 == "room" {
    cannot[++limited] = $2 " " $3
    room[limited] = $5
    next
}

{
    name = $2 " " $3
    if (!(name in rows))
        order[++count] = name
    rows[name]
    value[name, $4] = $5 / $4
}

END {
    printf "%-24s %10s %10s %10s %10s\n", "instructions an exit, at", 1000, 10000, 100000, 1000000
    for (i = 1; i <= count; ++i) {
        name = order[i]
        printf "%-24s", name
        grows = 0
        for (n = 1000; n <= 1000000; n *= 10) {
            printf " %10.1f", value[name, n]
            if (!((name, n) in value) || (n > 1000 && value[name, n] > 1.1 * value[name, n / 10]))
                grows = 1
        }
        print grows ? "  GROWS" : ""
        failed += grows
    }
    for (i = 1; i <= limited; ++i)
        printf "%-24s %s\n", cannot[i], room[i] == 0 ? "is not about a number of exits" \
            : "cannot: it is an array of " room[i] ", written by who knows how many there are"
    exit failed != 0 || count == 0
}
