// exeunt::run: what signals do. They are real ones.
#include "support/service_fixture.hpp"

#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <optional>

#include <sys/wait.h>

using namespace support;
using namespace std::chrono_literals;

namespace {

constexpr int signals[] = {SIGINT, SIGTERM};

} // namespace

BOOST_FIXTURE_TEST_SUITE(service_signals, service_fixture)

// ---- the first one

BOOST_AUTO_TEST_CASE(signal_cancels_the_body_and_unwinds_gracefully)
{
    for (int const signal : signals) {
        expect_status(0, [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").posted().awaitable());
            s.push(script("b").function());
            raise_soon(signal);
            co_await exeunt::until_cancelled();
        });
        log.expect("+b -b +a -a");
        expect_written("");
    }
}

// Whatever it yields if it is not cancelled.
BOOST_AUTO_TEST_CASE(signal_ends_a_body_that_yields_with_status_0)
{
    expect_status(0, [&](async_exit_stack&) -> asio::awaitable<int> {
        raise_soon(SIGTERM);
        co_await exeunt::until_cancelled();
        co_return 5;
    });
}

BOOST_AUTO_TEST_CASE(signal_in_the_first_step_of_the_body_is_not_missed)
{
    expect_status(0, [&](async_exit_stack& s) -> asio::awaitable<void> {
        ::raise(SIGTERM);
        s.push(script("a").function());
        co_await exeunt::until_cancelled();
    });
    log.expect("+a -a");
}

BOOST_AUTO_TEST_CASE(failures_after_a_signal_are_reported_without_the_cancellation)
{
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<void> {
        push_failing(s, "a");
        push_failing(s, "b");
        raise_soon(SIGINT);
        co_await exeunt::until_cancelled();
    });
    expect_written("exeunt: b: no b\nexeunt: a: no a\n");
}

// A body may take a signal for what ends it well.
// No signal has asked for it.
BOOST_AUTO_TEST_CASE(failures_without_a_signal_are_reported_with_their_cancellations)
{
    expect_status(1, [&](async_exit_stack& s) {
        push_failing(s, "disk");
        s.push(exeunt::on_exit([] {
            throw boost::system::system_error(asio::error::operation_aborted);
        }).named("upload"));
    });
    BOOST_TEST(written.find("exeunt: upload: ") != std::string::npos);
    BOOST_TEST(written.find("exeunt: disk: no disk\n") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(body_that_returns_when_it_is_cancelled_yields_its_status)
{
    expect_status(4, [&](async_exit_stack&) -> asio::awaitable<int> {
        raise_soon(SIGINT);
        try {
            co_await exeunt::until_cancelled();
        } catch (boost::system::system_error const&) {
        }
        co_return 4;
    });
}

// ---- the second one, and the third

BOOST_AUTO_TEST_CASE(second_signal_forces)
{
    for (int const signal : signals) {
        std::optional<scripted_exit> hanging;
        expect_status(0, [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("older").posted().awaitable());
            hanging = push_hanging(s, "hanging", [&] { raise_soon(SIGTERM); });
            raise_soon(signal);
            co_await exeunt::until_cancelled();
        });
        BOOST_TEST(hanging->cuts() == 1);
        log.expect("+hanging !hanging -hanging +older -older");
    }
}

BOOST_AUTO_TEST_CASE(two_signals_at_once_force)
{
    expect_status(0, [&](async_exit_stack& s) -> asio::awaitable<void> {
        push_hanging(s, "hanging");
        ::raise(SIGINT);
        ::raise(SIGTERM);
        co_await exeunt::until_cancelled();
    });
    log.expect("+hanging !hanging -hanging");
}

// It ignores both, and ends when it likes.
BOOST_AUTO_TEST_CASE(second_signal_reaches_a_body_that_ignored_the_first)
{
    auto body = script("body").ignores_cancellation();
    expect_status(0, [&](async_exit_stack& s, exit_handler handler) {
        push_hanging(s, "hanging");
        body.runs([&] {
            raise_and_then(SIGINT, [&] {
                BOOST_TEST(body.cuts() == 1);
                raise_and_then(SIGTERM, [&] {
                    BOOST_TEST(body.cuts() == 2);
                    body.answer();
                });
            });
        });
        std::move(body.handler_function())(std::move(handler));
    });
    log.expect("+body !body !body -body +hanging !hanging -hanging");
}

BOOST_AUTO_TEST_CASE(second_signal_gives_signals_back)
{
    auto deaf = script("deaf").ignores_cancellation();
    expect_status(0, [&](async_exit_stack& s) {
        deaf.runs([&] {
            raise_and_then(SIGINT, [&] {
                BOOST_TEST(!has_default_effect(SIGINT));
                BOOST_TEST(!has_default_effect(SIGTERM));
                raise_and_then(SIGINT, [&] {
                    BOOST_TEST(signals_have_default_effect());
                    deaf.answer();
                });
            });
        });
        s.push(deaf.handler_function());
    });
}

// In a process of its own: it is killed by what it waits for.
BOOST_AUTO_TEST_CASE(third_signal_ends_the_process)
{
    auto const child = ::fork();
    if (child == 0) {
        auto deaf = script("deaf").ignores_cancellation();
        asio::io_context own;
        // It has been told of both by the time that the last one is raised.
        std::function<void()> const poll = [&] {
            if (deaf.cuts() != 0)
                ::raise(SIGINT);
            asio::post(own, poll);
        };
        exeunt::run(own, [&](async_exit_stack& s) {
            s.push(deaf.handler_function());
            asio::post(own, [] { ::raise(SIGINT), ::raise(SIGINT); });
            asio::post(own, poll);
        });
        ::_exit(0);
    }
    int status = 0;
    BOOST_REQUIRE(::waitpid(child, &status, 0) == child);
    BOOST_TEST(WIFSIGNALED(status));
    BOOST_TEST(WTERMSIG(status) == SIGINT);
}

// ---- signals and the unwinding

BOOST_AUTO_TEST_CASE(exit_that_hangs_after_a_signal_is_bounded_by_the_grace)
{
    options.grace = 3s;
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<void> {
        s.push(script("older").function());
        push_hanging(s, "hanging", [&] {
            soon([&] { clock.advance(2s); });
            later(2, [&] { log("late"); });
            later(3, [&] { clock.advance(1s); });
        });
        raise_soon(SIGTERM);
        co_await exeunt::until_cancelled();
    });
    log.expect("+hanging late !hanging -hanging +older -older");
    BOOST_TEST(written.starts_with("exeunt: hanging: "));
}

// Nobody has asked for haste before that.
BOOST_AUTO_TEST_CASE(first_signal_after_the_body_gives_the_unwinding_its_grace)
{
    options.grace = 3s;
    expect_status(1, [&](async_exit_stack& s) {
        push_hanging(s, "hanging", [&] {
            clock.advance(1h);
            raise_and_then(SIGINT, [&] {
                log("heard");
                clock.advance(2s);
                later(2, [&] { log("late"), clock.advance(1s); });
            });
        });
    });
    log.expect("+hanging heard late !hanging -hanging");
    BOOST_TEST(written.starts_with("exeunt: hanging: "));
}

BOOST_AUTO_TEST_CASE(second_signal_after_the_body_forces)
{
    expect_status(0, [&](async_exit_stack& s) {
        push_hanging(s, "hanging", [&] {
            raise_and_then(SIGINT, [&] {
                log("heard");
                raise_soon(SIGTERM);
            });
        });
    });
    log.expect("+hanging heard !hanging -hanging");
}

// The exit ends with what forces it, before that has been said: the stack is gone when it is.
BOOST_AUTO_TEST_CASE(second_signal_that_comes_with_the_end_forces_nobody)
{
    auto hanging = script("hanging");
    std::unique_ptr<asio::signal_set> own;
    expect_status(0, [&](async_exit_stack& s) {
        hanging.runs([&] {
            raise_and_then(SIGINT, [&] {
                own = std::make_unique<asio::signal_set>(context, SIGINT);
                own->async_wait([&](boost::system::error_code, int) {
                    own.reset();
                    hanging.answer();
                });
                ::raise(SIGINT);
            });
        });
        s.push(hanging.handler_function());
        s.async_close([](std::exception_ptr) {}); // by its body: that is what the scope waits for
    });
    log.expect("+hanging -hanging");
}

BOOST_AUTO_TEST_CASE(signal_has_its_default_effect_when_the_unwinding_has_ended)
{
    bool at_the_end = false;
    expect_status(0,
        [&](async_exit_stack&) { later(20, [&] { at_the_end = signals_have_default_effect(); }); });
    BOOST_TEST(at_the_end);
}

// ---- signals and exceptions

BOOST_AUTO_TEST_CASE(signal_after_an_exception_that_left_a_handler_forces)
{
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<void> {
        push_hanging(s, "hanging", [&] { raise_soon(SIGINT); });
        soon([] { throw test_error("no handler"); });
        co_await exeunt::until_cancelled();
    });
    log.expect("+hanging !hanging -hanging");
    expect_written("exeunt: no handler\n");
}

BOOST_AUTO_TEST_CASE(exception_that_leaves_a_handler_after_a_signal_forces_nothing)
{
    auto exit = script("a");
    expect_status(1, [&](async_exit_stack& s) -> asio::awaitable<void> {
        exit.runs([&] {
            soon([] { throw test_error("no handler"); });
            later(5, [&] { exit.answer(); });
        });
        s.push(exit.handler_function());
        raise_soon(SIGINT);
        co_await exeunt::until_cancelled();
    });
    log.expect("+a -a");
    expect_written("exeunt: no handler\n");
}

BOOST_AUTO_TEST_SUITE_END()
