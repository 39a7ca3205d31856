// Children in the lifetime of a scope.
#include <exeunt/async_with.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;
constexpr auto total = asio::cancellation_type::total;
constexpr auto partial = asio::cancellation_type::partial;

struct scope_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;
    exeunt::task_scope scope{context};

    void fresh(exeunt::task_scope_options options = {})
    {
        scope = exeunt::task_scope(context, options);
        log.clear();
        result = {};
    }

    void advance(std::chrono::steady_clock::duration time)
    {
        clock.advance(time);
        drive();
    }

    // A child that hears of `total`, as one does that has said so.
    asio::awaitable<void> listening(scripted_exit child)
    {
        co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
        co_await child.async_operation(asio::use_awaitable);
    }

    void join()
    {
        result = {};
        scope.async_join(into(result));
        drive();
    }

    // Ends the scope as an exit, after this.
    void exit(exit_state& state)
    {
        result = {};
        scope.async_exit(state, asio::bind_cancellation_slot(signal.slot(), into(result)));
        drive();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(task_scope, scope_fixture)

BOOST_AUTO_TEST_CASE(spawn_takes_children_of_every_shape)
{
    auto a = script("a").posted();
    scope.spawn(a.awaitable()); // a function that returns an awaitable
    scope.spawn(a.awaitable()()); // an awaitable
    scope.spawn(a.returns_operation()); // a function that returns an operation
    scope.spawn(a.operation()); // an operation
    scope.spawn(a.handler_function()); // a function that takes a handler
    BOOST_TEST(scope.size() == 5u);
    drive();
    BOOST_TEST(a.ends() == 5);
    BOOST_TEST(scope.empty());
}

BOOST_AUTO_TEST_CASE(spawn_on_the_executor_starts_the_child_within_the_call)
{
    asio::post(context, [&] {
        scope.spawn(script("a").awaitable());
        log("spawned");
    });
    drive();
    log.expect("+a spawned");
    scope.cancel();
    drive();
}

// What a child yields is ignored.
BOOST_AUTO_TEST_CASE(spawn_of_a_child_that_yields_a_value)
{
    scope.spawn([]() -> asio::awaitable<std::unique_ptr<int>> { co_return nullptr; });
    drive();
    join();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(child_that_has_ended_leaves_nothing_behind)
{
    scope.spawn(script("a").marks_captures().posted().handler_function());
    scope.spawn(script("b").marks_captures().posted().awaitable());
    drive();
    BOOST_TEST(log.count("~a") == 1u);
    BOOST_TEST(log.count("~b") == 1u);
    BOOST_TEST(scope.empty());
}

// ---- limit

BOOST_AUTO_TEST_CASE(limit_lets_children_wait_for_room_in_order)
{
    fresh({.limit = 2});
    std::vector<scripted_exit> children;
    for (char const name : {'a', 'b', 'c', 'd'}) {
        children.push_back(script(std::string(1, name)));
        scope.spawn(children.back().awaitable());
    }
    drive();
    log.expect("+a +b");
    BOOST_TEST(scope.size() == 2u);
    BOOST_TEST(scope.queued() == 2u);
    children[1].answer();
    drive();
    log.expect("-b +c");
    children[0].answer();
    children[2].answer();
    drive();
    log.expect("-a +d -c");
    children[3].answer();
    drive();
    BOOST_TEST(scope.empty());
}

BOOST_AUTO_TEST_CASE(async_spawn_waits_for_room_and_completes_when_the_child_has_begun)
{
    fresh({.limit = 1});
    auto a = script("a");
    auto b = script("b");
    auto c = script("c");
    outcome first, second, third;
    scope.async_spawn(a.awaitable(), into(first));
    scope.async_spawn(b.awaitable(), into(second));
    scope.async_spawn(c.awaitable(), into(third));
    drive();
    first.expect_success();
    second.expect_pending();
    log.expect("+a");
    a.answer();
    drive();
    second.expect_success();
    third.expect_pending();
    log.expect("-a +b");
    b.answer();
    drive();
    third.expect_success();
    c.answer();
    drive();
    BOOST_TEST(scope.empty());
}

BOOST_AUTO_TEST_CASE(async_spawn_that_is_cancelled_does_not_start_its_child)
{
    fresh({.limit = 1});
    auto a = script("a");
    scope.spawn(a.awaitable());
    scope.async_spawn(script("b").marks_captures().awaitable(),
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    signal.emit(partial);
    drive();
    result.expect_code(asio::error::operation_aborted);
    log.expect("+a ~b");
    a.answer();
    drive();
    log.expect("-a");
}

BOOST_AUTO_TEST_CASE(async_spawn_waits_in_vain_when_the_scope_ends)
{
    fresh({.limit = 1});
    auto a = script("a");
    scope.spawn(a.awaitable());
    outcome waiting;
    scope.async_spawn(script("b").awaitable(), into(waiting));
    drive();
    exit_state state(failure("body"));
    exit(state);
    waiting.expect_code(asio::error::operation_aborted);
    result.expect_success();
    log.expect("+a !a -a");
    outcome late;
    scope.async_spawn(script("c").awaitable(), into(late));
    drive();
    late.expect_stack_closed();
}

BOOST_AUTO_TEST_CASE(limit_with_many_children_that_end_at_once_uses_a_flat_native_stack)
{
    fresh({.limit = 1});
    stack_depth depth;
    auto a = script("a");
    scope.spawn(a.awaitable());
    for (int i = 0; i != 10000; ++i)
        scope.spawn([&](auto handler) { depth.note(), std::move(handler)(); });
    drive();
    a.answer();
    drive();
    BOOST_TEST(scope.empty());
    depth.expect_flat();
}

// ---- failures

BOOST_AUTO_TEST_CASE(child_that_fails_cancels_the_others)
{
    auto a = script("a");
    auto b = script("b");
    scope.spawn(a.awaitable());
    scope.spawn(b.handler_function());
    drive();
    auto const error = failure("no a");
    a.answer(error);
    drive();
    log.expect("+b +a -a !b -b");
    BOOST_TEST((b.cut_types().front() == terminal));
    join();
    result.expect_error(error);
}

BOOST_AUTO_TEST_CASE(child_that_fails_leaves_the_others_alone_if_told_so)
{
    fresh({.cancel_on_failure = false});
    auto b = script("b");
    scope.spawn(script("a").posted(failure("no a")).awaitable());
    scope.spawn(b.awaitable());
    drive();
    BOOST_TEST(b.cuts() == 0);
    b.answer(failure("no b"));
    drive();
    join();
    result.expect_error("[no a, no b]");
}

BOOST_AUTO_TEST_CASE(child_that_ends_with_a_cancellation_has_not_failed)
{
    auto b = script("b");
    scope.spawn(script("a").posted(cancellation()).awaitable());
    scope.spawn(b.awaitable());
    drive();
    BOOST_TEST(b.cuts() == 0);
    b.answer();
    drive();
    join();
    result.expect_success();
}

// Its handler is destroyed while it is started: that is its failure.
BOOST_AUTO_TEST_CASE(child_that_drops_its_handler_has_failed)
{
    scope.spawn(script("a").drops_its_handler().handler_function());
    drive();
    join();
    result.expect_once();
    BOOST_TEST(is_broken_promise(result.error));
}

BOOST_AUTO_TEST_CASE(child_that_cannot_be_started_is_no_child)
{
    BOOST_CHECK_THROW(
        scope.spawn(script("a").throws(failure("no a")).handler_function()), test_error);
    BOOST_TEST(scope.empty());
    join();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(queued_child_that_cannot_be_started_is_a_failure)
{
    fresh({.limit = 1, .cancel_on_failure = false});
    auto a = script("a");
    scope.spawn(a.awaitable());
    scope.spawn(script("b").throws(failure("no b")).handler_function());
    scope.spawn(script("c").posted().handler_function());
    drive();
    a.answer();
    drive();
    join();
    result.expect_error("no b");
    BOOST_TEST(log.count("-c") == 1u);
}

// ---- waiting

BOOST_AUTO_TEST_CASE(async_wait_ends_with_the_last_child)
{
    auto a = script("a");
    auto b = script("b");
    scope.spawn(a.awaitable());
    scope.spawn(b.awaitable());
    scope.async_wait(into(result));
    drive();
    a.answer();
    drive();
    result.expect_pending();
    b.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(async_wait_ends_with_the_first_failure)
{
    auto const error = failure("no a");
    auto a = script("a");
    auto deaf = script("deaf").ignores_cancellation();
    scope.spawn(a.awaitable());
    scope.spawn(deaf.awaitable());
    scope.async_wait(into(result));
    drive();
    a.answer(error);
    drive();
    result.expect_error(error); // the other one is still there
    BOOST_TEST(scope.size() == 1u);
    outcome joined;
    scope.async_join(into(joined));
    drive();
    joined.expect_pending();
    deaf.answer(failure("no deaf"));
    drive();
    joined.expect_error("[no a, no deaf]");
}

BOOST_AUTO_TEST_CASE(waiting_for_nobody_completes_at_once)
{
    outcome joined;
    scope.async_wait(into(result));
    scope.async_join(into(joined));
    drive();
    result.expect_success();
    joined.expect_success();
}

BOOST_AUTO_TEST_CASE(waiting_that_is_cancelled_leaves_the_children_alone)
{
    for (auto const type : {terminal, partial, total}) {
        auto a = script("a");
        result = {};
        scope.spawn(a.awaitable());
        scope.async_wait(asio::bind_cancellation_slot(signal.slot(), into(result)));
        drive();
        signal.emit(type);
        drive();
        result.expect_code(asio::error::operation_aborted);
        BOOST_TEST(a.cuts() == 0);
        a.answer();
        drive();
    }
}

// The body rethrows what the scope's end fails with, too: it is one failure.
BOOST_AUTO_TEST_CASE(failure_that_the_body_rethrows_comes_out_once)
{
    auto const error = failure("no a");
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            auto& children = s.enter(exeunt::task_scope(s.get_executor()));
            children.spawn(script("a").posted(error).awaitable());
            children.spawn(script("b").awaitable());
            co_await children.async_wait(asio::use_awaitable);
        },
        into(result));
    drive();
    result.expect_error(error);
    log.expect("+a +b -a !b -b");
}

// ---- as an exit

BOOST_AUTO_TEST_CASE(exit_tells_children_to_stop_at_the_next_good_moment_and_waits)
{
    auto a = script("a").ignores_cancellation();
    auto b = script("b").ignores_cancellation();
    scope.spawn(listening(a));
    scope.spawn(b.awaitable()); // has not said that it listens
    drive();
    exit_state state;
    exit(state);
    log.expect("+a +b !a");
    BOOST_TEST((a.cut_types().front() == total));
    result.expect_pending();
    a.answer();
    drive();
    result.expect_pending();
    b.answer();
    drive();
    result.expect_success();
    BOOST_CHECK_THROW(scope.spawn(script("c").awaitable()), exeunt::stack_closed);
}

BOOST_AUTO_TEST_CASE(exit_of_a_cancelled_scope_is_as_gentle)
{
    auto a = script("a").ignores_cancellation();
    scope.spawn(listening(a));
    drive();
    exit_state state(cancellation());
    exit(state);
    BOOST_TEST(a.cut_types().size() == 1u);
    BOOST_TEST((a.cut_types().front() == total));
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(exit_after_the_drain_cuts)
{
    fresh({.drain = 3s});
    auto a = script("a");
    scope.spawn(a.awaitable());
    drive();
    exit_state state;
    exit(state);
    advance(2s);
    BOOST_TEST(a.cuts() == 0);
    advance(1s);
    BOOST_TEST(a.cuts() == 1);
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(exit_after_the_drain_waits_for_who_ignores_the_cut)
{
    fresh({.drain = -1s});
    auto deaf = script("deaf").ignores_cancellation();
    scope.spawn(deaf.awaitable());
    drive();
    exit_state state;
    exit(state);
    drive();
    BOOST_TEST(deaf.cuts() == 1);
    advance(1h);
    result.expect_pending();
    deaf.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(exit_after_a_failure_or_forced_cuts_at_once)
{
    for (bool const forced : {false, true}) {
        fresh({.drain = 1h});
        auto a = script("a");
        scope.spawn(a.awaitable());
        drive();
        exit_state state(forced ? std::exception_ptr() : failure("body"), forced);
        exit(state);
        BOOST_TEST((a.cut_types().at(0) == terminal));
        result.expect_success();
    }
}

BOOST_AUTO_TEST_CASE(exit_that_is_cut_cuts_the_children_and_waits_for_them)
{
    auto deaf = script("deaf").ignores_cancellation();
    scope.spawn(deaf.awaitable());
    drive();
    exit_state state;
    exit(state);
    signal.emit(terminal);
    drive();
    BOOST_TEST(deaf.cuts() == 1);
    result.expect_pending();
    deaf.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(child_that_comes_while_the_scope_ends_is_told_the_same)
{
    auto a = script("a").ignores_cancellation();
    scope.spawn(listening(a));
    drive();
    exit_state state;
    exit(state);
    auto late = script("late").ignores_cancellation();
    asio::post(context, [&] { scope.spawn(listening(late)); });
    drive();
    BOOST_TEST(late.cut_types().size() == 1u);
    a.answer();
    drive();
    result.expect_pending();
    late.answer();
    drive();
    result.expect_success();
}

// Spawned from outside its executor, a child may be told to stop before it has begun.
BOOST_AUTO_TEST_CASE(child_that_is_told_to_stop_before_its_first_step_never_has_it)
{
    scope.spawn(script("a").marks_captures().awaitable());
    scope.cancel();
    join();
    result.expect_success();
    log.expect("~a");
}

BOOST_AUTO_TEST_CASE(exit_of_a_stack_ends_the_scope_at_its_position)
{
    push_note("older");
    auto& children = stack.enter(exeunt::on_exit(exeunt::task_scope(context)).named("children"));
    push_note("newer");
    auto a = script("a");
    children.spawn(a.awaitable());
    drive();
    close(failure("body"));
    log.expect("+a +newer -newer !a -a +older -older");
    result.expect_error("body");
}

BOOST_AUTO_TEST_CASE(exit_in_a_stack_reports_all_failures_of_its_children)
{
    auto& children =
        stack.enter(exeunt::on_exit(exeunt::task_scope(context, {.cancel_on_failure = false}))
                        .named("children"));
    children.spawn(script("a").posted(failure("no a")).awaitable());
    children.spawn(script("b").posted(failure("no b")).awaitable());
    drive();
    close(failure("body"));
    result.expect_error("[body, no a, no b]");
}

// ---- cancelling

BOOST_AUTO_TEST_CASE(cancel_tells_all_children_and_drops_those_that_wait_for_room)
{
    fresh({.limit = 2});
    auto a = script("a");
    auto b = script("b");
    scope.spawn(a.awaitable());
    scope.spawn(b.handler_function());
    scope.spawn(script("c").marks_captures().awaitable());
    drive();
    scope.cancel();
    BOOST_TEST(scope.queued() == 0u);
    drive();
    log.expect("+b +a ~c !a !b -b -a");
    BOOST_TEST(scope.empty());
    scope.spawn(script("d").posted().awaitable()); // it is open
    drive();
    log.expect("+d -d");
}

// A child that ends at once when it is told, and ends another one: what has ended is not told any more.
BOOST_AUTO_TEST_CASE(cancel_of_children_that_end_each_other)
{
    for (bool const first : {true, false}) {
        fresh();
        auto b = script("b");
        if (!first)
            scope.spawn(b.handler_function());
        scope.spawn([&](auto handler) {
            auto slot = asio::get_associated_cancellation_slot(handler);
            auto kept = std::make_shared<decltype(handler)>(std::move(handler));
            slot.assign([&b, kept](asio::cancellation_type) {
                auto ends = std::move(*kept);
                if (b.running())
                    b.answer();
                std::move(ends)();
            });
        });
        if (first)
            scope.spawn(b.handler_function());
        drive();
        asio::post(context, [&] { scope.cancel(); });
        drive();
        BOOST_TEST(b.ends() == 1);
        BOOST_TEST(scope.empty());
    }
}

// ---- until_cancelled

BOOST_AUTO_TEST_CASE(until_cancelled_ends_with_any_cancellation)
{
    for (auto const type : {terminal, partial, total}) {
        int calls = 0;
        boost::system::error_code error;
        exeunt::until_cancelled(asio::bind_cancellation_slot(signal.slot(),
            asio::bind_executor(context.get_executor(), [&](boost::system::error_code ec) {
                ++calls;
                error = ec;
            })));
        drive();
        BOOST_TEST(calls == 0);
        signal.emit(type);
        BOOST_TEST(calls == 0);
        drive();
        BOOST_TEST(calls == 1);
        BOOST_TEST(error == asio::error::operation_aborted);
    }
}

BOOST_AUTO_TEST_CASE(until_cancelled_is_what_the_body_of_a_server_waits_for)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").posted().awaitable());
            co_await exeunt::until_cancelled();
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    result.expect_pending();
    signal.emit(terminal);
    drive();
    log.expect("+a -a");
    result.expect_code(asio::error::operation_aborted);
}

// ---- moves and ends

BOOST_AUTO_TEST_CASE(scope_object_may_be_moved_while_children_run_and_while_it_ends)
{
    auto a = script("a");
    scope.spawn(a.awaitable());
    drive();
    exit_state state;
    std::optional<exeunt::task_scope> moved(std::move(scope));
    moved->async_exit(state, into(result));
    drive();
    moved.reset();
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(operations_of_a_scope_complete_as_those_of_asio_do)
{
    for (bool const waits : {false, true}) {
        auto a = script("a");
        if (waits)
            scope.spawn(a.awaitable());
        drive();
        probe wait(context), join(context), room(context);
        wait.initiate([&](auto handler) { scope.async_wait(std::move(handler)); });
        join.initiate([&](auto handler) { scope.async_join(std::move(handler)); });
        room.initiate([&](auto handler) {
            scope.async_spawn(script("b").posted().awaitable(), std::move(handler));
        });
        drive();
        if (waits) {
            wait.expect_pending();
            a.answer();
            drive();
        }
        wait.expect_completed();
        join.expect_completed();
        room.expect_completed();
    }
    probe end(context);
    exit_state state;
    end.initiate([&](auto handler) { scope.async_exit(state, std::move(handler)); });
    drive();
    end.expect_completed();
}

// The context of a scope is destroyed after each step: children and waiters go with it.
BOOST_AUTO_TEST_CASE(scope_whose_context_is_destroyed_loses_nothing)
{
    for (std::size_t steps = 0; steps != 25; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            auto own = std::make_unique<asio::io_context>();
            {
                async_exit_stack s(*own);
                auto& children = s.enter(exeunt::task_scope(s.get_executor(), {.limit = 3}));
                for (std::string const name : {"a", "b"})
                    children.spawn(script(name).posted().marks_captures().awaitable());
                for (std::string const name : {"~c", "~d"})
                    children.spawn([mark = capture_mark(log, name)]() -> asio::awaitable<void> {
                        co_await exeunt::until_cancelled(asio::use_awaitable);
                    });
                auto body = [&children]() -> asio::awaitable<void> {
                    co_await children.async_wait(asio::use_awaitable);
                };
                asio::co_spawn(*own, body, [](std::exception_ptr) {});
                asio::co_spawn(
                    *own, [] { return exeunt::until_cancelled(asio::use_awaitable); },
                    [](std::exception_ptr) {});
                s.async_close([](std::exception_ptr) {});
                for (std::size_t k = 0; k != steps; ++k)
                    own->poll_one();
                own.reset();
            }
            for (char const* name : {"~a", "~b", "~c", "~d"})
                BOOST_TEST(log.count(name) == 1u, name);
            log.clear();
            observer.clear();
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
