"""Carries out a plan with CPython's ExitStack or AsyncExitStack, and logs it."""

import contextlib
import types


class Failure(Exception):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


# As asyncio's CancelledError, it is no Exception.
class Cancelled(BaseException):
    def __init__(self, number):
        super().__init__(number)
        self.number = number


def text_of(error):
    """What is raised, and what its context still tells, oldest first."""
    if error is None:
        return "-"
    chain = []
    at = error
    while at is not None and at not in chain:
        chain.append(at)
        at = None if at.__suppress_context__ else at.__context__
    names = ["e%d" % each.number for each in reversed(chain)]
    return "%s[%s]" % (names[-1], ",".join(names))


@types.coroutine
def pause():
    yield


def run_coroutine(coroutine):
    try:
        while True:
            coroutine.send(None)
    except StopIteration as end:
        return end.value


class Home:
    """Where the exits that were registered together are now: pop_all takes them elsewhere."""

    def __init__(self, stack):
        self.stack = stack


def failure_of(step):
    return (Cancelled if step["cancels"] else Failure)(step["n"])


class Context:
    def __init__(self, stage, step, home):
        self.of = (stage, step, home)

    def __enter__(self):
        stage, step, _ = self.of
        stage.enter(step)

    def __exit__(self, kind, error, trace):
        stage, step, home = self.of
        return stage.run(step, home, error)


class AsyncContext(Context):
    async def __aenter__(self):
        await pause()
        self.__enter__()

    async def __aexit__(self, kind, error, trace):
        stage, step, home = self.of
        return await stage.run_async(step, home, error)


class Stage:
    def __init__(self, plan):
        self.plan = plan
        self.log = []
        self.kept = []

    def perform(self):
        if self.plan["async"]:
            run_coroutine(self.perform_async())
        else:
            self.perform_sync()
        return " ".join(self.log)

    # ---- registering

    def add(self, home, step):
        stack, form = home.stack, step["form"]
        if form == "callback":
            stack.callback(self.run_callback, step, home)
        elif form == "push":
            stack.push(lambda kind, error, trace: self.run(step, home, error))
        elif form == "enter":
            if step["act"] == "rethrow":
                stack.enter_context(self.rethrowing(step))
            else:
                stack.enter_context(Context(self, step, home))
        elif form == "async_callback":
            stack.push_async_callback(self.run_async, step, home)
        elif form == "async_push":
            async def run(kind, error, trace):
                return await self.run_async(step, home, error)
            stack.push_async_exit(run)
        else:
            child = contextlib.ExitStack() if form == "child" else contextlib.AsyncExitStack()
            (stack.push if form == "child" else stack.push_async_exit)(child)
            within = Home(child)
            for each in step["inside"]:
                self.add(within, each)

    async def enter_async(self, home, step):
        if step["act"] == "rethrow":
            await home.stack.enter_async_context(self.rethrowing_async(step))
        else:
            await home.stack.enter_async_context(AsyncContext(self, step, home))

    # Raising again what is in flight is what the generator of a context manager does.
    @contextlib.contextmanager
    def rethrowing(self, step):
        self.enter(step)
        try:
            yield
        except (Failure, Cancelled) as error:
            self.begin(step, error)
            raise
        self.begin(step, None)
        self.end(step)

    @contextlib.asynccontextmanager
    async def rethrowing_async(self, step):
        await pause()
        self.enter(step)
        try:
            yield
        except (Failure, Cancelled) as error:
            self.begin(step, error)
            await pause()
            raise
        self.begin(step, None)
        await pause()
        self.end(step)

    # ---- what exits do

    def enter(self, step):
        self.log.append("enter%d" % step["n"])
        if step["act"] == "enter_fails":
            raise failure_of(step)

    def begin(self, step, error):
        self.log.append("%d:%s" % (step["n"], text_of(error)))

    def end(self, step):
        self.log.append("/%d" % step["n"])

    def run_callback(self, step, home):
        self.log.append(str(step["n"]))
        self.act(step, home, None)
        self.end(step)
        return True

    def is_wanted(self, step, error):
        return step["when"] == "always" or (step["when"] == "only_on_failure") == (error is not None)

    def run(self, step, home, error):
        if not self.is_wanted(step, error):
            return False
        self.begin(step, error)
        suppresses = self.act(step, home, error)
        self.end(step)
        return suppresses

    async def run_async(self, step, home, error=None):
        if not self.is_wanted(step, error):
            return False
        if step["form"] == "async_callback":
            self.log.append(str(step["n"]))
        else:
            self.begin(step, error)
        if step["act"] == "close_own":
            await home.stack.aclose()
        await pause()
        suppresses = False
        if step["act"] == "transfer" and step["rest"] == "closed":
            home.stack = home.stack.pop_all()
            await home.stack.aclose()
        else:
            suppresses = self.act(step, home, error)
        self.end(step)
        return suppresses

    def act(self, step, home, error):
        act = step["act"]
        if act == "fail":
            raise failure_of(step)
        if act == "suppress":
            return True
        if act == "suppress_and_fail":
            raise failure_of(step) from None
        if act == "replace" and error is not None:
            raise failure_of(step)
        if act in ("late", "late_and_fail"):
            for each in step["inside"]:
                self.add(home, each)
            if act == "late_and_fail":
                raise failure_of(step)
        if act == "transfer":
            self.transfer(home, step["rest"])
        if act == "close_own" and not step["form"].startswith("async"):
            home.stack.close()
        return False

    def transfer(self, home, rest):
        other = home.stack = home.stack.pop_all()
        if rest == "closed" and isinstance(other, contextlib.ExitStack):
            other.close()
        elif rest == "kept":
            self.kept.append(other)

    # ---- the scope

    def end_body(self):
        if self.plan["fails"]:
            raise (Cancelled if self.plan["cancelled"] else Failure)(0)

    def body(self, stack):
        home = Home(stack)
        for operation in self.plan["body"]:
            home = home if home.stack is stack else Home(stack)
            if operation["op"] == "add":
                self.add(home, operation["exit"])
            elif operation["op"] == "close":
                stack.close()
            else:
                self.transfer(home, operation["rest"])
        self.end_body()

    async def body_async(self, stack):
        home = Home(stack)
        for operation in self.plan["body"]:
            home = home if home.stack is stack else Home(stack)
            if operation["op"] == "add":
                if operation["exit"]["form"] == "async_enter":
                    await self.enter_async(home, operation["exit"])
                else:
                    self.add(home, operation["exit"])
            elif operation["op"] == "close":
                await stack.aclose()
            else:
                self.transfer(home, operation["rest"])
                if operation["rest"] == "closed":
                    await home.stack.aclose()
        self.end_body()

    def note_outcome(self, word, error):
        self.log.append(word + text_of(error))

    def perform_sync(self):
        self.note_outcome("out:", self.scope())
        for each in self.kept:
            self.note_outcome("kept:", caught(each.close))

    def scope(self):
        if not self.plan["given"]:
            def with_stack():
                with contextlib.ExitStack() as stack:
                    self.body(stack)
            return caught(with_stack)
        stack = contextlib.ExitStack()
        error = caught(lambda: self.body(stack))
        suppressed = []
        raised = caught(lambda: suppressed.append(stack.__exit__(error and type(error), error, None)))
        return raised if raised is not None else None if any(suppressed) else error

    async def perform_async(self):
        self.note_outcome("out:", await self.scope_async())
        for each in self.kept:
            self.note_outcome("kept:", await caught_async(each.aclose()))

    async def scope_async(self):
        if not self.plan["given"]:
            async def with_stack():
                async with contextlib.AsyncExitStack() as stack:
                    await self.body_async(stack)
            return await caught_async(with_stack())
        stack = contextlib.AsyncExitStack()
        error = await caught_async(self.body_async(stack))
        suppressed = []

        async def leave():
            suppressed.append(await stack.__aexit__(error and type(error), error, None))
        raised = await caught_async(leave())
        return raised if raised is not None else None if any(suppressed) else error


def caught(function):
    try:
        function()
    except (Failure, Cancelled) as error:
        return error
    return None


async def caught_async(awaitable):
    try:
        await awaitable
    except (Failure, Cancelled) as error:
        return error
    return None
