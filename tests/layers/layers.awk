# Reads the layer map, then the headers (their names relative to include/exeunt, the working directory),
# and prints what breaks the rules at the head of layer_map.txt. Exit status 1 if anything does.

function complain(text) {
    print text
    faults = 1
}

function fault(text) {
    complain(FILENAME ":" FNR ": " text)
}

# The header that a body belongs to, or nothing.
function owner(body) {
    sub(/^impl\//, "", body)
    sub(/\.ipp$/, ".hpp", body)
    if (body in floor) return body
    if (("detail/" body) in floor) return "detail/" body
    return ""
}

function is_mapped(file) {
    return file ~ /\.ipp$/ ? owner(file) != "" : file in floor
}

function floor_of(file) {
    return file ~ /\.ipp$/ ? floor[owner(file)] : floor[file]
}

function check(from, to) {
    if (!is_mapped(from)) return
    if (to ~ /\.ipp$/) {
        if (from != "src.hpp" && from != owner(to))
            fault(to " is included by its own header and by src.hpp alone")
        return
    }
    if ((from in roof) && (to in optional))
        fault("a roof stands without what is optional: " to)
    if (!is_mapped(to) || (from in roof)) return
    if (to in roof)
        fault("nothing includes a roof: " to)
    else if ((from in tool) && (to in tool))
        fault("tools never include each other: " to)
    else if (floor_of(to) > floor_of(from))
        fault(to " stands on a floor above")
    else if (from ~ /\.hpp$/ && floor_of(to) == floor_of(from) && place[to] > place[from])
        fault(to " stands on the same floor and further down in the map")
}

FILENAME == map {
    if (NF == 2 && $1 !~ /^#/) {
        place[$2] = NR
        if ($1 == "tool" || $1 == "optional") tool[$2] = 1
        if ($1 == "optional") optional[$2] = 1
        if ($1 == "roof") roof[$2] = 1
        floor[$2] = ($2 in tool) ? 3 : $1 == "roof" ? 4 : $1 + 0
    }
    next
}

/^ *# *include/ {
    name = $0
    sub(/^[^<"]*[<"]/, "", name)
    sub(/[>"].*/, "", name)
    if ($0 ~ /"/)
        fault("a public include is written <exeunt/...>: " name)
    else if (name == "boost/asio.hpp")
        fault("includes all of Asio")
    else if (sub(/^exeunt\//, "", name)) {
        included[FILENAME, name] = 1
        check(FILENAME, name)
    }
}

/BOOST_ASIO_VERSION/ && FILENAME != "config.hpp" {
    fault("only config.hpp reads BOOST_ASIO_VERSION")
}

END {
    for (i = 2; i < ARGC; i++) {
        file = ARGV[i]
        present[file] = 1
        if (!is_mapped(file))
            complain(file ": not in the layer map")
        if (file ~ /\.ipp$/ && !(("src.hpp", file) in included))
            complain(file ": missing in src.hpp")
        if (file ~ /^[a-z_]+\.hpp$/ && !(file in roof) && !(file in optional) && !(("exeunt.hpp", file) in included))
            complain(file ": missing in exeunt.hpp")
    }
    for (file in floor)
        if (!(file in present))
            complain(file ": in the layer map, but there is no such file")
    exit faults
}
