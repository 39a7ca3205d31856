// Which cleanup is it that hangs? pending() tells while the stack closes. And an observer hears what
// no caller can be told.

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/on_exit.hpp>

#include "show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace asio = boost::asio;

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

    return expect_shown({
        "wave failed: nobody there",
        "running: wait for the audience",
        "to come: last words",
        "last",
        "closed",
        "1 lost, the first: farewell",
    });
}
