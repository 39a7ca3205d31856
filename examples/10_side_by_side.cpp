// Exits that do not depend on each other need not wait for each other: a group is one exit of a stack,
// whose own exits unwind concurrently.

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_group.hpp>

#include "show.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <deque>
#include <exception>

namespace asio = boost::asio;
using namespace std::chrono_literals;

int main()
{
    asio::io_context context;
    std::deque<asio::steady_timer> goodbyes; // of three peers that take their time

    // [group]
    exeunt::async_exit_stack stack(context);
    stack.push([] { show("listener closed"); });
    auto& peers = stack.push_group({.limit = 100});
    for (auto const time : {30ms, 20ms, 10ms}) {
        auto& goodbye = goodbyes.emplace_back(context, time);
        auto const handle = peers.push([&goodbye](exeunt::exit_handler handler) {
            show("goodbye");
            goodbye.async_wait(std::move(handler));
        });
        if (time == 20ms)
            peers.dismiss(handle); // this one has left by itself
    }
    stack.async_close([](std::exception_ptr failure) { show(failure ? "failed" : "closed"); });
    // [/group]
    context.run();

    return expect_shown({
        "goodbye",
        "goodbye",
        "listener closed",
        "closed",
    });
}
