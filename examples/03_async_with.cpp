// A scope whose exits may be asynchronous: body and unwinding are one operation, and the exits run to
// their end also where the coroutine that awaits it has been cancelled.

#include <exeunt/async_with.hpp>

#include "show.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// A line of conversation with some server; it takes a moment.
asio::awaitable<void> say(std::string line)
{
    asio::steady_timer moment(co_await asio::this_coro::executor, 1ms);
    co_await moment.async_wait(asio::use_awaitable);
    show(line);
}

// [rule_two]
asio::awaitable<void> session()
{
    co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        stack.push([] { show("socket closed"); });
        stack.push([] { return say("QUIT"); }); // before the await that makes it necessary
        co_await say("HELLO");

        auto& query = stack.emplace<asio::steady_timer>(stack.get_executor(), 1h);
        co_await query.async_wait(asio::use_awaitable); // cancelled here
        show("never reached");
    });
}
// [/rule_two]

int main()
{
    asio::io_context context;
    asio::cancellation_signal stop;
    auto const ended = [](std::exception_ptr failure) {
        if (exeunt::is_cancelled(failure))
            show("cancelled, and all is given back");
    };
    asio::co_spawn(context, session(), asio::bind_cancellation_slot(stop.slot(), ended));

    asio::steady_timer alarm(context, 50ms);
    alarm.async_wait([&](auto) { stop.emit(asio::cancellation_type::terminal); });
    context.run();

    return expect_shown({
        "HELLO",
        "QUIT",
        "socket closed",
        "cancelled, and all is given back",
    });
}
