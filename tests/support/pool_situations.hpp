// The situations in which something goes wrong at every step of a pool.
#ifndef EXEUNT_TESTS_SUPPORT_POOL_SITUATIONS_HPP
#define EXEUNT_TESTS_SUPPORT_POOL_SITUATIONS_HPP

#include "support/pool_world.hpp"

#include <chrono>
#include <functional>
#include <vector>

namespace support {

// One after the other; between two of them all runs that can.
struct pool_situation
{
    char const* name;
    std::vector<void (*)(pool_world&)> steps;
};

inline std::vector<pool_situation> const& pool_situations()
{
    using w = pool_world&;
    static std::vector<pool_situation> const all{
        {"a waiter is served with what comes back",
            {[](w p) { p.make({.max_size = 1}); }, [](w p) { p.acquire(0); },
                [](w p) { p.acquire(1), p.acquire(2), p.acquire(3); }, [](w p) { p.drop(0); },
                [](w p) { p.discard(1); }, [](w p) { p.drop(2); }, [](w p) { p.drop(3); }}},
        {"waiters while connecting",
            {[](w p) { p.make({.max_size = 3, .max_waiters = 4}); },
                [](w p) {
                    for (int number = 0; number != 5; ++number)
                        p.acquire(number);
                },
                [](w p) { p.drop(1), p.drop(0); }, [](w p) { p.acquire(5); },
                [](w p) { p.discard(2); }}},
        {"a lease that nobody waits for is recycled and closed with the pool",
            {[](w p) { p.make(); }, [](w p) { p.acquire(0), p.acquire(1); },
                [](w p) { p.drop(0), p.drop(1); }, [](w p) { p.acquire(2); },
                [](w p) { p.close_pool(); }, [](w p) { p.drop(2); }}},
        {"close while connecting and while others wait",
            {[](w p) { p.make({.max_size = 2}); },
                [](w p) {
                    p.acquire(0), p.acquire(1), p.acquire(2);
                    p.close_pool();
                },
                [](w p) { p.acquire(3); }}},
        {"close while recycling",
            {[](w p) { p.make({.max_size = 2}); }, [](w p) { p.acquire(0), p.acquire(1); },
                [](w p) {
                    p.drop(0), p.drop(1);
                    p.close_pool();
                }}},
        {"connecting hangs",
            {[](w p) { p.make({.max_size = 2}), p.jobs_hang = true; },
                [](w p) { p.acquire(0), p.acquire(1), p.acquire(2); },
                [](w p) { p.close_pool(); }}},
        {"recycling hangs, and so does closing",
            {[](w p) { p.make({.max_size = 3}); },
                [](w p) { p.acquire(0), p.acquire(1), p.acquire(2); }, [](w p) { p.drop(2); },
                [](w p) { p.jobs_hang = true, p.drop(0); }, [](w p) { p.close_pool(); },
                [](w p) { p.drop(1); }}},
        {"idle ones expire",
            {[](w p) {
                 p.make({.max_size = 3,
                     .idle_timeout = std::chrono::seconds(5),
                     .max_lifetime = std::chrono::seconds(20)});
             },
                [](w p) { p.acquire(0), p.acquire(1), p.acquire(2); },
                [](w p) { p.drop(0), p.drop(1); }, [](w p) { p.advance(std::chrono::seconds(5)); },
                [](w p) { p.advance(std::chrono::seconds(16)); }, [](w p) { p.drop(2); },
                [](w p) { p.acquire(3); }, [](w p) { p.drop(3); },
                [](w p) { p.advance(std::chrono::seconds(6)); }}},
        {"a stack has leases",
            {[](w p) { p.make(); }, [](w p) { p.acquire_owned(0), p.acquire_owned(1); },
                [](w p) { p.close_stack(); }}},
        {"a stack has leases, and recycling hangs",
            {[](w p) { p.make(); }, [](w p) { p.acquire_owned(0), p.acquire_owned(1); },
                [](w p) { p.jobs_hang = true, p.close_stack(); }}},
        {"a stack that has failed has leases",
            {[](w p) { p.make({.max_size = 1}); }, [](w p) { p.acquire_owned(0); },
                [](w p) { p.acquire(0); }, [](w p) { p.close_stack(failure("body")); }}},
        {"a stack has the pool, leases of it and somebody who waits",
            {[](w p) {
                 p.make({.max_size = 2});
                 allocation_pause const pause;
                 p.stack->push(std::ref(*p.pool));
             },
                [](w p) { p.acquire_owned(0), p.acquire_owned(1); }, [](w p) { p.acquire(0); },
                [](w p) { p.close_stack(); }, [](w p) { p.drop(0); }}},
        {"a stack is closed while it acquires",
            {[](w p) { p.make({.max_size = 1}); },
                [](w p) {
                    p.acquire_owned(0), p.acquire_owned(1);
                    p.close_stack();
                }}},
    };
    return all;
}

} // namespace support

#endif
