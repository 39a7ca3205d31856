// Faults of the group that were found.
#include <exeunt/async_with.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/errc.hpp>

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

struct group_regressions_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;
    std::optional<exeunt::exit_group> group{std::in_place, context};

    void advance(std::chrono::steady_clock::duration time)
    {
        clock.advance(time);
        drive();
    }

    static bool is_deadlock(std::exception_ptr const& error)
    {
        return exeunt::code_of(error) == boost::system::errc::resource_deadlock_would_occur;
    }

    // An exit that closes the group it belongs to, when `first` has ended.
    auto closes_its_group(exeunt::exit_group& own, scripted_exit first, std::exception_ptr& seen)
    {
        return [&own, &seen, first]() mutable -> asio::awaitable<void> {
            co_await first.awaitable()();
            try {
                co_await own.async_close({.timeout = 1s}, asio::use_awaitable);
            } catch (...) {
                seen = std::current_exception();
                throw;
            }
        };
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(exit_group_regressions, group_regressions_fixture)

// ---- the object may go before the close begins, which is not called on the executor

BOOST_AUTO_TEST_CASE(group_destroyed_before_its_close_begins_runs_its_exits)
{
    group->push(script("a").posted().marks_captures().awaitable());
    group->async_close(into(result));
    BOOST_TEST(!group->is_open());
    group.reset();
    log.expect("");
    drive();
    log.expect("+a -a %a ~a");
    result.expect_success();
    BOOST_TEST(observer.silent());
}

BOOST_AUTO_TEST_CASE(group_moved_before_its_close_begins_runs_its_exits_and_takes_more)
{
    auto const error = failure("no a");
    group->push(script("a").posted(error).awaitable());
    group->async_close(into(result));
    exeunt::exit_group moved(std::move(*group));
    moved.push(script("late").posted().awaitable());
    group->push(script("other").posted().awaitable());
    drive();
    log.expect("+late +a -late -a");
    result.expect_error(error);
    BOOST_TEST(moved.empty());
    BOOST_TEST(!moved.is_open());
    BOOST_TEST(group->is_open());
    BOOST_TEST(group->size() == 1u);
    group->async_close([](std::exception_ptr) {});
    drive();
}

BOOST_AUTO_TEST_CASE(group_closed_again_before_its_close_begins_joins_that)
{
    outcome second;
    group->push(script("a").posted(failure("no a")).awaitable());
    group->async_close(into(result));
    group->async_close(into(second));
    exit_state state;
    outcome third;
    group->async_exit(state, into(third));
    drive();
    result.expect_error("no a");
    second.expect_success();
    third.expect_success();
    BOOST_TEST(!state.failed());
}

BOOST_AUTO_TEST_CASE(group_forced_before_its_close_begins_is_forced_from_its_begin)
{
    auto a = script("a");
    group->push(exeunt::on_exit(a.awaitable()).or_force([&] { log("^a"); }));
    group->async_close(into(result));
    group->force();
    drive();
    log.expect("^a");
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(
    group_whose_context_is_destroyed_before_its_close_begins_gives_up_what_it_holds)
{
    for (bool const object_goes_first : {true, false}) {
        BOOST_TEST_CONTEXT("the object goes first: " << object_goes_first)
        {
            auto own = std::make_unique<asio::io_context>();
            group.emplace(*own);
            group->push([&] { log("sync"); });
            group->push(exeunt::on_exit(script("f").awaitable()).or_force([&] { log("^f"); }));
            group->async_close([](std::exception_ptr) {});
            group->async_close([](std::exception_ptr) {});
            if (object_goes_first)
                group.reset();
            log.expect("");
            own.reset();
            log.expect("^f sync");
            group.reset();
            log.expect("");
            observer.clear();
        }
    }
}

BOOST_AUTO_TEST_CASE(group_destroyed_by_its_own_exit_while_it_closes_ends_well)
{
    group->push(script("older").posted().awaitable());
    group->push([&] { group.reset(); });
    asio::post(context, [&] { group->async_close(into(result)); });
    drive();
    log.expect("+older -older");
    result.expect_success();
}

// ---- an exit that closes the group that it belongs to

BOOST_AUTO_TEST_CASE(group_exit_that_closes_its_group_before_it_suspends_gets_a_deadlock)
{
    for (bool const in_stack : {true, false}) {
        BOOST_TEST_CONTEXT("in a stack: " << in_stack)
        {
            stack = async_exit_stack(context);
            group.emplace(context);
            std::exception_ptr seen;
            result = {};
            auto& own = in_stack ? stack.push_group() : *group;
            own.push(closes_its_group(own, script("a").at_once(), seen));
            if (in_stack)
                stack.async_close(into(result));
            else
                own.async_close(into(result));
            drive();
            result.expect_once();
            BOOST_TEST(is_deadlock(seen));
            BOOST_TEST(is_deadlock(result.error));
        }
    }
}

BOOST_AUTO_TEST_CASE(group_that_has_closed_has_no_exit_to_wait_for_whoever_closes_it_again)
{
    std::exception_ptr seen;
    group->push(
        [&] { group->async_close([&](std::exception_ptr error) { seen = std::move(error); }); });
    group->async_close(into(result));
    drive();
    result.expect_success();
    BOOST_TEST(is_deadlock(seen));
    for (bool const as_exit : {false, true}) {
        exit_state state;
        outcome again;
        if (as_exit)
            group->async_exit(state, into(again));
        else
            group->async_close(into(again));
        drive();
        again.expect_success();
    }
}

BOOST_AUTO_TEST_CASE(group_exit_that_is_its_group_before_it_suspends_gets_a_deadlock)
{
    auto& own = stack.push_group();
    auto other = script("other");
    own.push(other.awaitable());
    own.push(std::ref(own));
    close();
    log.expect("+other");
    other.answer();
    drive();
    result.expect_once();
    BOOST_TEST(is_deadlock(result.error));
}

BOOST_AUTO_TEST_CASE(group_exit_that_closes_its_group_later_waits_until_the_time_of_the_stack_is_up)
{
    auto& own = stack.push_group();
    stack.options().timeout = 3s;
    std::exception_ptr seen;
    auto a = script("a");
    own.push(closes_its_group(own, a, seen));
    close();
    a.answer();
    advance(2s);
    result.expect_pending(); // limits of a close that joins are those of the one under way
    advance(1s);
    result.expect_code(asio::error::timed_out);
    BOOST_TEST(exeunt::is_cancelled(seen));
}

BOOST_AUTO_TEST_CASE(group_exit_that_closes_its_group_later_waits_until_it_is_forced)
{
    for (bool const by_group : {true, false}) {
        BOOST_TEST_CONTEXT("by the group: " << by_group)
        {
            stack = async_exit_stack(context);
            auto& own = stack.push_group();
            std::exception_ptr seen;
            auto a = script("a");
            own.push(closes_its_group(own, a, seen));
            close();
            a.answer();
            drive();
            result.expect_pending();
            if (by_group)
                own.force();
            else
                stack.force();
            drive();
            result.expect_code(asio::error::operation_aborted);
            BOOST_TEST(exeunt::is_cancelled(seen));
        }
    }
}

// By way of its state it is known to be inside: a cut cannot force what it waits for, which waits for it.
BOOST_AUTO_TEST_CASE(group_exit_that_is_its_group_later_waits_until_it_is_cut)
{
    auto& own = stack.push_group();
    std::exception_ptr seen;
    auto a = script("a");
    own.push([&](exit_state& state) -> asio::awaitable<void> {
        co_await a.async_operation(asio::use_awaitable);
        try {
            co_await own.async_exit(state, asio::use_awaitable);
        } catch (...) {
            seen = std::current_exception();
        }
    });
    close();
    a.answer();
    drive();
    result.expect_pending();
    stack.force();
    drive();
    result.expect_success();
    BOOST_TEST(exeunt::is_cancelled(seen));
}

BOOST_AUTO_TEST_CASE(group_exit_that_closes_another_group_waits_for_it)
{
    group->push(script("inner").posted().awaitable());
    auto& outer = stack.push_group();
    std::exception_ptr seen;
    outer.push(closes_its_group(*group, script("a").at_once(), seen));
    close();
    log.expect("+a -a +inner -inner");
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_close_that_has_joined_is_detached_by_terminal)
{
    auto a = script("a");
    group->push(a.awaitable());
    group->async_close(into(result));
    drive();
    outcome second;
    group->async_close(asio::bind_cancellation_slot(signal.slot(), into(second)));
    drive();
    second.expect_pending();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    second.expect_code(asio::error::operation_aborted);
    BOOST_TEST(a.cuts() == 0);
    result.expect_pending();
    a.answer();
    drive();
    result.expect_success();
}

// ---- exits that end others, or never end

BOOST_AUTO_TEST_CASE(group_an_exit_of_which_is_lost_waits_for_what_runs_and_gives_up_the_rest)
{
    auto& own = stack.push_group({.limit = 2});
    auto a = script("a");
    auto b = script("b");
    auto c = script("c");
    for (auto* each : {&a, &b, &c})
        own.push(exeunt::on_exit(each->handler_function()).named(each->name()));
    stack.async_close(
        [&, mark = capture_mark(log, "~close")](std::exception_ptr) { log("closed"); });
    drive();
    log.expect("+c +b");
    c.drop();
    drive();
    log.expect("");
    b.answer();
    drive();
    log.expect("-b ~close");
    // The last one is the group in its stack.
    BOOST_TEST(observer.text() == " abandoned:c abandoned:a abandoned: stack:1 stack:1 stack:1");
    observer.clear();
}

BOOST_AUTO_TEST_CASE(group_that_is_forced_begins_others_when_that_ends_one_of_its_exits)
{
    auto& own = stack.push_group({.limit = 2});
    auto a = script("a");
    auto b = script("b").ignores_cancellation();
    auto c = script("c").ignores_cancellation();
    own.push(exeunt::on_exit(a.awaitable()).or_force([&] { log("^a"); }));
    own.push(b.handler_function());
    own.push(exeunt::on_exit(c.handler_function()).on_cut([&] { b.answer(); }));
    close();
    stack.force();
    drive();
    log.expect("+c +b -b !c ^a"); // it does not wait for c
    result.expect_pending();
    c.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_exit_that_forces_its_group_as_it_begins_lets_no_other_begin_within_that)
{
    auto& own = stack.push_group();
    auto c = script("c").ignores_cancellation();
    auto d = script("d").ignores_cancellation();
    own.push(exeunt::on_exit(script("a").awaitable()).or_force([&] { log("^a"); }));
    own.push([&] {
        own.force();
        log("forced");
    });
    own.push(c.handler_function());
    own.push(exeunt::on_exit(d.handler_function()).on_cut([&] { c.answer(); }));
    close();
    log.expect("+d +c -c !d forced ^a");
    d.answer();
    drive();
    result.expect_success();
}

// ---- observers

namespace {

// Does something as the group is told to begin, or to be forced.
struct acting_observer : exeunt::exit_observer
{
    void unwinding_began(exeunt::unwinding_view const& seen) noexcept override
    {
        if (seen.depth == 1 && began)
            began();
    }
    void unwinding_forced(exeunt::unwinding_view const& seen, duration) noexcept override
    {
        if (seen.depth != 1)
            return;
        ++forces;
        if (forced)
            forced();
    }

    std::function<void()> began;
    std::function<void()> forced;
    int forces = 0;
};

} // namespace

BOOST_AUTO_TEST_CASE(group_whose_observer_ends_its_exit_as_it_is_forced_ends_well)
{
    for (bool const others : {false, true})
        for (bool const answers : {true, false}) {
            BOOST_TEST_CONTEXT("others: " << others << ", answers: " << answers)
            {
                acting_observer acting;
                stack = async_exit_stack(context, {.observer = &acting});
                log.clear();
                result = {};
                auto& own = stack.push_group({.limit = 1});
                auto a = script("a").ignores_cancellation();
                if (others)
                    own.push(script("older").at_once().handler_function());
                own.push(a.handler_function());
                acting.forced = [&] { answers ? a.answer() : a.drop(); };
                close();
                asio::post(context, [&] {
                    own.force();
                    log("forced");
                });
                drive();
                if (answers) {
                    log.expect(others ? "+a -a forced +older -older" : "+a -a forced");
                    result.expect_success();
                } else {
                    log.expect(others ? "+a forced" : "+a forced");
                    result.expect_pending();
                }
                BOOST_TEST(acting.forces == 1);
            }
        }
}

// It is about to look for what has been registered, and has ended when it would do so again.
BOOST_AUTO_TEST_CASE(group_that_is_forced_while_it_is_about_to_look_for_exits_looks_once)
{
    acting_observer acting;
    stack.options().observer = &acting;
    auto& own = stack.push_group();
    auto a = script("a").ignores_cancellation();
    own.push(a.handler_function());
    acting.forced = [&] { a.answer(); };
    close();
    asio::post(context, [&] {
        own.dismiss(own.push(script("late").handler_function()));
        own.force();
    });
    drive();
    log.expect("+a -a");
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_forced_by_its_observer_as_it_begins_tells_that_once)
{
    acting_observer acting;
    stack.options().observer = &acting;
    auto& own = stack.push_group();
    own.push(script("a").at_once().handler_function());
    acting.began = [&] { own.force(); };
    close();
    drive();
    result.expect_success();
    BOOST_TEST(acting.forces == 1);
}

// ---- what exits see

BOOST_AUTO_TEST_CASE(group_exits_see_the_cause_though_it_has_been_suppressed)
{
    auto const body = failure("body");
    auto& own = stack.push_group();
    std::exception_ptr cause;
    bool failed = true;
    own.push([&](exit_state& s) { cause = s.cause(), failed = s.failed(); });
    stack.push([](exit_state& s) { s.suppress(); });
    closed(body).expect_success();
    BOOST_TEST((cause == body));
    BOOST_TEST(!failed);
}

BOOST_AUTO_TEST_CASE(group_exits_see_all_that_is_in_flight_and_no_cause_where_there_is_none)
{
    auto& own = stack.push_group();
    std::vector<std::string> texts;
    std::exception_ptr cause = failure("to be overwritten");
    own.push([&](exit_state& s) {
        cause = s.cause();
        texts.push_back(describe(s.error()));
        for (auto const& each : s.failures())
            texts.push_back(describe(each.error) + " of " + each.name);
    });
    push_named(script("a").posted(failure("no a")), shape::awaitable);
    push_named(script("b").posted(cancellation()), shape::awaitable);
    close();
    result.expect_once();
    BOOST_TEST(!cause);
    BOOST_REQUIRE(texts.size() == 3u);
    BOOST_TEST(texts[0] == "no a"); // the primary, though a cancellation is older
    BOOST_TEST(texts[1].ends_with(" of b"));
    BOOST_TEST(texts[2] == "no a of a");
}

BOOST_AUTO_TEST_CASE(group_exits_that_fail_add_to_what_they_saw_and_nothing_comes_out_twice)
{
    auto& own = stack.push_group();
    std::vector<std::size_t> counts;
    auto const fails = [&](std::string name) {
        return [&, error = failure(name)](exit_state& s) {
            counts.push_back(s.failures().size());
            std::rethrow_exception(error);
        };
    };
    own.push([&](exit_state& s) { std::rethrow_exception(s.error()); });
    own.push(fails("no a"));
    auto& nested = own.enter(async_exit_stack(context));
    nested.push([&](exit_state& s) { counts.push_back(s.failures().size()); });
    nested.push(fails("no b"));
    stack.push(script("1").posted(failure("no 1")).awaitable());
    stack.push(script("2").posted(failure("no 2")).awaitable());
    closed().expect_error("[no 2, no 1, no b, no a]");
    BOOST_TEST(counts == (std::vector<std::size_t>{2, 3, 2}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(group_exit_that_replaces_does_so_for_those_that_begin_later)
{
    auto& own = stack.push_group({.limit = 1});
    std::vector<std::string> seen;
    auto const sees = [&](exit_state& s) {
        for (auto const& each : s.failures())
            seen.push_back(describe(each.error));
        seen.push_back("cause " + describe(s.cause()));
    };
    own.push(sees);
    own.push([](exit_state& s) { s.suppress(); });
    own.push(sees);
    own.push([error = failure("own")](exit_state& s) {
        s.replace(failure("other"));
        std::rethrow_exception(error);
    });
    stack.push([error = failure("no a")] { std::rethrow_exception(error); });
    closed(failure("body")).expect_success();
    BOOST_TEST(seen == (std::vector<std::string>{"other", "own", "cause body", "cause body"}),
        boost::test_tools::per_element());
}

// What they see is in the report that one of them fails with, and what that has dropped is in nothing else.
BOOST_AUTO_TEST_CASE(group_exit_that_fails_with_a_report_of_what_it_saw_adds_what_that_has_dropped)
{
    std::exception_ptr const seen = failure("seen");
    std::exception_ptr const report =
        std::make_exception_ptr(exeunt::exit_errors({{seen, {}, {}}, {failure("own"), {}, {}}}, 1));
    for (bool const again : {false, true}) {
        BOOST_TEST_CONTEXT("in flight already: " << again)
        {
            stack = async_exit_stack(context);
            result = {};
            stack.push_group().push(script("a").at_once(report).handler_function());
            stack.async_close(again ? report : seen, into(result));
            drive();
            BOOST_TEST(failures_of(result.error).size() == 2u);
            BOOST_TEST(dropped_of(result.error) == 1u);
        }
    }
}

BOOST_AUTO_TEST_CASE(group_exits_that_replace_at_the_same_time_lose_nothing)
{
    auto& own = stack.push_group();
    auto a = script("a").sees([](exit_state& s) { s.replace(failure("by a")); });
    auto b = script("b").sees([](exit_state& s) { s.replace(failure("by b")); });
    auto c = script("c").sees([](exit_state& s) { s.suppress(); });
    for (auto* each : {&a, &b, &c})
        own.push(each->state_awaitable());
    stack.push([error = failure("no 1")] { std::rethrow_exception(error); });
    close(failure("body"));
    for (auto* each : {&a, &b, &c}) {
        each->answer();
        drive();
    }
    result.expect_error("[by a, by b]");
}

BOOST_AUTO_TEST_SUITE_END()
