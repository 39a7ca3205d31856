// The asynchronous stack: the order in which exits run (C01 to C08).
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <memory>
#include <string>
#include <utility>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_order, async_fixture)

// C01
BOOST_AUTO_TEST_CASE(async_close_of_an_empty_stack_succeeds)
{
    stack.async_close(into(result));
    result.expect_pending();
    drive();
    result.expect_success();
    BOOST_TEST(!stack.is_open());
    log.expect("");
}

// C02
BOOST_AUTO_TEST_CASE(async_close_exits_of_one_shape_run_newest_first)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            for (char const* name : {"a", "b", "c", "d", "e"})
                push(script(name).at_once(), each);
            BOOST_TEST(stack.size() == 5u);
            BOOST_TEST(!stack.empty());
            closed().expect_success();
            log.expect("+e -e +d -d +c -c +b -b +a -a");
            BOOST_TEST(stack.empty());
        }
    }
}

// C02
BOOST_AUTO_TEST_CASE(async_close_exits_that_complete_later_run_newest_first)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            for (char const* name : {"a", "b", "c"})
                push(script(name).posted(), each);
            closed().expect_success();
            log.expect("+c -c +b -b +a -a");
        }
    }
}

namespace {

struct noting
{
    noting(event_log& l, std::string n)
        : log(&l)
        , name(std::move(n))
    {
    }

    noting(noting const&) = delete;
    noting& operator=(noting const&) = delete;
    ~noting() { log->add("+" + name); }

    event_log* log;
    std::string name;
};

struct async_context
{
    explicit async_context(event_log& l)
        : log(&l)
    {
    }

    asio::awaitable<void> async_exit(exit_state&)
    {
        log->add("+async context");
        co_return;
    }

    event_log* log;
};

struct entered_context
{
    explicit entered_context(event_log& l)
        : log(&l)
    {
    }

    asio::awaitable<int> async_enter()
    {
        log->add("enter");
        co_return 5;
    }

    asio::awaitable<void> async_exit(exit_state&)
    {
        log->add("exit");
        co_return;
    }

    event_log* log;
};

asio::awaitable<int> six()
{
    co_return 6;
}

} // namespace

// C03
BOOST_AUTO_TEST_CASE(async_close_all_kinds_of_exits_share_one_order)
{
    stack.push([&] { log("+push"); });
    stack.push([&]() -> asio::awaitable<void> {
        log("+awaitable");
        co_return;
    });
    stack.callback([&](int number) { log("+callback" + std::to_string(number)); }, 1);
    stack.push_async_callback(
        [&](int number) -> asio::awaitable<void> {
            log("+async_callback" + std::to_string(number));
            co_return;
        },
        2);
    stack.push_async_exit([&](exit_state&, auto handler) {
        log("+async_exit");
        asio::post(std::move(handler));
    });
    stack.emplace<noting>(log, "emplaced");
    stack.adopt(3, [&](int& value) { log("+adopted" + std::to_string(value)); });
    stack.adopt(4, [&](int& value) -> asio::awaitable<void> {
        log("+async_adopted" + std::to_string(value));
        co_return;
    });
    stack.enter(script("context").sync_context());
    stack.enter(async_context(log));
    stack.push([&](exit_handler handler) {
        log("+handler");
        std::move(handler)();
    });
    stack.push(script("operation").posted().operation());
    outcome_of<int> entered;
    entered_context context_entered(log);
    stack.async_enter(std::ref(context_entered), into(entered));
    drive();
    entered.expect_success();
    BOOST_TEST(entered.value.value_or(0) == 5);
    outcome_of<int*> acquired;
    stack.async_acquire(
        six(), [&](int& value) { log("+acquired" + std::to_string(value)); }, into(acquired));
    drive();
    acquired.expect_success();
    log.expect("enter");

    BOOST_TEST(stack.size() == 14u);
    closed().expect_success();
    log.expect("+acquired6 exit +operation -operation +handler +async context +context -context "
               "+async_adopted4 +adopted3 +emplaced +async_exit +async_callback2 +callback1 "
               "+awaitable +push");
}

// C04
BOOST_AUTO_TEST_CASE(async_close_older_exit_waits_for_the_newer_one_to_complete)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            auto a = script("a");
            auto b = script("b");
            auto c = script("c");
            push(a, each);
            push(b, each);
            push(c, each);
            close();
            log.expect("+c");
            drive();
            log.expect("");
            c.answer();
            drive();
            log.expect("-c +b");
            b.answer();
            drive();
            log.expect("-b +a");
            result.expect_pending();
            a.answer();
            drive();
            log.expect("-a");
            result.expect_success();
        }
    }
}

// C05
BOOST_AUTO_TEST_CASE(async_with_entered_then_body_then_exit_then_earlier_callback)
{
    entered_context entered(log);
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.callback([&] { log("callback"); });
            int const five = co_await s.async_enter(std::ref(entered), asio::use_awaitable);
            BOOST_TEST(five == 5);
            log("body");
        },
        into(result));
    result.expect_pending();
    drive();
    result.expect_success();
    log.expect("enter body exit callback");
}

// C06
BOOST_AUTO_TEST_CASE(async_close_same_callable_registered_twice_runs_twice)
{
    int runs = 0;
    auto sync = [&runs] { ++runs; };
    auto async = [&runs]() -> asio::awaitable<void> {
        ++runs;
        co_return;
    };
    stack.push(sync);
    stack.push(async);
    stack.push(sync);
    stack.push(async);
    BOOST_TEST(stack.size() == 4u);
    closed().expect_success();
    BOOST_TEST(runs == 4);
}

// C07
BOOST_AUTO_TEST_CASE(async_with_closed_by_its_body_end_of_scope_adds_nothing)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").function());
            s.push(script("b").posted().awaitable());
            co_await s.async_close(asio::use_awaitable);
            log("closed");
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("+b -b +a -a closed");
}

// C08
BOOST_AUTO_TEST_CASE(async_with_exits_run_when_the_body_returns_a_value)
{
    outcome_of<std::string> with_value;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<std::string> {
            s.push(script("a").posted().awaitable());
            s.push(script("b").function());
            log("body");
            co_return "value";
        },
        into(with_value));
    drive();
    with_value.expect_success();
    BOOST_TEST(with_value.value.value_or("") == "value");
    log.expect("body +b -b +a -a");
}

// C08
BOOST_AUTO_TEST_CASE(async_with_exits_run_when_the_body_throws)
{
    std::exception_ptr const thrown = failure("body");
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").posted().awaitable());
            s.push(script("b").function());
            std::rethrow_exception(thrown);
            co_return;
        },
        into(result));
    drive();
    result.expect_error(thrown);
    log.expect("+b -b +a -a");
}

// C08
BOOST_AUTO_TEST_CASE(async_with_exits_run_when_the_body_completes_with_an_error_code)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s, exit_handler handler) {
            s.push(script("a").posted().awaitable());
            s.push(script("b").function());
            std::move(handler)(boost::system::error_code(asio::error::eof));
        },
        into(result));
    result.expect_pending();
    drive();
    result.expect_code(asio::error::eof);
    log.expect("+b -b +a -a");
}

// C08
BOOST_AUTO_TEST_CASE(async_with_exits_run_when_the_body_is_cancelled)
{
    asio::cancellation_signal signal;
    auto never = script("body");
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").posted().awaitable());
            s.push(script("b").function());
            co_await never.async_operation(asio::use_awaitable);
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    log.expect("+body");
    result.expect_pending();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    log.expect("!body -body +b -b +a -a");
    result.expect_error("cancelled");
}

BOOST_AUTO_TEST_SUITE_END()
