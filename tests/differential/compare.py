"""Reads plans and what this library made of them; runs each with CPython's own stacks, and compares.

A difference is explained if the rules without the library's decisions give CPython's log, and with them the
library's: it is counted with each decision that matters to it. Of several failures CPython keeps what the
chain of contexts still holds, which may be less than all (C42), or what has been replaced (C37).
"""

import collections
import json
import platform
import re
import sys

from contextlib_stage import Stage
from rules import DECISIONS, Model

CHAINS = {
    "C37": "[D] what has been replaced is not reported; CPython's chain of contexts keeps it",
    "C42": "[A] each of several failures is retrievable; CPython's chain loses some (cpython#102201)",
}
WITH_FAILURES = re.compile(r"(.*:)e(\d+)\[(.*)\]")


def parsed(word):
    match = WITH_FAILURES.fullmatch(word)
    if not match:
        return word, None, []
    return match[1], match[2], [int(each[1:]) for each in match[3].split(",")]


def chain_differences(found, expected, model):
    """By which rules a word of CPython's differs from what is in flight; None: by none."""
    if found == expected:
        return set()
    word, raised, chain = parsed(found)
    expected_word, expected_raised, flight = parsed(expected)
    if word != expected_word or raised != expected_raised or raised is None:
        return None
    rules = set()
    if [each for each in chain if each in flight] != flight:
        rules.add("C42")
    extra = [each for each in chain if each not in flight]
    if extra:
        rules.add("C37")
        if not model.replaced.issuperset(extra):
            return None
    if [each for each in flight if each in chain] != [each for each in chain if each in flight]:
        return None
    return rules


def explain(plan, ours, theirs):
    """The rules that tell the logs apart, or None and what was expected."""
    taken = Model(plan, frozenset(DECISIONS)).perform()
    plain_model = Model(plan, frozenset())
    plain = plain_model.perform()
    if taken != ours or len(plain) != len(theirs):
        return None, (taken, plain)
    rules = set()
    for found, expected in zip(theirs, plain):
        differences = chain_differences(found, expected, plain_model)
        if differences is None:
            return None, (taken, plain)
        rules |= differences
    for each in DECISIONS:
        if Model(plan, frozenset(DECISIONS) - {each}).perform() != taken:
            rules.add(each)
    return (rules, None) if rules else (None, (taken, plain))


class Comparison:
    def __init__(self):
        self.plans = 0
        self.identical = 0
        self.unexplained = 0
        self.counts = collections.Counter()

    def compare(self, plan_text, ours):
        self.plans += 1
        plan = json.loads(plan_text)
        theirs = Stage(plan).perform()
        if ours == theirs:
            self.identical += 1
            return
        rules, expected = explain(plan, ours.split(" "), theirs.split(" "))
        if rules:
            self.counts.update(rules)
            return
        self.unexplained += 1
        if self.unexplained <= 10:
            self.show(plan, plan_text, ours, theirs, expected)

    @staticmethod
    def show(plan, plan_text, ours, theirs, expected):
        print("unexplained: EXEUNT_TEST_SEED=%d EXEUNT_DIFFERENTIAL_PLANS=1" % plan["seed"])
        print("  plan     %s" % plan_text)
        print("  exeunt   %s" % ours)
        print("  by rule  %s" % " ".join(expected[0]))
        print("  CPython  %s" % theirs)
        print("  by rule  %s" % " ".join(expected[1]))

    def report(self):
        print("%d plans by CPython %s and by exeunt" % (self.plans, platform.python_version()))
        print("%8d identical" % self.identical)
        print("%8d differ where a rule says so:" % (self.plans - self.identical - self.unexplained))
        for rule, text in sorted({**DECISIONS, **CHAINS}.items()):
            print("%16d %s %s" % (self.counts[rule], rule, text))
        print("%8d unexplained" % self.unexplained)


def main():
    comparison = Comparison()
    lines = iter(sys.stdin)
    said = None
    for line in lines:
        if not line.startswith("{"):
            said = line.split()[0]
            break
        comparison.compare(line.rstrip("\n"), next(lines, "nothing").rstrip("\n"))
    comparison.report()
    if said != str(comparison.plans) or comparison.plans == 0 or next(lines, None):
        sys.exit("the program that writes the plans has failed")
    sys.exit(comparison.unexplained != 0)


main()
