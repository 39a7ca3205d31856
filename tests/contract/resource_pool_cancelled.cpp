// Whoever uses or closes a pool is cancelled at every step of every situation: each resource that is opened
// is closed or discarded once, each waiter is answered once, in turn, and each close completes once.
#include "support/pool_situations.hpp"

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

using namespace support;

namespace {

struct target
{
    std::string name;
    std::function<asio::cancellation_signal&(pool_world&)> signal;
};

std::vector<target> all_targets()
{
    std::vector<target> all{
        {"the stack", [](pool_world& w) -> asio::cancellation_signal& { return w.owner; }},
        {"the close", [](pool_world& w) -> asio::cancellation_signal& { return w.closer; }}};
    for (std::size_t number = 0; number != 5; ++number)
        all.push_back({"waiter " + std::to_string(number),
            [number](pool_world& w) -> asio::cancellation_signal& {
                return w.requests[number].signal;
            }});
    return all;
}

// Returns whether it ended before the cancellation.
bool cancel_after(pool_situation const& situation, job_style style, target const& cancelled,
    int terminals, std::size_t steps)
{
    pool_world world(style);
    bool is_cancelled = false;
    std::size_t taken = 0;
    auto const count = [&] {
        if (taken++ != steps)
            return;
        is_cancelled = true;
        for (int k = 0; k != terminals; ++k)
            world.emit(cancelled.signal(world));
    };
    for (auto const step : situation.steps) {
        count();
        step(world);
        while (world.step())
            count();
    }
    world.finish();
    world.check_finished();
    return !is_cancelled;
}

} // namespace

BOOST_AUTO_TEST_SUITE(resource_pool_cancelled)

BOOST_AUTO_TEST_CASE(pool_cancelled_at_every_step_loses_no_resource_and_no_waiter)
{
    std::size_t runs = 0;
    for (auto const style : {job_style::coroutines, job_style::operations})
        for (auto const& situation : pool_situations())
            for (auto const& cancelled : all_targets())
                for (int const terminals : {1, 2})
                    for (std::size_t steps = 0;; ++steps, ++runs)
                        BOOST_TEST_CONTEXT(situation.name << ": " << cancelled.name << " gets "
                                                          << terminals << " terminals after "
                                                          << steps << " steps")
    if (cancel_after(situation, style, cancelled, terminals, steps))
        break;
    BOOST_TEST_MESSAGE(runs << " runs");
    BOOST_TEST(runs > 1000u);
}

BOOST_AUTO_TEST_SUITE_END()
