// The asynchronous stack: destroyed, dropped, moved away (C89, C92, C97, C98).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/any_io_executor.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;

namespace {

struct destruction_base
{
    executor_record home;
};

struct destruction_fixture : destruction_base, async_fixture
{
    asio::any_io_executor executor = track(context, home);

    destruction_fixture() { stack = async_exit_stack(executor); }
    ~destruction_fixture() { stack = async_exit_stack(context); }

    // As a move out of it and the end of its life.
    void destroy_stack()
    {
        std::optional<async_exit_stack> gone(std::move(stack));
        gone.reset();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_destruction, destruction_fixture)

// C89, C98
BOOST_AUTO_TEST_CASE(destructor_runs_sync_exits_and_reports_async_ones_newest_first)
{
    observer.log = &log;
    auto oldest = script("oldest").marks_captures();
    auto sync = script("sync").marks_captures();
    push_named(oldest, shape::awaitable);
    push_named(sync, shape::state_function);
    push_named(script("handler").marks_captures(), shape::handler_function);
    push_named(script("operation").marks_captures(), shape::operation);
    push_named(script("newest").marks_captures(), shape::awaitable_context);
    log.clear();
    destroy_stack();
    log.expect("lost:newest ~newest lost:operation ~operation lost:handler ~handler +sync -sync "
               "~sync lost:oldest ~oldest");
    BOOST_TEST(sync.saw().forced);
    BOOST_TEST(!sync.saw().failed);
    BOOST_CHECK(!sync.saw().cause);

    BOOST_REQUIRE(observer.stacks.size() == 1u);
    BOOST_TEST(observer.stacks[0].count == 4u);
    BOOST_TEST(joined(observer.stacks[0].first_names).find("newest operation") == 0u);
    BOOST_TEST(home.submits == 0);
    BOOST_TEST(drive() == 0u);
    observer.clear();
}

// C89: every async shape is reported and none is started
BOOST_AUTO_TEST_CASE(destructor_starts_no_async_exit)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(executor);
            auto a = script("a").at_once();
            push_named(a, each);
            destroy_stack();
            BOOST_TEST(a.begins() == 0);
            BOOST_TEST(joined(observer.abandoned) == "a");
            BOOST_REQUIRE(observer.stacks.size() == 1u);
            BOOST_TEST(observer.stacks[0].count == 1u);
            observer.clear();
        }
    }
    BOOST_TEST(home.submits == 0);
}

// C89: an asynchronous exit that has a force is not lost
BOOST_AUTO_TEST_CASE(destructor_runs_the_force_of_an_async_exit_in_its_place)
{
    push_note("older");
    stack.push(exeunt::on_exit(script("a").awaitable()).named("a").or_force([&] { log("^a"); }));
    push_note("newer");
    log.clear();
    destroy_stack();
    log.expect("+newer -newer ^a +older -older");
    BOOST_TEST(observer.silent());
}

// C89
BOOST_AUTO_TEST_CASE(destructor_of_a_stack_without_async_exits_reports_nothing)
{
    push_note("a");
    stack.emplace<capture_mark>(log, "~b");
    stack.adopt(1, [&](int&) { log("c"); });
    log.clear();
    destroy_stack();
    log.expect("c ~b +a -a");
    BOOST_TEST(observer.silent());
}

// C89
BOOST_AUTO_TEST_CASE(destructor_of_an_empty_or_closed_stack_reports_nothing)
{
    destroy_stack();
    push(script("a").at_once(), shape::awaitable);
    closed().expect_success();
    destroy_stack();
    BOOST_TEST(observer.silent());
}

// C89: the stack's own observer hears it
BOOST_AUTO_TEST_CASE(destructor_reports_to_the_observer_of_the_stack)
{
    recording_observer own;
    exeunt::close_options options;
    options.observer = &own;
    {
        async_exit_stack gone(executor, options);
        gone.push(exeunt::on_exit(script("a").awaitable()).named("a"));
    }
    BOOST_TEST(joined(own.abandoned) == "a");
    BOOST_TEST(own.stacks.size() == 1u);
}

// C90 for the async stack: a failure in a destructor is observed and terminates nothing
// C89: silenced
BOOST_AUTO_TEST_CASE(destructor_without_any_observer_runs_sync_exits_all_the_same)
{
    push_named(script("lost"), shape::awaitable);
    push_note("sync");
    auto* const former = exeunt::set_default_observer(nullptr);
    destroy_stack();
    exeunt::set_default_observer(former);
    log.expect("+sync -sync");
    BOOST_TEST(observer.silent());
}

BOOST_AUTO_TEST_CASE(destructor_failures_of_sync_exits_are_observed)
{
    std::exception_ptr const error = failure("lost");
    push_note("a");
    push_named(script("fails").at_once(error), shape::function);
    stack.push([] { throw 42; });
    BOOST_CHECK_NO_THROW(destroy_stack());
    log.expect("+fails -fails +a -a");
    BOOST_REQUIRE(observer.failures.size() == 2u);
    BOOST_TEST(describe(observer.failures[0].error) == "42");
    BOOST_CHECK(observer.failures[1].error == error);
    BOOST_TEST(observer.failures[1].name == "fails");
    observer.clear();
}

// C90: while an exception is in flight
BOOST_AUTO_TEST_CASE(destructor_during_stack_unwinding_runs_sync_exits)
{
    try {
        async_exit_stack gone(executor);
        gone.push(script("a").function());
        gone.push([] { throw test_error("exit"); });
        throw test_error("body");
    } catch (test_error const& e) {
        BOOST_TEST(e.what() == "body");
    }
    log.expect("+a -a");
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

// C98
BOOST_AUTO_TEST_CASE(destructor_outcome_is_unknown_only_on_failure_runs)
{
    stack.push(exeunt::on_exit([&] { log("failure"); }).only_on_failure());
    stack.push(exeunt::on_exit([&] { log("success"); }).only_on_success());
    stack.push([&](exit_state& state) { log(state.forced() ? "forced" : "not forced"); });
    destroy_stack();
    log.expect("forced failure");
}

// C98: fail() has told the outcome
BOOST_AUTO_TEST_CASE(destructor_after_fail_shows_the_failure)
{
    std::exception_ptr const cause = failure("cause");
    auto sync = script("sync");
    push(sync, shape::state_function);
    stack.fail(cause);
    destroy_stack();
    BOOST_TEST(sync.begins() == 1);
    BOOST_TEST(sync.saw().forced);
}

// C92
BOOST_AUTO_TEST_CASE(stack_object_destroyed_while_closing_closing_goes_on)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(executor);
            auto a = script("a");
            auto b = script("b");
            push_note("oldest");
            push(a, each);
            push(b, each);
            close();
            destroy_stack();
            log.expect("+b");
            b.answer();
            drive();
            log.expect("-b +a");
            a.answer();
            drive();
            log.expect("-a +oldest -oldest");
            result.expect_success();
            BOOST_TEST(observer.silent());
        }
    }
}

// C92: by one of its own exits, too, and before it has reached its executor
BOOST_AUTO_TEST_CASE(stack_object_destroyed_at_any_moment_of_closing)
{
    for (std::size_t steps = 0; steps != 20; ++steps) {
        auto owner = std::make_unique<async_exit_stack>(executor);
        owner->push(script("a").at_once().awaitable());
        owner->push(script("b").posted().awaitable());
        owner->push(script("c").posted().handler_function());
        owner->push([&] { log("d"); });
        result = {};
        owner->async_close(into(result));
        context.restart();
        for (std::size_t k = 0; k != steps; ++k)
            context.poll_one();
        owner.reset();
        drive();
        result.expect_success();
        log.expect("d +c -c +b -b +a -a");
    }
}

// C92
BOOST_AUTO_TEST_CASE(stack_object_destroyed_by_an_exit_of_its_own)
{
    auto owner = std::make_unique<async_exit_stack>(executor);
    owner->push(script("a").posted().awaitable());
    owner->push([&] { owner.reset(); });
    owner->push(script("b").posted().awaitable());
    owner->async_close(into(result));
    drive();
    result.expect_success();
    BOOST_TEST(!owner);
    log.expect("+b -b +a -a");
}

// C92
BOOST_AUTO_TEST_CASE(stack_object_moved_while_closing_the_new_one_is_the_one_that_closes)
{
    auto b = script("b");
    push_note("a");
    push(b, shape::awaitable);
    close();
    async_exit_stack moved = std::move(stack);
    BOOST_TEST(!moved.is_open());
    moved.push(script("late").function());
    b.answer();
    drive();
    log.expect("+b -b +late -late +a -a");
    result.expect_success();
    BOOST_CHECK_THROW(moved.push([] {}), exeunt::stack_closed);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(stack.empty());
}

// C92: assigned to while it closes
BOOST_AUTO_TEST_CASE(stack_object_assigned_to_while_closing_closing_goes_on)
{
    auto b = script("b");
    push_note("a");
    push(b, shape::awaitable);
    close();
    stack = async_exit_stack(executor);
    BOOST_TEST(stack.is_open());
    push_note("new");
    b.answer();
    drive();
    log.expect("+b -b +a -a");
    result.expect_success();
    closed().expect_success();
    log.expect("+new -new");
}

// C97
BOOST_AUTO_TEST_CASE(handler_dropped_while_its_exit_is_started_is_a_broken_promise)
{
    for (shape const each : {shape::handler_function, shape::state_handler, shape::operation,
             shape::returns_operation, shape::token_context})
    {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(executor);
            auto a = script("a").at_once();
            push(a, shape::state_awaitable);
            push(script("b").drops_its_handler(), each);
            push(script("c").posted(), each);
            closed();
            BOOST_TEST(is_broken_promise(result.error), describe(result.error));
            BOOST_CHECK(a.saw().error == result.error);
            log.expect("+c -c +b +a -a");
            BOOST_TEST(observer.silent());
        }
    }
}

// C97: a function that forgets its handler
BOOST_AUTO_TEST_CASE(handler_that_is_ignored_is_a_broken_promise)
{
    push_note("a");
    stack.push([&](auto) { log("b"); });
    stack.push([&](auto&&) { log("c"); });
    stack.push([&](exit_state&, exit_handler const&) { log("d"); });
    closed();
    result.expect_once();
    auto const failures = failures_of(result.error);
    BOOST_TEST(failures.size() == 3u);
    for (exeunt::exit_failure const& each : failures)
        BOOST_TEST(is_broken_promise(each.error));
    log.expect("d c b +a -a");
}

// C97
BOOST_AUTO_TEST_CASE(handler_dropped_later_abandons_the_rest_before_the_final_handler_goes)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(executor);
            observer.log = &log;
            {
                probe p(context, &log);
                auto running = script("running").marks_captures();
                auto sync = script("sync").marks_captures();
                push_named(script("older").marks_captures(), shape::awaitable);
                push_named(sync, shape::state_function);
                push_named(running, each);
                p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
                drive();
                BOOST_REQUIRE(running.running());
                log.clear();
                running.drop();
                drive();
                p.expect_dropped();
                BOOST_TEST(sync.saw().forced);
                BOOST_TEST(home.works == 0);
                BOOST_TEST(p.executor.works == 0);
                BOOST_TEST(log.count("lost:running") == 1u);
                if (each != shape::operation) // its initiation has gone when it was started
                    BOOST_TEST(log.count("~running") == 1u);
                std::string const events = log.text();
                BOOST_TEST(
                    events.find("+sync -sync ~sync lost:older ~older dropped") != std::string::npos,
                    events);
                if (each != shape::operation)
                    BOOST_TEST(events.find("~running") < events.find("+sync"), events);
                BOOST_REQUIRE(observer.stacks.size() == 1u);
                BOOST_TEST(observer.stacks[0].count == 2u);
            }
            BOOST_TEST(!stack.is_open());
            BOOST_TEST(stack.empty());
            observer.log = nullptr;
            observer.clear();
            log.clear();
        }
    }
}

// C97, C98: the outcome is unknown then, also where a failure was in flight
BOOST_AUTO_TEST_CASE(handler_dropped_later_outcome_is_unknown_only_on_failure_runs)
{
    for (bool const by_run_now : {false, true}) {
        for (bool const scope : {false, true}) {
            if (by_run_now && scope)
                continue;
            BOOST_TEST_CONTEXT("run_now: " << by_run_now << ", scope: " << scope)
            {
                stack = async_exit_stack(executor);
                probe p(context, &log);
                auto running = script("running");
                exit_handle handle;
                auto const fill = [&](async_exit_stack& s) {
                    s.push(exeunt::on_exit([&] { log("failure"); }).only_on_failure());
                    s.push(exeunt::on_exit([&] { log("success"); }).only_on_success());
                    handle = s.push(running.handler_function());
                };
                p.initiate([&](auto h) {
                    if (scope)
                        exeunt::async_with(executor, fill, std::move(h));
                    else {
                        fill(stack);
                        if (by_run_now)
                            stack.async_run_now(handle, std::move(h));
                        else
                            stack.async_close(std::move(h));
                    }
                });
                drive();
                BOOST_REQUIRE(running.running());
                log.clear();
                running.drop();
                drive();
                p.expect_dropped();
                if (by_run_now) { // the stack is as it was: it is the one exit that is lost
                    log.clear();
                    destroy_stack();
                    log.expect("failure");
                } else
                    log.expect("failure dropped");
            }
            observer.clear();
            log.clear();
        }
    }
}

// C92: a commit that did not happen is never silent
BOOST_AUTO_TEST_CASE(handler_dropped_later_a_commit_that_is_forced_is_told_to_the_observer)
{
    std::optional<exit_handler> kept;
    stack.push(exeunt::on_exit([&](exit_handler handler) { kept.emplace(std::move(handler)); })
                   .named("commit")
                   .only_on_success()
                   .or_force([&] { log("^commit"); }));
    close();
    kept.reset();
    log.expect("^commit");
    result.expect_pending();
    BOOST_REQUIRE(observer.failures.size() == 1u);
    BOOST_TEST(observer.failures[0].name == "commit");
    BOOST_TEST(exeunt::is_cancelled(observer.failures[0].error));
    observer.clear();
}

// C97: those who joined are dropped with it
BOOST_AUTO_TEST_CASE(handler_dropped_later_joined_closes_are_dropped_too)
{
    auto running = script("running");
    push(running, shape::handler_function);
    probe first(context);
    probe second(context);
    first.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
    second.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
    drive();
    running.drop();
    drive();
    first.expect_dropped();
    BOOST_TEST(second.drops + second.result.calls == 1);
    observer.clear();
}

// A scope whose body is dropped abandons what it registered.
BOOST_AUTO_TEST_CASE(async_with_body_dropped_abandons_its_exits)
{
    observer.log = &log;
    probe p(context, &log);
    auto work = script("work");
    p.initiate([&](auto handler) {
        exeunt::async_with(
            executor,
            [&](async_exit_stack& s) -> asio::awaitable<void> {
                s.push(exeunt::on_exit(script("async").awaitable()).named("async"));
                s.push(script("sync").function());
                co_await work.async_operation(asio::use_awaitable);
            },
            std::move(handler));
    });
    drive();
    log.expect("+work");
    work.drop();
    drive();
    log.expect("+sync -sync lost:async dropped");
    p.expect_dropped();
    observer.clear();
}

// A run_now in flight outlives its stack.
BOOST_AUTO_TEST_CASE(stack_object_destroyed_while_a_run_now_is_in_flight)
{
    auto a = script("a");
    exit_handle const handle = push(a, shape::awaitable);
    stack.async_run_now(handle, into(result));
    drive();
    log.expect("+a");
    destroy_stack();
    result.expect_pending();
    a.answer();
    drive();
    log.expect("-a");
    result.expect_success();
}

BOOST_AUTO_TEST_SUITE_END()
