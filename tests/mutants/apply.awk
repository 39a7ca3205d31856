# Prints a source with one planted bug: the text in the file `old` is replaced by that in `new`. It has to
# stand there exactly once; if `after` is not empty, exactly once in the 700 characters behind that text,
# which has to stand in the source exactly once.
#
#   awk -v old=FILE -v new=FILE -v after=FILE -f apply.awk SOURCE

function contents(file,    text, line)
{
    text = ""
    while ((getline line <file) > 0)
        text = text (text == "" ? "" : "\n") line
    close(file)
    return text
}

# Where it stands; 0 if that is nowhere, or more than once.
function only_place(text, wanted,    place)
{
    place = index(text, wanted)
    return place && index(substr(text, place + 1), wanted) ? 0 : place
}

{ source = source $0 "\n" }

END {
    from = 1
    span = length(source)
    anchor = contents(after)
    if (anchor != "") {
        from = only_place(source, anchor)
        span = length(anchor) + 700
        if (!from)
            exit 3
    }
    wanted = contents(old)
    place = only_place(substr(source, from, span), wanted)
    if (!place)
        exit 3
    place += from - 1
    printf "%s%s%s", substr(source, 1, place - 1), contents(new), \
        substr(source, place + length(wanted))
}
