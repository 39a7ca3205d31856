// Six subsystems, started in order and stopped in reverse. One of them hangs: its name is told while
// it hangs, and stands in the report of the failures.

#include <exeunt/async_with.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

asio::awaitable<void> wait_for_ever()
{
    asio::steady_timer never(
        co_await asio::this_coro::executor, asio::steady_timer::time_point::max());
    co_await never.async_wait(asio::use_awaitable);
}

// [subsystems]
struct subsystem // a context: entered, and left if that has succeeded
{
    std::string name;

    asio::awaitable<void> async_enter()
    {
        co_await asio::post(asio::use_awaitable);
        show("start " + name);
    }

    asio::awaitable<void> async_exit(exeunt::exit_state&)
    {
        if (name == "cache")
            co_await wait_for_ever();
        show("stop " + name);
    }
};

asio::awaitable<void> run(std::vector<subsystem>& parts, exeunt::close_options options)
{
    co_await exeunt::async_with(
        options, [&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
            for (subsystem& part : parts) {
                auto const limited = exeunt::on_exit(std::ref(part)).named(part.name).within(5s);
                co_await stack.async_enter(limited);
            }
            co_await wait_for_ever(); // until the whole is cancelled
        });
}
// [/subsystems]

// [subsystems_seen]
struct shutdown_watch : exeunt::exit_observer
{
    void exit_slow(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        auto const seconds = std::chrono::duration_cast<std::chrono::seconds>(elapsed).count();
        show(std::string(exit.name) + " hangs, " + std::to_string(seconds) + " s");
    }
};
// [/subsystems_seen]

int main()
{
    std::vector<subsystem> parts;
    for (auto const* name : {"log", "database", "cache", "workers", "metrics", "listener"})
        parts.push_back({name});

    shutdown_watch observer;
    asio::io_context context;
    exeunt::manual_clock clock(context);
    asio::cancellation_signal stop;
    auto const ended = [](std::exception_ptr failure) {
        try {
            std::rethrow_exception(failure);
        } catch (exeunt::exit_errors const& errors) {
            for (exeunt::exit_failure const& failed : errors.failures())
                show(failed.name + ": " + exeunt::code_of(failed.error).message());
        }
    };
    asio::co_spawn(context, run(parts, {.report_after = 2s, .observer = &observer}),
        asio::bind_cancellation_slot(stop.slot(), ended));

    context.poll();
    stop.emit(asio::cancellation_type::terminal);
    context.poll();
    for (auto const pause : {2s, 2s, 1s}) {
        clock.advance(pause);
        context.poll();
    }

    return expect_shown({"start log", "start database", "start cache", "start workers",
        "start metrics", "start listener",

        "stop listener", "stop metrics", "stop workers", "cache hangs, 2 s", "cache hangs, 4 s",
        "stop database", "stop log", "body: Operation canceled", "cache: Connection timed out"});
}
