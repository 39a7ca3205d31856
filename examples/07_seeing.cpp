// Which cleanup is it that hangs? pending() tells while the stack closes. An observer hears what no
// caller can be told; one that logs writes down every step.

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/log_observer.hpp>
#include <exeunt/on_exit.hpp>

#include "show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <iostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// [observer]
class note_taker : public exeunt::exit_observer
{
public:
    void failure_unreceived(
        exeunt::exit_view const& exit, std::exception_ptr error) noexcept override
    {
        try {
            std::rethrow_exception(error);
        } catch (std::exception const& failure) {
            show(std::string(exit.name) + " failed: " + failure.what());
        }
    }

    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override
    {
        show(std::to_string(count) + " lost, the first: " + std::string(first_names.front()));
    }
};
// [/observer]

void close_with_a_log()
{
    // [log]
    exeunt::log_observer log(std::cout); // outlives the context
    asio::io_context context;
    exeunt::async_exit_stack stack(context, {.observer = &log});
    asio::steady_timer answer(context, 1h); // nobody will answer
    stack.push(exeunt::on_exit([] { show("saved"); }).named("save"));
    stack.push(exeunt::on_exit(answer.async_wait(asio::deferred)).named("quit").within(20ms));
    stack.async_close([](std::exception_ptr failure) { show(failure ? "failed" : "closed"); });
    context.run();
    // [/log]
}

int main()
{
    note_taker notes; // outlives the context
    asio::io_context context;
    exeunt::async_exit_stack stack(context, {.observer = &notes});

    auto const fail = [] { throw std::runtime_error("nobody there"); };
    auto& forever =
        stack.emplace<asio::steady_timer>(context, asio::steady_timer::time_point::max());
    stack.push(exeunt::on_exit([] { show("last"); }).named("last words"));
    auto const wait = [&forever]() -> asio::awaitable<void> {
        boost::system::error_code ended;
        co_await forever.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    };
    stack.push(exeunt::on_exit(wait).named("wait for the audience"));
    stack.push(exeunt::on_exit(fail).named("wave").best_effort());

    // [pending]
    stack.async_close([](std::exception_ptr failure) { show(failure ? "failed" : "closed"); });
    context.poll();
    for (exeunt::exit_view const& exit : stack.pending()) {
        if (!exit.name.empty())
            show((exit.running_since ? "running: " : "to come: ") + std::string(exit.name));
    }
    // [/pending]
    forever.cancel();
    context.run();

    {
        asio::io_context another;
        exeunt::async_exit_stack dropped(another, {.observer = &notes});
        dropped.push(
            exeunt::on_exit([]() -> asio::awaitable<void> { co_return; }).named("farewell"));
    } // destroyed without having been closed

    close_with_a_log();

    return expect_shown({
        "wave failed: nobody there",
        "running: wait for the audience",
        "to come: last words",
        "last",
        "closed",
        "1 lost, the first: farewell",
        "saved",
        "failed",
    });
}
