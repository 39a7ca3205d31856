// How a program ends: by a signal, which cancels the root and lets every exit run; impatiently, by
// further signals; and by destroying what has not been closed.

#include <exeunt/async_with.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> say(std::string line)
{
    co_await asio::post(asio::use_awaitable);
    show(line);
}

// Waits for ever, or until it is cut.
asio::awaitable<void> hang()
{
    show("hanging");
    asio::steady_timer never(
        co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
}

asio::awaitable<void> serve(bool politely)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        stack.push([] { return say("server closed"); });
        if (!politely)
            stack.push(hang);
        show("serving");
        asio::steady_timer never(stack.get_executor(), asio::steady_timer::time_point::max());
        co_await never.async_wait(asio::use_awaitable);
    });
}

// [shutdown]
void stop_on(asio::signal_set& signals, asio::cancellation_signal& stop)
{
    signals.async_wait([&](boost::system::error_code failed, int) {
        if (failed)
            return;
        stop.emit(asio::cancellation_type::terminal);
        stop_on(signals, stop); // the next one hurries
    });
}

void serve_until_a_signal(asio::io_context& context, asio::awaitable<void> server)
{
    asio::signal_set signals(context, SIGINT, SIGTERM);
    asio::cancellation_signal stop;
    asio::co_spawn(context, std::move(server),
        asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr failure) {
            show(exeunt::is_cancelled(failure) ? "stopped" : "failed");
            signals.cancel();
        }));
    stop_on(signals, stop);
    context.run(); // returns when every exit has run
}
// [/shutdown]

// Raises a signal whenever the next of these lines has been shown.
asio::awaitable<void> press_ctrl_c(std::vector<std::string> lines)
{
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (std::string const& line : lines) {
        while (shown.empty() || shown.back() != line) {
            pause.expires_after(1ms);
            co_await pause.async_wait(asio::use_awaitable);
        }
        show("^C");
        std::raise(SIGINT);
    }
}

void abandon()
{
    // [abandon]
    {
        asio::io_context context;
        exeunt::async_exit_stack stack(context);
        stack.push([] { show("file closed"); });
        stack.push(exeunt::on_exit([] { return say("QUIT"); }).named("quit"));
    } // not closed
    // [/abandon]
}

asio::awaitable<void> never_answered()
{
    return hang();
}

void bounded()
{
    asio::io_context context;
    exeunt::manual_clock clock(context);
    // [bounded]
    exeunt::async_exit_stack stack(context, {.timeout = 30s});
    stack.push([] { show("file closed"); });
    stack.push(
        exeunt::on_exit([] { return never_answered(); }).named("quit").within(2s).or_force([] {
            show("hung up");
        }));
    stack.async_close([](std::exception_ptr failure) { show(failure ? "failed" : "closed"); });
    // [/bounded]
    context.poll();
    clock.advance(2s);
    context.run();
}

class lost_exits : public exeunt::exit_observer
{
public:
    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override
    {
        show(std::to_string(count) + " lost: " + std::string(first_names.front()));
    }
};

int main()
{
    {
        asio::io_context context;
        asio::co_spawn(context, press_ctrl_c({"serving"}), asio::detached);
        serve_until_a_signal(context, serve(true));
    }
    {
        asio::io_context context;
        asio::co_spawn(context, press_ctrl_c({"serving", "hanging", "^C"}), asio::detached);
        serve_until_a_signal(context, serve(false));
    }
    bounded();
    lost_exits lost;
    auto* const before = exeunt::set_default_observer(&lost);
    abandon();
    exeunt::set_default_observer(before);
    abandon(); // for the line on stderr

    return expect_shown({
        "serving",
        "^C",
        "server closed",
        "stopped",

        "serving",
        "^C",
        "hanging",
        "^C",
        "^C",
        "server closed",
        "stopped",

        "hanging",
        "hung up",
        "file closed",
        "closed",

        "file closed",
        "1 lost: quit",
        "file closed",
    });
}
