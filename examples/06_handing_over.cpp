// All or nothing: what a function has built is given back if it fails half way, and handed over with
// all its exits if it succeeds.

#include <exeunt/async_with.hpp>

#include "show.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>

namespace asio = boost::asio;

asio::awaitable<std::string> enter_stage(std::string actor)
{
    co_await asio::post(asio::use_awaitable);
    if (actor == "banquo")
        throw std::runtime_error(actor + " is dead");
    show(actor + " enters");
    co_return actor;
}

asio::awaitable<void> leave_stage(std::string& actor)
{
    co_await asio::post(asio::use_awaitable);
    show(actor + " exits");
}

// [hand_over]
asio::awaitable<exeunt::async_exit_stack> gather(std::span<char const* const> actors)
{
    exeunt::async_exit_stack gathered;
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        for (auto const* actor : actors)
            co_await stack.async_acquire(enter_stage(actor), leave_stage);
        gathered = stack.pop_all(); // nothing is left here to unwind
    });
    co_return gathered;
}
// [/hand_over]

asio::awaitable<void> play()
{
    char const* const cast[] = {"hamlet", "ophelia"};
    auto on_stage = co_await gather(cast);
    show("a scene");
    co_await on_stage.async_close();

    try {
        char const* const ghosts[] = {"macbeth", "banquo"};
        co_await gather(ghosts);
    } catch (std::runtime_error const& error) {
        show(error.what());
    }
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, play(), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    context.run();

    return expect_shown({
        "hamlet enters",
        "ophelia enters",
        "a scene",
        "ophelia exits",
        "hamlet exits",

        "macbeth enters",
        "macbeth exits",
        "banquo is dead",
    });
}
