// C76: the asynchronous stack in a stackful coroutine. Needs Boost.Context, which has to be linked: built
// where EXEUNT_TEST_YIELD_CONTEXT is defined.
#if defined(EXEUNT_TEST_YIELD_CONTEXT)
#include <exeunt/async_with.hpp>
#include <exeunt/testing.hpp>

#include "support/coroutine_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/spawn.hpp>

#include <chrono>
#include <memory>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_tokens_yield_context, async_fixture)

// C76: spawn of Boost 1.81 is wrong for void(exception_ptr) (a null one is rethrown) and does not compile
// for (exception_ptr, T): as_tuple makes one value of them, which it can
BOOST_AUTO_TEST_CASE(yield_context)
{
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            auto const token = asio::as_tuple(yield);
            exit_handle const handle = push(script("a").posted(), shape::awaitable);
            auto const [run_error] = stack.async_run_now(handle, token);
            BOOST_CHECK(!run_error);
            stack.push(script("b").posted().handler_function());
            auto const [close_error] = stack.async_close(token);
            BOOST_CHECK(!close_error);
            auto const [with_error] = exeunt::async_with(
                [&](async_exit_stack& s) -> asio::awaitable<void> {
                    s.push(script("c").posted().awaitable());
                    co_return;
                },
                token);
            BOOST_CHECK(!with_error);
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("+a -a +b -b +c -c");
}

// C76
BOOST_AUTO_TEST_CASE(yield_context_of_operations_that_yield_a_value)
{
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            auto const token = asio::as_tuple(yield);
            auto const [enter_error, entered] = stack.async_enter(nine_context(), token);
            BOOST_CHECK(!enter_error);
            BOOST_TEST(entered == 9);
            auto const [acquire_error, acquired] = stack.async_acquire(
                seven(), [&](int&) { log("released"); }, token);
            BOOST_CHECK(!acquire_error);
            BOOST_TEST(*acquired == 7);
            auto const [close_error] = stack.async_close(token);
            BOOST_CHECK(!close_error);
            auto const [with_error, value] = exeunt::async_with(
                [&](async_exit_stack& s) -> asio::awaitable<int> {
                    s.push(script("c").posted().awaitable());
                    co_return 5;
                },
                token);
            BOOST_CHECK(!with_error);
            BOOST_TEST(value == 5);
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("released +c -c");
}

// C76
BOOST_AUTO_TEST_CASE(yield_context_throws_what_the_operation_fails_with)
{
    std::exception_ptr const cause = failure("cause");
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            push(script("a").posted(), shape::handler_function);
            stack.async_close(cause, yield);
        },
        into(result));
    drive();
    result.expect_error(cause);
    log.expect("+a -a");
}

// C79, C85: in a stackful coroutine too the unwinding is bounded, and the grace of a cancelled one is its own
BOOST_AUTO_TEST_CASE(yield_context_that_is_cancelled_has_its_grace)
{
    exeunt::manual_clock clock(context);
    asio::cancellation_signal signal;
    auto work = script("work");
    auto hanging = script("hanging");
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            auto const [error] = exeunt::async_with(
                exeunt::close_options{.grace = std::chrono::seconds(3)},
                [&](async_exit_stack& s) {
                    s.push(exeunt::on_exit(hanging.awaitable()).named("hanging"));
                    return work.async_operation(asio::deferred);
                },
                asio::as_tuple(yield));
            BOOST_TEST((exeunt::code_of(error) == asio::error::timed_out));
            BOOST_TEST(failures_of(error).size() == 2u);
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    log.expect("+work !work -work +hanging");
    clock.advance(std::chrono::seconds(2));
    drive();
    result.expect_pending();
    clock.advance(std::chrono::seconds(1));
    drive();
    log.expect("!hanging -hanging");
    result.expect_success();
}

BOOST_AUTO_TEST_SUITE_END()
#else
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_CASE(yield_context_is_not_tested_without_boost_context)
{
    BOOST_TEST_MESSAGE("built without EXEUNT_TEST_YIELD_CONTEXT");
    BOOST_TEST(true);
}
#endif
