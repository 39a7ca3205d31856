// Work against a deadline, with the operator || of Asio. Where the deadline wins, the work is
// cancelled, and || waits for it: the rollback runs to its end, although it has been cancelled.

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
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

// Sends a command, and waits for the answer.
asio::awaitable<void> execute(tcp::socket& database, std::string command)
{
    command += '\n';
    co_await asio::async_write(database, asio::buffer(command), asio::use_awaitable);
    std::string answer;
    co_await asio::async_read_until(
        database, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
    show(answer.substr(0, answer.size() - 1));
}

// [timeout_rolls_back]
asio::awaitable<void> update(tcp::socket& database)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto const rollback =
            stack.push(exeunt::on_exit([&] { return execute(database, "ROLLBACK"); })
                           .named("rollback")
                           .within(2s)
                           .or_force([&] { database.close(); }));
        co_await execute(database, "BEGIN");
        co_await execute(database, "UPDATE");
        co_await execute(database, "COMMIT");
        stack.dismiss(rollback);
    });
}

asio::awaitable<bool> update_in_time(tcp::socket& database, std::chrono::milliseconds time)
{
    asio::steady_timer deadline(co_await asio::this_coro::executor, time);
    // What the rollback fails with, if it does, || drops: only an observer hears of that.
    auto const first = co_await (update(database) || deadline.async_wait(asio::use_awaitable));
    co_return first.index() == 0;
}
// [/timeout_rolls_back]

asio::awaitable<void> use(tcp::endpoint server, std::chrono::milliseconds time)
{
    tcp::socket database(co_await asio::this_coro::executor);
    co_await database.async_connect(server, asio::use_awaitable);
    show(co_await update_in_time(database, time) ? "updated" : "too late, rolled back");
}

// Answers each command but UPDATE, where it is slow.
asio::awaitable<void> serve(tcp::acceptor& acceptor, bool slow)
{
    auto client = co_await acceptor.async_accept(asio::use_awaitable);
    for (std::string command;; command.clear()) {
        co_await asio::async_read_until(
            client, asio::dynamic_buffer(command), '\n', asio::use_awaitable);
        if (slow && command == "UPDATE\n")
            continue;
        auto const answer = "done: " + command;
        co_await asio::async_write(client, asio::buffer(answer), asio::use_awaitable);
    }
}

int main()
{
    for (bool const slow : {false, true}) {
        asio::io_context context;
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        asio::co_spawn(context, serve(acceptor, slow), asio::detached);
        asio::co_spawn(context, use(acceptor.local_endpoint(), slow ? 250ms : 10000ms),
            [](std::exception_ptr failure) {
                if (failure)
                    std::rethrow_exception(failure);
            });
        context.run();
    }

    return expect_shown({
        "done: BEGIN",
        "done: UPDATE",
        "done: COMMIT",
        "updated",

        "done: BEGIN",
        "done: ROLLBACK",
        "too late, rolled back",
    });
}
