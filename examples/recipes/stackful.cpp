// Stackful coroutines: asio::spawn and a yield_context. The body of the scope is a coroutine of its
// own, and so may be an exit.

#include <exeunt/async_with.hpp>

#include "../show.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/spawn.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <exception>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;

void take(std::chrono::milliseconds time, asio::yield_context yield)
{
    asio::steady_timer timer(yield.get_executor(), time);
    timer.async_wait(yield); // throws, when it is cancelled
}

// [stackful]
void evening(std::chrono::milliseconds length, asio::yield_context yield)
{
    auto body = [&](exeunt::async_exit_stack& stack) {
        auto play = [&](asio::yield_context inner) { // its own: the outer one is waiting
            stack.push([&] {
                auto leave = [](asio::yield_context last) {
                    take(1ms, last);
                    show("doors close");
                };
                return asio::spawn(stack.get_executor(), leave, asio::deferred);
            });
            show("doors open");
            take(length, inner);
            show("the end");
        };
        return asio::spawn(stack.get_executor(), play, asio::deferred);
    };
    // as_tuple, because the yield_context of Boost 1.81 throws a null exception_ptr, too.
    auto const [failure] = exeunt::async_with(body, asio::as_tuple(yield));
    if (failure)
        std::rethrow_exception(failure);
}
// [/stackful]

int main()
{
    for (std::chrono::milliseconds const length : {1ms, 3600'000ms}) {
        asio::io_context context;
        asio::cancellation_signal stop;
        asio::spawn(
            context, [&](asio::yield_context yield) { evening(length, yield); },
            asio::bind_cancellation_slot(stop.slot(), [](std::exception_ptr failure) {
                show(exeunt::is_cancelled(failure) ? "cancelled" : failure ? "failed" : "over");
            }));
        context.poll();
        if (length > 1s)
            stop.emit(asio::cancellation_type::terminal);
        context.run();
    }

    return expect_shown({
        "doors open",
        "the end",
        "doors close",
        "over",

        "doors open",
        "doors close",
        "cancelled",
    });
}
