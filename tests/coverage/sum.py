"""sum.py HEADERS BUILD: what all programs together have run of the headers, of which there are profiles in
BUILD/profiles. A condition counts when it has decided by itself in one program; one that is compiled
several times counts once. What nothing runs is not counted: comments and braces, and what is decided while
compiling: `if constexpr`, an `else` alone on its line, constants."""

import collections
import json
import os
import re
import subprocess
import sys

headers, build = sys.argv[1:]
lines = collections.defaultdict(dict)
conditions = collections.defaultdict(dict)


def not_run(header):
    """The numbers of the lines that are not there when the program runs."""
    found = set()
    in_constant = False
    for number, text in enumerate(open(os.path.join(headers, header)), 1):
        if re.search(r"\b(if constexpr|static_assert)\b|^\s*((\} )?else( \{)?|//.*|[{}();]*)$", text):
            found.add(number)
        in_constant = in_constant or re.search(r"^\s*(static )?constexpr bool \w+\s*=", text)
        if in_constant:
            found.add(number)
            in_constant = ";" not in text
    return found


def exported(program, form):
    return subprocess.run(
        ["llvm-cov-19", "export", *form,
         "-instr-profile=" + os.path.join(build, "profiles", program + ".profile"),
         os.path.join(build, "tests", program), "-sources", headers],
        check=True, capture_output=True, text=True).stdout


def add(program):
    header = None
    for line in exported(program, ["-format=lcov"]).splitlines():
        if line.startswith("SF:"):
            header = os.path.relpath(line[3:], headers)
        elif line.startswith("DA:"):
            number, count = line[3:].split(",")[:2]
            lines[header][int(number)] = lines[header].get(int(number), False) or count != "0"
    for file in json.loads(exported(program, ["-format=text", "-skip-functions"]))["data"][0]["files"]:
        known = conditions[os.path.relpath(file["filename"], headers)]
        for record in file.get("mcdc_records", []):
            place = tuple(record[:4])
            before = known.get(place, [False] * len(record[6]))
            known[place] = [a or b for a, b in zip(before, record[6])]


def percent(part, whole):
    return "%6.2f %%" % (100.0 * part / whole) if whole else "       -"


def main():
    programs = sorted(name[:-len(".profile")] for name in os.listdir(os.path.join(build, "profiles"))
                      if name.endswith(".profile"))
    if not programs:
        sys.exit("there are no profiles")
    for program in programs:
        add(program)
    total = [0, 0, 0, 0]
    with open(os.path.join(build, "missing"), "w") as missing:
        for header in sorted(lines):
            apart = not_run(header)
            ran = {number: ran for number, ran in lines[header].items() if number not in apart}
            records = {place: record for place, record in sorted(conditions[header].items())
                       if place[0] not in apart}
            decided = [each for record in records.values() for each in record]
            counts = [sum(ran.values()), len(ran), sum(decided), len(decided)]
            total = [a + b for a, b in zip(total, counts)]
            print("%-36s %5d lines %s %5d conditions %s" % (
                header, counts[1], percent(*counts[:2]), counts[3], percent(*counts[2:])))
            for number in sorted(number for number in ran if not ran[number]):
                print("%s:%d" % (header, number), file=missing)
            for place, record in records.items():
                for k, has in enumerate(record):
                    if not has:
                        print("%s:%d:%d condition %d of %d" % (
                            header, *place[:2], k + 1, len(record)), file=missing)
    print("\n%d programs: %s of %d lines, %s of %d conditions" % (
        len(programs), percent(*total[:2]).strip(), total[1], percent(*total[2:]).strip(), total[3]))
    return 0 if total[0] >= 0.98 * total[1] and total[2] >= 0.95 * total[3] else 1


sys.exit(main())
