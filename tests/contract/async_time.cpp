// The asynchronous stack: time limits, force and forced mode (C79, C81, C82, C84 to C86, C89, C94, C100).
#include <exeunt/async_with.hpp>
#include <exeunt/testing.hpp>

#include "support/probe.hpp"
#include "support/time_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;
using namespace std::chrono_literals;

namespace {

std::string reported(std::exception_ptr const& error)
{
    try {
        std::rethrow_exception(error);
    } catch (exeunt::exit_errors const& report) {
        std::string names;
        for (auto const& failure : report.failures())
            names += (names.empty() ? "" : " ") + failure.name;
        return names;
    } catch (...) {
        return "";
    }
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_time, time_fixture)

// C81, C85: the end of the timeout cuts what runs, forces the rest and skips nothing
BOOST_AUTO_TEST_CASE(async_close_timeout_cuts_the_running_exit_and_all_that_are_left)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            stack.options().timeout = 5s;
            push_note("first");
            push_named(script("a"), each);
            push_note("between");
            push_named(script("b"), each);
            begin_close();
            log.expect("+b");
            advance(4s);
            log.expect("");
            result.expect_pending();
            advance(1s);
            log.expect("!b -b +between -between +a !a -a +first -first");
            result.expect_once();
            BOOST_TEST(reported(result.error) == "b a");
            BOOST_TEST(exeunt::code_of(result.error) == asio::error::timed_out);
        }
    }
}

// C79: cancelled before it starts, everything has grace, which starts with the unwinding
BOOST_AUTO_TEST_CASE(async_with_cancelled_body_gives_its_exits_the_grace)
{
    auto a = script("a");
    exeunt::async_with(
        context, exeunt::close_options{.grace = 3s},
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exeunt::on_exit(a.awaitable()).named("a"));
            co_await script("work").async_operation(asio::use_awaitable);
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    advance(60s); // the body has no limit
    emit();
    log.expect("+work !work -work +a");
    advance(2s);
    BOOST_TEST(a.cuts() == 0);
    advance(1s);
    BOOST_TEST(a.cuts() == 1);
    result.expect_once();
    BOOST_TEST(exeunt::code_of(result.error) == asio::error::timed_out);
}

// C79: also where the body does not take the cancellation for an end
BOOST_AUTO_TEST_CASE(async_with_cancelled_body_that_succeeds_gives_its_exits_the_grace)
{
    auto a = script("a");
    auto work = script("work").ignores_cancellation();
    exeunt::async_with(
        context, exeunt::close_options{.grace = 3s},
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exeunt::on_exit(a.awaitable()).named("a"));
            co_await asio::this_coro::throw_if_cancelled(false);
            co_await work.async_operation(asio::use_awaitable);
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit();
    work.answer();
    drive();
    BOOST_TEST(a.running());
    advance(2s);
    BOOST_TEST(a.cuts() == 0);
    advance(1s);
    BOOST_TEST(a.cuts() == 1);
    result.expect_code(asio::error::timed_out);
}

// C81: the first terminal cuts nothing but makes sure that grace is running
BOOST_AUTO_TEST_CASE(async_close_first_terminal_starts_the_grace)
{
    stack.options().grace = 3s;
    auto a = script("a");
    push_named(a, shape::awaitable);
    begin_close();
    advance(60s);
    BOOST_TEST(a.cuts() == 0);
    emit();
    BOOST_TEST(a.cuts() == 0);
    advance(2s);
    BOOST_TEST(a.cuts() == 0);
    advance(1s);
    BOOST_TEST(a.cuts() == 1);
    result.expect_code(asio::error::timed_out);
}

// C81, C86: the second terminal forces; what has a force runs that alone, once
BOOST_AUTO_TEST_CASE(async_close_second_terminal_forces_the_rest)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            auto older = script("older");
            push_note("first");
            forceable(older, each);
            auto plain = script("plain");
            push(plain, each);
            forceable(script("b"), each);
            begin_close();
            emit();
            log.expect("+b");
            emit();
            log.expect("!b -b ^b +plain !plain -plain ^older +first -first");
            BOOST_TEST(older.begins() == 0);
            if (plain.has_seen())
                BOOST_TEST(plain.saw().forced);
            result.expect_code(asio::error::operation_aborted);
        }
    }
}

BOOST_AUTO_TEST_CASE(force_while_closing_cuts_and_while_open_waits_for_the_close)
{
    forceable(script("a"), shape::awaitable);
    forceable(script("b"), shape::handler_function);
    begin_close();
    stack.force();
    result.expect_pending(); // nothing comes of it within the call
    drive();
    log.expect("+b !b -b ^b ^a");
    result.expect_success();

    fresh();
    forceable(script("a"), shape::awaitable);
    stack.force();
    drive();
    log.expect("");
    begin_close();
    log.expect("^a");
    result.expect_success();
}

// C82
BOOST_AUTO_TEST_CASE(async_close_forced_exit_that_ignores_its_slot_is_waited_for)
{
    auto deaf = script("deaf").ignores_cancellation();
    push_note("older");
    forceable(deaf, shape::handler_function);
    begin_close();
    stack.force();
    drive();
    result.expect_pending();
    log.expect("+deaf !deaf");
    deaf.answer();
    drive();
    log.expect("-deaf +older -older"); // it succeeded: no force
    result.expect_success();
}

// C84
BOOST_AUTO_TEST_CASE(within_cuts_that_exit_alone)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            auto older = script("older");
            push(older, each);
            in_async_shape(script("slow"), each, [&](auto callable) {
                return stack.push(
                    exeunt::on_exit(std::move(callable)).named("slow").within(2s).on_cut([&] {
                        log("on_cut");
                    }));
            });
            begin_close();
            advance(2s);
            log.expect("+slow on_cut !slow -slow +older");
            advance(60s);
            BOOST_TEST(older.cuts() == 0);
            BOOST_TEST(stack.size() == 0u);
            older.answer();
            drive();
            result.expect_code(asio::error::timed_out);
        }
    }
}

// C84: a force makes good
BOOST_AUTO_TEST_CASE(within_with_a_force_is_no_failure)
{
    auto slow = script("slow");
    stack.adopt(std::string("lease"),
        exeunt::on_exit(
            [&](std::string&, exit_handler h) { slow.handler_function()(std::move(h)); })
            .within(2s)
            .or_force([&](std::string& value) { log("^" + value); }));
    begin_close();
    advance(2s);
    log.expect("+slow !slow -slow ^lease");
    result.expect_success();
}

// C84: what the operation says of itself after the cut is worth more than the cut
BOOST_AUTO_TEST_CASE(within_keeps_a_failure_that_is_no_cancellation)
{
    auto slow = script("slow").ignores_cancellation();
    stack.push(exeunt::on_exit(slow.handler_function()).within(2s));
    begin_close();
    advance(2s);
    slow.answer(failure("the peer reset"));
    drive();
    result.expect_error("the peer reset");
}

// C86
BOOST_AUTO_TEST_CASE(force_runs_after_a_plain_failure_which_stays)
{
    forceable(script("a").posted(failure("a failed")), shape::awaitable);
    forceable(script("b").throws(failure("b failed")), shape::handler_function);
    forceable(script("c").posted(), shape::handler_function);
    begin_close();
    log.expect("+c -c +b -b ^b +a -a ^a");
    result.expect_once();
    BOOST_TEST(reported(result.error) == "b a");
}

// C86: a commit that did not happen is never silent
BOOST_AUTO_TEST_CASE(force_of_an_exit_only_on_success_is_a_failure)
{
    auto commit = [&] {
        return exeunt::on_exit(script("commit").handler_function())
            .named("commit")
            .only_on_success()
            .or_force([&] { log("^commit"); });
    };
    stack.options().timeout = 1s;
    stack.push(commit());
    begin_close();
    advance(1s);
    log.expect("+commit !commit -commit ^commit");
    result.expect_code(asio::error::timed_out);

    fresh();
    stack.push(commit());
    stack.force();
    begin_close();
    log.expect("^commit");
    result.expect_code(asio::error::operation_aborted);
}

BOOST_AUTO_TEST_CASE(force_that_throws_is_the_failure_of_its_exit)
{
    stack.push(exeunt::on_exit(script("a").handler_function()).named("a").or_force([] {
        throw std::runtime_error("no force");
    }));
    begin_close();
    stack.force();
    drive();
    result.expect_error("no force");
}

// A filter that does not hold runs neither.
BOOST_AUTO_TEST_CASE(force_of_an_exit_whose_filter_does_not_hold_does_not_run)
{
    stack.push(exeunt::on_exit(script("a").handler_function()).only_on_failure().or_force([&] {
        log("^a");
    }));
    stack.force();
    begin_close();
    log.expect("");
    result.expect_success();
}

// C94: a nested stack is forced with its parent, and the parent is not forced with it
BOOST_AUTO_TEST_CASE(nested_stack_is_forced_with_its_parent)
{
    async_exit_stack child(context);
    child.push(exeunt::on_exit(script("c1").awaitable()).named("c1"));
    child.push(exeunt::on_exit(script("c2").awaitable()).named("c2"));
    push_note("older");
    stack.push(std::ref(child));
    stack.options().timeout = 2s;
    begin_close();
    advance(2s);
    log.expect("+c2 !c2 -c2 +c1 !c1 -c1 +older -older");
    BOOST_TEST(reported(result.error) == "c2 c1");
}

BOOST_AUTO_TEST_CASE(nested_stack_that_is_over_time_does_not_force_its_parent)
{
    async_exit_stack child(context, {.timeout = 1s});
    child.push(exeunt::on_exit(script("c").awaitable()).named("c"));
    auto older = script("older");
    push(older, shape::state_awaitable);
    stack.push(std::ref(child));
    begin_close();
    advance(1s);
    log.expect("+c !c -c +older");
    BOOST_TEST(!older.saw().forced);
    older.answer();
    drive();
    result.expect_code(asio::error::timed_out);
}

// A close that waits for an exit which is run by itself is bounded as well.
BOOST_AUTO_TEST_CASE(async_close_timeout_bounds_a_run_now_that_it_waits_for)
{
    auto hanging = script("hanging");
    push_note("older");
    exit_handle const handle = push(hanging, shape::awaitable);
    outcome alone;
    stack.async_run_now(handle, into(alone));
    drive();
    stack.options().timeout = 2s;
    begin_close();
    advance(2s);
    log.expect("+hanging !hanging -hanging +older -older");
    alone.expect_once();
    result.expect_success();
}

// C56: an exit that waits for its own stack is ended by force, cancellation and timeout
BOOST_AUTO_TEST_CASE(timeout_ends_an_exit_that_waits_for_its_own_stack)
{
    stack.options().timeout = 2s;
    stack.push([&]() -> asio::awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        co_await stack.async_close(asio::use_awaitable);
    });
    begin_close();
    result.expect_pending();
    advance(2s);
    result.expect_code(asio::error::timed_out);
}

// A close that the body has begun is the unwinding of the scope.
BOOST_AUTO_TEST_CASE(async_with_terminals_reach_a_close_that_its_body_has_begun)
{
    auto a = script("a");
    outcome closed;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(a.awaitable());
            s.async_close(into(closed));
        },
        asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    emit();
    BOOST_TEST(a.cuts() == 0);
    emit();
    BOOST_TEST(a.cuts() == 1);
    closed.expect_code(asio::error::operation_aborted);
    result.expect_success();
}

// C89: destroyed without being closed
BOOST_AUTO_TEST_CASE(destroyed_stack_runs_the_force_of_its_exits)
{
    forceable(script("a"), shape::awaitable);
    push_named(script("b"), shape::awaitable);
    {
        async_exit_stack const gone(std::move(stack));
    }
    log.expect("^a");
    BOOST_TEST(observer.abandoned.size() == 1u);
    observer.clear();
}

// C91: a context that is destroyed while a deadline is waited for
BOOST_AUTO_TEST_CASE(destroyed_context_runs_the_force_of_the_running_exit)
{
    for (bool const manual : {false, true}) {
        auto own = std::make_unique<asio::io_context>();
        std::optional<exeunt::manual_clock> own_clock;
        if (manual)
            own_clock.emplace(*own);
        async_exit_stack s(*own, {.timeout = 1h});
        auto a = script("a");
        s.push(exeunt::on_exit([&](exit_handler h) {
            asio::post(*own, [h = std::move(h)]() mutable { std::move(h)(); });
        }).or_force([&] { log("^a"); }));
        s.async_close([](std::exception_ptr) {});
        own->poll_one();
        own.reset();
        log.expect("^a");
    }
}

// C100
BOOST_AUTO_TEST_CASE(manual_clock_moves_the_deadlines_of_its_context_alone)
{
    asio::io_context other;
    async_exit_stack elsewhere(other, {.timeout = 1h});
    auto a = script("a");
    elsewhere.push(a.awaitable());
    outcome there;
    elsewhere.async_close(into(there));
    support::drive(other);
    advance(2h);
    support::drive(other);
    BOOST_TEST(a.cuts() == 0);
    there.expect_pending();
    a.answer();
    support::drive(other);
    there.expect_success();
    // Nothing is left that waits.
    BOOST_TEST(other.stopped());
}

// On the real clock.
BOOST_AUTO_TEST_CASE(async_close_timeout_of_a_hundred_hanging_exits_names_them_all)
{
    asio::io_context real;
    async_exit_stack s(real, {.timeout = 1s});
    std::string names;
    for (int i = 99; i >= 0; --i)
        names += (names.empty() ? "" : " ") + std::to_string(i);
    std::vector<scripted_exit> exits;
    for (int i = 0; i != 100; ++i) {
        exits.push_back(script(std::to_string(i)));
        if (i % 2)
            s.push(exeunt::on_exit(exits.back().awaitable()).named(exits.back().name()));
        else
            s.push(exeunt::on_exit(exits.back().handler_function()).named(exits.back().name()));
    }
    s.async_close(into(result));
    auto const begun = std::chrono::steady_clock::now();
    real.run();
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - begun;
    BOOST_TEST_MESSAGE("100 hanging exits, timeout 1 s: closed after " << took.count() << " s");
    result.expect_once();
    BOOST_TEST(reported(result.error) == names);
}

// C87: terminal once and twice, and the deadline, at every step
BOOST_AUTO_TEST_CASE(async_close_deadline_at_every_step_skips_nothing_and_forces_once)
{
    std::size_t runs = 0;
    for (int const terminals : {0, 1, 2})
        for (auto const passed : {0s, 5s})
            for (std::size_t steps = 0; steps != 30; ++steps)
                for (shape const each : async_shapes) {
                    BOOST_TEST_CONTEXT(terminals << " terminals and " << passed.count()
                                                 << " s after " << steps << " steps, " << each)
                    {
                        ++runs;
                        fresh();
                        stack.options() = {.timeout = 5s, .grace = 3s};
                        push_note("a");
                        forceable(script("b").posted(), each);
                        push(script("c").posted(), each);
                        forceable(script("d").posted(), each);
                        push_note("e");
                        stack.async_close(
                            asio::bind_cancellation_slot(signal.slot(), into(result)));
                        context.restart();
                        for (std::size_t k = 0; k != steps; ++k)
                            context.poll_one();
                        for (int k = 0; k != terminals; ++k)
                            signal.emit(terminal);
                        clock.advance(passed);
                        drive();
                        result.expect_once();
                        for (char const* name : {"+a", "+c", "+e"})
                            BOOST_TEST(log.count(name) == 1u, name);
                        for (std::string const name : {"b", "d"})
                            BOOST_TEST(log.count("+" + name) + log.count("^" + name) == 1u, name);
                        BOOST_TEST(stack.empty());
                    }
                }
    BOOST_TEST_MESSAGE(runs << " runs");
}

BOOST_AUTO_TEST_SUITE_END()
