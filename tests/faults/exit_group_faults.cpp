// Groups without memory, and groups whose io_context is destroyed: no exit is lost untold, none runs twice,
// and no close waits for ever (C91, C93).
#include "support/faults.hpp"
#include "support/group_world.hpp"

#include <cstddef>
#include <optional>

using namespace support;

namespace {

// Calls use(situation, limit) with all there are; adds up what comes of it.
template <class Use>
std::size_t in_all_situations(Use use)
{
    std::size_t total = 0;
    for (auto const& each : group_situations())
        for (auto const limit : group_limits)
            BOOST_TEST_CONTEXT(each.name << ", limit " << limit)
    total += use(each, limit);
    return total;
}

// Registration has memory, or not.
std::size_t fail_each_allocation(
    group_situation const& situation, std::size_t limit, bool also_of_registration)
{
    return faults::at_every_allocation([&](std::size_t k, bool& hit) {
        std::optional<group_world> world;
        {
            allocation_pause const pause;
            world.emplace();
            if (!also_of_registration)
                world->make(limit, situation.exits);
        }
        {
            faults::plan plan(k);
            if (also_of_registration)
                world->make(limit, situation.exits);
            world->close();
            world->drive();
            for (int terminals = 0; terminals != 2 && situation.hangs; ++terminals) {
                world->emit();
                world->drive();
            }
            plan.stop();
            hit = plan.hit();
        }
        world->finish();
        world->closed.expect_called();
        world->check();
        expect(world->closed.threw || world->observer.most_at_once > 1 || world->lost() <= 1,
            std::to_string(world->lost()) + " were lost to one allocation");
    });
}

// The number of steps until it ends by itself.
std::size_t destroy_after_each_step(group_situation const& situation, std::size_t limit)
{
    for (std::size_t steps = 0; steps != 1000; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            group_world world;
            world.make(limit, situation.exits);
            world.close();
            std::size_t taken = 0;
            while (taken != steps && world.step())
                ++taken;
            world.emit();
            for (int k = 0; k != 3; ++k)
                world.step();
            world.destroy_context();
            world.closed.expect_called_or_destroyed();
            world.check();
            if (taken != steps)
                return steps;
        }
    }
    expect(false, "the situation never ends");
    return 0;
}

} // namespace

BOOST_AUTO_TEST_SUITE(exit_group_faults)

// C93
BOOST_AUTO_TEST_CASE(group_without_memory_loses_one_exit_at_most_and_tells_it)
{
    std::size_t const runs = in_all_situations([](auto const& situation, std::size_t limit) {
        return fail_each_allocation(situation, limit, false);
    });
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 100u);
}

// C18, C93
BOOST_AUTO_TEST_CASE(group_that_is_filled_without_memory_runs_what_has_been_registered)
{
    std::size_t const runs = in_all_situations([](auto const& situation, std::size_t limit) {
        return fail_each_allocation(situation, limit, true);
    });
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 100u);
}

// C18, C93
BOOST_AUTO_TEST_CASE(group_that_closes_by_itself_without_memory_stays_open_or_ends)
{
    auto const runs = faults::at_every_allocation([](std::size_t k, bool& hit) {
        std::optional<group_world> world;
        std::optional<exeunt::exit_group> group;
        answer second;
        {
            allocation_pause const pause;
            world.emplace();
            group.emplace(*world->context);
            for (auto const what : {acts::coroutine, acts::at_once, acts::operation})
                world->add(*group, what);
        }
        {
            faults::plan plan(k);
            world->closed.ask([&] { group->async_close(answer_to(world->closed)); });
            expect(group->is_open() == world->closed.threw, "it has not begun, or has");
            second.ask([&] { group->async_close(answer_to(second)); });
            world->drive();
            plan.stop();
            hit = plan.hit();
        }
        world->closed.expect_called();
        second.expect_called();
        expect(!group->is_open(), "it is open");
        group.reset();
        world->finish();
        world->check();
    });
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 5u);
}

// C91
BOOST_AUTO_TEST_CASE(group_whose_context_is_destroyed_at_every_step_loses_no_exit_untold)
{
    std::size_t const runs = in_all_situations(destroy_after_each_step);
    BOOST_TEST_MESSAGE(runs << " steps");
    BOOST_TEST(runs > 100u);
}

BOOST_AUTO_TEST_SUITE_END()
