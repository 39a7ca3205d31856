"""The same work in Python's contextlib: nanoseconds an exit, as figures ("row who n value")."""

import asyncio
import contextlib
import statistics
import time

ROUNDS = 15


def timed(cycle, cycles):
    began = time.perf_counter_ns()
    for _ in range(cycles):
        cycle()
    return (time.perf_counter_ns() - began) / cycles


async def timed_async(cycle, cycles):
    began = time.perf_counter_ns()
    for _ in range(cycles):
        await cycle()
    return (time.perf_counter_ns() - began) / cycles


runs = 0


def run():
    global runs
    runs += 1


async def run_async():
    run()


def callbacks(n):
    def cycle():
        with contextlib.ExitStack() as stack:
            for _ in range(n):
                stack.callback(run)

    return cycle


def async_callbacks(n):
    async def cycle():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(n):
                stack.push_async_callback(run_async)

    return cycle


async def main():
    for n in (16, 1024):
        cycles = 4000 // n + 1
        sync = [timed(callbacks(n), cycles) for _ in range(ROUNDS)]
        coroutines = [await timed_async(async_callbacks(n), cycles) for _ in range(ROUNDS)]
        print("time G2 python", n, statistics.median(sync))
        print("time G9 python", n, statistics.median(coroutines))


asyncio.run(main())
