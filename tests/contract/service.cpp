// exeunt::run: bodies that end by themselves, what is reported, exceptions, the context.
#include "support/service_fixture.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>

using namespace support;
using namespace std::chrono_literals;

namespace {

// Hears of slow exits.
struct slow_observer : exeunt::exit_observer
{
    explicit slow_observer(event_log& to)
        : exit_observer(exeunt::observed::losses)
        , log(&to)
    {
    }

    void exit_slow(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        log->add("slow:" + std::string(exit.name) + ":"
            + std::to_string(std::chrono::duration_cast<std::chrono::seconds>(elapsed).count()));
    }

    event_log* log;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(service, service_fixture)

// ---- bodies that end by themselves

BOOST_AUTO_TEST_CASE(run_of_a_body_that_ends_unwinds_and_returns_0)
{
    expect_status(0, [&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(script("a").posted().awaitable());
        s.push(script("b").function());
        co_await asio::post(asio::use_awaitable);
        log("body");
    });
    log.expect("body +b -b +a -a");
    expect_written("");
}

BOOST_AUTO_TEST_CASE(run_takes_bodies_of_every_shape)
{
    expect_status(0, [&](async_exit_stack& s) { s.push(script("a").function()); });
    expect_status(0, [&](async_exit_stack& s) {
        s.push(script("b").function());
        return asio::post(context, asio::deferred);
    });
    expect_status(0, [&](async_exit_stack& s, exit_handler handler) {
        s.push(script("c").function());
        asio::post(std::move(handler));
    });
    using io_stack = exeunt::basic_async_exit_stack<asio::io_context::executor_type>;
    expect_status(0, [&](io_stack& s) { s.push(script("d").function()); });
    auto const named = [&, own = std::make_unique<int>(1)](
                           async_exit_stack& s) { s.push(script("e").function()); };
    expect_status(0, named);
    log.expect("+a -a +b -b +c -c +d -d +e -e");
    BOOST_TEST(exeunt::run(context, [](async_exit_stack&) {}) == 0);
}

BOOST_AUTO_TEST_CASE(run_returns_what_the_body_yields_if_that_is_an_int)
{
    expect_status(7, [&](async_exit_stack& s) -> asio::awaitable<int> {
        s.push(script("a").posted().awaitable());
        co_return 7;
    });
    expect_status(3, [&](async_exit_stack&) { return 3; });
}

BOOST_AUTO_TEST_CASE(run_of_a_body_that_throws_unwinds_reports_and_returns_1)
{
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<int> {
        s.push(script("a").posted().awaitable());
        throw test_error("no body");
        co_return 0;
    });
    log.expect("+a -a");
    expect_written("exeunt: no body\n");
}

// A cancellation that no signal has caused is a failure as any other.
BOOST_AUTO_TEST_CASE(run_of_a_body_that_is_cancelled_by_itself_returns_1)
{
    expect_status(1, [&](async_exit_stack&) { std::rethrow_exception(cancellation()); });
    BOOST_TEST(written.starts_with("exeunt: "));
}

// ---- what is reported

BOOST_AUTO_TEST_CASE(exit_that_fails_is_reported_once_by_name)
{
    expect_status(1, [&](async_exit_stack& s) { push_failing(s, "a"); });
    expect_written("exeunt: a: no a\n");
}

BOOST_AUTO_TEST_CASE(exits_that_fail_are_reported_once_by_name)
{
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<void> {
        push_failing(s, "a");
        s.push(script("b").posted().awaitable());
        push_failing(s, "c");
        throw test_error("no body");
        co_return;
    });
    expect_written("exeunt: body: no body\nexeunt: c: no c\nexeunt: a: no a\n");
}

BOOST_AUTO_TEST_CASE(failure_that_is_suppressed_is_not_reported)
{
    expect_status(0, [&](async_exit_stack& s) {
        s.push([](exit_state& state) { state.suppress(); });
        push_failing(s, "a");
    });
    expect_written("");
}

// The others go to the observer.
BOOST_AUTO_TEST_CASE(primary_failure_alone_is_reported_by_name_if_told_so)
{
    options.primary_only = true;
    expect_status(1, [&](async_exit_stack& s) {
        push_failing(s, "a");
        push_failing(s, "b");
    });
    expect_written("exeunt: b: no b\n");
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

BOOST_AUTO_TEST_CASE(what_is_no_exception_is_reported_too)
{
    expect_status(1, [&](async_exit_stack&) { throw 42; });
    expect_written("exeunt: an exception that is no std::exception\n");
}

// ---- time

// Nobody has asked for haste.
BOOST_AUTO_TEST_CASE(exit_that_hangs_is_bounded_by_the_timeout)
{
    options.timeout = 60s;
    expect_status(1, [&](async_exit_stack& s) {
        s.push(script("older").function());
        push_hanging(s, "hanging", [&] {
            soon([&] { clock.advance(59s); });
            later(2, [&] { log("late"); });
            later(3, [&] { clock.advance(1s); });
        });
    });
    log.expect("+hanging late !hanging -hanging +older -older");
    BOOST_TEST(written.starts_with("exeunt: hanging: "));
}

BOOST_AUTO_TEST_CASE(exit_that_hangs_is_told_of_after_five_seconds_or_as_told)
{
    slow_observer slow(log);
    options.observer = &slow;
    for (auto const after : {0s, 2s}) {
        if (after != 0s)
            options.report_after = after;
        auto const expected = after == 0s ? 5s : after;
        auto exit = script("a");
        exit.runs([&] {
            soon([&] { clock.advance(expected - 1s); });
            later(2, [&] { clock.advance(1s); });
            later(4, [&] { clock.advance(expected); });
            later(6, [&] { exit.answer(); });
        });
        expect_status(0, [&](async_exit_stack& s) {
            s.push(exeunt::on_exit(exit.handler_function()).named("a"));
        });
        log.expect(after == 0s ? "+a slow:a:5 slow:a:10 -a" : "+a slow:a:2 slow:a:4 -a");
    }
}

// ---- exceptions that leave a handler of the program

BOOST_AUTO_TEST_CASE(exception_that_leaves_a_handler_is_reported_and_stops_the_service)
{
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<int> {
        s.push(script("a").posted().awaitable());
        soon([] { throw test_error("no handler"); });
        soon([] { throw test_error("no other"); });
        co_await exeunt::until_cancelled();
        co_return 0;
    });
    expect_written("exeunt: no handler\nexeunt: no other\n");
    log.expect("+a -a");
}

BOOST_AUTO_TEST_CASE(exception_that_leaves_a_handler_after_the_end_does_not_wait_for_a_signal)
{
    expect_status(1, [&](async_exit_stack&) {
        later(20, [] { throw test_error("no handler"); });
        later(22, [&] { log("left"); });
    });
    expect_written("exeunt: no handler\n");
    log.expect("left");
}

// ---- the context

BOOST_AUTO_TEST_CASE(context_runs_until_nothing_is_left_to_do)
{
    expect_status(0, [&](async_exit_stack& s) {
        s.push(script("a").function());
        later(20, [&] { log("left"); });
    });
    log.expect("+a -a left");
}

BOOST_AUTO_TEST_CASE(context_that_was_run_before_is_restarted)
{
    context.run();
    BOOST_TEST(context.stopped());
    expect_status(0, [&](async_exit_stack& s) { s.push(script("a").function()); });
    expect_status(0, [&](async_exit_stack& s) { s.push(script("b").function()); });
    log.expect("+a -a +b -b");
}

// What is left runs or is lost when the context goes.
BOOST_AUTO_TEST_CASE(context_that_is_stopped_before_the_end_makes_it_a_failure)
{
    auto own = std::make_unique<asio::io_context>();
    int const status = exeunt::run(*own, [&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(script("a").function());
        s.push(exeunt::on_exit(script("b").awaitable()).named("b"));
        asio::post(*own, [&] { own->stop(); });
        co_await exeunt::until_cancelled();
    });
    BOOST_TEST(status == 1);
    BOOST_TEST(signals_have_default_effect());
    log.expect("");
    own.reset();
    log.expect("+a -a");
    BOOST_TEST(
        observer.abandoned == std::vector<std::string>{"b"}, boost::test_tools::per_element());
    observer.clear();
}

BOOST_AUTO_TEST_CASE(context_that_was_stopped_may_run_on)
{
    auto own = std::make_unique<asio::io_context>();
    int ran = 0;
    int const status = exeunt::run(*own, [&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(script("a").function());
        asio::post(*own, [&] { own->stop(); });
        co_await asio::post(asio::use_awaitable);
        co_await asio::post(asio::use_awaitable);
        ++ran;
    });
    BOOST_TEST(status == 1);
    BOOST_TEST(ran == 0);
    BOOST_TEST(signals_have_default_effect());
    own->restart();
    own->run();
    BOOST_TEST(ran == 1);
    log.expect("+a -a");
}

// ---- exits that are lost

BOOST_AUTO_TEST_CASE(exit_that_drops_its_handler_later_ends_the_service_with_1)
{
    expect_status(1, [&](async_exit_stack& s) {
        s.push(exeunt::on_exit([&](exeunt::exit_handler handler) {
            later(
                20, [kept = std::make_shared<exeunt::exit_handler>(std::move(handler))]() mutable {
                    kept.reset();
                });
        }).named("lost"));
    });
    BOOST_TEST(signals_have_default_effect());
    BOOST_TEST(
        observer.abandoned == std::vector<std::string>{"lost"}, boost::test_tools::per_element());
    observer.clear();
}

BOOST_AUTO_TEST_SUITE_END()
