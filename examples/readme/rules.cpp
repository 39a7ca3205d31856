// Rules one, three and four of the README. Example 03 shows rule two.

#include <exeunt/async_with.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

namespace asio = boost::asio;
using namespace std::chrono_literals;
using socket_type = asio::local::stream_protocol::socket;

// [rule_one]
asio::awaitable<std::string> write_letter()
{
    std::string sent; // outside of the body
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& letter = stack.emplace<std::string>("Dear"); // owned by the stack
        stack.push([&] { sent = letter; });

        co_await asio::post(asio::use_awaitable);
        letter += " Ophelia";
    });
    co_return sent;
}
// [/rule_one]

asio::awaitable<void> send(std::string command)
{
    co_await asio::post(asio::use_awaitable);
    if (command == "TAKE 500")
        throw std::invalid_argument("not enough money");
    show(command);
}

// [rule_three]
asio::awaitable<void> transfer(int amount)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto const rollback = stack.push([] { return send("ROLLBACK"); });
        co_await send("BEGIN");
        co_await send("TAKE " + std::to_string(amount));
        co_await send("GIVE " + std::to_string(amount));
        co_await send("COMMIT"); // work: if it fails, the body has failed
        stack.dismiss(rollback);
    });
}
// [/rule_three]

// One side of a conversation, in which the other side may speak at any time.
class connection
{
public:
    explicit connection(socket_type socket)
        : socket_(std::move(socket))
        , farewell_(socket_.get_executor(), asio::steady_timer::time_point::max())
    {
    }

    // Reads until the other side has said BYE.
    asio::awaitable<void> read()
    {
        std::string received;
        for (std::string line; line != "BYE";) {
            auto const size = co_await asio::async_read_until(
                socket_, asio::dynamic_buffer(received), '\n', asio::use_awaitable);
            line = received.substr(0, size - 1);
            received.erase(0, size);
            show("reader: " + line);
        }
        farewell_.cancel();
    }

    // Says QUIT, and waits until the reader has read the answer.
    asio::awaitable<void> quit()
    {
        co_await asio::async_write(socket_, asio::buffer("QUIT\n", 5), asio::use_awaitable);
        boost::system::error_code ended;
        co_await farewell_.async_wait(asio::redirect_error(asio::use_awaitable, ended));
    }

    void close() { socket_.close(); }

private:
    socket_type socket_;
    asio::steady_timer farewell_;
};

// [rule_four]
asio::awaitable<void> converse(socket_type socket)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        using channel = asio::experimental::channel<void(std::exception_ptr)>;
        auto& peer = stack.emplace<connection>(std::move(socket));
        auto& reader_ended = stack.emplace<channel>(stack.get_executor(), 1u);

        // The reader is a child: it goes on when the body is cancelled.
        asio::co_spawn(stack.get_executor(), peer.read(),
            [&](std::exception_ptr failure) { reader_ended.try_send(std::move(failure)); });
        stack.push([&]() -> asio::awaitable<void> { // runs third, and is not cut: it reads `peer`
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            co_await reader_ended.async_receive(asio::use_awaitable);
        });
        stack.push([&] { peer.close(); }); // runs second: the reader ends
        stack.push([&] { return peer.quit(); }); // runs first: QUIT, the reader hears BYE

        asio::steady_timer cancelled(stack.get_executor(), asio::steady_timer::time_point::max());
        co_await cancelled.async_wait(asio::use_awaitable); // the body only waits
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
    asio::co_spawn(context, write_letter(),
        [](std::exception_ptr, std::string sent) { show("sent: " + sent); });
    context.run();
    context.restart();
    asio::co_spawn(context, transfer(50), asio::detached);
    context.run();
    context.restart();
    asio::co_spawn(context, transfer(500),
        [](std::exception_ptr failure) { show(failure ? "no transfer" : "?"); });
    context.run();
    context.restart();

    socket_type mine(context), theirs(context);
    asio::local::connect_pair(mine, theirs);
    asio::cancellation_signal stop;
    asio::co_spawn(context, converse(std::move(mine)),
        asio::bind_cancellation_slot(stop.slot(), [](std::exception_ptr failure) {
            show(exeunt::is_cancelled(failure) ? "cancelled" : "?");
        }));
    asio::co_spawn(context, other_side(std::move(theirs)), asio::detached);
    asio::steady_timer alarm(context, 50ms);
    alarm.async_wait([&](auto) { stop.emit(asio::cancellation_type::terminal); });
    context.run();

    return expect_shown({
        "sent: Dear Ophelia",

        "BEGIN",
        "TAKE 50",
        "GIVE 50",
        "COMMIT",

        "BEGIN",
        "ROLLBACK",
        "no transfer",

        "reader: NEWS",
        "reader: BYE",
        "cancelled",
    });
}
