// A stack that closes, and all that can be done to it meanwhile, in any order.
#include "support/orders.hpp"

using namespace support;

namespace {

using stack_type = order_world::stack_type;

// Three exits, of which the newest is given last.
struct small_stack
{
    explicit small_stack(order_world& world)
        : stack(world.context)
        , oldest(world.push(stack, does::hops))
        , middle(world.push(stack, does::sync))
        , newest(world.push(stack, does::operation))
    {
    }

    stack_type stack;
    order_world::exit& oldest;
    order_world::exit& middle;
    order_world::exit& newest;
};

// The end, without a failure.
void expect_success(order_world& world, order_answer const& answer)
{
    world.check(!answer.error, "a close has failed");
}

} // namespace

BOOST_AUTO_TEST_SUITE(stack_orders)

BOOST_AUTO_TEST_CASE(exits_pushed_while_a_stack_closes_run_next)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        auto& closed = world.answer();
        s.stack.async_close(world.into(closed));
        for (auto const what : {does::sync, does::hops})
            world.later([&world, &s, what] { world.push(s.stack, what); });
        world.run();
        expect_success(world, closed);
        world.check(!s.stack.is_open() && s.stack.empty(), "a stack is not closed");
    });
}

BOOST_AUTO_TEST_CASE(six_pushes_and_a_close_leave_nothing_behind)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        for (int k = 0; k != 6; ++k)
            world.later([&] { world.push(stack, does::sync); });
        world.later([&] { stack.async_close(world.any_handler()); });
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(a_close_that_joins_completes_when_the_first_does)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        auto& failing = world.push(s.stack, does::hops_fails);
        std::vector<order_answer*> closed;
        for (int k = 0; k != 3; ++k)
            world.later(
                [&] { s.stack.async_close(world.into(*closed.emplace_back(&world.answer()))); });
        world.run();
        for (auto const* each : closed)
            world.check((each == closed.front()) == (each->error != nullptr),
                "the first close, and no other one, reports");
        world.check(failing.ran(), "an exit did not run");
        world.check_failures(closed.front()->error, 1);
    });
}

BOOST_AUTO_TEST_CASE(a_joined_close_that_is_cancelled_is_detached_alone)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        asio::cancellation_signal signal;
        auto& first = world.answer();
        auto& second = world.answer();
        s.stack.async_close(world.into(first));
        world.later([&] { s.stack.async_close(world.into(second, signal)); });
        world.later([&] { signal.emit(asio::cancellation_type::terminal); });
        world.run();
        expect_success(world, first);
        world.check(!second.error || exeunt::is_cancelled(second.error), "a waiter has failed");
    });
}

BOOST_AUTO_TEST_CASE(exits_that_are_dismissed_while_others_run_never_begin)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        s.stack.async_close(world.any_handler());
        world.later([&] { world.dismiss(s.stack, s.oldest); });
        world.later([&] { world.dismiss(s.stack, s.middle); });
        world.later([&] { world.dismiss(s.stack, s.newest); });
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(exits_that_are_run_by_themselves_run_once)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        for (auto* one : {&s.oldest, &s.newest})
            world.later([&world, &s, one] {
                one->out_of_turn = true;
                s.stack.async_run_now(one->handle, world.any_handler());
            });
        world.later([&] { s.stack.async_close(world.any_handler()); });
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(one_exit_that_is_run_twice_by_itself_runs_once_and_fails_once)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        auto& failing = world.push(stack, does::hops_fails);
        std::size_t failures = 0;
        std::vector<order_answer*> all;
        for (int k = 0; k != 2; ++k)
            world.later([&] {
                stack.async_run_now(failing.handle, world.into(*all.emplace_back(&world.answer())));
            });
        world.later([&] { stack.async_close(world.into(*all.emplace_back(&world.answer()))); });
        world.run();
        for (auto const* each : all)
            failures += each->error ? 1 : 0;
        world.check(failures == 1, "a failure is told once");
    });
}

BOOST_AUTO_TEST_CASE(a_second_terminal_cuts_and_the_first_does_not)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        world.push(stack, does::hops);
        world.push(stack, does::hangs);
        world.push(stack, does::sync);
        auto& hanging = world.push(stack, does::hangs_forced);
        asio::cancellation_signal signal;
        auto& closed = world.answer();
        stack.async_close(world.into(closed, signal));
        for (int k = 0; k != 2; ++k)
            world.later([&] { world.emit(signal); });
        world.run();
        world.check(hanging.was_forced(), "an exit was cut and not forced");
        world.check(exeunt::is_cancelled(closed.error), "an exit that was cut has not failed");
    });
}

BOOST_AUTO_TEST_CASE(an_exit_that_ends_as_it_is_cut_ends_once)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        world.push(stack, does::races);
        world.push(stack, does::hops);
        world.push(stack, does::races);
        world.later([&] {
            world.may_cut = true;
            stack.force();
        });
        world.later([&] { stack.async_close(world.any_handler()); });
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(a_force_reaches_what_runs_and_what_comes)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        auto& first = world.push(stack, does::hangs_forced);
        world.push(stack, does::hops);
        auto& second = world.push(stack, does::hangs_forced);
        world.later([&] {
            world.may_cut = true;
            stack.force();
        });
        world.later([&] { world.push(stack, does::hangs_forced); });
        auto& closed = world.answer();
        stack.async_close(world.into(closed));
        world.run();
        world.check(first.was_forced() && second.was_forced(), "an exit was not forced");
        // A coroutine that is cut before it suspends fails; the others have made good.
        world.check(!closed.error || exeunt::is_cancelled(closed.error), "a force has failed");
    });
}

BOOST_AUTO_TEST_CASE(a_timeout_forces_whatever_runs_by_then)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context, {.timeout = std::chrono::seconds(1)});
        world.push(stack, does::hangs);
        world.push(stack, does::operation);
        auto& forced = world.push(stack, does::hangs_forced);
        auto& closed = world.answer();
        world.later([&] { stack.async_close(world.into(closed)); });
        // One of them comes when the close has begun.
        world.later([&] { world.later([&] { world.advance(std::chrono::seconds(2)); }); });
        world.run();
        if (!closed.done())
            world.advance(std::chrono::seconds(2));
        world.run();
        world.check(forced.was_forced(), "an exit was not forced");
        world.check(exeunt::code_of(closed.error) == asio::error::timed_out, "not timed out");
    });
}

BOOST_AUTO_TEST_CASE(what_is_handed_over_while_closing_runs_with_its_new_owner)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        auto& with_other = world.new_lane();
        std::optional<stack_type> other;
        s.stack.async_close(world.any_handler());
        world.later([&] {
            other.emplace(s.stack.pop_all());
            world.move(world.main(), with_other);
            other->async_close(world.any_handler());
        });
        world.later([&] { world.push(s.stack, does::hops); });
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(a_stack_that_is_moved_or_destroyed_while_closing_goes_on)
{
    run_orders(+[](order_world& world) {
        std::optional<small_stack> s(world);
        std::optional<stack_type> other;
        s->stack.async_close(world.any_handler());
        world.later([&] { other.emplace(std::move(s->stack)); });
        world.later([&] {
            if (other)
                world.push(*other, does::hops);
        });
        // Its exits run before: that cannot be told from a close.
        world.later([&] {
            if (other)
                other.reset();
        });
        world.run();
    });
}

BOOST_AUTO_TEST_CASE(what_is_acquired_is_released_once_whenever_its_stack_closes)
{
    run_orders(+[](order_world& world) {
        small_stack s(world);
        auto& acquired = world.answer();
        auto& release = world.expect_one("release", world.main());
        release.out_of_turn = true;
        s.stack.async_acquire(
            []() -> asio::awaitable<std::unique_ptr<int>> {
                co_await order_world::hop();
                co_await order_world::hop();
                co_return std::make_unique<int>(7);
            }(),
            [&](std::unique_ptr<int>& value) {
                world.check(value && *value == 7, "what was acquired is gone");
                world.begin(release);
                world.end(release);
            },
            world.into(acquired));
        world.later([&] { s.stack.async_close(world.any_handler()); });
        world.run();
        world.check(!acquired.error || is_stack_closed(acquired.error), "an acquire has failed");
    });
}

BOOST_AUTO_TEST_CASE(what_is_acquired_as_it_is_cancelled_is_not_lost)
{
    run_orders(+[](order_world& world) {
        std::optional<small_stack> s(world);
        asio::cancellation_signal signal;
        int alive = 0;
        struct counted
        {
            explicit counted(int& of)
                : count(&of)
            {
                ++of;
            }
            counted(counted&& other) noexcept
                : count(std::exchange(other.count, nullptr))
            {
            }
            ~counted()
            {
                if (count)
                    --*count;
            }
            int* count;
        };
        s->stack.async_acquire(
            [](int& count) -> asio::awaitable<std::unique_ptr<counted>> {
                co_await order_world::hop();
                co_await order_world::hop();
                co_return std::make_unique<counted>(count);
            }(alive),
            world.into(world.answer(), signal));
        world.later([&] { signal.emit(asio::cancellation_type::total); });
        world.later([&] { s->stack.async_close(world.any_handler()); });
        world.run();
        world.check(alive == 0, "what was acquired is left");
    });
}

BOOST_AUTO_TEST_CASE(failures_of_all_exits_are_told_in_order)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        world.push(stack, does::sync_fails);
        world.push(stack, does::hops);
        world.push(stack, does::hops_fails);
        auto& closed = world.answer();
        stack.async_close(failure("cause"), world.into(closed));
        std::size_t count = 3;
        world.later([&] { count += world.push(stack, does::sync_fails).registered ? 1 : 0; });
        world.later([&] { count += world.push(stack, does::hops_fails).registered ? 1 : 0; });
        world.run();
        world.check_failures(closed.error, count);
        world.check(names_of(closed.error).front() == "body", "the cause is first");
    });
}

BOOST_AUTO_TEST_CASE(a_nested_stack_is_cut_with_the_one_around_it)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        auto& lane = world.new_lane();
        world.push(stack, does::sync);
        auto& nested = stack.enter(stack_type(world.context));
        world.push(nested, does::hops, lane);
        auto& hanging = world.push(nested, does::hangs_forced, lane);
        world.push(stack, does::operation);
        asio::cancellation_signal signal;
        stack.async_close(world.into(world.answer(), signal));
        world.later([&] { world.emit(signal); });
        world.later([&] { world.emit(signal); });
        world.later([&] {
            if (!hanging.began() && !hanging.was_forced()) // else it may be gone
                world.push(nested, does::sync, lane);
        });
        world.run();
        world.check(hanging.was_forced(), "an exit was not forced");
    });
}

BOOST_AUTO_TEST_CASE(an_exit_that_waits_for_its_own_stack_is_ended_by_a_force)
{
    run_orders(+[](order_world& world) {
        stack_type stack(world.context);
        world.push(stack, does::hops);
        auto& own = world.expect_one("own", world.main());
        stack.push([&]() -> asio::awaitable<void> {
            world.begin(own);
            co_await order_world::hop();
            try {
                co_await stack.async_close(asio::use_awaitable);
            } catch (...) {
                world.end(own);
                throw;
            }
            world.end(own);
        });
        world.push(stack, does::operation);
        auto& closed = world.answer();
        stack.async_close(world.into(closed));
        world.later([&] { stack.force(); });
        world.run();
        world.check(exeunt::is_cancelled(closed.error), "a wait for oneself has not been cut");
    });
}

BOOST_AUTO_TEST_SUITE_END()
