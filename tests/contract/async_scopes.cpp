// async_with: the shapes of a body, where its scope lives, what comes out.
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <functional>
#include <memory>
#include <string>
#include <utility>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_scopes, async_fixture)

// C08, C26
BOOST_AUTO_TEST_CASE(body_that_is_a_plain_function)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(script("a").posted().awaitable());
            log("body");
        },
        into(result));
    result.expect_pending();
    drive();
    result.expect_success();
    log.expect("body +a -a");
}

// C08
BOOST_AUTO_TEST_CASE(body_that_is_a_plain_function_and_yields_a_value)
{
    outcome_of<std::string> value;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(script("a").posted().awaitable());
            return std::string("value");
        },
        into(value));
    drive();
    value.expect_success();
    BOOST_TEST(value.value.value_or("") == "value");
    log.expect("+a -a");
}

// C08, C27
BOOST_AUTO_TEST_CASE(body_that_is_a_plain_function_and_throws)
{
    std::exception_ptr const thrown = failure("body");
    auto a = script("a").at_once();
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(a.state_awaitable());
            std::rethrow_exception(thrown);
        },
        into(result));
    drive();
    result.expect_error(thrown);
    BOOST_CHECK(a.saw().error == thrown);
}

// C08
BOOST_AUTO_TEST_CASE(body_that_returns_an_operation)
{
    auto work = script("work");
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(script("a").posted().awaitable());
            return work.async_operation(asio::deferred);
        },
        into(result));
    drive();
    log.expect("+work");
    work.answer();
    drive();
    log.expect("-work +a -a");
    result.expect_success();
}

// C08
BOOST_AUTO_TEST_CASE(body_that_takes_the_handler)
{
    auto work = script("work");
    exeunt::async_with(
        context,
        [&](async_exit_stack& s, auto handler) {
            s.push(script("a").posted().awaitable());
            work.async_operation(std::move(handler));
        },
        into(result));
    drive();
    log.expect("+work");
    work.answer(failure("work"));
    drive();
    log.expect("-work +a -a");
    result.expect_error("work");
}

// C08
BOOST_AUTO_TEST_CASE(body_that_is_a_function_or_a_reference_to_one)
{
    struct functions
    {
        static asio::awaitable<int> body(async_exit_stack& s)
        {
            s.push([] {});
            co_return 4;
        }
    };
    outcome_of<int> value;
    exeunt::async_with(context, functions::body, into(value));
    drive();
    value.expect_success();
    BOOST_TEST(value.value.value_or(0) == 4);

    auto named = [&, owned = std::make_unique<int>(1)](
                     async_exit_stack& s) -> asio::awaitable<void> {
        s.push([&] { log(std::to_string(*owned)); });
        co_return;
    };
    exeunt::async_with(context, std::ref(named), into(result));
    drive();
    result.expect_success();
    log.expect("1");
}

// A move-only body, its captures gone before the final handler.
BOOST_AUTO_TEST_CASE(body_captures_are_gone_before_the_final_handler)
{
    struct with_mark
    {
        explicit with_mark(event_log& l)
            : mark(l, "~body")
        {
        }

        asio::awaitable<void> operator()(async_exit_stack& s)
        {
            s.push([] {});
            co_return;
        }

        capture_mark mark;
    };
    exeunt::async_with(context, with_mark(log), [&](std::exception_ptr) { log("done"); });
    drive();
    log.expect("~body done");
}

// The locals of the body are gone before the first exit runs.
BOOST_AUTO_TEST_CASE(body_locals_are_gone_before_the_first_exit_runs)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            capture_mark const local(log, "~local");
            s.push(script("a").function());
            co_return;
        },
        into(result));
    drive();
    log.expect("~local +a -a");
}

// The scope lives on the handler's associated executor.
BOOST_AUTO_TEST_CASE(scope_without_an_executor_lives_on_the_handlers)
{
    executor_record record;
    bool body_here = false;
    bool exit_here = false;
    bool done_here = false;
    exeunt::async_with(
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            body_here = record.running_here();
            BOOST_CHECK(s.get_executor() == asio::any_io_executor(track(context, record)));
            s.push([&] { exit_here = record.running_here(); });
            co_return;
        },
        asio::bind_executor(track(context, record), [&](std::exception_ptr error) {
            done_here = record.running_here();
            into(result)(error);
        }));
    drive();
    result.expect_success();
    BOOST_TEST(body_here);
    BOOST_TEST(exit_here);
    BOOST_TEST(done_here);
    BOOST_TEST(record.works == 0);
}

// In a coroutine: on that of the coroutine.
BOOST_AUTO_TEST_CASE(scope_in_a_coroutine_lives_on_its_executor)
{
    executor_record record;
    bool body_here = false;
    auto const coroutine = [&]() -> asio::awaitable<void> {
        co_await exeunt::async_with(
            [&](async_exit_stack& s) -> asio::awaitable<void> {
                body_here = record.running_here();
                auto const own = co_await asio::this_coro::executor;
                BOOST_CHECK(s.get_executor() == own);
            },
            asio::use_awaitable);
    };
    asio::co_spawn(track(context, record), coroutine, into(result));
    drive();
    result.expect_success();
    BOOST_TEST(body_here);
}

// An explicit executor, and the handler on its own.
BOOST_AUTO_TEST_CASE(scope_with_an_executor_lives_there_and_completes_on_the_handlers)
{
    executor_record record;
    bool body_here = false;
    bool exit_here = false;
    probe p(context);
    p.initiate([&](auto handler) {
        exeunt::async_with(
            track(context, record),
            [&](async_exit_stack& s) -> asio::awaitable<void> {
                body_here = record.running_here();
                s.push([&]() -> asio::awaitable<void> {
                    exit_here = record.running_here();
                    co_return;
                });
                co_return;
            },
            std::move(handler));
    });
    drive();
    p.expect_completed();
    BOOST_TEST(body_here);
    BOOST_TEST(exit_here);
    BOOST_TEST(record.works == 0);
}

// The options reach the stack.
BOOST_AUTO_TEST_CASE(scope_options_reach_the_stack)
{
    exeunt::close_options options;
    options.primary_only = true;
    std::exception_ptr const thrown = failure("body");
    exeunt::async_with(
        context, options,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            BOOST_TEST(s.options().primary_only);
            s.push([] { throw test_error("exit"); });
            std::rethrow_exception(thrown);
            co_return;
        },
        into(result));
    drive();
    result.expect_error(thrown);
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

// C72
BOOST_AUTO_TEST_CASE(scope_never_completes_inside_the_initiating_function)
{
    asio::post(context, [&] {
        exeunt::async_with(
            context, [](async_exit_stack&) {}, into(result));
        result.expect_pending();
    });
    drive();
    result.expect_success();
}

// C72: twenty thousand scopes in a row
BOOST_AUTO_TEST_CASE(scopes_in_a_loop_use_a_flat_native_stack)
{
    stack_depth depth;
    int rounds = 0;
    auto const loop = [&]() -> asio::awaitable<void> {
        for (; rounds != 20000; ++rounds) {
            co_await exeunt::async_with(
                [&](async_exit_stack& s) { s.push([&] { depth.note(); }); }, asio::use_awaitable);
            depth.note();
        }
    };
    asio::co_spawn(context, loop, into(result));
    drive();
    result.expect_success();
    depth.expect_flat();
}

// C42, C50
BOOST_AUTO_TEST_CASE(scope_failure_of_body_and_exits_come_out_together)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exeunt::on_exit([] { throw test_error("exit"); }).named("the exit"));
            throw test_error("body");
            co_return;
        },
        into(result));
    drive();
    result.expect_error("[body, exit]");
    BOOST_TEST(joined(names_of(result.error)) == "body the exit");
}

// A value that cannot be copied.
BOOST_AUTO_TEST_CASE(scope_yields_a_move_only_value)
{
    std::unique_ptr<int> got;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<std::unique_ptr<int>> {
            s.push(script("a").posted().awaitable());
            co_return std::make_unique<int>(3);
        },
        [&](std::exception_ptr, std::unique_ptr<int> value) { got = std::move(value); });
    drive();
    BOOST_REQUIRE(got);
    BOOST_TEST(*got == 3);
}

// With a failure, the value is T().
BOOST_AUTO_TEST_CASE(scope_yields_a_value_of_its_own_where_the_failure_of_its_body_is_suppressed)
{
    bool fails = false;
    bool suppresses = false;
    auto const body = [&](async_exit_stack& s) {
        if (suppresses)
            s.push([](exit_state& state) { state.suppress(); });
        if (fails)
            throw test_error("body");
        return std::string("value");
    };
    auto const yielded = [&] {
        outcome_of<std::string> value;
        exeunt::async_with(context, body, into(value));
        drive();
        value.expect_once();
        return describe(value.error) + " " + value.value.value_or("nothing");
    };
    BOOST_TEST(yielded() == "none value");
    fails = true;
    BOOST_TEST(yielded() == "body ");
    suppresses = true;
    BOOST_TEST(yielded() == "none ");
}

BOOST_AUTO_TEST_CASE(scope_that_fails_while_closing_yields_the_failure)
{
    outcome_of<std::string> value;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<std::string> {
            s.push([] { throw test_error("exit"); });
            co_return "value";
        },
        into(value));
    drive();
    value.expect_error("exit");
}

// C67 in a scope: the body gives one back early
BOOST_AUTO_TEST_CASE(scope_body_gives_one_back_early)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").posted().awaitable());
            exit_handle const early = s.push(script("early").posted().awaitable());
            s.push(script("b").posted().awaitable());
            co_await s.async_run_now(early, asio::use_awaitable);
            log("body");
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("+early -early body +b -b +a -a");
}

// C54 in a scope: what the body has begun to close is waited for
BOOST_AUTO_TEST_CASE(scope_whose_body_has_begun_to_close_waits_for_that)
{
    auto a = script("a");
    outcome closing;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(a.awaitable());
            s.async_close(into(closing));
        },
        into(result));
    drive();
    result.expect_pending();
    a.answer();
    drive();
    closing.expect_success();
    result.expect_success();
}

// C66 in a scope: a commit dismisses the rollback
BOOST_AUTO_TEST_CASE(scope_body_dismisses_its_rollback)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            exit_handle const rollback = s.push(script("rollback").posted().awaitable());
            co_await script("commit").posted().async_operation(asio::use_awaitable);
            s.dismiss(rollback);
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("+commit -commit");
}

BOOST_AUTO_TEST_SUITE_END()
