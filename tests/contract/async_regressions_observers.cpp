// What observers and pending() tell of an asynchronous stack while an exit ends, late, forced or lost.
#include <exeunt/async_with.hpp>

#include "support/following_observer.hpp"
#include "support/scripted_source.hpp"
#include "support/time_fixture.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

// The names of what is pending; "*" marks what runs.
std::string pending(async_exit_stack const& stack)
{
    std::vector<std::string> names;
    for (exeunt::exit_view const& each : stack.pending())
        names.push_back(std::string(each.name) + (each.running ? "*" : ""));
    return joined(names);
}

// So long that it cannot be a part of the string object itself.
std::string long_name(char const* begin)
{
    return std::string(begin) + std::string(50, '_');
}

struct observers_fixture : time_fixture
{
    recording_observer own;
    scripted_source<int> source;
    outcome_of<int*> acquired;

    observers_fixture() { stack.options().observer = &own; }
    // A stack that is still open tells its observer what it gives up.
    ~observers_fixture() { fresh(); }

    // Each for a stack whose timeout is one second.
    std::vector<std::pair<char const*, std::function<void()>>> ways_to_force()
    {
        return {{"time", [this] { advance(1s); }},
            {"force()", [this] { asio::post(context, [this] { stack.force(); }); }},
            {"a second cancellation", [this] {
                 emit();
                 emit();
             }}};
    }

    // Acquires, and closes the stack before there is something to release.
    template <class Release>
    void release_too_late(Release release)
    {
        stack.async_acquire(source.async_get(asio::deferred), std::move(release), into(acquired));
        drive();
        closed().expect_success();
        source.answer(5);
        drive();
    }

    void expect_unreceived(std::string const& name, where_t where = where_t::current())
    {
        expect(own.failures.size() == 1, "told:" + own.text(), where);
        for (auto const& each : own.failures) {
            expect(each.name == name, "told of " + each.name, where);
            expect(describe(each.error) == name, "told of " + describe(each.error), where);
        }
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_regressions_observers, observers_fixture)

// ---- pending()

namespace {

// Notes what its stack says to be pending when an exit has ended.
struct asking_observer : exeunt::exit_observer
{
    asking_observer(async_exit_stack const& of, event_log& log)
        : stack(of)
        , notes(log)
    {
    }

    void exit_ended(exeunt::exit_view const&, std::exception_ptr, duration) noexcept override
    {
        notes.add("[" + pending(stack) + "]");
    }

    async_exit_stack const& stack;
    event_log& notes;
};

} // namespace

BOOST_AUTO_TEST_CASE(pending_lists_an_exit_that_runs_and_not_when_it_has_ended)
{
    asking_observer asking(stack, log);
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context, {.observer = &asking});
            auto exit = script(long_name("exit")).at_once();
            exit.runs([&] { log("[" + pending(stack) + "]"); });
            stack.push(exeunt::on_exit([] {}).named("older"));
            push_named(exit, each);
            closed().expect_success();
            auto const& name = exit.name();
            log.expect("+" + name + " [" + name + "* older] -" + name + " [older] []");
        }
    }
}

BOOST_AUTO_TEST_CASE(pending_after_an_exit_was_lost_does_not_list_it)
{
    auto lost = script(long_name("lost"));
    stack.push(exeunt::on_exit([&] { log("[" + pending(stack) + "]"); }).named("older"));
    push_named(lost, shape::handler_function);
    begin_close();
    lost.drop();
    log.expect("+" + lost.name() + " []");
    BOOST_TEST(joined(own.abandoned) == lost.name());
}

BOOST_AUTO_TEST_CASE(pending_after_a_late_release_was_lost_does_not_list_it)
{
    std::optional<exit_handler> waiting;
    release_too_late(exeunt::on_exit([&](int&, exit_handler handler) {
        waiting.emplace(std::move(handler));
    }).named(long_name("release")));
    BOOST_TEST(waiting.has_value());
    waiting.reset();
    BOOST_TEST(pending(stack) == "");
    BOOST_TEST(joined(own.abandoned) == long_name("release"));
}

// ---- slow exits

namespace {

struct slow_observer : exeunt::exit_observer
{
    slow_observer(exeunt::observed what, event_log& log)
        : exit_observer(what)
        , notes(log)
    {
    }

    void exit_slow(exeunt::exit_view const& exit, duration) noexcept override
    {
        notes.add(std::string(exit.name) + ":" + std::to_string(exit.depth));
    }

    event_log& notes;
};

} // namespace

// The depth is that of the exit itself, also where that is a nested stack which is deeper.
BOOST_AUTO_TEST_CASE(slow_exit_that_is_a_nested_stack_is_told_with_its_own_depth)
{
    for (auto const what : {exeunt::observed::everything, exeunt::observed::losses}) {
        fresh();
        slow_observer slow(what, log);
        exeunt::close_options const options{.report_after = 1s, .observer = &slow};
        async_exit_stack child(context, options);
        auto inner = script("inner");
        child.push(exeunt::on_exit(inner.handler_function()).named("inner"));
        stack.options() = options;
        stack.push(exeunt::on_exit(std::ref(child)).named("outer"));
        begin_close();
        log.expect("+inner");
        advance(1s);
        log.expect("inner:1 outer:0");
        inner.answer();
        drive();
        result.expect_success();
    }
}

// ---- observers that end the running exit

namespace {

// Ends the exit that runs, and with it perhaps the close, as it is told of what has become of time.
struct ending_observer : exeunt::exit_observer
{
    void exit_slow(exeunt::exit_view const&, duration) noexcept override { end(); }
    void unwinding_forced(exeunt::unwinding_view const&, duration) noexcept override { end(); }
    void exit_cut(exeunt::exit_view const&, duration) noexcept override { ++cuts; }

    std::function<void()> end;
    int cuts = 0;
};

} // namespace

BOOST_AUTO_TEST_CASE(observer_told_of_the_force_that_ends_the_running_exit_lets_the_close_go_on)
{
    for (shape const each : async_shapes)
        for (auto const& [by, force] : ways_to_force()) {
            BOOST_TEST_CONTEXT(each << ", forced by " << by)
            {
                fresh();
                ending_observer ending;
                stack.options() = {.timeout = 1s, .observer = &ending};
                auto a = script("a").ignores_cancellation();
                forceable(a, each);
                ending.end = [&] { a.answer(); };
                begin_close();
                force();
                drive();
                log.expect("+a -a");
                result.expect_success();
            }
        }
}

// It has not been cut yet: what it fails with is its own.
BOOST_AUTO_TEST_CASE(exit_that_fails_as_its_observer_is_told_of_the_force_keeps_its_failure)
{
    std::exception_ptr const full = failure("disk full");
    for (shape const each : async_shapes)
        for (auto const& [by, force] : ways_to_force())
            for (bool const has_force : {false, true}) {
                BOOST_TEST_CONTEXT(each << ", forced by " << by << ", with a force: " << has_force)
                {
                    fresh();
                    ending_observer ending;
                    stack.options() = {.timeout = 1s, .observer = &ending};
                    auto a = script("a").ignores_cancellation();
                    if (has_force)
                        forceable(a, each);
                    else
                        push(a, each);
                    ending.end = [&] { a.answer(full); };
                    begin_close();
                    force();
                    drive();
                    log.expect(has_force ? "+a -a ^a" : "+a -a");
                    result.expect_error(full);
                    BOOST_TEST(ending.cuts == 0);
                }
            }
}

// The time of the stack is up before the exit waits.
BOOST_AUTO_TEST_CASE(exit_that_fails_as_it_is_found_to_be_late_keeps_its_failure)
{
    std::exception_ptr const full = failure("disk full");
    ending_observer ending;
    stack.options() = {.timeout = 1s, .observer = &ending};
    auto a = script("a").ignores_cancellation();
    a.runs([&] { clock.advance(2s); });
    ending.end = [&] { a.answer(full); };
    stack.push(a.handler_function());
    begin_close();
    drive();
    log.expect("+a -a");
    result.expect_error(full);
    BOOST_TEST(ending.cuts == 0);
}

BOOST_AUTO_TEST_CASE(observer_told_of_a_slow_exit_that_ends_it_lets_the_close_go_on)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            ending_observer ending;
            stack.options() = {.report_after = 1s, .observer = &ending};
            auto a = script("a").ignores_cancellation();
            forceable(a, each);
            ending.end = [&] { a.answer(); };
            begin_close();
            advance(1s);
            log.expect("+a -a");
            result.expect_success();
        }
    }
}

// ---- failures that no caller can be told

BOOST_AUTO_TEST_CASE(force_that_fails_for_a_lost_run_now_is_told_to_the_observer)
{
    auto a = script("a");
    stack.async_run_now(
        stack.push(exeunt::on_exit(a.handler_function()).named("force").or_force([] {
            throw test_error("force");
        })),
        into(result));
    drive();
    a.drop();
    drive();
    result.expect_pending();
    expect_unreceived("force");
}

BOOST_AUTO_TEST_CASE(force_that_fails_for_a_lost_late_release_is_told_to_the_observer)
{
    std::optional<exit_handler> waiting;
    release_too_late(
        exeunt::on_exit([&](int&, exit_handler handler) { waiting.emplace(std::move(handler)); })
            .named("force")
            .or_force([] { throw test_error("force"); }));
    BOOST_TEST(waiting.has_value());
    waiting.reset();
    drive();
    acquired.expect_pending();
    expect_unreceived("force");
}

BOOST_AUTO_TEST_CASE(on_cut_that_fails_for_an_exit_that_is_then_lost_is_told_to_the_observer)
{
    auto a = script("a").ignores_cancellation();
    stack.push(exeunt::on_exit(a.handler_function()).named("on_cut").within(1s).on_cut([] {
        throw test_error("on_cut");
    }));
    begin_close();
    advance(1s);
    a.drop();
    drive();
    result.expect_pending();
    expect_unreceived("on_cut");
    BOOST_TEST(joined(own.abandoned) == "on_cut");
}

// The force makes good, so nobody else hears of it.
BOOST_AUTO_TEST_CASE(
    exit_that_fails_after_its_cut_is_told_to_have_failed_where_its_force_makes_good)
{
    event_log events;
    following_observer watcher(events);
    stack.options().observer = &watcher;
    auto a = script("a").ignores_cancellation();
    stack.push(exeunt::on_exit(a.handler_function()).named("a").within(1s).or_force([] {}));
    begin_close();
    advance(1s);
    a.answer(failure("disk full"));
    drive();
    result.expect_success();
    events.expect("1(1 1+a 1!a:1 1^a 1-a=disk full 1)");
}

// ---- scopes

BOOST_AUTO_TEST_CASE(scope_that_is_lost_in_its_body_tells_the_observer_that_the_body_has_set)
{
    auto body = script("body");
    auto a = script("a");
    bool closes = false;
    outcome closing;
    auto const lose_body = [&] {
        exeunt::async_with(
            context,
            [&](async_exit_stack& s, exit_handler handler) {
                s.options().observer = &own;
                s.push(
                    exeunt::on_exit(script("older").at_once().handler_function()).named("older"));
                s.push(exeunt::on_exit(a.handler_function()).named("a"));
                if (closes)
                    s.async_close(into(closing));
                body.handler_function()(std::move(handler));
            },
            into(result));
        drive();
        body.drop();
        drive();
        result.expect_pending();
    };
    lose_body();
    BOOST_TEST(joined(own.abandoned) == "a older");
    own.abandoned.clear();

    // What the body has begun to close closes by itself.
    closes = true;
    lose_body();
    BOOST_TEST(own.abandoned.empty());
    a.answer();
    drive();
    log.expect("+body +a +body -a +older -older");
    closing.expect_success();
}

BOOST_AUTO_TEST_SUITE_END()
