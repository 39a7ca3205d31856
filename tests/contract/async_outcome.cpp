// The asynchronous stack: what exits see and what they make of it (C26 to C39).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <string>
#include <utility>

using namespace support;

namespace {

struct outcome_fixture : async_fixture
{
    std::exception_ptr const cause = failure("cause");

    void begin(shape each)
    {
        BOOST_TEST_MESSAGE("shape " << each);
        stack = async_exit_stack(context);
        log.clear();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_outcome, outcome_fixture)

// C26
BOOST_AUTO_TEST_CASE(exit_state_nothing_failed_error_is_null)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto a = script("a").at_once();
            push(a, each);
            closed().expect_success();
            BOOST_REQUIRE(a.has_seen());
            BOOST_CHECK(!a.saw().error);
            BOOST_CHECK(!a.saw().cause);
            BOOST_TEST(!a.saw().failed);
            BOOST_TEST(!a.saw().cancelled);
            BOOST_TEST(!a.saw().forced);
            BOOST_TEST(!a.saw().code);
            BOOST_TEST(a.saw().failures == 0u);
        }
    }
}

// C27, C28
BOOST_AUTO_TEST_CASE(exit_state_holds_the_identical_exception_object_which_goes_on)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto a = script("a").at_once();
            auto b = script("b").at_once();
            push(a, each);
            push(b, each);
            closed(cause).expect_error(cause);
            for (auto const* exit : {&a, &b}) {
                BOOST_REQUIRE(exit->has_seen());
                BOOST_CHECK(exit->saw().error == cause);
                BOOST_CHECK(exit->saw().cause == cause);
                BOOST_TEST(exit->saw().failed);
                BOOST_TEST(!exit->saw().cancelled);
                BOOST_TEST(exit->saw().failures == 1u);
            }
        }
    }
}

// C27
BOOST_AUTO_TEST_CASE(exit_state_holds_the_object_that_the_body_threw)
{
    auto a = script("a").at_once();
    std::exception_ptr thrown;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(a.state_awaitable());
            try {
                throw test_error("body");
            } catch (...) {
                thrown = std::current_exception();
                throw;
            }
            co_return;
        },
        into(result));
    drive();
    BOOST_REQUIRE(thrown);
    BOOST_CHECK(a.saw().error == thrown);
    BOOST_CHECK(a.saw().cause == thrown);
    result.expect_error(thrown);
}

// C27
BOOST_AUTO_TEST_CASE(exit_state_holds_what_a_newer_exit_threw)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            std::exception_ptr const error = failure("b");
            auto a = script("a").at_once();
            push(a, each);
            push(script("b").at_once(error), each);
            closed().expect_error(error);
            BOOST_CHECK(a.saw().error == error);
            BOOST_CHECK(!a.saw().cause); // nothing began it
        }
    }
}

// C29, C31
BOOST_AUTO_TEST_CASE(exit_state_suppressed_scope_succeeds_and_older_exits_see_no_error)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto older = script("older").at_once();
            auto suppressor =
                script("suppressor").at_once().sees([](exit_state& s) { s.suppress(); });
            push(older, each);
            push(suppressor, each);
            closed(cause).expect_success();
            BOOST_CHECK(suppressor.saw().error == cause);
            BOOST_CHECK(!older.saw().error);
            BOOST_TEST(!older.saw().failed);
            BOOST_TEST(older.saw().failures == 0u);
            BOOST_CHECK(older.saw().cause == cause);
        }
    }
}

// C29: at the end of a scope
BOOST_AUTO_TEST_CASE(async_with_suppressed_failure_gives_the_default_value)
{
    outcome_of<std::string> value;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<std::string> {
            s.push([](exit_state& state) { state.suppress(); });
            throw test_error("body");
            co_return "never";
        },
        into(value));
    drive();
    value.expect_success();
    BOOST_TEST(value.value.value_or("none") == "");
}

// C29: suppressed after a suspension
BOOST_AUTO_TEST_CASE(exit_state_may_be_changed_until_the_exit_has_completed)
{
    stack.push([&](exit_state& state) -> asio::awaitable<void> {
        co_await script("work").posted().async_operation(asio::use_awaitable);
        state.suppress();
    });
    closed(cause).expect_success();
}

// C30
BOOST_AUTO_TEST_CASE(exit_without_the_state_cannot_suppress_whatever_it_returns)
{
    stack.push([] { return true; });
    stack.push([]() -> asio::awaitable<void> { co_return; });
    stack.push([](exit_handler handler) { std::move(handler)(true); });
    stack.push([] {
        return asio::async_initiate<asio::deferred_t const, void(bool)>(
            [](auto handler) { asio::post(asio::append(std::move(handler), true)); },
            asio::deferred);
    });
    closed(cause).expect_error(cause);
}

// C32
BOOST_AUTO_TEST_CASE(exit_state_suppressed_then_an_older_exit_fails_that_failure_comes_out)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            std::exception_ptr const later = failure("later");
            push(script("older").at_once(later), each);
            push(script("b").at_once().sees([](exit_state& s) { s.suppress(); }), each);
            closed(cause).expect_error(later);
        }
    }
}

// C33
BOOST_AUTO_TEST_CASE(exit_state_an_exit_fails_and_an_older_one_suppresses_success)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto suppressor =
                script("suppressor").at_once().sees([](exit_state& s) { s.suppress(); });
            push(suppressor, each);
            push(script("fails").at_once(failure("b")), each);
            closed(cause).expect_success();
            BOOST_TEST(suppressor.saw().failures == 2u);
        }
    }
}

// C34
BOOST_AUTO_TEST_CASE(exit_state_suppressing_nothing_is_harmless)
{
    for (shape const each : seeing_shapes) {
        begin(each);
        push(script("a").at_once().sees([](exit_state& s) { s.suppress(); }), each);
        closed().expect_success();
    }
}

// C35
BOOST_AUTO_TEST_CASE(exit_state_several_may_suppress_in_turn_the_final_state_decides)
{
    std::exception_ptr const last = failure("last");
    auto const suppress = [](exit_state& s) { s.suppress(); };
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            push(script("s1").at_once().sees(suppress), each);
            push(script("fails").at_once(failure("x")), each);
            push(script("s2").at_once().sees(suppress), each);
            closed(cause).expect_success();

            begin(each);
            push(script("fails").at_once(last), each);
            push(script("s1").at_once().sees(suppress), each);
            push(script("fails too").at_once(failure("x")), each);
            push(script("s2").at_once().sees(suppress), each);
            closed(cause).expect_error(last);
        }
    }
}

// C36
BOOST_AUTO_TEST_CASE(exit_state_rethrowing_the_error_in_flight_adds_nothing)
{
    stack.push([](exit_state& s) { std::rethrow_exception(s.error()); });
    stack.push([](exit_state& s) -> asio::awaitable<void> {
        std::rethrow_exception(s.error());
        co_return;
    });
    stack.push([](exit_state& s, exit_handler handler) { std::move(handler)(s.error()); });
    auto oldest = script("oldest").at_once();
    closed(cause).expect_error(cause);

    stack = async_exit_stack(context);
    push(oldest, shape::state_awaitable);
    stack.push([](exit_state& s) { std::rethrow_exception(s.error()); });
    closed(cause).expect_error(cause);
    BOOST_TEST(oldest.saw().failures == 1u);
}

// C36: the body rethrows what it awaited
BOOST_AUTO_TEST_CASE(async_with_exit_that_fails_with_the_error_of_the_body_adds_nothing)
{
    std::exception_ptr const shared = failure("shared");
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push([&]() -> asio::awaitable<void> {
                std::rethrow_exception(shared);
                co_return;
            });
            std::rethrow_exception(shared);
            co_return;
        },
        into(result));
    drive();
    result.expect_error(shared);
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replace_stands_alone_for_what_was_in_flight)
{
    std::exception_ptr const better = failure("better");
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto older = script("older").at_once();
            push(older, each);
            push(script("r").at_once().sees([&](exit_state& s) { s.replace(better); }), each);
            push(script("fails").at_once(failure("x")), each);
            closed(cause).expect_error(better);
            BOOST_CHECK(older.saw().error == better);
            BOOST_TEST(older.saw().failures == 1u);
            BOOST_CHECK(older.saw().cause == cause);
        }
    }
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replace_with_nothing_in_flight_has_no_effect)
{
    for (shape const each : seeing_shapes) {
        begin(each);
        push(
            script("r").at_once().sees([&](exit_state& s) { s.replace(failure("better")); }), each);
        closed().expect_success();
    }
}

// C37: a failure after the replacement stands beside it
BOOST_AUTO_TEST_CASE(exit_state_failure_after_a_replacement_is_reported_beside_it)
{
    std::exception_ptr const better = failure("better");
    push(script("fails").at_once(failure("x")), shape::awaitable);
    stack.push([&](exit_state& s) { s.replace(better); });
    closed(cause).expect_error("[better, x]");
}

// C38
BOOST_AUTO_TEST_CASE(async_close_with_an_error_code_is_as_if_a_body_had_thrown_it)
{
    auto a = script("a").at_once();
    push(a, shape::state_awaitable);
    stack.async_close(boost::system::error_code(asio::error::eof), into(result));
    drive();
    result.expect_code(asio::error::eof);
    BOOST_TEST(a.saw().code == asio::error::eof);
    BOOST_TEST(a.saw().failed);
    BOOST_TEST(!a.saw().cancelled);
    BOOST_CHECK(a.saw().error == result.error);
    BOOST_CHECK(a.saw().cause == result.error);
}

// C38
BOOST_AUTO_TEST_CASE(async_close_with_a_cause_that_is_unset_is_a_close_without_one)
{
    auto a = script("a").at_once();
    push(a, shape::state_awaitable);
    stack.async_close(boost::system::error_code(), into(result));
    drive();
    result.expect_success();
    BOOST_TEST(!a.saw().failed);
    BOOST_CHECK(!a.saw().cause);

    stack = async_exit_stack(context);
    auto b = script("b").at_once();
    push(b, shape::state_function);
    closed(std::exception_ptr()).expect_success();
    BOOST_TEST(!b.saw().failed);
}

// C38
BOOST_AUTO_TEST_CASE(async_close_with_a_cause_on_an_empty_stack_completes_with_it)
{
    stack.async_close(cause, into(result));
    result.expect_pending();
    drive();
    result.expect_error(cause);
}

// C39
BOOST_AUTO_TEST_CASE(exit_state_tells_cancelled_from_failed)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto a = script("a").at_once();
            push(a, each);
            std::exception_ptr const aborted = cancellation();
            closed(aborted).expect_error(aborted);
            BOOST_TEST(a.saw().cancelled);
            BOOST_TEST(a.saw().failed);
            BOOST_TEST(a.saw().code == asio::error::operation_aborted);
        }
    }
}

// C39
BOOST_AUTO_TEST_CASE(exit_state_of_a_cancelled_body_is_cancelled)
{
    asio::cancellation_signal signal;
    auto a = script("a").at_once();
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(a.state_awaitable());
            co_await script("body").async_operation(asio::use_awaitable);
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    result.expect_error("cancelled");
    BOOST_TEST(a.saw().cancelled);
}

// C39
BOOST_AUTO_TEST_CASE(fail_exits_see_it_and_the_close_does_not_rethrow_it)
{
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            begin(each);
            auto a = script("a").at_once();
            push(a, each);
            stack.fail(cause);
            BOOST_TEST(stack.is_open());
            closed().expect_success();
            BOOST_CHECK(a.saw().error == cause);
            BOOST_CHECK(a.saw().cause == cause);
        }
    }
}

// C39
BOOST_AUTO_TEST_CASE(async_with_body_that_fails_by_value_still_yields_its_value)
{
    outcome_of<int> value;
    auto a = script("a").at_once();
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<int> {
            s.push(a.state_awaitable());
            s.push(exeunt::on_exit([&] { log("rollback"); }).only_on_failure());
            s.push(exeunt::on_exit([&] { log("commit"); }).only_on_success());
            s.fail(cause);
            co_return 3;
        },
        into(value));
    drive();
    value.expect_success();
    BOOST_TEST(value.value.value_or(0) == 3);
    BOOST_CHECK(a.saw().error == cause);
    log.expect("rollback +a -a");
}

// C39: the failure of an exit comes out, that given to fail() does not
BOOST_AUTO_TEST_CASE(fail_then_an_exit_fails_that_failure_alone_comes_out)
{
    std::exception_ptr const error = failure("exit");
    push(script("a").at_once(error), shape::awaitable);
    stack.fail(cause);
    closed().expect_error(error);
}

// Filters look at error() at their turn.
BOOST_AUTO_TEST_CASE(filters_look_at_the_error_at_their_turn)
{
    auto const on_failure = [&](char const* name) {
        stack.push(exeunt::on_exit(script(name).at_once().awaitable()).only_on_failure());
    };
    auto const on_success = [&](char const* name) {
        stack.push(exeunt::on_exit(script(name).at_once().handler_function()).only_on_success());
    };
    on_failure("f3"); // after the second failure
    on_success("s3");
    stack.push([] { throw test_error("second"); });
    on_failure("f2"); // after it was suppressed
    on_success("s2");
    stack.push([](exit_state& s) { s.suppress(); });
    on_failure("f1"); // after the cause
    on_success("s1");
    closed(cause).expect_error("second");
    log.expect("+f1 -f1 +s2 -s2 +f3 -f3");
}

// The failure of a best_effort exit goes to the observer alone.
BOOST_AUTO_TEST_CASE(best_effort_failure_goes_to_the_observer_alone)
{
    std::exception_ptr const error = failure("lost");
    auto older = script("older").at_once();
    push(older, shape::state_awaitable);
    stack.push(
        exeunt::on_exit(script("a").at_once(error).awaitable()).named("polite").best_effort());
    stack.push(exeunt::on_exit([&] { std::rethrow_exception(error); }).named("p2").best_effort());
    closed().expect_success();
    BOOST_TEST(!older.saw().failed);
    BOOST_REQUIRE(observer.failures.size() == 2u);
    BOOST_TEST(observer.failures[0].name == "p2");
    BOOST_TEST(observer.failures[1].name == "polite");
    BOOST_CHECK(observer.failures[1].error == error);
    observer.clear();
}

// The observer of the stack hears it, not the default one.
BOOST_AUTO_TEST_CASE(best_effort_failure_goes_to_the_observer_of_the_stack)
{
    recording_observer own;
    exeunt::close_options options;
    options.observer = &own;
    stack = async_exit_stack(context, options);
    stack.push(exeunt::on_exit(script("a").at_once(failure("x")).awaitable()).best_effort());
    closed().expect_success();
    BOOST_TEST(own.failures.size() == 1u);
}

BOOST_AUTO_TEST_SUITE_END()
