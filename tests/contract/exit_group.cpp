// Exits that unwind concurrently: as one slot of an asynchronous stack.
#include <exeunt/async_with.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"
#include "support/following_observer.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

struct group_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;

    exeunt::exit_group& group(std::size_t limit = static_cast<std::size_t>(-1))
    {
        return stack.push_group({.limit = limit});
    }

    template <class Group>
    exit_handle push_to(Group& g, scripted_exit const& exit, shape s)
    {
        return in_shape(exit, s, [&](auto callable) {
            return g.push(exeunt::on_exit(std::move(callable)).named(exit.name()));
        });
    }

    void begin_close()
    {
        result = {};
        stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
        drive();
    }

    void advance(std::chrono::steady_clock::duration time)
    {
        clock.advance(time);
        drive();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(exit_group, group_fixture)

BOOST_AUTO_TEST_CASE(group_starts_all_its_exits_newest_first_and_ends_with_the_last)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            push_note("older");
            auto& g = group();
            auto a = script("a");
            auto b = script("b");
            auto c = script("c");
            for (auto* exit : {&a, &b, &c})
                push_to(g, *exit, each);
            push_note("newer");
            begin_close();
            log.expect("+newer -newer +c +b +a");
            b.answer();
            drive();
            c.answer();
            drive();
            log.expect("-b -c");
            result.expect_pending();
            a.answer();
            drive();
            log.expect("-a +older -older");
            result.expect_success();
        }
    }
}

BOOST_AUTO_TEST_CASE(group_with_a_limit_runs_so_many_at_a_time)
{
    auto& g = group(2);
    std::vector<scripted_exit> exits;
    for (char const name : {'a', 'b', 'c', 'd'}) {
        exits.push_back(script(std::string(1, name)));
        push_to(g, exits.back(), shape::awaitable);
    }
    begin_close();
    log.expect("+d +c");
    exits[2].answer();
    drive();
    log.expect("-c +b");
    exits[3].answer();
    exits[1].answer();
    drive();
    log.expect("-d +a -b");
    exits[0].answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_with_a_limit_of_nothing_runs_one_at_a_time)
{
    auto& g = group(0);
    push_to(g, script("a").posted(), shape::awaitable);
    push_to(g, script("b").posted(), shape::handler_function);
    begin_close();
    log.expect("+b -b +a -a");
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_takes_exits_of_every_shape)
{
    auto& g = group();
    for (shape const each : all_shapes)
        push_to(g, script(name_of(each)).posted(), each);
    begin_close();
    result.expect_success();
    for (shape const each : all_shapes) {
        BOOST_TEST(log.count(std::string("+") + name_of(each)) == 1u, each);
        BOOST_TEST(log.count(std::string("-") + name_of(each)) == 1u, each);
    }
}

BOOST_AUTO_TEST_CASE(group_registers_in_every_way_of_a_stack)
{
    auto& g = group();
    g.callback([&](std::string word) { log(word); }, "callback");
    g.push_async_callback([&](exit_handler h) { log("async_callback"), std::move(h)(); });
    g.push_async_exit([&](exit_state&, exit_handler h) { log("async_exit"), std::move(h)(); });
    g.emplace<capture_mark>(log, "emplaced");
    g.adopt(7, [&](int& seven) { log("adopted:" + std::to_string(seven)); });
    auto context_exit = script("context");
    g.enter(context_exit.at_once().token_context());
    outcome_of<int*> acquired;
    g.async_acquire([]() -> asio::awaitable<int> { co_return 9; }(),
        [&](int& nine) { log("released:" + std::to_string(nine)); }, into(acquired));
    drive();
    acquired.expect_success();
    BOOST_TEST(g.size() == 7u);
    begin_close();
    result.expect_success();
    log.expect(
        "released:9 +context -context adopted:7 emplaced async_exit async_callback callback");
}

BOOST_AUTO_TEST_CASE(group_callbacks_without_arguments_tell_where_they_were_registered)
{
    auto& g = group();
    auto const before = static_cast<std::uint32_t>(__LINE__);
    g.callback([] { std::rethrow_exception(failure("a")); });
    g.push_async_callback([](exit_handler) { std::rethrow_exception(failure("b")); });
    begin_close();
    result.expect_once();
    auto const failures = failures_of(result.error);
    BOOST_TEST_REQUIRE(failures.size() == 2u);
    for (exeunt::exit_failure const& each : failures)
        BOOST_TEST(std::string_view(each.where.file).ends_with("exit_group.cpp"));
    BOOST_TEST(failures[0].where.line == before + 2);
    BOOST_TEST(failures[1].where.line == before + 1);
}

// All failures are kept, in the order of time, under the names of their exits.
BOOST_AUTO_TEST_CASE(group_keeps_all_failures_with_their_names)
{
    auto& g = group();
    auto a = script("a");
    push_to(g, a, shape::awaitable);
    push_to(g, script("b").posted(failure("no b")), shape::awaitable);
    push_to(g, script("c").throws(failure("no c")), shape::handler_function);
    push_to(g, script("d"), shape::function);
    stack.push(
        exeunt::on_exit(script("newer").posted(failure("no newer")).awaitable()).named("newer"));
    begin_close();
    a.answer(failure("no a"));
    drive();
    result.expect_once();
    BOOST_TEST(names_of(result.error) == (std::vector<std::string>{"newer", "c", "b", "a"}),
        boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(group_of_one_failure_lets_it_come_out_as_it_is)
{
    auto& g = group();
    auto const error = failure("no a");
    push_to(g, script("a").posted(error), shape::awaitable);
    push_to(g, script("b").posted(), shape::awaitable);
    begin_close();
    result.expect_error(error);
}

// ---- what its exits see

BOOST_AUTO_TEST_CASE(group_exits_see_what_was_in_flight_when_the_group_began)
{
    auto const body = failure("body");
    auto& g = group();
    auto a = script("a").posted(failure("no a"));
    auto b = script("b").posted(failure("no b"));
    push_to(g, a, shape::state_awaitable);
    push_to(g, b, shape::state_handler);
    close(body);
    BOOST_TEST((a.saw().error == body));
    BOOST_TEST((b.saw().error == body));
    result.expect_error("[body, no b, no a]");
}

BOOST_AUTO_TEST_CASE(group_exit_that_suppresses_does_so_for_the_stack)
{
    auto older = script("older");
    push(older, shape::state_function);
    auto& g = group(1);
    auto later = script("later").posted();
    push_to(g, later, shape::state_awaitable);
    push_to(g, script("suppress").posted().sees([](exit_state& s) { s.suppress(); }),
        shape::state_awaitable);
    close(failure("body"));
    BOOST_TEST(!later.saw().failed);
    BOOST_TEST(!older.saw().failed);
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_exit_that_replaces_does_so_for_the_stack)
{
    auto const other = failure("other");
    auto& g = group();
    push_to(g, script("replace").posted().sees([other](exit_state& s) { s.replace(other); }),
        shape::state_awaitable);
    push_to(g, script("b").posted(failure("no b")), shape::awaitable);
    close(failure("body"));
    result.expect_error("[other, no b]"); // it stands where the other one stood
}

BOOST_AUTO_TEST_CASE(group_exits_are_filtered_by_what_they_see)
{
    auto& g = group();
    g.push(exeunt::on_exit(script("a").posted().awaitable()).only_on_failure());
    g.push(exeunt::on_exit(script("b").posted().awaitable()).only_on_success());
    g.push(exeunt::on_exit(script("c").posted(failure("no c")).awaitable()).best_effort());
    closed().expect_success();
    log.expect("+c +b -c -b");
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

// ---- time

BOOST_AUTO_TEST_CASE(group_is_forced_with_its_stack)
{
    stack.options().timeout = 2s;
    push_note("older");
    auto& g = group(2);
    auto forceable = [&](std::string name) {
        g.push(exeunt::on_exit(script(name).awaitable()).named(name).or_force([this, name] {
            log("^" + name);
        }));
    };
    push_to(g, script("plain"), shape::awaitable);
    forceable("a");
    forceable("b");
    begin_close();
    log.expect("+b +a");
    advance(2s);
    log.expect("!b !a -b ^b +plain !plain -a ^a -plain +older -older");
    result.expect_code(asio::error::timed_out);
}

BOOST_AUTO_TEST_CASE(group_that_ignores_the_cut_is_waited_for)
{
    auto deaf = script("deaf").ignores_cancellation();
    push_to(group(), deaf, shape::awaitable);
    begin_close();
    stack.force();
    drive();
    log.expect("+deaf !deaf");
    result.expect_pending();
    deaf.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_exit_out_of_its_own_time_leaves_the_others_alone)
{
    auto& g = group();
    auto b = script("b");
    g.push(exeunt::on_exit(script("a").awaitable()).named("a").within(2s));
    push_to(g, b, shape::awaitable);
    begin_close();
    advance(2s);
    log.expect("+b +a !a -a");
    BOOST_TEST(b.cuts() == 0);
    b.answer();
    drive();
    result.expect_code(asio::error::timed_out);
}

BOOST_AUTO_TEST_CASE(group_of_a_forced_stack_forces_from_its_begin)
{
    auto& g = group();
    g.push(exeunt::on_exit(script("a").awaitable()).or_force([&] { log("^a"); }));
    auto b = script("b");
    push_to(g, b, shape::state_awaitable);
    stack.force();
    begin_close();
    log.expect("+b !b ^a -b");
    BOOST_TEST(b.saw().forced);
}

// ---- dismissing, registering late

BOOST_AUTO_TEST_CASE(group_dismisses_what_has_not_begun)
{
    auto& g = group(1);
    auto const a = push_to(g, script("a").marks_captures(), shape::awaitable);
    auto newest = script("newest");
    auto const running = push_to(g, newest, shape::awaitable);
    begin_close();
    BOOST_TEST(g.dismiss(a));
    log.expect("+newest ~a");
    BOOST_TEST(!g.dismiss(a));
    BOOST_TEST(!g.dismiss(running)); // it runs
    newest.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_that_unwinds_runs_what_is_registered_meanwhile)
{
    auto& g = group(2);
    auto a = script("a");
    push_to(g, a, shape::awaitable);
    begin_close();
    log.expect("+a");
    auto late = script("late");
    push_to(g, late, shape::awaitable); // there is room: it does not wait for `a`
    log.expect(""); // and does not run within the call
    drive();
    log.expect("+late");
    late.answer();
    drive();
    result.expect_pending();
    auto later = script("later").posted();
    a.runs([] {});
    push_to(g, later, shape::handler_function);
    a.answer();
    drive();
    log.expect("-late +later -a -later");
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_that_is_closed_takes_no_more)
{
    exeunt::exit_group g(context);
    g.async_close(into(result));
    drive();
    BOOST_CHECK_THROW(g.push([] {}), exeunt::stack_closed);
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_exit_that_registers_another_one_in_it)
{
    auto& g = group(1);
    push_to(g,
        script("a").runs([&] { push_to(g, script("late").posted(), shape::awaitable); }).posted(),
        shape::awaitable);
    closed().expect_success();
    log.expect("+a -a +late -late");
}

// A loop, not a recursion.
BOOST_AUTO_TEST_CASE(group_of_many_exits_uses_a_flat_native_stack)
{
    stack_depth depth;
    for (std::size_t const limit : {std::size_t(1), std::size_t(100), std::size_t(100000)}) {
        stack = async_exit_stack(context);
        auto& g = group(limit);
        for (int i = 0; i != 10000; ++i)
            g.push([&](exit_handler h) { depth.note(), std::move(h)(); });
        closed().expect_success();
    }
    depth.expect_flat();
}

// Sessions come and go: each registers and dismisses.
BOOST_AUTO_TEST_CASE(group_of_exits_that_come_and_go_leaves_memory_as_it_was)
{
    auto& g = group();
    std::vector<exit_handle> sessions;
    for (int i = 0; i != 1000; ++i)
        sessions.push_back(g.push([] {}));
    for (int i = 0; i != 100000; ++i) {
        auto& session = sessions[static_cast<std::size_t>(i) * 7919 % sessions.size()];
        BOOST_REQUIRE(g.dismiss(session));
        session =
            g.push([i, &g](exit_state&) { static_cast<void>(i + static_cast<int>(g.size())); });
    }
    BOOST_TEST(g.size() == 1000u);
    closed().expect_success();
}

// ---- by itself, and its end

BOOST_AUTO_TEST_CASE(group_closes_by_itself)
{
    exeunt::exit_group g(context, {.limit = 1});
    push_to(g, script("a").posted(failure("no a")), shape::awaitable);
    push_to(g, script("b"), shape::awaitable);
    g.async_close({.timeout = 2s}, into(result));
    drive();
    log.expect("+b");
    advance(2s);
    result.expect_once();
    BOOST_TEST(names_of(result.error) == (std::vector<std::string>{"b", "a"}),
        boost::test_tools::per_element());
    BOOST_TEST(!g.is_open());
    result = {};
    g.async_close(into(result));
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_that_is_closed_twice_at_the_same_time_joins)
{
    exeunt::exit_group g(context);
    auto a = script("a");
    push_to(g, a, shape::awaitable);
    outcome second;
    g.async_close(into(result));
    drive();
    g.async_close(into(second));
    drive();
    a.answer(failure("no a"));
    drive();
    result.expect_error("no a");
    second.expect_success();
}

BOOST_AUTO_TEST_CASE(group_object_may_be_moved_and_destroyed_while_it_unwinds)
{
    auto a = script("a");
    {
        exeunt::exit_group g(context);
        push_to(g, a, shape::awaitable);
        g.async_close(into(result));
        drive();
        exeunt::exit_group moved(std::move(g));
        BOOST_TEST(g.empty());
    }
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(group_that_is_destroyed_unclosed_gives_up_what_it_holds)
{
    {
        exeunt::exit_group g(context);
        g.push(exeunt::on_exit([&] { log("sync"); }));
        push_to(g, script("lost"), shape::awaitable);
        g.push(exeunt::on_exit(script("f").awaitable()).or_force([&] { log("^f"); }));
    }
    log.expect("^f sync");
    BOOST_TEST(observer.text() == " abandoned:lost stack:1");
    observer.clear();
}

BOOST_AUTO_TEST_CASE(group_completes_as_an_operation_of_asio_does)
{
    for (std::size_t const exits : {std::size_t(0), std::size_t(3)}) {
        probe check(context);
        exeunt::exit_group g(context, {.limit = 2});
        for (std::size_t i = 0; i != exits; ++i)
            push_to(g, script("a").posted(), shape::awaitable);
        exit_state state;
        check.initiate([&](auto handler) { g.async_exit(state, std::move(handler)); });
        drive();
        check.expect_completed();
        log.clear();
    }
}

// Its context is destroyed after each step.
BOOST_AUTO_TEST_CASE(group_whose_context_is_destroyed_runs_nothing_twice_and_loses_nothing)
{
    for (std::size_t steps = 0; steps != 30; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            auto own = std::make_unique<asio::io_context>();
            std::optional<async_exit_stack> s(std::in_place, *own);
            s->push(script("older").function());
            auto& g = s->push_group({.limit = 2});
            g.push(script("sync").function());
            for (std::string const name : {"a", "b", "c", "d"})
                g.push(exeunt::on_exit(script(name).posted().marks_captures().awaitable())
                           .named(name)
                           .or_force([this, name] { log("^" + name); }));
            s->async_close([](std::exception_ptr) {});
            for (std::size_t k = 0; k != steps; ++k)
                own->poll_one();
            s.reset();
            own.reset();
            for (std::string const name : {"a", "b", "c", "d"}) {
                BOOST_TEST(log.count("-" + name) + log.count("^" + name) == 1u, name);
                BOOST_TEST(log.count("~" + name) == 1u, name);
            }
            BOOST_TEST(log.count("+older") == 1u);
            BOOST_TEST(log.count("+sync") == 1u);
            log.clear();
            observer.clear();
        }
    }
}

BOOST_AUTO_TEST_CASE(group_cancelled_at_every_step_skips_nothing)
{
    std::size_t runs = 0;
    for (int const terminals : {1, 2})
        for (std::size_t steps = 0; steps != 25; ++steps) {
            BOOST_TEST_CONTEXT(terminals << " terminals after " << steps << " steps")
            {
                ++runs;
                stack = async_exit_stack(context);
                result = {};
                push_note("older");
                auto& g = group(2);
                for (std::string const name : {"a", "b", "c", "d", "e"})
                    g.push(
                        exeunt::on_exit(script(name).posted().awaitable()).or_force([this, name] {
                            log("^" + name);
                        }));
                stack.async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
                context.restart();
                for (std::size_t k = 0; k != steps; ++k)
                    context.poll_one();
                for (int k = 0; k != terminals; ++k)
                    signal.emit(terminal);
                drive();
                result.expect_success();
                for (std::string const name : {"a", "b", "c", "d", "e"})
                    BOOST_TEST(log.count("-" + name) + log.count("^" + name) >= 1u, name);
                for (std::string const name : {"a", "b", "c", "d", "e"})
                    BOOST_TEST(log.count("^" + name) <= 1u, name);
                log.clear();
            }
        }
    BOOST_TEST_MESSAGE(runs << " runs");
}

BOOST_AUTO_TEST_CASE(observer_of_a_group_hears_an_unwinding_for_each_of_its_exits)
{
    event_log events;
    following_observer watcher(events);
    stack.options().observer = &watcher;
    auto& g = group();
    push_to(g, script("a").posted(), shape::awaitable);
    push_to(g, script("b").posted(failure("no b")), shape::awaitable);
    closed().expect_error("no b");
    events.expect("1(1 1+ 2(2 in 1 3(1 in 2 3+b 4(1 in 2 4+a 3-b=no b 3) 4-a 4) 2) 1- 1)=no b");
    watcher.expect_settled();
    BOOST_TEST((watcher.depths == std::vector<std::size_t>{0, 1, 2, 2}));
}

BOOST_AUTO_TEST_SUITE_END()
