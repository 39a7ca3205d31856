// No coroutine: a conversation in callbacks. The body of the scope takes a handler, which is called
// when the body is done; exits take operations as they are.

#include <exeunt/async_with.hpp>

#include "../show.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include <cstddef>
#include <exception>
#include <string>
#include <utility>

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

// [callbacks_only]
void listen_to(exeunt::async_exit_stack& stack, tcp::endpoint server, exeunt::exit_handler done)
{
    auto& socket = stack.emplace<tcp::socket>(stack.get_executor()); // all that callbacks use
    auto& answer = stack.emplace<std::string>(); // is owned by the stack

    socket.async_connect(server, [&, done = std::move(done)](error_code failed) mutable {
        if (failed)
            return done(failed);
        stack.push(
            [&] { return asio::async_write(socket, asio::buffer("QUIT\n", 5), asio::deferred); });
        auto const slot = done.get_cancellation_slot(); // the scope's cancellation, for the body
        auto heard = [&, done = std::move(done)](error_code ended, std::size_t size) mutable {
            show(ended ? "the client gives up" : "the client hears " + answer.substr(0, size - 1));
            done(ended);
        };
        asio::async_read_until(socket, asio::dynamic_buffer(answer), '\n',
            asio::bind_cancellation_slot(slot, std::move(heard)));
    });
}

template <class Handler>
void async_listen(asio::io_context& context, tcp::endpoint server, Handler handler)
{
    auto body = [server](exeunt::async_exit_stack& stack, exeunt::exit_handler done) {
        listen_to(stack, server, std::move(done));
    };
    exeunt::async_with(context, body, std::move(handler));
}
// [/callbacks_only]

// Says this to a client, or stops it where there is nothing to say; then hears what that has to say.
void serve(tcp::socket& client, std::string& words, asio::cancellation_signal& stop)
{
    if (words.empty())
        stop.emit(asio::cancellation_type::terminal);
    asio::async_write(client, asio::buffer(words), [&](error_code, std::size_t) {
        words.clear();
        asio::async_read_until(
            client, asio::dynamic_buffer(words), '\n', [](error_code, std::size_t) {});
    });
}

int main()
{
    for (std::string words : {"welcome\n", ""}) {
        asio::io_context context;
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        tcp::socket client(context);
        asio::cancellation_signal stop;
        acceptor.async_accept(client, [&](error_code) { serve(client, words, stop); });
        async_listen(context, acceptor.local_endpoint(),
            asio::bind_cancellation_slot(stop.slot(), [](std::exception_ptr failure) {
                show(failure ? exeunt::code_of(failure).message() : "done");
            }));
        context.run();
        show("the server has heard " + words.substr(0, words.find('\n')));
    }

    return expect_shown({
        "the client hears welcome",
        "done",
        "the server has heard QUIT",

        "the client gives up",
        "Operation canceled",
        "the server has heard QUIT",
    });
}
