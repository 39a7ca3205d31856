// The asynchronous stack: time limits and forced mode of what is composed with other operations, by the
// operators of awaitables, parallel groups, futures, callbacks and cancel_after (C79 to C82, C85).
#include <exeunt/async_with.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>

#if __has_include(<boost/asio/cancel_after.hpp>)
#include <boost/asio/cancel_after.hpp>
#define EXEUNT_TEST_CANCEL_AFTER 1
#endif

#include <array>
#include <chrono>
#include <cstddef>
#include <future>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

struct composition_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;
    scripted_exit work = script("work");
    scripted_exit hanging = script("hanging");
    scripted_exit quick = script("quick");

    void advance(std::chrono::steady_clock::duration time)
    {
        clock.advance(time);
        drive();
    }

    void emit()
    {
        signal.emit(terminal);
        drive();
    }

    // A scope whose body works, and whose exit hangs.
    auto scope(exeunt::close_options options)
    {
        return exeunt::async_with(
            options,
            [this](async_exit_stack& s) -> asio::awaitable<void> {
                s.push(exeunt::on_exit(hanging.awaitable()).named("hanging"));
                co_await work.async_operation(asio::use_awaitable);
            },
            asio::use_awaitable);
    }

    auto quick_one() { return quick.async_operation(asio::use_awaitable); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_time_composition, composition_fixture)

// C79: the loser of || has its grace, and the whole waits for it
BOOST_AUTO_TEST_CASE(scope_that_loses_against_another_awaitable_has_its_grace)
{
    auto const both = [&]() -> asio::awaitable<void> {
        co_await (scope({.grace = 3s}) || quick_one());
    };
    asio::co_spawn(context, both, into(result));
    drive();
    quick.answer();
    drive();
    log.expect("+work +quick -quick !work -work +hanging");
    advance(2s);
    BOOST_TEST(hanging.cuts() == 0);
    result.expect_pending();
    advance(1s);
    BOOST_TEST(hanging.cuts() == 1);
    result.expect_success(); // the other one has won
}

// C80: a failure of && cancels the other scope, once; both failures come out
BOOST_AUTO_TEST_CASE(scope_beside_a_failure_has_its_grace)
{
    auto const both = [&]() -> asio::awaitable<void> {
        co_await (scope({.grace = 3s}) && quick_one());
    };
    asio::co_spawn(context, both, into(result));
    drive();
    quick.answer(failure("no luck"));
    drive();
    advance(3s);
    BOOST_TEST(hanging.cuts() == 1);
    result.expect_error("multiple exceptions");
}

// C80, C81: cancelled from outside, through the operator, which passes on the first emission alone
BOOST_AUTO_TEST_CASE(scope_within_an_operator_is_cancelled_once_and_bounded_by_its_grace)
{
    bool told = false;
    auto const both = [&]() -> asio::awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(false);
        std::exception_ptr failed;
        try {
            co_await (scope({.grace = 3s}) || quick_one());
        } catch (...) {
            failed = std::current_exception();
        }
        auto const state = co_await asio::this_coro::cancellation_state;
        told = failed && (state.cancelled() & terminal) != asio::cancellation_type::none;
    };
    asio::co_spawn(context, both, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    for (int i = 0; i != 3; ++i)
        emit();
    log.expect("+work +quick !quick -quick !work -work +hanging");
    advance(2s);
    BOOST_TEST(hanging.cuts() == 0);
    advance(1s);
    BOOST_TEST(hanging.cuts() == 1);
    result.expect_once();
    BOOST_TEST(told);
}

// C81
BOOST_AUTO_TEST_CASE(close_in_a_parallel_group_has_its_grace_when_it_loses)
{
    stack.options().grace = 3s;
    push_named(hanging, shape::handler_function);
    bool done = false;
    asio::experimental::make_parallel_group(
        stack.async_close(asio::deferred), quick.async_operation(asio::deferred))
        .async_wait(asio::experimental::wait_for_one(),
            [&](std::array<std::size_t, 2>, std::exception_ptr closed, std::exception_ptr) {
                BOOST_TEST((exeunt::code_of(closed) == asio::error::timed_out));
                done = true;
            });
    drive();
    quick.answer();
    drive();
    advance(2s);
    BOOST_TEST(!done);
    advance(1s);
    BOOST_TEST(done);
}

// C81: the first emission on the group's slot reaches each close, and no further one does
BOOST_AUTO_TEST_CASE(closes_in_a_parallel_group_are_cancelled_once_and_bounded_by_their_grace)
{
    stack.options().grace = 3s;
    async_exit_stack other(context, {.grace = 4s});
    push_named(hanging, shape::awaitable);
    auto second = script("second");
    other.push(second.handler_function());
    int done = 0;
    asio::experimental::make_parallel_group(
        stack.async_close(asio::deferred), other.async_close(asio::deferred))
        .async_wait(asio::experimental::wait_for_all(),
            asio::bind_cancellation_slot(signal.slot(),
                [&](std::array<std::size_t, 2>, std::exception_ptr, std::exception_ptr) {
                    ++done;
                }));
    drive();
    for (int i = 0; i != 3; ++i)
        emit();
    BOOST_TEST(hanging.cuts() + second.cuts() == 0);
    advance(3s);
    BOOST_TEST(hanging.cuts() == 1);
    BOOST_TEST(second.cuts() == 0);
    advance(1s);
    BOOST_TEST(second.cuts() == 1);
    BOOST_TEST(done == 1);
}

// C85
BOOST_AUTO_TEST_CASE(close_with_a_future_is_bounded)
{
    stack.options().timeout = 2s;
    push_named(hanging, shape::awaitable);
    std::future<void> closed = stack.async_close(asio::use_future);
    drive();
    advance(2s);
    BOOST_REQUIRE((closed.wait_for(0s) == std::future_status::ready));
    BOOST_CHECK_EXCEPTION(closed.get(), boost::system::system_error,
        [](auto const& error) { return error.code() == asio::error::timed_out; });
}

// C79: callbacks alone, the body too
BOOST_AUTO_TEST_CASE(scope_of_callbacks_that_is_cancelled_has_its_grace)
{
    exeunt::async_with(
        context, exeunt::close_options{.grace = 3s},
        [&](async_exit_stack& s) {
            s.push(exeunt::on_exit(hanging.handler_function()).named("hanging"));
            return work.async_operation(asio::deferred);
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit();
    log.expect("+work !work -work +hanging");
    advance(2s);
    result.expect_pending();
    advance(1s);
    result.expect_code(asio::error::timed_out);
}

// C81: each scope counts what is emitted while it unwinds
BOOST_AUTO_TEST_CASE(scope_within_the_body_of_a_scope_is_forced_by_the_second_terminal_of_its_own)
{
    auto outer_exit = script("outer");
    exeunt::async_with(
        context, exeunt::close_options{.grace = 5s},
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(outer_exit.awaitable());
            co_await scope({.grace = 3s});
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit();
    log.expect("+work !work -work +hanging"); // that one was for the body
    emit();
    log.expect("");
    emit();
    log.expect("!hanging -hanging +outer");
    // All came while the outer body ran: its exits have the grace from here.
    advance(4s);
    BOOST_TEST(outer_exit.cuts() == 0);
    advance(1s);
    BOOST_TEST(outer_exit.cuts() == 1);
    result.expect_once();
}

// The grace of a coroutine that was cancelled before it entered the scope.
BOOST_AUTO_TEST_CASE(scope_entered_by_a_cancelled_coroutine_is_bounded_by_its_timeout)
{
    auto const late = [&]() -> asio::awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await quick_one();
        co_await scope({.timeout = 4s});
    };
    asio::co_spawn(context, late, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    quick.ignores_cancellation();
    emit();
    quick.answer();
    drive();
    log.expect("+quick !quick -quick +work");
    work.answer();
    drive();
    advance(3s);
    BOOST_TEST(hanging.cuts() == 0);
    advance(1s);
    BOOST_TEST(hanging.cuts() == 1);
    result.expect_code(asio::error::timed_out);
}

#if defined(EXEUNT_TEST_CANCEL_AFTER)
// C79: cancel_after goes by the real clock, what follows it by the manual one.
BOOST_AUTO_TEST_CASE(scope_under_cancel_after_has_its_grace)
{
    exeunt::async_with(
        context, exeunt::close_options{.grace = 3s},
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exeunt::on_exit(hanging.awaitable()).named("hanging"));
            co_await work.async_operation(asio::use_awaitable);
        },
        asio::cancel_after(1ms, into(result)));
    context.restart();
    while (!hanging.running())
        context.run_one();
    log.expect("+work !work -work +hanging");
    advance(2s);
    BOOST_TEST(hanging.cuts() == 0);
    advance(1s);
    result.expect_code(asio::error::timed_out);
}
#endif

BOOST_AUTO_TEST_SUITE_END()
