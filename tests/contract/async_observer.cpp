// The asynchronous stack: what an observer is told (C96), and the time limits that are told of (C95).
#include <exeunt/async_with.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"
#include "support/following_observer.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

struct observer_fixture : async_fixture
{
    event_log events;
    following_observer watcher{events};
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;

    observer_fixture() { stack.options().observer = &watcher; }
    // What a test has left is heard of, too.
    ~observer_fixture() { stack = async_exit_stack(context); }

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

    void emit()
    {
        signal.emit(terminal);
        drive();
    }

    exit_handle push_forceable(scripted_exit const& exit)
    {
        return stack.push(exeunt::on_exit(exit.awaitable()).named(exit.name()).or_force([] {}));
    }

    exit_handle push_named_note(std::string name)
    {
        return stack.push(exeunt::on_exit([] {}).named(std::move(name)));
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_observer, observer_fixture)

BOOST_AUTO_TEST_CASE(observer_of_a_close_hears_every_begin_and_end_in_order)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            event_log heard;
            following_observer mine(heard);
            stack = async_exit_stack(context, {.observer = &mine});
            push_named(script("c"), each);
            push_named(script("b").posted(failure("no b")), each);
            push_named(script("a").at_once(), each);
            close(failure("body"));
            if (!is_sync(each)) {
                heard.expect("1(3 for body 1+a 1-a 1+b 1-b=no b 1+c");
                advance(3s);
                stack.force();
                drive();
                heard.expect("1! 1!c:3 1-c=cancelled 1)=[body, no b, cancelled]");
            } else {
                heard.expect("1(3 for body 1+a 1-a 1+b 1-b=no b 1+c 1-c 1)=[body, no b]");
            }
            result.expect_once();
            mine.expect_settled();
            BOOST_TEST((mine.positions == std::vector<std::size_t>{2, 1, 0}));
        }
    }
}

BOOST_AUTO_TEST_CASE(observer_of_an_empty_stack_hears_that_it_closed)
{
    closed();
    events.expect("1(0 1)");
}

BOOST_AUTO_TEST_CASE(observer_hears_what_a_filter_lets_through_alone)
{
    stack.push(exeunt::on_exit([] {}).named("a").only_on_failure());
    stack.push(exeunt::on_exit(script("b").awaitable()).named("b").only_on_failure());
    stack.push(exeunt::on_exit(script("c").at_once().awaitable()).named("c").only_on_success());
    closed();
    events.expect("1(3 1+c 1-c 1)");
}

// C95: again and again, and it does not touch the exit
BOOST_AUTO_TEST_CASE(report_after_tells_of_a_slow_exit_again_and_again)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            event_log heard;
            following_observer mine(heard);
            stack = async_exit_stack(context, {.report_after = 2s, .observer = &mine});
            auto a = script("a");
            push_named(a, each);
            push_named(script("b").posted(), each);
            close();
            advance(1s);
            heard.expect("1(2 1+b 1-b 1+a");
            advance(1s);
            heard.expect("1?a:2");
            advance(2s);
            advance(1s);
            advance(1s);
            heard.expect("1?a:4 1?a:6");
            BOOST_TEST(a.cuts() == 0);
            a.answer();
            drive();
            heard.expect("1-a 1)");
            result.expect_success();
            BOOST_TEST(context.stopped()); // nothing is left that waits
        }
    }
}

// Cut, it goes on to hang: that is when one wants to hear of it.
BOOST_AUTO_TEST_CASE(report_after_goes_on_when_the_exit_has_been_cut)
{
    stack.options().report_after = 2s;
    stack.options().timeout = 3s;
    auto deaf = script("deaf").ignores_cancellation();
    push_named(deaf, shape::awaitable);
    begin_close();
    for (int i = 0; i != 6; ++i)
        advance(1s);
    events.expect("1(1 1+deaf 1?deaf:2 1! 1!deaf:3 1?deaf:4 1?deaf:6");
    deaf.answer();
    drive();
    result.expect_success();
    events.expect("1-deaf 1)");
}

// The default observer is told of slow exits, also if it wants to hear of losses alone.
BOOST_AUTO_TEST_CASE(report_after_reaches_an_observer_of_losses)
{
    struct slow_observer : exeunt::exit_observer
    {
        explicit slow_observer(event_log& l)
            : exit_observer(exeunt::observed::losses)
            , log(l)
        {
        }
        void exit_began(exeunt::exit_view const&) noexcept override { log("began"); }
        void exit_slow(exeunt::exit_view const& exit, duration elapsed) noexcept override
        {
            log.add("slow:" + std::string(exit.name));
            expect(elapsed == 2s && exit.running && exit.async && exit.position == 1, "its view");
        }
        event_log& log;
    } slow(events);

    stack = async_exit_stack(context, {.report_after = 2s, .observer = &slow});
    auto a = script("a");
    push_named_note("older");
    push_named(a, shape::awaitable);
    close();
    advance(2s);
    events.expect("slow:a");
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(report_after_that_is_nothing_is_a_millisecond)
{
    stack.options().report_after = -1s;
    auto a = script("a");
    push_named(a, shape::awaitable);
    begin_close();
    clock.advance(1ms);
    drive();
    events.expect("1(1 1+a 1?a:0");
    a.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(observer_hears_of_cuts_and_forces)
{
    stack.options().grace = 3s;
    push_forceable(script("a"));
    push_named(script("b"), shape::handler_function);
    push_named_note("c");
    push_forceable(script("d").posted(failure("no d")));
    push_forceable(script("e").posted());
    begin_close();
    events.expect("1(5 1+e 1-e 1+d 1^d 1-d=no d 1+c 1-c 1+b");
    emit();
    advance(3s);
    // forced: a runs its force alone
    events.expect("1! 1!b:3 1-b=code system:110 1+a 1^a 1-a 1)=[no d, code system:110]");
    watcher.expect_settled();
}

BOOST_AUTO_TEST_CASE(observer_of_an_exit_out_of_its_own_time_hears_of_its_cut_alone)
{
    push_named(script("a").posted(), shape::awaitable);
    stack.push(exeunt::on_exit(script("b").awaitable()).named("b").within(2s).or_force([] {}));
    begin_close();
    advance(2s);
    events.expect("1(2 1+b 1!b:2 1^b 1-b 1+a 1-a 1)");
}

BOOST_AUTO_TEST_CASE(observer_of_a_stack_that_is_forced_before_hears_it_first)
{
    stack.force();
    push_forceable(script("a"));
    begin_close();
    events.expect("1(1 1! 1+a 1^a 1-a 1)");
}

BOOST_AUTO_TEST_CASE(observer_hears_of_best_effort_failures_twice)
{
    stack.push(exeunt::on_exit([] { throw test_error("no log"); }).named("a").best_effort());
    stack.push(
        exeunt::on_exit(script("b").at_once(failure("no b")).awaitable()).named("b").best_effort());
    closed().expect_success();
    events.expect("1(2 1+b unreceived:b=no b 1-b=no b 1+a unreceived:a=no log 1-a=no log 1)");
}

BOOST_AUTO_TEST_CASE(observer_hears_what_is_registered_while_closing)
{
    push_named_note("old");
    stack.push(exeunt::on_exit([&] { push_named_note("late"); }).named("a"));
    closed();
    events.expect("1(2 1+a 1-a 1+late 1-late 1+old 1-old 1)");
}

// ---- nested

BOOST_AUTO_TEST_CASE(observer_of_a_nested_stack_is_that_of_the_stack_around_it)
{
    async_exit_stack child(context);
    child.push(exeunt::on_exit(script("c").at_once(failure("no c")).awaitable()).named("c"));
    exeunt::exit_stack sync_child;
    sync_child.push(exeunt::on_exit([] {}).named("s"));
    push_named_note("older");
    stack.push(exeunt::on_exit(std::ref(child)).named("child"));
    stack.push(exeunt::on_exit(std::ref(sync_child)).named("sync"));
    closed().expect_error("no c");
    events.expect("1(3 1+sync 2(1 in 1 2+s 2-s 2) 1-sync 1+child 3(1 in 1 3+c 3-c=no c 3) 1-child"
                  " 1+older 1-older 1)=no c");
    BOOST_TEST((watcher.depths == std::vector<std::size_t>{0, 1, 1}));
}

BOOST_AUTO_TEST_CASE(observer_of_a_nested_stack_that_has_its_own_hears_of_it_alone)
{
    event_log inner_events;
    following_observer inner(inner_events);
    async_exit_stack child(context, {.observer = &inner});
    child.push(exeunt::on_exit(script("c").posted().awaitable()).named("c"));
    stack.push(exeunt::on_exit(std::ref(child)).named("child"));
    push_named_note("newer");
    closed();
    inner_events.expect("1(1 1+c 1-c 1)");
    events.expect("1(2 1+newer 1-newer 1+child 1-child 1)");
    BOOST_TEST((inner.depths == std::vector<std::size_t>{1}));
}

BOOST_AUTO_TEST_CASE(observer_of_a_nested_stack_with_a_cause_of_its_own_hears_what_comes_out)
{
    async_exit_stack child(context);
    child.fail(failure("told"));
    child.push(exeunt::on_exit(script("c").posted(failure("no c")).awaitable()).named("c"));
    exeunt::exit_stack sync_child;
    sync_child.fail(failure("told too"));
    sync_child.push(exeunt::on_exit([] { throw test_error("no s"); }).named("s"));
    stack.push(exeunt::on_exit(std::ref(child)).named("child"));
    stack.push(exeunt::on_exit(std::ref(sync_child)).named("sync"));
    closed();
    events.expect("1(2 1+sync 2(1 in 1 for told too 2+s 2-s=no s 2)=no s 1-sync"
                  " 1+child 3(1 in 1 for told 3+c 3-c=no c 3)=no c 1-child 1)=[no s, no c]");
    BOOST_TEST((watcher.depths == std::vector<std::size_t>{0, 1, 1}));
}

BOOST_AUTO_TEST_CASE(observer_hears_a_nested_stack_forced_with_its_parent)
{
    async_exit_stack child(context);
    child.push(exeunt::on_exit(script("c").awaitable()).named("c"));
    stack.options().timeout = 2s;
    stack.push(exeunt::on_exit(std::ref(child)).named("child"));
    begin_close();
    advance(2s);
    events.expect("1(1 1+child 2(1 in 1 2+c 1! 1!child:2 2! 2!c:2 2-c=code system:110 2) 1-child"
                  " 1)=code system:110");
}

// ---- single exits

BOOST_AUTO_TEST_CASE(observer_of_a_run_now_hears_an_unwinding_of_one_exit)
{
    push_named_note("older");
    exit_handle const handle = push_named(script("a").posted(failure("no a")), shape::awaitable);
    stack.async_run_now(handle, into(result));
    drive();
    events.expect("1(1 1+a 1-a=no a 1)=no a");
    closed();
    events.expect("2(1 2+older 2-older 2)");
}

BOOST_AUTO_TEST_CASE(observer_of_a_run_now_while_closing_hears_it_in_the_close)
{
    exit_handle const handle = push_named(script("a").posted(), shape::awaitable);
    push_named_note("between");
    auto first = script("first");
    push_named(first, shape::awaitable);
    begin_close();
    outcome alone;
    stack.async_run_now(handle, into(alone));
    drive();
    first.answer();
    drive();
    events.expect("1(3 1+first 1-first 1+a 1-a 1+between 1-between 1)");
    alone.expect_success();
}

BOOST_AUTO_TEST_CASE(observer_of_a_release_that_comes_too_late_hears_an_unwinding_of_one_exit)
{
    outcome_of<int*> got;
    auto source = script("source").posted();
    auto const obtain = [&]() -> asio::awaitable<int> {
        co_await source.async_operation(asio::use_awaitable);
        co_return 7;
    };
    stack.async_acquire(obtain(), exeunt::on_exit([](int&) {}).named("release"), into(got));
    stack.async_close(into(result));
    drive();
    got.expect_stack_closed();
    events.expect("1(0 1) 2(1 for stack_closed 2+release 2-release 2)=stack_closed");
}

// ---- scopes

BOOST_AUTO_TEST_CASE(observer_of_a_scope_hears_its_unwinding)
{
    exeunt::async_with(
        context, exeunt::close_options{.observer = &watcher},
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exeunt::on_exit(script("a").posted().awaitable()).named("a"));
            co_await asio::post(asio::use_awaitable);
            throw test_error("body");
        },
        into(result));
    drive();
    result.expect_error("body");
    events.expect("1(1 for body 1+a 1-a 1)=body");
}

// ---- destruction

BOOST_AUTO_TEST_CASE(observer_of_a_destroyed_stack_hears_what_ran_and_what_was_lost)
{
    push_named_note("a");
    push_named(script("b"), shape::awaitable);
    push_forceable(script("c"));
    stack.push(exeunt::on_exit([] { throw test_error("no d"); }).named("d"));
    {
        async_exit_stack const gone(std::move(stack));
    }
    events.expect("1(4 1+d 1-d=no d 1+c 1^c 1-c 1#b 1+a 1-a lost:1 unreceived:d=no d 1)");
    watcher.expect_settled();
}

BOOST_AUTO_TEST_CASE(observer_of_a_destroyed_context_hears_what_had_begun)
{
    for (bool const forceable : {false, true}) {
        auto own = std::make_unique<asio::io_context>();
        event_log heard;
        following_observer mine(heard);
        {
            async_exit_stack s(*own, {.observer = &mine});
            s.push(exeunt::on_exit([] {}).named("older"));
            auto hang = [&](exit_handler h) {
                asio::post(*own, [h = std::move(h)]() mutable { std::move(h)(); });
            };
            if (forceable)
                s.push(exeunt::on_exit(hang).named("a").or_force([] {}));
            else
                s.push(exeunt::on_exit(hang).named("a"));
            s.async_close([](std::exception_ptr) {});
            own->poll_one();
            own.reset();
        }
        heard.expect(forceable ? "1(2 1+a 1^a 1-a 1+older 1-older 1)"
                               : "1(2 1+a 1#a 1+older 1-older lost:1 1)");
        mine.expect_settled();
    }
}

BOOST_AUTO_TEST_CASE(observer_of_a_close_that_never_began_hears_it_abandoned)
{
    auto own = std::make_unique<asio::io_context>();
    async_exit_stack s(*own, {.observer = &watcher});
    s.push(exeunt::on_exit(script("a").awaitable()).named("a"));
    s.async_close([](std::exception_ptr) {}); // from outside: its first step is posted
    own.reset();
    events.expect("1(1 1#a lost:1 1)");
    watcher.expect_settled();
}

BOOST_AUTO_TEST_CASE(observer_of_a_run_now_that_is_lost_hears_it_abandoned)
{
    auto a = script("a");
    stack.async_run_now(push_named(a, shape::handler_function), into(result));
    drive();
    a.drop();
    result.expect_pending();
    events.expect("1(1 1+a 1#a lost:1 1)");
    watcher.expect_settled();
}

// ---- the default observer

BOOST_AUTO_TEST_CASE(default_observer_that_follows_hears_of_every_stack)
{
    auto* const former = exeunt::set_default_observer(&watcher);
    async_exit_stack s(context);
    s.push(exeunt::on_exit(script("a").posted().awaitable()).named("a"));
    s.async_close(into(result));
    drive();
    exeunt::set_default_observer(former);
    events.expect("1(1 1+a 1-a 1)");
}

// It looks at the stack, and forces it.
BOOST_AUTO_TEST_CASE(observer_may_force_the_stack_that_it_is_told_of)
{
    struct forcing : exeunt::exit_observer
    {
        explicit forcing(async_exit_stack& s)
            : stack(s)
        {
        }
        void exit_slow(exeunt::exit_view const&, duration) noexcept override
        {
            expect(stack.pending().size() == 2, "what is pending");
            stack.force();
        }
        async_exit_stack& stack;
    } impatient(stack);

    stack.options() = {.report_after = 2s, .observer = &impatient};
    auto a = script("a");
    push_named_note("older");
    push_named(a, shape::awaitable);
    begin_close();
    advance(2s);
    BOOST_TEST(a.cuts() == 1);
    result.expect_code(asio::error::operation_aborted);
}

BOOST_AUTO_TEST_CASE(observer_hears_names_that_die_with_their_exit)
{
    std::string const name(100, 'n');
    stack.push(exeunt::on_exit([] {}).named(name));
    stack.push(exeunt::on_exit(script("a").posted().awaitable()).named(name + "a"));
    closed();
    events.expect("1(2 1+" + name + "a 1-" + name + "a 1+" + name + " 1-" + name + " 1)");
}

BOOST_AUTO_TEST_SUITE_END()
