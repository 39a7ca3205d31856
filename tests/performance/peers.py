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


async def run_posted():
    run()
    await asyncio.sleep(0)


def async_callbacks(n, function):
    async def cycle():
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(n):
                stack.push_async_callback(function)

    return cycle


async def main():
    for n in (16, 1024):
        cycles = 4000 // n + 1
        sync = [timed(callbacks(n), cycles) for _ in range(ROUNDS)]
        print("time G2 python", n, statistics.median(sync))
        for rows, function in ("G8,G9", run_async), ("G6", run_posted):
            cycle = async_callbacks(n, function)
            times = [await timed_async(cycle, cycles) for _ in range(ROUNDS)]
            print("time", rows, "python", n, statistics.median(times))


asyncio.run(main())
