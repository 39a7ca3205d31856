// Scopes of a body, groups and scopes of children, and what ends them, in any order.
#include <exeunt/async_with.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/task_scope.hpp>

#include "support/orders.hpp"

#include <boost/asio/bind_executor.hpp>

#include <array>

using namespace support;

namespace {

using stack_type = order_world::stack_type;
using group_type = exeunt::basic_exit_group<ordering_executor>;
using scope_type = exeunt::basic_task_scope<ordering_executor>;

auto terminal(asio::cancellation_signal& signal)
{
    return [&signal] { signal.emit(asio::cancellation_type::terminal); };
}

// A child that is one of the world's exits: it hops, and does not hear of a cancellation before that.
auto hopping_child(order_world& world, order_world::exit& mine, bool fails = false)
{
    return [&world, &mine, fails]() -> asio::awaitable<void> {
        world.begin(mine);
        try {
            co_await order_world::hop();
            co_await order_world::hop();
        } catch (...) {
            world.end(mine);
            throw;
        }
        world.end(mine);
        if (fails)
            throw test_error(mine.name());
    };
}

// A child that only a cancellation ends.
auto waiting_child(order_world& world, order_world::exit& mine)
{
    return [&world, &mine]() -> asio::awaitable<void> {
        world.begin(mine);
        try {
            co_await exeunt::until_cancelled(asio::use_awaitable);
        } catch (...) {
            world.end(mine);
            throw;
        }
        world.end(mine);
    };
}

// What may not have begun when it was told to stop.
void forget_unbegun(order_world::exit& one)
{
    one.dismissed = !one.began();
}

} // namespace

BOOST_AUTO_TEST_SUITE(scope_orders)

BOOST_AUTO_TEST_CASE(a_body_that_is_cancelled_at_any_time_is_unwound_once)
{
    run_orders(+[](order_world& world) {
        asio::cancellation_signal signal;
        bool in_body = false;
        auto& answer = world.answer();
        exeunt::async_with(
            world.context,
            [&](stack_type& stack) -> asio::awaitable<int> {
                in_body = true;
                world.push(stack, does::hops);
                co_await order_world::hop();
                world.push(stack, does::operation);
                co_await order_world::hop();
                world.push(stack, does::sync);
                in_body = false;
                co_return 7;
            },
            world.into(answer, signal));
        bool cancelled_in_body = false;
        world.later([&] {
            cancelled_in_body = in_body;
            signal.emit(asio::cancellation_type::terminal);
        });
        world.later([] {});
        world.run();
        // A terminal that arrives while nothing of the body can be cut is not heard by that.
        world.check(!answer.error || exeunt::is_cancelled(answer.error), "a body has failed");
        world.check(cancelled_in_body || in_body || !answer.error, "cancelled while unwinding");
    });
}

BOOST_AUTO_TEST_CASE(a_scope_is_forced_by_the_second_terminal_of_its_unwinding)
{
    run_orders(+[](order_world& world) {
        asio::cancellation_signal signal;
        order_world::exit* hanging = nullptr;
        exeunt::async_with(
            world.context,
            [&](stack_type& stack) -> asio::awaitable<void> {
                world.push(stack, does::hops);
                hanging = &world.push(stack, does::hangs_forced);
                co_return;
            },
            world.into(world.answer(), signal));
        int while_unwinding = 0;
        for (int k = 0; k != 3; ++k)
            world.later([&] {
                if (hanging && ++while_unwinding == 2)
                    world.may_cut = true;
                signal.emit(asio::cancellation_type::terminal);
            });
        world.run();
        if (!hanging->was_forced())
            world.advance(std::chrono::seconds(11));
        world.run();
        world.check(hanging->was_forced(), "an exit was not forced");
    });
}

BOOST_AUTO_TEST_CASE(a_body_that_closes_its_stack_waits_for_that)
{
    run_orders(+[](order_world& world) {
        auto& answer = world.answer();
        auto& closed = world.answer();
        exeunt::async_with(
            world.context,
            [&](stack_type& stack) -> asio::awaitable<int> {
                world.push(stack, does::hops_fails);
                world.push(stack, does::operation);
                stack.async_close(world.into(closed));
                co_await order_world::hop();
                co_return 7;
            },
            world.into(answer));
        world.later([] {});
        world.run();
        world.check(closed.error && !answer.error, "a failure is told once, to who has closed");
    });
}

BOOST_AUTO_TEST_CASE(a_scope_in_a_scope_is_unwound_before_the_one_around_it)
{
    run_orders(+[](order_world& world) {
        asio::cancellation_signal signal;
        auto& inner = world.new_lane();
        auto& answer = world.answer();
        bool inner_is_done = false;
        exeunt::async_with(
            asio::any_io_executor(world.context.get_executor()),
            [&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
                stack.push([&] { world.check(inner_is_done, "an inner scope is late"); });
                world.push(stack, does::hops);
                auto body = [&](exeunt::async_exit_stack& nested) -> asio::awaitable<void> {
                    nested.push([&] { inner_is_done = true; });
                    world.push(nested, does::hops, inner);
                    co_await order_world::hop();
                };
                co_await exeunt::async_with(std::ref(body), asio::use_awaitable);
            },
            world.into(answer, signal));
        world.later(terminal(signal));
        world.later([] {});
        // Where it is cancelled before the inner one begins there is none.
        inner_is_done = true;
        world.run();
        world.check(!answer.error || exeunt::is_cancelled(answer.error), "a body has failed");
    });
}

BOOST_AUTO_TEST_CASE(exits_of_a_group_end_in_any_order)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        world.push(stack, does::hops);
        auto& group = stack.push_group();
        auto& in = world.new_group(7);
        for (int k = 0; k != 7; ++k)
            world.push(group, does::operation, in);
        auto& closed = world.answer();
        stack.async_close(world.into(closed));
        world.run();
        world.check(!closed.error, "a close has failed");
    });
}

BOOST_AUTO_TEST_CASE(a_group_runs_no_more_exits_than_its_limit)
{
    run_orders(+[](order_world& world) {
        group_type group(world.context, {.limit = 2});
        auto& in = world.new_group(2);
        std::array<order_world::exit*, 4> exits{};
        for (auto*& each : exits)
            each = &world.push(group, does::operation, in);
        world.push(group, does::hops_fails, in);
        auto& closed = world.answer();
        group.async_close(world.into(closed));
        world.later([&] { world.dismiss(group, *exits[0]); });
        bool more = false;
        world.later([&] { more = world.push(group, does::sync_fails, in).registered; });
        world.run();
        world.check_failures(closed.error, more ? 2 : 1);
    });
}

BOOST_AUTO_TEST_CASE(a_group_that_is_forced_gives_all_back)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        world.push(stack, does::sync);
        auto& group = stack.push_group({.limit = 2});
        auto& in = world.new_group(2);
        for (auto const what : {does::hangs_forced, does::hops, does::races, does::hangs_forced})
            world.push(group, what, in);
        asio::cancellation_signal signal;
        stack.async_close(world.into(world.answer(), signal));
        for (int k = 0; k != 2; ++k)
            world.later([&] { world.emit(signal); });
        world.run();
    });
}

// Before it begins, too.
BOOST_AUTO_TEST_CASE(a_group_that_is_cut_at_once_forces_all_it_has)
{
    run_orders(+[](order_world& world) {
        group_type group(world.context, {.limit = 2});
        auto& in = world.new_group(2);
        for (auto const what : {does::hangs_forced, does::hangs, does::hangs_forced})
            world.push(group, what, in);
        exeunt::exit_state state;
        asio::cancellation_signal signal;
        world.may_cut = true;
        group.async_exit(state, world.into(world.answer(), signal));
        signal.emit(asio::cancellation_type::terminal);
        world.run();
        world.check(!group.is_open() && group.empty(), "exits are left");
    });
}

BOOST_AUTO_TEST_CASE(waits_that_are_cancelled_at_once_end)
{
    run_orders(+[](order_world& world) {
        auto& in = world.new_group(1);
        scope_type scope(world.context);
        auto& child = world.expect_one("child", in);
        scope.spawn(waiting_child(world, child));
        world.run();
        asio::cancellation_signal joins, waits;
        auto& joined = world.answer();
        auto& waited = world.answer();
        scope.async_join(world.into(joined, joins));
        exeunt::until_cancelled(asio::bind_executor(world.context.get_executor(),
            asio::bind_cancellation_slot(
                waits.slot(), [h = world.into(waited)](boost::system::error_code code) mutable {
                    std::move(h)(failure(code));
                })));
        joins.emit(asio::cancellation_type::total);
        waits.emit(asio::cancellation_type::total);
        world.run();
        world.check(exeunt::is_cancelled(joined.error), "a join waits on");
        world.check(exeunt::is_cancelled(waited.error), "until_cancelled waits on");
        scope.cancel();
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(no_child_outlives_its_scope)
{
    run_orders(+[](order_world& world) {
        auto& in = world.new_group(2);
        std::array<order_world::exit*, 3> children{};
        stack_type stack(world.context);
        scope_type scope(world.context, {.limit = 2});
        stack.push([&] { world.check(scope.empty(), "a child runs when its scope has ended"); });
        stack.enter(std::ref(scope));
        for (auto*& each : children) {
            each = &world.expect_one("child", in);
            scope.spawn(hopping_child(world, *each));
        }
        auto& closed = world.answer();
        world.later([&] { stack.async_close(world.into(closed)); });
        world.later([&] { scope.async_join(world.any_handler()); });
        world.run();
        for (auto* each : children)
            forget_unbegun(*each);
        world.check(scope.empty() && scope.size() == 0 && scope.queued() == 0, "children are left");
        world.check(!closed.error || exeunt::is_cancelled(closed.error), "a scope has failed");
    });
}

BOOST_AUTO_TEST_CASE(children_that_wait_for_room_all_begin_before_a_cancel_and_none_after)
{
    run_orders(+[](order_world& world) {
        auto& in = world.new_group(1);
        scope_type scope(world.context, {.limit = 1});
        std::array<order_world::exit*, 3> children{};
        for (auto*& each : children) {
            each = &world.expect_one("child", in);
            scope.spawn(hopping_child(world, *each));
        }
        bool cancelled = false;
        world.later([&] {
            world.check(
                scope.size() != 0 || scope.queued() == 0, "there is room, and a child waits");
            // What runs is told to stop; what waits is forgotten.
            for (auto* each : children)
                forget_unbegun(*each);
            cancelled = true;
            scope.cancel();
        });
        scope.async_join([&, h = world.any_handler()](std::exception_ptr error) mutable {
            world.check(children.back()->ran() || cancelled, "a child did not begin");
            std::move(h)(error);
        });
        world.run();
        world.check(scope.empty(), "children are left");
    });
}

BOOST_AUTO_TEST_CASE(a_child_that_fails_cancels_the_others)
{
    run_orders(+[](order_world& world) {
        auto& in = world.new_group(3);
        scope_type scope(world.context);
        auto& failing = world.expect_one("failing", in);
        auto& hopping = world.expect_one("hopping", in);
        auto& waiting = world.expect_one("waiting", in);
        world.later([&] { scope.spawn(hopping_child(world, failing, true)); });
        world.later([&] { scope.spawn(hopping_child(world, hopping)); });
        scope.spawn(waiting_child(world, waiting));
        auto& waited = world.answer();
        auto& joined = world.answer();
        scope.async_wait(world.into(waited));
        scope.async_join(world.into(joined));
        world.run();
        for (auto* each : {&hopping, &waiting})
            forget_unbegun(*each);
        world.check(describe(waited.error) == "failing" || !waited.error, "a wait has failed");
        world.check(scope.empty(), "children are left");
    });
}

BOOST_AUTO_TEST_CASE(children_are_cancelled_at_any_time_and_waited_for)
{
    run_orders(+[](order_world& world) {
        auto& in = world.new_group(1);
        scope_type scope(world.context, {.limit = 1});
        auto& first = world.expect_one("first", in);
        auto& second = world.expect_one("second", in);
        auto& third = world.expect_one("third", in);
        scope.spawn(waiting_child(world, first));
        asio::cancellation_signal signal;
        auto& spawned = world.answer();
        scope.async_spawn(hopping_child(world, second), world.into(spawned, signal));
        scope.spawn(hopping_child(world, third));
        world.later(terminal(signal));
        world.later([&] { scope.cancel(); });
        scope.async_join(world.any_handler());
        world.run();
        for (auto* each : {&first, &second, &third})
            forget_unbegun(*each);
        world.check(spawned.error || second.began(), "a child that was started did not begin");
        world.check(scope.empty(), "children are left");
    });
}

BOOST_AUTO_TEST_CASE(a_scope_that_drains_is_cut_with_its_stack)
{
    run_orders(+[](order_world& world) {
        auto& in = world.new_group(2);
        stack_type stack(world.context);
        scope_type scope(world.context);
        stack.push([&] { world.check(scope.empty(), "a child runs when its scope has ended"); });
        stack.enter(std::ref(scope));
        auto& waiting = world.expect_one("waiting", in);
        auto& hopping = world.expect_one("hopping", in);
        scope.spawn(waiting_child(world, waiting));
        scope.spawn(hopping_child(world, hopping));
        asio::cancellation_signal signal;
        auto& closed = world.answer();
        stack.async_close(world.into(closed, signal));
        for (int k = 0; k != 2; ++k)
            world.later([&] { world.emit(signal); });
        world.run();
        for (auto* each : {&waiting, &hopping})
            forget_unbegun(*each);
        world.check(scope.empty(), "children are left");
    });
}

BOOST_AUTO_TEST_SUITE_END()
