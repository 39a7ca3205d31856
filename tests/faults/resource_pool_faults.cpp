// Pools without memory, and pools whose io_context is destroyed: each resource is destroyed once, each
// waiter is answered once, and no close waits for ever (C91, C93).
#include "support/faults.hpp"
#include "support/pool_situations.hpp"

#include <cstddef>
#include <optional>

using namespace support;

namespace {

// Lets one allocation of a situation fail, or all from that one on until the situation is over.
std::size_t fail_each_allocation(pool_situation const& situation, job_style style, bool for_ever)
{
    return faults::at_every_allocation([&](std::size_t k, bool& hit) {
        std::optional<pool_world> world;
        {
            allocation_pause const pause;
            world.emplace(style);
            world->is_untold = for_ever;
        }
        {
            faults::plan plan(k, for_ever);
            for (auto const step : situation.steps) {
                step(*world);
                world->drive();
            }
            plan.stop();
            hit = plan.hit();
        }
        world->finish();
        world->check_finished();
    });
}

// The number of steps until it ends by itself.
std::size_t destroy_after_each_step(
    pool_situation const& situation, job_style style, bool pool_first)
{
    for (std::size_t steps = 0; steps != 1000; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            pool_world world(style);
            std::size_t taken = 0;
            for (auto const step : situation.steps) {
                if (taken == steps)
                    break;
                step(world);
                for (++taken; taken != steps && world.step(); ++taken) {
                }
            }
            world.destroy(pool_first);
            world.check_destroyed();
            if (taken != steps)
                return steps;
        }
    }
    expect(false, "the situation never ends");
    return 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(resource_pool_faults)

// C93
BOOST_AUTO_TEST_CASE(pool_without_memory_answers_everybody_once_and_closes)
{
    std::size_t runs = 0;
    for (auto const style : {job_style::coroutines, job_style::operations})
        for (auto const& each : pool_situations())
            BOOST_TEST_CONTEXT(
                each.name << (style == job_style::coroutines ? "" : ", by operations"))
    runs += fail_each_allocation(each, style, false);
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 100u);
}

// C93: Asio ends the process where it cannot destroy a coroutine for want of memory.
BOOST_AUTO_TEST_CASE(pool_that_never_has_memory_again_answers_everybody_once)
{
    std::size_t runs = 0;
    for (auto const& each : pool_situations())
        BOOST_TEST_CONTEXT(each.name)
    runs += fail_each_allocation(each, job_style::operations, true);
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 100u);
}

// C91
BOOST_AUTO_TEST_CASE(pool_whose_context_is_destroyed_at_every_step_destroys_each_resource_once)
{
    std::size_t runs = 0;
    for (auto const style : {job_style::coroutines, job_style::operations})
        for (bool const pool_first : {true, false})
            for (auto const& each : pool_situations())
                BOOST_TEST_CONTEXT(each.name)
    runs += destroy_after_each_step(each, style, pool_first);
    BOOST_TEST_MESSAGE(runs << " steps");
    BOOST_TEST(runs > 100u);
}

BOOST_AUTO_TEST_SUITE_END()
