// The asynchronous stack: cancellation (C79 to C83, C87 as far as they need no deadline).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <string>
#include <utility>

using namespace support;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

struct cancellation_fixture : async_fixture
{
    asio::cancellation_signal signal;

    void begin_close()
    {
        result = {};
        stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
        drive();
    }

    void emit(asio::cancellation_type type)
    {
        signal.emit(type);
        drive();
    }

    template <class Body>
    void begin_with(Body const& body)
    {
        result = {};
        exeunt::async_with(
            context, body, asio::bind_cancellation_slot(signal.slot(), into(result)));
        drive();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_cancellation, cancellation_fixture)

// C81
BOOST_AUTO_TEST_CASE(async_close_first_terminal_while_unwinding_cuts_nothing)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            auto a = script("a");
            auto b = script("b");
            push(a, each);
            push(b, each);
            begin_close();
            log.expect("+b");
            emit(terminal);
            log.expect("");
            b.answer();
            drive();
            log.expect("-b +a");
            a.answer();
            drive();
            log.expect("-a");
            result.expect_success();
        }
    }
}

// C81
BOOST_AUTO_TEST_CASE(async_close_second_terminal_cuts_the_running_exit_and_the_rest_runs)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            auto b = script("b");
            push_note("older");
            push(script("a").at_once(), each);
            push(b, each);
            begin_close();
            emit(terminal);
            log.expect("+b");
            emit(terminal);
            log.expect("!b -b +a -a +older -older");
            BOOST_REQUIRE(b.cut_types().size() == 1u);
            BOOST_CHECK((b.cut_types()[0] & terminal) != asio::cancellation_type::none);
            result.expect_code(asio::error::operation_aborted);
        }
    }
}

// C81: they count one by one, also where both are emitted before the first has been delivered
BOOST_AUTO_TEST_CASE(async_close_two_terminals_at_once_cut_the_running_exit)
{
    auto a = script("a");
    push(a, shape::awaitable);
    begin_close();
    signal.emit(terminal);
    emit(terminal);
    BOOST_TEST(a.cuts() == 1);
    result.expect_code(asio::error::operation_aborted);
}

// C81: partial and total are not offered while unwinding
BOOST_AUTO_TEST_CASE(async_close_partial_and_total_cut_nothing)
{
    auto a = script("a");
    push(a, shape::awaitable);
    begin_close();
    for (int k = 0; k != 3; ++k) {
        emit(asio::cancellation_type::partial);
        emit(asio::cancellation_type::total);
    }
    emit(terminal);
    emit(asio::cancellation_type::partial);
    emit(asio::cancellation_type::total);
    BOOST_TEST(a.cuts() == 0);
    a.answer();
    drive();
    result.expect_success();
}

// C82
BOOST_AUTO_TEST_CASE(async_close_cut_exit_is_waited_for)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            auto stubborn = script("stubborn").ignores_cancellation();
            push_note("older");
            push(stubborn, each);
            begin_close();
            emit(terminal);
            emit(terminal);
            emit(terminal);
            BOOST_TEST(stubborn.cuts() >= 1);
            result.expect_pending();
            log.clear();
            stubborn.answer();
            drive();
            log.expect("-stubborn +older -older");
            result.expect_success(); // it did what it had to
        }
    }
}

// C81: a coroutine exit is not latched by the first terminal: it goes on awaiting
BOOST_AUTO_TEST_CASE(async_close_first_terminal_leaves_the_awaits_of_an_exit_alone)
{
    auto one = script("one");
    auto two = script("two");
    stack.push([&]() -> asio::awaitable<void> {
        co_await one.async_operation(asio::use_awaitable);
        co_await two.async_operation(asio::use_awaitable);
        log("end");
    });
    begin_close();
    emit(terminal);
    one.answer();
    drive();
    log.expect("+one -one +two");
    two.answer();
    drive();
    log.expect("-two end");
    result.expect_success();
}

// C81: what was cut leaves nothing behind for the next coroutine
BOOST_AUTO_TEST_CASE(async_close_cut_of_a_coroutine_exit_does_not_kill_the_next_one)
{
    auto next = script("next").ignores_cancellation();
    push(next, shape::awaitable);
    push(script("cut"), shape::awaitable);
    begin_close();
    emit(terminal);
    emit(terminal);
    BOOST_TEST(log.has("-cut"));
    BOOST_TEST(next.begins() == 1); // its operation has been started
    BOOST_TEST(next.running());
    next.answer();
    drive();
    result.expect_code(asio::error::operation_aborted);
}

// What an exit does to its own cancellation state is gone with it.
BOOST_AUTO_TEST_CASE(async_close_cancellation_state_of_an_exit_does_not_leak_to_the_next)
{
    auto a = script("a");
    push(a, shape::awaitable);
    stack.push([&]() -> asio::awaitable<void> {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await script("b").posted().async_operation(asio::use_awaitable);
    });
    begin_close();
    log.expect("+b -b +a");
    emit(terminal);
    emit(terminal);
    log.expect("!a -a");
    result.expect_code(asio::error::operation_aborted);
}

// C79: cancelled before it has begun
BOOST_AUTO_TEST_CASE(async_close_cancelled_before_it_starts_runs_every_exit_in_full)
{
    auto a = script("a");
    auto b = script("b");
    push(a, shape::awaitable);
    push(b, shape::handler_function);
    push_note("c");
    stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
    signal.emit(terminal); // it has not reached its executor
    drive();
    log.expect("+c -c +b");
    BOOST_TEST(b.running());
    b.answer();
    drive();
    a.answer();
    drive();
    BOOST_TEST(a.cuts() + b.cuts() == 0);
    result.expect_success();
}

// C87
BOOST_AUTO_TEST_CASE(async_close_terminal_at_every_step_skips_nothing_and_runs_nothing_twice)
{
    for (int times : {1, 2, 3}) {
        for (std::size_t steps = 0; steps != 30; ++steps) {
            BOOST_TEST_CONTEXT(times << " emissions after " << steps << " steps")
            {
                stack = async_exit_stack(context);
                log.clear();
                result = {};
                push_note("a");
                push(script("b").posted(), shape::awaitable);
                push(script("c").posted(), shape::handler_function);
                push(script("d").posted(), shape::operation);
                push(script("e").posted(), shape::state_awaitable);
                push_note("f");
                stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
                context.restart();
                for (std::size_t k = 0; k != steps; ++k)
                    context.poll_one();
                for (int k = 0; k != times; ++k)
                    signal.emit(terminal);
                drive();
                result.expect_once();
                for (char const* name : {"a", "b", "c", "d", "e", "f"})
                    BOOST_TEST(
                        log.count(std::string("+") + name) == 1u, name << " has not run once");
                BOOST_TEST(stack.empty());
            }
        }
    }
}

// The slot of the final handler is its own again when that is called.
BOOST_AUTO_TEST_CASE(async_close_leaves_the_slot_of_its_handler_empty)
{
    bool in_use = true;
    push_note("a");
    stack.async_close(asio::bind_cancellation_slot(
        signal.slot(), [&](std::exception_ptr) { in_use = signal.slot().has_handler(); }));
    BOOST_TEST(signal.slot().has_handler());
    drive();
    BOOST_TEST(!in_use);
}

// The slot may be emitted to after the end.
BOOST_AUTO_TEST_CASE(emission_after_completion_reaches_nothing)
{
    exit_handle const handle = push(script("a").posted().marks_captures(), shape::handler_function);
    stack.async_run_now(handle, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    result.expect_success();
    emit(terminal);
    push(script("b").posted(), shape::awaitable);
    begin_close();
    result.expect_success();
    emit(terminal);
    emit(terminal);
    begin_with([&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(script("c").posted().handler_function());
        co_return;
    });
    result.expect_success();
    emit(terminal);
    emit(terminal);
    BOOST_TEST(result.calls == 1);
}

// C08: the cancellation of the token reaches the body while it runs
BOOST_AUTO_TEST_CASE(async_with_cancellation_reaches_the_body)
{
    auto work = script("work");
    auto exit = script("exit");
    begin_with([&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(exit.awaitable());
        co_await work.async_operation(asio::use_awaitable);
    });
    log.expect("+work");
    emit(terminal);
    BOOST_REQUIRE(work.cuts() == 1);
    log.expect("!work -work +exit");
    result.expect_pending();
    BOOST_TEST(exit.cuts() == 0); // the exits run in full
    exit.answer();
    drive();
    result.expect_code(asio::error::operation_aborted);
}

// C08: the body in its other shapes
BOOST_AUTO_TEST_CASE(async_with_cancellation_reaches_a_body_of_any_shape)
{
    auto first = script("first");
    begin_with([&](async_exit_stack& s) {
        s.push(script("a").function());
        return first.async_operation(asio::deferred);
    });
    emit(terminal);
    BOOST_TEST(first.cuts() == 1);
    result.expect_code(asio::error::operation_aborted);
    log.expect("+first !first -first +a -a");

    auto second = script("second");
    begin_with([&](async_exit_stack& s, exit_handler handler) {
        s.push(script("b").function());
        second.async_operation(std::move(handler));
    });
    emit(terminal);
    BOOST_TEST(second.cuts() == 1);
    result.expect_code(asio::error::operation_aborted);
    log.expect("+second !second -second +b -b");
}

// C81: a signal emitted in the phase of the body counts for the body alone
BOOST_AUTO_TEST_CASE(async_with_body_that_ignores_its_cancellation_is_waited_for)
{
    auto work = script("work").ignores_cancellation();
    auto exit = script("exit");
    begin_with([&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(exit.awaitable());
        co_await work.async_operation(asio::use_awaitable);
    });
    emit(terminal);
    result.expect_pending();
    BOOST_TEST(work.cuts() == 1);
    work.answer();
    drive();
    BOOST_TEST(exit.running());
    BOOST_TEST(exit.cuts() == 0);
    exit.answer();
    drive();
    result.expect_once();
}

// C79
BOOST_AUTO_TEST_CASE(async_with_exits_of_a_cancelled_body_may_suspend_as_often_as_they_like)
{
    auto one = script("one");
    auto two = script("two");
    begin_with([&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push([&]() -> asio::awaitable<void> {
            co_await one.async_operation(asio::use_awaitable);
            co_await two.async_operation(asio::use_awaitable);
        });
        co_await script("work").async_operation(asio::use_awaitable);
    });
    emit(terminal);
    log.expect("+work !work -work +one");
    one.answer();
    drive();
    log.expect("-one +two");
    two.answer();
    drive();
    result.expect_code(asio::error::operation_aborted);
}

// C80
BOOST_AUTO_TEST_CASE(async_with_in_a_cancelled_coroutine_cleans_up_and_throws_once)
{
    auto exit = script("exit");
    int throws = 0;
    bool still_cancelled = false;
    auto const parent = [&]() -> asio::awaitable<void> {
        auto const body = [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exit.awaitable());
            co_await script("work").async_operation(asio::use_awaitable);
        };
        try {
            co_await exeunt::async_with(std::ref(body), asio::use_awaitable);
            log("not thrown");
        } catch (boost::system::system_error const& e) {
            BOOST_TEST(e.code() == asio::error::operation_aborted);
            ++throws;
        }
        still_cancelled = (co_await asio::this_coro::cancellation_state).cancelled()
            != asio::cancellation_type::none;
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await asio::post(asio::use_awaitable); // life goes on
        log("parent ends");
    };
    asio::co_spawn(context, parent, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit(terminal);
    log.expect("+work !work -work +exit");
    BOOST_TEST(throws == 0);
    exit.answer();
    drive();
    BOOST_TEST(throws == 1);
    BOOST_TEST(still_cancelled);
    log.expect("-exit parent ends");
    result.expect_once();
}

// C80: cancelled before the scope was entered
BOOST_AUTO_TEST_CASE(async_with_entered_after_the_cancellation_cleans_up_in_full)
{
    auto before = script("before").ignores_cancellation();
    auto exit = script("exit");
    bool still_cancelled = false;
    auto const parent = [&]() -> asio::awaitable<void> {
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await before.async_operation(asio::use_awaitable);
        auto const body = [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exit.awaitable());
            co_return;
        };
        try {
            co_await exeunt::async_with(std::ref(body), asio::use_awaitable);
        } catch (boost::system::system_error const&) {
        }
        still_cancelled = (co_await asio::this_coro::cancellation_state).cancelled()
            != asio::cancellation_type::none;
        log("parent ends");
    };
    asio::co_spawn(context, parent, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit(terminal);
    before.answer();
    drive();
    BOOST_TEST(exit.running());
    BOOST_TEST(exit.cuts() == 0);
    exit.answer();
    drive();
    BOOST_TEST(still_cancelled);
    log.expect("+before !before -before +exit -exit parent ends");
}

// C87: once or twice at every step of a scope
BOOST_AUTO_TEST_CASE(async_with_terminal_at_every_step_skips_nothing_and_runs_nothing_twice)
{

    for (int times : {1, 2}) {
        for (std::size_t steps = 0; steps != 40; ++steps) {
            BOOST_TEST_CONTEXT(times << " emissions after " << steps << " steps")
            {
                log.clear();
                result = {};
                int registered = 0;
                int ran = 0;
                auto const body = [&](async_exit_stack& s) -> asio::awaitable<void> {
                    ++registered;
                    s.push([&] { ++ran; });
                    co_await asio::post(asio::use_awaitable);
                    ++registered;
                    s.push([&]() -> asio::awaitable<void> {
                        ++ran;
                        co_await asio::post(asio::use_awaitable);
                    });
                    co_await asio::post(asio::use_awaitable);
                    ++registered;
                    s.push([&](exit_handler handler) {
                        ++ran;
                        asio::post(std::move(handler));
                    });
                };
                exeunt::async_with(
                    context, body, asio::bind_cancellation_slot(signal.slot(), into(result)));
                context.restart();
                for (std::size_t k = 0; k != steps; ++k)
                    context.poll_one();
                for (int k = 0; k != times; ++k)
                    signal.emit(terminal);
                BOOST_CHECK_NO_THROW(drive());
                result.expect_once();
                BOOST_TEST(ran == registered);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(async_run_now_first_terminal_cuts_nothing)
{
    auto a = script("a");
    exit_handle const handle = push(a, shape::awaitable);
    stack.async_run_now(handle, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit(terminal);
    BOOST_TEST(a.cuts() == 0);
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_SUITE_END()
