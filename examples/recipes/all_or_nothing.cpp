// Five connections, all or nothing: if one cannot be made, those before it say goodbye. If all are
// made, they are handed over together with their goodbyes.

#include <exeunt/async_with.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <exception>
#include <string>
#include <vector>

namespace asio = boost::asio;
using asio::ip::tcp;

// Sends a line, and waits for the answer.
asio::awaitable<void> ask(tcp::socket& socket, std::string line)
{
    line += '\n';
    co_await asio::async_write(socket, asio::buffer(line), asio::use_awaitable);
    std::string answer;
    co_await asio::async_read_until(
        socket, asio::dynamic_buffer(answer), '\n', asio::use_awaitable);
}

asio::awaitable<tcp::socket> connect(tcp::endpoint server)
{
    tcp::socket socket(co_await asio::this_coro::executor);
    co_await socket.async_connect(server, asio::use_awaitable);
    co_await ask(socket, "HELLO");
    co_return socket;
}

asio::awaitable<void> say_goodbye(tcp::socket& socket)
{
    return ask(socket, "BYE");
}

// [all_or_nothing]
struct cluster
{
    std::vector<tcp::socket*> members;
    exeunt::async_exit_stack exits; // owns the sockets

    asio::awaitable<void> async_exit(exeunt::exit_state& state)
    {
        co_await exits.async_exit(state);
    }
};

asio::awaitable<cluster> connect_all(std::vector<tcp::endpoint> servers)
{
    cluster all;
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        for (tcp::endpoint const& server : servers)
            all.members.push_back(co_await stack.async_acquire(connect(server), say_goodbye));
        all.exits = stack.pop_all(); // nothing is left to unwind here
    });
    co_return all;
}

asio::awaitable<void> work(std::vector<tcp::endpoint> servers)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto* all = co_await stack.async_acquire(connect_all(servers)); // its exit: async_exit
        for (tcp::socket* member : all->members)
            co_await ask(*member, "WORK");
    });
}
// [/all_or_nothing]

// Shows what it hears from its client, and says it back.
asio::awaitable<void> serve(tcp::socket client, int number)
{
    for (std::string line;; line.clear()) {
        co_await asio::async_read_until(
            client, asio::dynamic_buffer(line), '\n', asio::use_awaitable);
        show(std::to_string(number) + ": " + line.substr(0, line.size() - 1));
        co_await asio::async_write(client, asio::buffer(line), asio::use_awaitable);
    }
}

asio::awaitable<void> listen(tcp::acceptor& acceptor)
{
    for (int number = 1;; ++number) {
        auto client = co_await acceptor.async_accept(asio::use_awaitable);
        asio::co_spawn(acceptor.get_executor(), serve(std::move(client), number), asio::detached);
    }
}

int main()
{
    for (bool const complete : {true, false}) {
        asio::io_context context;
        tcp::endpoint const loopback(asio::ip::address_v4::loopback(), 0);
        tcp::acceptor acceptor(context, loopback);
        tcp::socket deaf(context, loopback); // bound, but nobody listens there
        std::vector servers(5, acceptor.local_endpoint());
        if (!complete)
            servers[3] = deaf.local_endpoint();

        asio::co_spawn(context, listen(acceptor), asio::detached);
        asio::co_spawn(context, work(servers), [&](std::exception_ptr failure) {
            show(failure ? exeunt::code_of(failure).message() : "done");
            acceptor.close();
        });
        context.run();
    }

    return expect_shown({"1: HELLO", "2: HELLO", "3: HELLO", "4: HELLO", "5: HELLO", "1: WORK",
        "2: WORK", "3: WORK", "4: WORK", "5: WORK", "5: BYE", "4: BYE", "3: BYE", "2: BYE",
        "1: BYE", "done",

        "1: HELLO", "2: HELLO", "3: HELLO", "3: BYE", "2: BYE", "1: BYE", "Connection refused"});
}
