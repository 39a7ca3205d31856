# Lays out a list of planted bugs: a folder for each, in the order of the list, with the files name, file,
# after, old, new and killers.
#
#   awk -v into=FOLDER -f split.awk LISTS
#
# A bug is a paragraph; what is not said here is a comment:
#
#   mutant the_name_of_it
#   in detail/some.hpp
#   after a text (if the old one stands there more than once)
#   - the old text
#   + the new text
#   killed by unit/one contract/another
#
# One that begins with `without` and not with `mutant` is no bug, and nobody kills it.

function finish()
{
    if (name == "")
        return
    if (file == "" || old == "" || killers == "") {
        print FILENAME ": " name " is not complete" >"/dev/stderr"
        failed = 1
    }
    folder = sprintf("%s/%03d", into, ++count)
    system("mkdir -p '" folder "'")
    write("name", name)
    write("file", file)
    write("after", after)
    write("old", old)
    write("new", new)
    write("killers", killers)
    name = ""
}

function write(what, text)
{
    printf "%s\n", text >(folder "/" what)
    close(folder "/" what)
}

function joined(text, line) { return (text == "" ? "" : text "\n") line }

/^(mutant|without) / {
    finish()
    name = $2
    file = after = old = new = ""
    killers = $1 == "without" ? "nobody" : ""
}
/^in / { file = substr($0, 4) }
/^after / { after = substr($0, 7) }
/^- / { old = joined(old, substr($0, 3)) }
/^\+ / { new = joined(new, substr($0, 3)) }
/^killed by / { killers = substr($0, 11) }

END {
    finish()
    exit failed
}
