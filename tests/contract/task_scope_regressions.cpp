// Faults of the scope that were found, and what becomes of failures that nobody waits for.
#include <exeunt/async_with.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;

namespace {

struct regressions_fixture : async_fixture
{
    exeunt::task_scope scope{context};

    void fresh(exeunt::task_scope_options options = {})
    {
        scope = exeunt::task_scope(context, options);
        log.clear();
        result = {};
    }

    void join()
    {
        result = {};
        scope.async_join(into(result));
        drive();
    }

    // A child that does this whenever it is told something, and ends with the test.
    template <class Told>
    auto told(Told what)
    {
        return [this, what](auto handler) {
            auto slot = asio::get_associated_cancellation_slot(handler);
            slot.assign([what](asio::cancellation_type) { what(); });
            ends = [kept = std::make_shared<decltype(handler)>(std::move(handler))] {
                std::move (*kept)();
            };
        };
    }

    std::function<void()> ends;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(task_scope_regressions, regressions_fixture)

// A second `terminal` would force the unwinding of a child that is a scope itself.
BOOST_AUTO_TEST_CASE(cancel_tells_each_child_once_though_others_end_meanwhile)
{
    auto b = script("b");
    auto c = script("c");
    int times = 0;
    scope.spawn(told([&] {
        if (++times == 1)
            b.answer();
    }));
    scope.spawn(b.handler_function());
    scope.spawn(c.handler_function());
    drive();
    asio::post(context, [&] { scope.cancel(); });
    drive();
    BOOST_TEST(times == 1);
    BOOST_TEST(c.cuts() == 1);
    ends();
    BOOST_TEST(scope.empty());
}

BOOST_AUTO_TEST_CASE(cancel_does_not_tell_who_begins_meanwhile)
{
    auto late = script("late");
    scope.spawn(told([&] { scope.spawn(late.handler_function()); }));
    auto b = script("b");
    scope.spawn(b.handler_function());
    drive();
    asio::post(context, [&] { scope.cancel(); });
    drive();
    BOOST_TEST(late.begins() == 1);
    BOOST_TEST(late.cuts() == 0);
    BOOST_TEST(b.cuts() == 1);
    late.answer();
    ends();
    drive();
    BOOST_TEST(scope.empty());
}

// One that has been told within another's turn is told of both, once.
BOOST_AUTO_TEST_CASE(cancel_within_a_cancel_loses_nothing)
{
    auto b = script("b").ignores_cancellation();
    bool first = true;
    scope.spawn(told([&] {
        if (std::exchange(first, false))
            scope.cancel(asio::cancellation_type::total);
    }));
    scope.spawn(b.handler_function());
    drive();
    asio::post(context, [&] { scope.cancel(asio::cancellation_type::terminal); });
    drive();
    BOOST_TEST(b.cuts() == 1);
    auto const both = asio::cancellation_type::total | asio::cancellation_type::terminal;
    BOOST_TEST((b.cut_types().front() == both));
    b.answer();
    ends();
}

// The scope ends while the child begins, because of it: it has been told when it has begun.
BOOST_AUTO_TEST_CASE(child_that_ends_the_scope_while_it_begins_is_told_once)
{
    auto a = script("a").ignores_cancellation();
    exit_state state;
    asio::post(context, [&] {
        scope.spawn([&](auto handler) {
            std::move(a.handler_function())(std::move(handler));
            scope.async_exit(state, into(result));
        });
    });
    drive();
    BOOST_TEST(a.cuts() == 1);
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(queued_child_that_cannot_be_started_ends_the_wait_and_cancels_the_others)
{
    auto const error = failure("no b");
    fresh({.limit = 2});
    auto a = script("a");
    auto other = script("other");
    scope.spawn(a.awaitable());
    scope.spawn(other.awaitable());
    scope.spawn(script("b").throws(error).handler_function());
    scope.async_wait(into(result));
    drive();
    a.answer();
    drive();
    result.expect_error(error);
    BOOST_TEST(other.cuts() == 1);
    join();
    result.expect_error(error);
}

BOOST_AUTO_TEST_CASE(child_that_hands_its_handler_on_and_throws_is_none_whatever_becomes_of_that)
{
    for (std::string const end : {"failure", "success", "cancellation", "none"}) {
        fresh();
        auto b = script("b");
        scope.spawn(b.handler_function());
        std::function<void(std::exception_ptr)> call;
        auto const error = failure("no start");
        auto const child = [&](auto handler) {
            call = [kept = std::make_shared<decltype(handler)>(std::move(handler))](
                       std::exception_ptr what) { std::move (*kept)(std::move(what)); };
            std::rethrow_exception(error);
        };
        std::exception_ptr thrown;
        asio::post(context, [&] {
            try {
                scope.spawn(child);
            } catch (...) {
                thrown = std::current_exception();
            }
        });
        drive();
        BOOST_TEST((thrown == error));
        BOOST_TEST(scope.size() == 1u);
        if (end == "failure")
            call(failure("told late"));
        else if (end != "none")
            call(end == "success" ? std::exception_ptr() : cancellation());
        call = nullptr;
        drive();
        BOOST_TEST(scope.size() == 1u);
        BOOST_TEST(b.cuts() == 0);
        b.answer();
        join();
        result.expect_success();
        BOOST_TEST(observer.text() == (end == "failure" ? " unreceived:told late" : ""));
        observer.clear();
    }
}

BOOST_AUTO_TEST_CASE(cancel_lets_no_child_begin_that_waits_for_room)
{
    for (bool const by_failure : {true, false}) {
        fresh({.limit = 1});
        auto a = script("a");
        outcome waiting, late;
        scope.spawn(a.awaitable());
        scope.spawn(script("queued").awaitable());
        scope.async_spawn(script("b").awaitable(), into(waiting));
        drive();
        if (by_failure)
            a.answer(failure("no a"));
        else
            scope.cancel();
        drive();
        log.expect(by_failure ? "+a -a" : "+a !a -a");
        waiting.expect_code(asio::error::operation_aborted);
        scope.async_spawn(script("late").posted().awaitable(), into(late));
        drive();
        late.expect_success();
        log.expect("+late -late");
        join();
        BOOST_TEST((result.error != nullptr) == by_failure);
    }
}

// Its handler may be gone with its context: who waits then is lost with it, who comes later is not.
BOOST_AUTO_TEST_CASE(child_that_drops_its_handler_later_has_failed_and_leaves_no_queue)
{
    fresh({.limit = 1});
    auto a = script("a");
    scope.spawn(a.handler_function());
    scope.spawn(script("b").marks_captures().awaitable());
    drive();
    a.drop();
    log.expect("+a ~b");
    BOOST_TEST(scope.empty());
    scope.async_wait(into(result));
    drive();
    result.expect_once();
    BOOST_TEST(is_broken_promise(result.error));
    scope.spawn(script("c").posted().awaitable());
    join();
    log.expect("+c -c");
    BOOST_TEST(is_broken_promise(result.error));
}

BOOST_AUTO_TEST_CASE(child_that_drops_its_handler_while_another_runs_leaves_the_queue_to_that)
{
    fresh({.limit = 2});
    auto a = script("a");
    auto b = script("b");
    scope.spawn(a.handler_function());
    scope.spawn(b.handler_function());
    scope.spawn(script("c").posted().handler_function());
    drive();
    a.drop();
    b.answer();
    join();
    log.expect("+a +b -b +c -c");
    BOOST_TEST(is_broken_promise(result.error));
}

BOOST_AUTO_TEST_CASE(child_that_drops_the_handler_of_another_as_it_begins_loses_who_waits_for_all)
{
    fresh({.limit = 2});
    auto a = script("a");
    auto b = script("b");
    outcome waiting;
    scope.spawn(a.handler_function());
    scope.spawn(b.handler_function());
    scope.async_spawn(
        [&](auto handler) {
            a.drop();
            std::move(handler)();
        },
        into(waiting));
    scope.async_join([&, mark = capture_mark(log, "~join")](std::exception_ptr) { log("joined"); });
    drive();
    b.answer();
    drive();
    log.expect("+a +b -b ~join");
    waiting.expect_success();
    BOOST_TEST(scope.empty());
    join();
    BOOST_TEST(is_broken_promise(result.error));
}

BOOST_AUTO_TEST_CASE(operations_that_are_told_of_no_cancellation_wait_on)
{
    asio::cancellation_signal joins, waits;
    auto a = script("a");
    std::optional<boost::system::error_code> ended;
    scope.spawn(a.handler_function());
    scope.async_join(asio::bind_cancellation_slot(joins.slot(), into(result)));
    exeunt::until_cancelled(asio::bind_executor(context,
        asio::bind_cancellation_slot(
            waits.slot(), [&](boost::system::error_code code) { ended = code; })));
    drive();
    for (auto* each : {&joins, &waits})
        each->emit(asio::cancellation_type::none);
    drive();
    result.expect_pending();
    BOOST_TEST(!ended);
    for (auto* each : {&joins, &waits})
        each->emit(asio::cancellation_type::partial);
    drive();
    result.expect_code(asio::error::operation_aborted);
    BOOST_TEST((ended == asio::error::operation_aborted));
    a.answer();
    drive();
}

BOOST_AUTO_TEST_CASE(exit_whose_children_end_as_they_are_told_at_the_end_of_the_drain_ends_then)
{
    exeunt::manual_clock clock(context);
    exeunt::task_scope draining(context, {.drain = std::chrono::seconds(3)});
    exit_state state;
    outcome joined;
    int times = 0;
    draining.spawn(told([&] {
        if (++times == 2)
            ends();
    }));
    draining.async_join(into(joined));
    draining.async_exit(state, into(result));
    drive();
    BOOST_TEST(times == 1);
    clock.advance(std::chrono::seconds(3));
    drive();
    result.expect_success();
    joined.expect_success();
    BOOST_TEST(draining.empty());
}

BOOST_AUTO_TEST_CASE(many_that_wait_to_spawn_children_that_end_at_once_use_a_flat_native_stack)
{
    fresh({.limit = 1});
    stack_depth depth;
    auto a = script("a");
    std::size_t spawned = 0;
    scope.spawn(a.handler_function());
    for (int i = 0; i != 5000; ++i)
        scope.async_spawn([&](auto handler) { depth.note(), std::move(handler)(); },
            [&](std::exception_ptr error) { spawned += error ? 0u : 1u; });
    drive();
    BOOST_TEST(spawned == 0u);
    asio::post(context, [&] { a.answer(); });
    drive();
    BOOST_TEST(spawned == 5000u);
    BOOST_TEST(scope.empty());
    depth.expect_flat();
}

BOOST_AUTO_TEST_CASE(scope_that_has_ended_stays_closed_while_it_is_ended_again)
{
    exit_state state;
    scope.async_exit(state, into(result));
    drive();
    result.expect_success();
    outcome again;
    scope.async_exit(state, into(again));
    BOOST_CHECK_THROW(scope.spawn(script("a").awaitable()), exeunt::stack_closed);
    drive();
    again.expect_success();
}

// ---- failures that nobody receives

BOOST_AUTO_TEST_CASE(scope_destroyed_with_failures_that_nobody_received_tells_the_observer)
{
    fresh({.cancel_on_failure = false});
    scope.spawn(script("a").posted(failure("no a")).awaitable());
    scope.spawn(script("b").posted(failure("no b")).awaitable());
    scope.spawn(script("c").posted(cancellation()).awaitable());
    drive();
    BOOST_TEST(observer.silent());
    fresh();
    BOOST_TEST(observer.text() == " unreceived:no a unreceived:no b");
    BOOST_TEST(observer.failures.front().name == "child of a task_scope");
    observer.clear();
}

// Children go on; what they fail with is told at the end.
BOOST_AUTO_TEST_CASE(scope_destroyed_while_children_run_tells_the_observer_what_they_fail_with)
{
    auto a = script("a");
    auto b = script("b");
    scope.spawn(a.awaitable());
    scope.spawn(b.handler_function());
    drive();
    fresh();
    drive();
    BOOST_TEST(a.cuts() == 0);
    BOOST_TEST(observer.silent());
    a.answer(failure("no a"));
    drive();
    BOOST_TEST(b.ends() == 1); // cancelled by that
    BOOST_TEST(observer.text() == " unreceived:no a");
    observer.clear();
}

BOOST_AUTO_TEST_CASE(failures_that_were_received_are_not_told_again)
{
    fresh({.cancel_on_failure = false});
    auto b = script("b");
    scope.spawn(script("a").posted(failure("no a")).awaitable());
    scope.spawn(b.awaitable());
    scope.async_wait(into(result));
    drive();
    result.expect_error("no a");
    b.answer(failure("no b"));
    drive();
    fresh();
    BOOST_TEST(observer.text() == " unreceived:no b");
    observer.clear();

    scope.spawn(script("a").posted(failure("no a")).awaitable());
    drive();
    join();
    result.expect_error("no a");
    fresh();
    exit_state state;
    scope.spawn(script("a").posted(failure("no a")).awaitable());
    drive();
    scope.async_exit(state, into(result));
    drive();
    result.expect_error("no a");
    fresh();
    BOOST_TEST(observer.silent());
}

// A program ends so: that its children go is no news. What one failed with before is.
BOOST_AUTO_TEST_CASE(context_destroyed_with_children_tells_the_observer_of_their_failures_alone)
{
    auto own = std::make_unique<asio::io_context>();
    std::optional<exeunt::task_scope> children(
        std::in_place, *own, exeunt::task_scope_options{.cancel_on_failure = false});
    auto b = script("b").ignores_cancellation();
    children->spawn(script("a").at_once(failure("no a")).awaitable());
    children->spawn([&] { return b.async_operation(asio::use_awaitable); });
    children->async_join([](std::exception_ptr) {});
    support::drive(*own);
    b.drop();
    own.reset();
    children.reset();
    BOOST_TEST(observer.text() == " unreceived:no a");
    observer.clear();
}

BOOST_AUTO_TEST_SUITE_END()
