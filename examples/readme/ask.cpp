// The first screen of the README: a question over a socket that ends politely, also where it is
// cancelled, and the same written by hand, which does not.

#include <exeunt/exeunt.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
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
using namespace asio::experimental::awaitable_operators;
using namespace std::chrono_literals;

// [ask]
asio::awaitable<std::string> ask(tcp::endpoint server, std::string question)
{
    std::string answer;
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& socket = stack.emplace<tcp::socket>(stack.get_executor()); // closed last
        co_await socket.async_connect(server, asio::use_awaitable);

        stack.push([&] { // an exit: it runs when the body has returned, thrown or been cancelled
            return asio::async_write(socket, asio::buffer("QUIT\n", 5), asio::deferred);
        });

        co_await asio::async_write(socket, asio::buffer(question), asio::use_awaitable);
        co_await asio::async_read_until(
            socket, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
    });
    co_return answer;
}

asio::awaitable<void> ask_for_the_time(tcp::endpoint server)
{
    asio::steady_timer deadline(co_await asio::this_coro::executor, 500ms);
    co_await (ask(server, "TIME\n") || deadline.async_wait(asio::use_awaitable));
}
// [/ask]

// [by_hand]
asio::awaitable<std::string> ask_by_hand(tcp::endpoint server, std::string question)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(server, asio::use_awaitable);
    std::string answer;
    std::exception_ptr failure;
    try {
        co_await asio::async_write(socket, asio::buffer(question), asio::use_awaitable);
        co_await asio::async_read_until(
            socket, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
    } catch (...) {
        failure = std::current_exception(); // co_await is not allowed in here
    }
    // Cancelled, this throws before it begins. If it fails, `failure` is lost.
    co_await asio::async_write(socket, asio::buffer("QUIT\n", 5), asio::use_awaitable);
    if (failure)
        std::rethrow_exception(failure);
    co_return answer;
}
// [/by_hand]

asio::awaitable<void> ask_by_hand_for_the_time(tcp::endpoint server)
{
    asio::steady_timer deadline(co_await asio::this_coro::executor, 500ms);
    co_await (ask_by_hand(server, "TIME\n") || deadline.async_wait(asio::use_awaitable));
}

// Serves one client: shows what it hears, and gives this answer to the first line.
asio::awaitable<void> serve(tcp::acceptor& acceptor, std::string answer)
{
    tcp::socket client = co_await acceptor.async_accept(asio::use_awaitable);
    std::string received;
    try {
        for (;;) {
            auto const size = co_await asio::async_read_until(
                client, asio::dynamic_buffer(received), '\n', asio::use_awaitable);
            show("the server hears " + received.substr(0, size - 1));
            received.erase(0, size);
            co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
            answer.clear();
        }
    } catch (boost::system::system_error const&) {
        show("the client is gone");
    }
}

// Runs one client against one server.
template <class Client>
void run(Client client, std::string answer)
{
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    auto const rethrow = [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    };
    asio::co_spawn(context, serve(acceptor, std::move(answer)), rethrow);
    asio::co_spawn(context, client(acceptor.local_endpoint()), rethrow);
    context.run();
}

int main()
{
    run(ask_for_the_time, "noon\n");
    run(ask_for_the_time, ""); // cancelled by the deadline
    run(ask_by_hand_for_the_time, "");
    return expect_shown({
        "the server hears TIME",
        "the server hears QUIT",
        "the client is gone",

        "the server hears TIME",
        "the server hears QUIT",
        "the client is gone",

        "the server hears TIME",
        "the client is gone",
    });
}
