# Reads figures of the kind "growth"; prints instructions an exit. Fails where ten times as many exits
# take more than a tenth more each.
{
    if (!($2 in rows))
        order[++count] = $2
    rows[$2]
    value[$2, $4] = $5 / $4
}

END {
    printf "%-24s %10s %10s %10s %10s\n", "instructions an exit, at", 1000, 10000, 100000, 1000000
    for (i = 1; i <= count; ++i) {
        name = order[i]
        printf "%-24s", name
        grows = 0
        for (n = 1000; n <= 1000000; n *= 10) {
            printf " %10.1f", value[name, n]
            if (n > 1000 && value[name, n] > 1.1 * value[name, n / 10])
                grows = 1
        }
        print grows ? "  GROWS" : ""
        failed += grows
    }
    exit failed != 0
}
