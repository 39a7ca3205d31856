"""What a plan comes to: the rules that CPython and this library share, and those that tell them apart.

Nothing here uses a stack of either. Each decision of the library is named by its number, and can be taken
or not: without any of them this is CPython, with all of them it is the library.
"""

DECISIONS = {
    "C43": "[D] of several failures the first in time is primary; CPython shows the last",
    "C44": "[X] a failure outranks a cancellation, of which alone the first comes out",
    "C54": "[D] closing a stack that is closing joins it; CPython runs the rest within the exit (C56)",
    "C57": "[D] a closed stack refuses an exit, a fresh one takes it; CPython's is used again (C58)",
    "C69": "[D] what a destroyed stack holds is abandoned, and told; CPython forgets it (C89, C90)",
}


class Raised(Exception):
    def __init__(self, failures):
        super().__init__()
        self.failures = failures


class Stack:
    def __init__(self, is_async):
        self.is_async = is_async
        self.exits = []
        self.closes = False
        self.closed = False


class Home:
    def __init__(self, stack):
        self.stack = stack


class Model:
    def __init__(self, plan, decisions):
        self.plan = plan
        self.decisions = decisions
        self.log = []
        self.kept = []
        self.cancelled = set()
        self.replaced = set()

    def perform(self):
        stack = Stack(self.plan["async"])
        flight = []
        try:
            self.body(stack)
        except Raised as raised:
            self.add_failures(flight, raised.failures)
        self.unwind(stack, flight)
        self.note_outcome("out:", flight)
        for each in self.kept:
            flight = []
            self.unwind(each, flight)
            self.note_outcome("kept:", flight)
        return self.log

    # ---- failures: a list of all in flight, oldest first

    def primary(self, flight):
        if "C43" not in self.decisions:
            return flight[-1]
        if "C44" in self.decisions:
            for each in flight:
                if each not in self.cancelled:
                    return each
        return flight[0]

    def text(self, flight):
        if not flight:
            return "-"
        return "e%d[%s]" % (self.primary(flight), ",".join("e%d" % each for each in flight))

    def outcome(self, flight):
        if "C44" in self.decisions and all(each in self.cancelled for each in flight):
            return flight[:1]
        return list(flight)

    def note_outcome(self, word, flight):
        self.log.append(word + self.text(self.outcome(flight)))

    @staticmethod
    def add_failures(flight, failures):
        flight.extend(each for each in failures if each not in flight)

    def fail(self, number, cancels):
        if cancels:
            self.cancelled.add(number)
        raise Raised([number])

    # ---- unwinding

    def unwind(self, stack, flight, unknown=False, abandoned=False):
        stack.closes = True
        while stack.exits:
            step, home = stack.exits.pop()
            self.run(step, home, flight, unknown, abandoned)
        stack.closed = True

    def run(self, step, home, flight, unknown, abandoned):
        if abandoned and step["form"].startswith("async"):
            if step["form"] == "async_child":
                self.abandon(home.stack)
        elif step["form"].endswith("child"):
            if not home.stack.closed:
                self.unwind(home.stack, flight, unknown)
        elif self.is_wanted(step, flight, unknown):
            try:
                self.act(step, home, flight)
                self.log.append("/%d" % step["n"])
            except Raised as raised:
                self.add_failures(flight, raised.failures)

    @staticmethod
    def is_wanted(step, flight, unknown):
        if step["when"] == "only_on_failure":
            return bool(flight) or unknown
        return step["when"] == "always" or not (flight or unknown)

    def close(self, stack):
        flight = []
        self.unwind(stack, flight)
        if flight:
            raise Raised(self.outcome(flight))

    def abandon(self, stack):
        if "C69" in self.decisions:
            self.unwind(stack, [], unknown=True, abandoned=stack.is_async)

    # ---- what exits do

    def act(self, step, home, flight):
        number, act = step["n"], step["act"]
        sees = not step["form"].endswith("callback")
        self.log.append("%d:%s" % (number, self.text(flight)) if sees else str(number))
        if act.startswith("suppress"):
            flight.clear()
        if act == "replace" and flight:
            self.replaced.update(flight)
            flight.clear()
            self.fail(number, step["cancels"])
        if act == "rethrow" and flight:
            raise Raised([])
        if act.startswith("late"):
            for each in step["inside"]:
                self.add(home, each)
        if act in ("fail", "suppress_and_fail", "late_and_fail"):
            self.fail(number, step["cancels"])
        if act == "transfer":
            self.transfer(home, step["rest"])
        if act == "close_own" and "C54" not in self.decisions:
            self.close(home.stack)

    def transfer(self, home, rest):
        other = Stack(home.stack.is_async)
        other.exits, home.stack.exits = home.stack.exits, []
        home.stack = other
        if rest == "closed":
            self.close(other)
        elif rest == "kept":
            self.kept.append(other)
        else:
            self.abandon(other)

    # ---- the body

    def add(self, home, step):
        if home.stack.closed and "C57" in self.decisions:
            self.log.append("refused%d" % step["n"])
            home.stack.closed = False
        if step["form"].endswith("enter"):
            self.log.append("enter%d" % step["n"])
            if step["act"] == "enter_fails":
                self.fail(step["n"], step["cancels"])
        if not step["form"].endswith("child"):
            home.stack.exits.append((step, home))
            return
        within = Home(Stack(step["form"] == "async_child"))
        home.stack.exits.append((step, within))
        for each in step["inside"]:
            self.add(within, each)

    def body(self, stack):
        home = Home(stack)
        for operation in self.plan["body"]:
            home = home if home.stack is stack else Home(stack)
            if operation["op"] == "add":
                self.add(home, operation["exit"])
            elif operation["op"] == "close":
                if not stack.closed or "C57" not in self.decisions:
                    self.close(stack)
            else:
                self.transfer(home, operation["rest"])
        if self.plan["fails"]:
            self.fail(0, self.plan["cancelled"])
