// error: with <exeunt/closing_ssl.hpp> TLS streams
// What a TLS stream looks like to it, which has a header of its own.
#include <exeunt/closing.hpp>

#include <boost/asio/ip/tcp.hpp>

struct stream
{
    using executor_type = boost::asio::any_io_executor;
    boost::asio::ip::tcp::socket& next_layer();
    template <class Token>
    auto async_shutdown(Token&&);
};

void f(stream& tls)
{
    exeunt::closing(tls);
}
