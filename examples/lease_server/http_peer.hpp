#ifndef LEASE_SERVER_HTTP_PEER_HPP
#define LEASE_SERVER_HTTP_PEER_HPP

#include "tally.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>

namespace lease_server {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;

using http_request = http::request<http::string_body>;
using http_answer = http::response<http::string_body>;

// The server's side of one HTTP connection: requests in, answers out, and a good end.
class http_peer
{
public:
    // What read() comes back with: a request, or the answer to what cannot be one, or neither.
    struct received
    {
        received() = default;

        std::optional<http_request> request;
        std::optional<http::status> refusal;
    };

    http_peer(tcp::socket socket, connection_tally& count);

    // Waits for the next request. Neither request nor refusal: the peer has left, was idle for too
    // long, or the caller is cancelled.
    asio::awaitable<received> read();

    // Writes an answer, to the end also when the caller is told to leave. False: it could not be
    // written in time, or the peer has left.
    asio::awaitable<bool> write(http_answer answer);

    // After an answer that said so, closes in a way that lets it arrive: a socket that is closed
    // with input unread is reset, and the answer is lost. Otherwise closes at once.
    asio::awaitable<void> hang_up();

    // Closes at once.
    void close();

private:
    asio::awaitable<void> go_on_if_expected(http_request const& request);

    beast::tcp_stream stream_;
    beast::flat_buffer input_;
    open_connection counted_;
    bool said_close_ = false;
};

} // namespace lease_server

#endif // LEASE_SERVER_HTTP_PEER_HPP
