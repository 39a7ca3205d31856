// A shutdown in which both sides have to say goodbye, as that of TLS, is bounded in time: where the
// peer does not answer it is cut, and the connection is closed by force.

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
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

// Stands for the async_shutdown of an asio::ssl::stream: it is over when the peer has answered.
asio::awaitable<void> shut_down(tcp::socket& stream)
{
    co_await asio::async_write(stream, asio::buffer("close_notify\n", 13), asio::use_awaitable);
    show("answer: " + co_await read_line(stream));
}

// [bounded_shutdown]
asio::awaitable<void> visit(tcp::endpoint server)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& stream = stack.emplace<tcp::socket>(stack.get_executor()); // destroyed last
        co_await stream.async_connect(server, asio::use_awaitable);

        stack.push(exeunt::on_exit([&] { return shut_down(stream); })
                       .named("shutdown")
                       .within(2s) // then it is cut: a failure, timed_out, ...
                       .or_force([&] { // ... but not where a force makes good
                           show("hung up");
                           stream.close();
                       }));

        show(co_await read_line(stream));
    });
}
// [/bounded_shutdown]

// Time is made to pass, so that nobody has to wait for it.
asio::awaitable<void> serve(tcp::acceptor& acceptor, bool polite, exeunt::manual_clock& clock)
{
    auto client = co_await acceptor.async_accept(asio::use_awaitable);
    co_await asio::async_write(client, asio::buffer("welcome\n", 8), asio::use_awaitable);
    show("the server hears " + co_await read_line(client));
    if (polite)
        co_await asio::async_write(client, asio::buffer("close_notify\n", 13), asio::use_awaitable);
    else
        clock.advance(2s);
    co_await read_line(client); // until the client has hung up
}

int main()
{
    for (bool const polite : {true, false}) {
        asio::io_context context;
        exeunt::manual_clock clock(context);
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        asio::co_spawn(context, serve(acceptor, polite, clock), asio::detached);
        asio::co_spawn(context, visit(acceptor.local_endpoint()),
            [](std::exception_ptr failure) { show(failure ? "failed" : "visited"); });
        context.run();
    }

    return expect_shown({
        "welcome",
        "the server hears close_notify",
        "answer: close_notify",
        "visited",

        "welcome",
        "the server hears close_notify",
        "hung up",
        "visited",
    });
}
