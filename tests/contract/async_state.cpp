// The asynchronous stack: open, closing, closed, and re-entry (C52 to C61).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <memory>
#include <string>
#include <utility>

using namespace support;

namespace {

struct state_fixture : async_fixture
{
    outcome second;
    outcome third;

    bool is_deadlock(std::exception_ptr const& error) const
    {
        return exeunt::code_of(error) == boost::system::errc::resource_deadlock_would_occur;
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_state, state_fixture)

// C52
BOOST_AUTO_TEST_CASE(async_close_a_second_time_runs_nothing_and_is_no_error)
{
    push(script("a").at_once(failure("first")), shape::awaitable);
    closed().expect_error("first");
    log.clear();
    stack.async_close(into(second));
    second.expect_pending();
    drive();
    second.expect_success();
    log.expect("");
}

// C52, C01
BOOST_AUTO_TEST_CASE(async_close_a_second_time_on_an_empty_closed_stack)
{
    closed().expect_success();
    closed().expect_success();
    BOOST_TEST(!stack.is_open());
    BOOST_TEST(stack.empty());
}

// C53
BOOST_AUTO_TEST_CASE(is_open_is_false_before_the_first_exit_runs)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            BOOST_TEST(stack.is_open());
            bool open = true;
            push(script("a").at_once().runs([&] { open = stack.is_open(); }), each);
            BOOST_TEST(stack.is_open());
            stack.async_close(into(result));
            BOOST_TEST(!stack.is_open());
            drive();
            BOOST_TEST(!open);
            BOOST_TEST(!stack.is_open());
            result = {};
        }
    }
}

// C53
BOOST_AUTO_TEST_CASE(default_constructed_stack_is_closed)
{
    async_exit_stack none;
    BOOST_TEST(!none.is_open());
    BOOST_TEST(none.empty());
    BOOST_TEST(none.size() == 0u);
    BOOST_CHECK_THROW(none.push([] {}), exeunt::stack_closed);
}

// C54
BOOST_AUTO_TEST_CASE(async_close_while_closing_joins_and_completes_when_the_first_does)
{
    auto a = script("a");
    auto b = script("b");
    push(a, shape::awaitable);
    push(b, shape::handler_function);
    close();
    stack.async_close(into(second));
    drive();
    log.expect("+b");
    b.answer(failure("b"));
    drive();
    log.expect("-b +a");
    stack.async_close(into(third));
    drive();
    log.expect("");
    second.expect_pending();
    third.expect_pending();
    a.answer();
    drive();
    log.expect("-a");
    result.expect_error("b");
    second.expect_success(); // the first reports
    third.expect_success();
}

// C54: the second does not complete inside its initiating function either, nor before the first
BOOST_AUTO_TEST_CASE(async_close_joined_completes_after_the_last_exit_has_ended)
{
    auto a = script("a");
    push(a, shape::awaitable);
    close();
    bool ended = false;
    stack.async_close([&](std::exception_ptr) { ended = a.ends() == 1; });
    drive();
    a.answer();
    drive();
    BOOST_TEST(ended);
}

// C54: the cause of a joined close
BOOST_AUTO_TEST_CASE(async_close_that_joins_with_a_cause_completes_without_error)
{
    auto a = script("a");
    push(a, shape::awaitable);
    close();
    stack.async_close(failure("too late"), into(second));
    drive();
    a.answer();
    drive();
    result.expect_success();
    second.expect_success();
}

// C55
BOOST_AUTO_TEST_CASE(async_close_cancelling_a_joined_one_detaches_that_waiter_alone)
{
    asio::cancellation_signal signal;
    auto a = script("a");
    push(a, shape::awaitable);
    close();
    stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(second)));
    stack.async_close(into(third));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    second.expect_code(asio::error::operation_aborted);
    third.expect_pending();
    result.expect_pending();
    BOOST_TEST(a.cuts() == 0);
    signal.emit(asio::cancellation_type::terminal); // it has gone: nothing more happens
    drive();
    BOOST_TEST(a.cuts() == 0);
    a.answer();
    drive();
    result.expect_success();
    third.expect_success();
    BOOST_TEST(second.calls == 1);
}

// C56
BOOST_AUTO_TEST_CASE(async_close_from_an_awaitable_exit_before_its_first_suspension_is_a_deadlock)
{
    push_note("older");
    std::exception_ptr seen;
    stack.push([&]() -> asio::awaitable<void> {
        try {
            co_await stack.async_close(asio::use_awaitable);
        } catch (...) {
            seen = std::current_exception();
        }
        log("survived");
    });
    closed().expect_success();
    BOOST_TEST(is_deadlock(seen));
    log.expect("survived +older -older");
}

// C56
BOOST_AUTO_TEST_CASE(async_close_by_an_exit_whose_operation_it_is_fails_with_a_deadlock)
{
    push_note("older");
    stack.push([&] { return stack.async_close(asio::deferred); });
    closed();
    result.expect_once();
    BOOST_TEST(is_deadlock(result.error));
    log.expect("+older -older");

    stack = async_exit_stack(context);
    push_note("older");
    stack.push([&](exit_handler handler) { stack.async_close(std::move(handler)); });
    closed();
    result.expect_once();
    BOOST_TEST(is_deadlock(result.error));
    log.expect("+older -older");
}

// C56: after its first suspension it is a wait, which cancellation ends
BOOST_AUTO_TEST_CASE(async_close_from_an_exit_that_has_suspended_waits_until_it_is_cut)
{
    asio::cancellation_signal signal;
    push_note("older");
    std::exception_ptr seen;
    stack.push([&]() -> asio::awaitable<void> {
        co_await script("work").posted().async_operation(asio::use_awaitable);
        try {
            co_await stack.async_close(asio::use_awaitable);
        } catch (...) {
            seen = std::current_exception();
            throw;
        }
    });
    stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    log.expect("+work -work");
    result.expect_pending();
    BOOST_CHECK(!seen);
    signal.emit(asio::cancellation_type::terminal); // cuts nothing yet
    drive();
    BOOST_CHECK(!seen);
    signal.emit(asio::cancellation_type::terminal);
    drive();
    BOOST_CHECK(exeunt::is_cancelled(seen));
    log.expect("+older -older");
    result.expect_once();
}

// C56: a sync exit that closes its own stack without waiting
BOOST_AUTO_TEST_CASE(async_close_from_a_sync_exit_does_not_disturb_the_closing)
{
    push_note("older");
    stack.push([&] { stack.async_close(into(second)); });
    closed().expect_success();
    log.expect("+older -older");
    second.expect_once();
}

// C57
BOOST_AUTO_TEST_CASE(push_when_closed_throws_stack_closed_and_leaves_the_argument_intact)
{
    closed().expect_success();
    auto owner = std::make_unique<int>(1);
    auto sync = [p = std::move(owner)] { BOOST_TEST(*p == 1); };
    auto async = [p = std::make_unique<int>(2)]() -> asio::awaitable<void> {
        BOOST_TEST(*p == 2);
        co_return;
    };
    BOOST_CHECK_THROW(stack.push(std::move(sync)), exeunt::stack_closed);
    BOOST_CHECK_THROW(stack.push(std::move(async)), exeunt::stack_closed);
    BOOST_CHECK_THROW(stack.callback(std::move(sync)), exeunt::stack_closed);
    BOOST_CHECK_THROW(stack.push_async_callback(std::move(async)), exeunt::stack_closed);
    auto value = std::make_unique<int>(3);
    BOOST_CHECK_THROW(
        stack.adopt(std::move(value), [](std::unique_ptr<int>&) {}), exeunt::stack_closed);
    BOOST_REQUIRE(value);
    BOOST_TEST(*value == 3);
    BOOST_CHECK_THROW(stack.emplace<int>(1), exeunt::stack_closed);
    auto mark = capture_mark(log, "~mark");
    BOOST_CHECK_THROW(stack.enter(std::move(mark)), exeunt::stack_closed);
    log.expect("");

    // Not consumed: they can be given to another stack.
    async_exit_stack other(context);
    other.push(std::move(sync));
    other.push(std::move(async));
    result = {};
    other.async_close(into(result));
    drive();
    result.expect_success();
}

// C57
BOOST_AUTO_TEST_CASE(stack_closed_is_a_logic_error)
{
    closed().expect_success();
    BOOST_CHECK_THROW(stack.push([] {}), std::logic_error);
}

// C58
BOOST_AUTO_TEST_CASE(fresh_stack_assigned_to_a_closed_one_begins_again)
{
    push_note("a");
    closed().expect_success();
    stack = async_exit_stack(context);
    BOOST_TEST(stack.is_open());
    push_note("b");
    closed().expect_success();
    log.expect("+a -a +b -b");
}

// C59
BOOST_AUTO_TEST_CASE(push_by_an_exit_while_closing_runs_next_after_the_exit_has_completed)
{
    for (shape const registering : async_shapes) {
        for (shape const registered : {shape::function, shape::awaitable}) {
            BOOST_TEST_CONTEXT(registering << " registers " << registered)
            {
                stack = async_exit_stack(context);
                push_note("older");
                auto reg = script("reg");
                reg.runs([&, registered] { push(script("late").at_once(), registered); });
                push(reg, registering);
                close();
                log.expect("+reg"); // it still runs
                BOOST_TEST(stack.size() >= 2u);
                reg.answer();
                drive();
                log.expect("-reg +late -late +older -older");
                result.expect_success();
            }
        }
    }
}

// C59
BOOST_AUTO_TEST_CASE(push_by_a_sync_exit_while_closing_runs_next)
{
    push_note("older");
    stack.push(
        script("reg").runs([&] { push(script("late").posted(), shape::awaitable); }).function());
    closed().expect_success();
    log.expect("+reg -reg +late -late +older -older");
}

// C60
BOOST_AUTO_TEST_CASE(push_twice_by_an_exit_while_closing_runs_these_in_reverse)
{
    push_note("outer");
    auto reg = script("reg").at_once().runs([&] {
        push_note("late1");
        push(script("late2").at_once(), shape::awaitable);
    });
    push(reg, shape::awaitable);
    closed().expect_success();
    log.expect("+reg -reg +late2 -late2 +late1 -late1 +outer -outer");
}

// C60: registered by one that was registered late
BOOST_AUTO_TEST_CASE(push_by_a_late_exit_runs_next_too)
{
    push_note("outer");
    stack.push(
        script("reg")
            .runs([&] { stack.push(script("late").runs([&] { push_note("later"); }).function()); })
            .function());
    closed().expect_success();
    log.expect("+reg -reg +late -late +later -later +outer -outer");
}

// C61
BOOST_AUTO_TEST_CASE(push_from_elsewhere_while_the_last_exit_runs_is_run)
{
    auto last = script("last");
    push(last, shape::awaitable);
    close();
    log.expect("+last");
    push_note("late");
    last.answer();
    drive();
    log.expect("-last +late -late");
    result.expect_success();
}

// C61
BOOST_AUTO_TEST_CASE(push_after_the_final_handler_was_queued_throws_stack_closed)
{
    asio::io_context other;
    auto last = script("last");
    push(last, shape::awaitable);
    stack.async_close(asio::bind_executor(other, into(result)));
    drive();
    last.answer();
    drive();
    result.expect_pending(); // queued on the other context
    BOOST_CHECK_THROW(push_note("late"), exeunt::stack_closed);
    BOOST_TEST(!stack.is_open());
    support::drive(other);
    result.expect_success();
    log.expect("+last -last");
}

// C61: there is no moment in between; a registration either throws or runs
BOOST_AUTO_TEST_CASE(push_at_any_moment_of_closing_is_run_or_throws)
{
    for (std::size_t steps = 0; steps != 30; ++steps) {
        stack = async_exit_stack(context);
        result = {};
        push(script("b").posted(), shape::awaitable);
        push(script("a").posted(), shape::handler_function);
        stack.async_close(into(result));
        context.restart();
        for (std::size_t k = 0; k != steps; ++k)
            context.poll_one();
        bool registered = true;
        bool ran = false;
        try {
            stack.push([&] { ran = true; });
        } catch (exeunt::stack_closed const&) {
            registered = false;
        }
        drive();
        BOOST_TEST(ran == registered);
        result.expect_success();
    }
}

// Registered before the initiating function's work has reached the executor: it runs.
BOOST_AUTO_TEST_CASE(push_right_after_async_close_was_called_runs_next)
{
    push_note("a");
    stack.async_close(into(result)); // outside the executor: nothing has run
    log.expect("");
    push_note("b");
    drive();
    log.expect("+b -b +a -a");
    result.expect_success();
}

// A moved-from stack is empty and open and has the same executor.
BOOST_AUTO_TEST_CASE(moved_from_stack_is_empty_and_open)
{
    push_note("a");
    async_exit_stack other = std::move(stack);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(stack.empty());
    BOOST_CHECK(stack.get_executor() == other.get_executor());
    push_note("b");
    closed().expect_success();
    log.expect("+b -b");
    result = {};
    other.async_close(into(result));
    drive();
    result.expect_success();
    log.expect("+a -a");
}

BOOST_AUTO_TEST_SUITE_END()
