// A session like that of a WebSocket: somebody always reads, and closing is an exchange of frames that
// the reader has to hear. So the reader outlives the close, and the body only waits.

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
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

// One side of a connection on which the other side may speak at any time.
struct session
{
    tcp::socket socket;
    asio::steady_timer end_of_reader{socket.get_executor(), asio::steady_timer::time_point::max()};
    bool reading = true;
    std::exception_ptr failure = nullptr;

    explicit session(tcp::socket connected)
        : socket(std::move(connected))
    {
    }

    // Reads frames until the close of the other side.
    asio::awaitable<void> read()
    {
        std::string frames, frame;
        while (frame != "close") {
            auto const size = co_await asio::async_read_until(
                socket, asio::dynamic_buffer(frames), '\n', asio::use_awaitable);
            frame = frames.substr(0, size - 1);
            frames.erase(0, size);
            show("reader: " + frame);
        }
    }

    void reader_ended(std::exception_ptr with)
    {
        failure = with;
        reading = false;
        end_of_reader.expires_at(asio::steady_timer::time_point::min());
    }

    // Throws what the reader has failed with; and, so that a cut is seen, if the waiting is cancelled.
    asio::awaitable<void> wait_for_reader()
    {
        boost::system::error_code cancelled;
        co_await end_of_reader.async_wait(asio::redirect_error(asio::use_awaitable, cancelled));
        if (reading)
            throw boost::system::system_error(cancelled);
        if (failure)
            std::rethrow_exception(failure);
    }

    // Nothing ends this but the reader's end, also where the unwinding is forced and this is cut: the
    // reader uses what is destroyed afterwards.
    asio::awaitable<void> join_reader()
    {
        co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
        co_await wait_for_reader();
    }

    // Sends a close frame, and waits until the reader has heard that of the other side.
    asio::awaitable<void> close()
    {
        co_await asio::async_write(socket, asio::buffer("close\n", 6), asio::use_awaitable);
        co_await wait_for_reader();
    }
};

// [polite_session]
asio::awaitable<void> converse(tcp::socket socket)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& peer = stack.emplace<session>(std::move(socket));

        // The reader is no part of the body: a cancellation of that does not reach it.
        asio::co_spawn(stack.get_executor(), peer.read(),
            [&](std::exception_ptr failure) { peer.reader_ended(failure); });
        stack.push(exeunt::on_exit([&] { return peer.join_reader(); }).named("reader"));

        stack.push(exeunt::on_exit([&] { return peer.close(); }) // while the reader still reads
                       .named("close frame")
                       .within(2s)
                       .or_force([&] {
                           show("hung up");
                           peer.socket.close(); // the reader ends by that
                       }));

        co_await peer.wait_for_reader(); // the body only waits
    });
}
// [/polite_session]

int main()
{
    for (bool const polite : {true, false}) {
        asio::io_context context;
        exeunt::manual_clock clock(context);
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        tcp::socket mine(context);
        mine.connect(acceptor.local_endpoint());
        auto theirs = acceptor.accept();

        asio::cancellation_signal stop;
        asio::co_spawn(context, converse(std::move(mine)),
            asio::bind_cancellation_slot(stop.slot(), [](std::exception_ptr failure) {
                show(exeunt::is_cancelled(failure) ? "stopped" : "?");
            }));

        // The other side answers the close, or time passes.
        asio::write(theirs, asio::buffer("news\n", 5));
        while (shown.empty() || shown.back() != "reader: news")
            context.run_one();
        stop.emit(asio::cancellation_type::terminal);
        std::string heard;
        auto const answer = [&](boost::system::error_code, std::size_t size) {
            show("other side: " + heard.substr(0, size - 1));
            if (polite)
                asio::write(theirs, asio::buffer("close\n", 6));
            else
                clock.advance(2s);
        };
        asio::async_read_until(theirs, asio::dynamic_buffer(heard), '\n', answer);
        context.run();
    }

    return expect_shown({
        "reader: news",
        "other side: close",
        "reader: close",
        "stopped",

        "reader: news",
        "other side: close",
        "hung up",
        "stopped",
    });
}
