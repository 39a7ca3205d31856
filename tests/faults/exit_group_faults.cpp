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

constexpr auto without_limit = static_cast<std::size_t>(-1);

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
        answer second, joined;
        {
            allocation_pause const pause;
            world.emplace();
            group.emplace(*world->context);
            for (auto const what : {acts::coroutine, acts::at_once, acts::operation})
                world->add(*group, what);
            // Has its turn before the close begins.
            asio::post(*world->context,
                [&] { joined.ask([&] { group->async_close(answer_to(joined)); }); });
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
        joined.expect_called();
        expect(!group->is_open(), "it is open");
        group.reset();
        world->finish();
        world->check();
    });
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 5u);
}

// C18, C93
BOOST_AUTO_TEST_CASE(group_that_has_no_memory_to_begin_as_an_exit_stays_open)
{
    auto const runs = faults::at_every_allocation([](std::size_t k, bool& hit) {
        std::optional<group_world> world;
        std::optional<exeunt::exit_group> group;
        exeunt::exit_state state;
        {
            allocation_pause const pause;
            world.emplace();
            group.emplace(*world->context);
            for (auto const what : {acts::coroutine, acts::at_once, acts::operation})
                world->add(*group, what);
        }
        {
            faults::plan plan(k);
            world->closed.ask([&] { group->async_exit(state, answer_to(world->closed)); });
            expect(group->is_open() == world->closed.threw, "it has begun, or has not");
            expect(group->size() == 3, "it has lost an exit");
            world->drive();
            plan.stop();
            hit = plan.hit();
        }
        world->closed.expect_called();
        if (group->is_open())
            group->async_exit(state, answer_to(world->closed = {}));
        world->drive();
        expect(!group->is_open() && group->empty(), "it is not closed");
        expect(world->lost() <= static_cast<int>(failures_of(state.error()).size()),
            "an exit is lost untold");
        group.reset();
        world->closed.error = state.error();
        world->check();
    });
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 5u);
}

// C91, C93
BOOST_AUTO_TEST_CASE(group_that_has_no_memory_to_go_on_and_whose_context_is_destroyed_tells_all)
{
    auto const runs = faults::at_every_allocation([](std::size_t k, bool& hit) {
        std::optional<group_world> world;
        {
            allocation_pause const pause;
            world.emplace();
            world->make(without_limit, {acts::hangs, acts::hangs_with_force, acts::hangs});
        }
        {
            faults::plan plan(k);
            world->close();
            world->drive();
            plan.stop();
            hit = plan.hit();
        }
        world->destroy_context();
        world->closed.expect_called_or_destroyed();
        world->check();
    });
    BOOST_TEST_MESSAGE(runs << " allocations");
    BOOST_TEST(runs > 5u);
}

// C93: it is found when another one ends.
BOOST_AUTO_TEST_CASE(
    group_that_has_no_memory_to_look_for_what_is_registered_late_runs_it_all_the_same)
{
    auto const runs = faults::at_every_allocation([](std::size_t k, bool& hit) {
        std::optional<group_world> world;
        std::optional<exeunt::exit_group> group;
        {
            allocation_pause const pause;
            world.emplace();
            group.emplace(*world->context);
            world->add(*group, acts::operation);
            group->async_close(answer_to(world->closed));
            world->closed.asked = true;
            world->step();
        }
        expect(world->records[0].began == 1, "it has not begun");
        {
            faults::plan plan(k);
            world->add(*group, acts::at_once);
            plan.stop();
            hit = plan.hit();
        }
        expect(world->records[1].began == 0, "an exit runs within the call that registers it");
        world->drive();
        world->closed.expect_called();
        expect(world->records[1].ended == (world->records[1].registered ? 1 : 0), "it has not run");
        group.reset();
        world->check();
    });
    BOOST_TEST(runs > 1u);
}

// C93, C97
BOOST_AUTO_TEST_CASE(group_whose_last_exit_drops_its_handler_as_it_is_forced_is_lost_once)
{
    auto const runs = faults::at_every_allocation([](std::size_t k, bool& hit) {
        std::optional<group_world> world;
        std::optional<exeunt::exit_group> group;
        {
            allocation_pause const pause;
            world.emplace();
            group.emplace(*world->context);
            world->add(*group, acts::coroutine);
            world->add(*group, acts::drops);
            world->closed.ask([&] { group->async_close(answer_to(world->closed)); });
            world->drive();
        }
        expect(world->closed.is_awaited(), "it does not wait");
        {
            faults::plan plan(k);
            group->force();
            plan.stop();
            hit = plan.hit();
        }
        world->drive();
        expect(world->closed.drops == 1, "it completes, though an exit is lost");
        group.reset();
        world->check();
    });
    BOOST_TEST(runs > 0u);
}

// C91
BOOST_AUTO_TEST_CASE(group_and_who_joins_it_whose_context_is_destroyed_lose_no_exit_untold)
{
    for (bool const as_exit : {true, false})
        for (std::size_t steps = 0;; ++steps) {
            bool more = true;
            BOOST_TEST_CONTEXT("as an exit: " << as_exit << ", after " << steps << " steps")
            {
                exeunt::exit_state state;
                answer joined;
                group_world world;
                std::optional<exeunt::exit_group> group(std::in_place, *world.context);
                for (auto const what : {acts::coroutine, acts::at_once, acts::operation})
                    world.add(*group, what);
                // Has its turn before the group begins.
                asio::post(*world.context,
                    [&] { joined.ask([&] { group->async_close(answer_to(joined)); }); });
                world.closed.ask([&] {
                    if (as_exit)
                        group->async_exit(state, answer_to(world.closed));
                    else
                        group->async_close(answer_to(world.closed));
                });
                for (std::size_t taken = 0; taken != steps && more; ++taken)
                    more = world.step();
                group.reset();
                world.destroy_context();
                world.closed.expect_called_or_destroyed();
                joined.expect_called_or_destroyed();
                world.check();
            }
            if (!more)
                break;
            BOOST_REQUIRE(steps < 100u);
        }
}

// C91
BOOST_AUTO_TEST_CASE(group_whose_context_is_destroyed_at_every_step_loses_no_exit_untold)
{
    std::size_t const runs = in_all_situations(destroy_after_each_step);
    BOOST_TEST_MESSAGE(runs << " steps");
    BOOST_TEST(runs > 100u);
}

BOOST_AUTO_TEST_SUITE_END()
