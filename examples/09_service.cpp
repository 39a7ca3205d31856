// A service: what it has opened is given back in reverse order when a signal stops it. Sessions are
// children of a scope, upstream connections come from a pool, and main is one call.

#include <exeunt/closing.hpp>
#include <exeunt/resource_pool.hpp>
#include <exeunt/service.hpp>
#include <exeunt/task_scope.hpp>

#include "show.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <string>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using namespace std::chrono_literals;

// Stands for a connection to a database.
class connection
{
public:
    explicit connection(int number) noexcept
        : number_(number)
    {
    }

    std::string query() const { return "answer of connection " + std::to_string(number_) + "\n"; }

    asio::awaitable<void> reset()
    {
        show("reset " + std::to_string(number_));
        co_return;
    }

    asio::awaitable<void> quit()
    {
        show("quit " + std::to_string(number_));
        co_return;
    }

private:
    int number_;
};

using connection_pool = exeunt::resource_pool<connection>;

asio::awaitable<connection> open_connection()
{
    static int opened = 0;
    show("connect");
    co_await asio::post(asio::use_awaitable);
    co_return connection(++opened);
}

// [session]
asio::awaitable<void> session(tcp::socket socket, connection_pool& pool)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        stack.push(exeunt::draining(socket)); // the last words arrive
        auto& upstream = *co_await stack.async_acquire(pool.async_acquire(asio::deferred));
        co_await asio::async_write(socket, asio::buffer(upstream->query()), asio::use_awaitable);
    });
}
// [/session]

// [serve]
asio::awaitable<void> serve(exeunt::async_exit_stack& stack, tcp::acceptor acceptor)
{
    auto& pool = stack.enter(connection_pool(stack.get_executor(),
        exeunt::opened_by(&open_connection)
            .recycled_by([](connection& used) { return used.reset(); })
            .closed_by([](connection& unwanted) { return unwanted.quit(); }),
        {.max_size = 8, .idle_timeout = 1min}));
    auto& sessions = stack.enter(exeunt::task_scope(
        stack.get_executor(), {.limit = 500, .cancel_on_failure = false, .drain = 5s}));
    auto& door = stack.adopt(std::move(acceptor), exeunt::closing); // the first to go
    for (;;) {
        auto socket = co_await door.async_accept(asio::use_awaitable);
        sessions.spawn(session(std::move(socket), pool));
    }
}
// [/serve]

// Asks twice, and then stops the service.
asio::awaitable<void> client(tcp::endpoint server)
{
    for (int i = 0; i != 2; ++i) {
        tcp::socket socket(co_await asio::this_coro::executor);
        co_await socket.async_connect(server, asio::use_awaitable);
        std::string answer;
        boost::system::error_code ended;
        co_await asio::async_read(
            socket, asio::dynamic_buffer(answer), asio::redirect_error(asio::use_awaitable, ended));
        show(answer.substr(0, answer.find('\n')));
    }
    std::raise(SIGTERM);
}

// [main]
int run_service(asio::io_context& context, tcp::acceptor acceptor)
{
    return exeunt::run(context, {.grace = 10s},
        [&](exeunt::async_exit_stack& stack) { return serve(stack, std::move(acceptor)); });
}
// [/main]

int main()
{
    asio::io_context context;
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::co_spawn(context, client(acceptor.local_endpoint()), [](std::exception_ptr failure) {
        if (failure)
            show("the client failed");
    });
    if (run_service(context, std::move(acceptor)) != 0)
        show("the service failed");

    return expect_shown({
        "connect",
        "reset 1",
        "answer of connection 1",
        "reset 1",
        "answer of connection 1",
        "quit 1",
    });
}
