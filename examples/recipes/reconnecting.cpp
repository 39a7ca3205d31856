// A client that connects again whenever it has lost its connection, until it is told to stop. Which
// of the two has happened is one line: is_cancelled.

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>

#include "../show.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <exception>
#include <string>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

asio::awaitable<std::string> read_line(tcp::socket& socket)
{
    std::string line;
    co_await asio::async_read_until(socket, asio::dynamic_buffer(line), '\n', asio::use_awaitable);
    line.pop_back();
    co_return line;
}

// [reconnecting]
asio::awaitable<void> stay_connected(tcp::endpoint server)
{
    asio::steady_timer pause(co_await asio::this_coro::executor);
    for (;;) {
        auto const [failure] = co_await exeunt::async_with(
            [&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
                auto& socket = stack.emplace<tcp::socket>(stack.get_executor());
                co_await socket.async_connect(server, asio::use_awaitable);
                auto const quit = [&] {
                    return asio::async_write(socket, asio::buffer("QUIT\n", 5), asio::deferred);
                };
                // Best effort: what it fails with shall not make a failure of a cancellation.
                stack.push(exeunt::on_exit(quit).named("quit").within(2s).best_effort());
                for (;;)
                    show(co_await read_line(socket));
            },
            asio::as_tuple(asio::use_awaitable)); // the failure comes as a value
        if (exeunt::is_cancelled(failure)) // told to stop
            std::rethrow_exception(failure);
        show("lost: " + exeunt::code_of(failure).message());
        pause.expires_after(1ms);
        co_await pause.async_wait(asio::use_awaitable);
    }
}
// [/reconnecting]

// Loses two clients, then stops the third one, and returns its last words.
asio::awaitable<std::string> serve(tcp::acceptor& acceptor, asio::cancellation_signal& stop)
{
    for (std::string const greeting : {"one\n", "two\n", "three\n"}) {
        auto client = co_await acceptor.async_accept(asio::use_awaitable);
        co_await asio::async_write(client, asio::buffer(greeting), asio::use_awaitable);
        if (greeting != "three\n")
            continue; // this closes the connection
        while (shown.back() != "three")
            co_await asio::post(asio::use_awaitable);
        stop.emit(asio::cancellation_type::terminal);
        co_return co_await read_line(client);
    }
    co_return "";
}

int main()
{
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::cancellation_signal stop;
    std::string last_words;
    asio::co_spawn(context, serve(acceptor, stop),
        [&](std::exception_ptr, std::string words) { last_words = words; });
    asio::co_spawn(context, stay_connected(acceptor.local_endpoint()),
        asio::bind_cancellation_slot(stop.slot(), [](std::exception_ptr failure) {
            show(exeunt::is_cancelled(failure) ? "stopped" : "failed");
        }));
    context.run();
    show("the server has heard " + last_words);

    return expect_shown({
        "one",
        "lost: End of file",
        "two",
        "lost: End of file",
        "three",
        "stopped",
        "the server has heard QUIT",
    });
}
