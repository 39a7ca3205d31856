// A consumer's program that needs the optional targets.
#include <exeunt/closing_beast.hpp>
#include <exeunt/closing_ssl.hpp>
#include <exeunt/exeunt.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

#include <exception>

namespace asio = boost::asio;

int main()
{
    asio::io_context context;
    asio::ssl::context tls(asio::ssl::context::tls_client);
    exeunt::async_exit_stack stack(context);
    using tls_stream = asio::ssl::stream<asio::ip::tcp::socket>;
    auto& stream = stack.emplace<tls_stream>(context, tls);
    auto& websocket =
        stack.emplace<boost::beast::websocket::stream<asio::ip::tcp::socket>>(context);
    stack.push(exeunt::closing(stream));
    stack.push(exeunt::closing(websocket));

    bool well = false;
    stack.async_close([&](std::exception_ptr failure) { well = !failure; });
    context.run();
    return well ? 0 : 1;
}
