# Reads figures of the kind "time"; draws the library, hand-written code and Python as an SVG: bars on a
# logarithmic scale from 1 ns to 10 us. Its colours can be read on white and on black.
{ value[$2, $3, $4] = $5 }

function place(nanoseconds,    p)
{
    p = log(nanoseconds) / log(10)
    return left + width * (p < 0 ? 0 : p > 4 ? 1 : p / 4)
}

function text(x, y, anchor, what)
{
    printf "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, what
}

function bar(name, who, colour,    each, end)
{
    each = value[name, who, 16] / 16
    end = place(each)
    printf "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"12\" rx=\"1\" fill=\"%s\"/>\n", left, y,
        end - left, colour
    text(end + 5, y + 10, "start", sprintf(each < 100 ? "%.1f" : "%.0f", each))
    y += 14
}

function group(name, title, detail)
{
    text(left - 10, y + 18, "end", title)
    if (detail != "")
        text(left - 10, y + 32, "end", detail)
    bar(name, "library", blue)
    bar(name, "reference", green)
    bar(name, "python", amber)
    y += 16
}

function key(x, colour, what)
{
    printf "<rect x=\"%d\" y=\"10\" width=\"12\" height=\"12\" rx=\"1\" fill=\"%s\"/>\n", x, colour
    text(x + 18, 20, "start", what)
}

END {
    if (!(("G9", "python", 16) in value && ("G2", "library", 16) in value)) {
        print "plot.awk: figures of all rows and of Python are needed" >"/dev/stderr"
        exit 1
    }
    left = 210
    width = 440
    y = 42
    bottom = y + 4 * 58 - 10
    blue = "#3b82f6"
    green = "#3f9142"
    amber = "#c98a1b"
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 %d\" width=\"720\" height=\"%d\" " \
        "font-family=\"sans-serif\" font-size=\"12\" fill=\"#76808c\">\n", bottom + 48, bottom + 48
    print "<title>Nanoseconds an exit, of 16: exeunt, hand-written code and Python's contextlib</title>"
    key(left, blue, "exeunt")
    key(left + 100, green, "by hand")
    key(left + 200, amber, "Python's contextlib")
    split("1 ns,10 ns,100 ns,1 \302\265s,10 \302\265s", label, ",")
    for (i = 0; i <= 4; ++i) {
        x = place(10 ^ i)
        printf "<path d=\"M%d 34V%d\" stroke=\"#76808c\" stroke-opacity=\"0.35\"/>\n", x, bottom
        text(x, bottom + 16, "middle", label[i + 1])
    }
    group("G2", "synchronous exits", "")
    group("G6", "asynchronous exits", "that take one hop")
    group("G8", "a scope, its body", "and exits coroutines")
    group("G9", "closing a stack", "of coroutines")
    text(left + width / 2, bottom + 38, "middle",
        "time an exit takes, registered and run, where there are 16; logarithmic")
    print "</svg>"
}
