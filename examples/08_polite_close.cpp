// Input and output that a polite close needs must not be cut first: run them in children that are
// older than the close exit, and let the body only wait.

#include <exeunt/async_with.hpp>

#include "show.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <string_view>

namespace asio = boost::asio;
using socket_type = asio::local::stream_protocol::socket;
using namespace std::chrono_literals;

// A connection on which somebody always reads: the other side speaks when it likes.
class connection
{
public:
    explicit connection(socket_type socket)
        : socket_(std::move(socket))
        , farewell_(socket_.get_executor(), asio::steady_timer::time_point::max())
    {
    }

    // Ends when the other side has said goodbye.
    asio::awaitable<void> read()
    {
        std::string received;
        for (std::string line; line != "BYE\n";) {
            auto const size = co_await asio::async_read_until(
                socket_, asio::dynamic_buffer(received), '\n', asio::use_awaitable);
            line = received.substr(0, size);
            received.erase(0, size);
            show("reader: " + line.substr(0, size - 1));
        }
    }

    void reader_ended()
    {
        reading_ = false;
        farewell_.cancel();
    }

    // Not to be cut: the reader uses this.
    asio::awaitable<void> join_reader()
    {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await wait_for_reader();
    }

    // Says goodbye, and waits until the reader has read the answer.
    asio::awaitable<void> quit()
    {
        co_await asio::async_write(socket_, asio::buffer("QUIT\n", 5), asio::use_awaitable);
        co_await wait_for_reader();
    }

    void close() { socket_.close(); }

private:
    asio::awaitable<void> wait_for_reader()
    {
        boost::system::error_code ended;
        if (reading_)
            co_await farewell_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }

    socket_type socket_;
    asio::steady_timer farewell_;
    bool reading_ = true;
};

// [rule_four]
asio::awaitable<void> listen(socket_type socket)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& peer = stack.emplace<connection>(std::move(socket));
        asio::co_spawn(stack.get_executor(), peer.read(), // a child, ...
            [&peer](std::exception_ptr) { peer.reader_ended(); });
        stack.push([&peer] { return peer.join_reader(); }); // ... which nothing outlives, ...
        stack.push([&peer] { peer.close(); });
        stack.push([&peer] { return peer.quit(); }); // ... and which is older than what needs it

        asio::steady_timer until_cancelled(stack.get_executor(), 1h);
        co_await until_cancelled.async_wait(asio::use_awaitable); // the body only waits
    });
}
// [/rule_four]

asio::awaitable<void> other_side(socket_type socket)
{
    co_await asio::async_write(socket, asio::buffer("NEWS\n", 5), asio::use_awaitable);
    std::string received;
    co_await asio::async_read_until(
        socket, asio::dynamic_buffer(received), "QUIT\n", asio::use_awaitable);
    co_await asio::async_write(socket, asio::buffer("BYE\n", 4), asio::use_awaitable);
}

int main()
{
    asio::io_context context;
    socket_type mine(context), theirs(context);
    asio::local::connect_pair(mine, theirs);

    asio::cancellation_signal stop;
    auto const ended = [](std::exception_ptr failure) {
        show(exeunt::is_cancelled(failure) ? "cancelled" : "?");
    };
    asio::co_spawn(
        context, listen(std::move(mine)), asio::bind_cancellation_slot(stop.slot(), ended));
    asio::co_spawn(context, other_side(std::move(theirs)), asio::detached);

    asio::steady_timer alarm(context, 50ms);
    alarm.async_wait([&](auto) { stop.emit(asio::cancellation_type::terminal); });
    context.run();

    return expect_shown({
        "reader: NEWS",
        "reader: BYE",
        "cancelled",
    });
}
