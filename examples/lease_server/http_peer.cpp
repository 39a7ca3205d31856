#include "http_peer.hpp"

#include "in_hand.hpp"
#include "limits.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/write.hpp>

#include <array>
#include <string_view>
#include <utility>

namespace lease_server {

namespace {

using boost::system::error_code;

// The answer to what cannot be read as a request.
http::status refusal_of(error_code why)
{
    if (why == http::error::header_limit)
        return http::status::request_header_fields_too_large;
    if (why == http::error::body_limit)
        return http::status::payload_too_large;
    return http::status::bad_request;
}

} // namespace

http_peer::http_peer(tcp::socket socket, connection_tally& count)
    : stream_(std::move(socket))
    , counted_(count)
{
}

// Reads step by step, and not with http::async_read, which takes no notice of a cancellation that
// comes between two of its steps.
asio::awaitable<http_peer::received> http_peer::read()
{
    auto const told = co_await asio::this_coro::cancellation_state;
    http::request_parser<http::string_body> parser;
    parser.header_limit(limits::request_header);
    parser.body_limit(limits::value);
    parser.eager(true);
    stream_.expires_after(limits::idle_session);

    received result;
    error_code failed;
    bool may_expect = true;
    for (;;) {
        if (input_.size() != 0)
            input_.consume(parser.put(input_.data(), failed));
        if (failed && failed != http::error::need_more) {
            result.refusal = refusal_of(failed);
            co_return result;
        }
        if (parser.is_done()) {
            result.request = parser.release();
            co_return result;
        }
        if (parser.is_header_done() && std::exchange(may_expect, false))
            co_await go_on_if_expected(parser.get());
        if (is_told(told))
            co_return result;
        auto const size = co_await stream_.async_read_some(
            input_.prepare(limits::one_read), asio::redirect_error(asio::use_awaitable, failed));
        if (failed)
            co_return result;
        input_.commit(size);
    }
}

// Some clients want to hear that a large request is welcome before they send it.
asio::awaitable<void> http_peer::go_on_if_expected(http_request const& request)
{
    constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
    error_code ignored; // the next read meets it again
    if (beast::iequals(request[http::field::expect], "100-continue")) {
        co_await asio::async_write(
            stream_, asio::buffer(go_on), asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<bool> http_peer::write(http_answer answer)
{
    auto const told = co_await asio::this_coro::cancellation_state;
    said_close_ = !answer.keep_alive();
    stream_.expires_after(is_told_at_once(told) ? limits::last_words : limits::answer_write);
    error_code failed;
    // Told to leave (`total`), it goes on: such an operation hears of `terminal` alone.
    co_await http::async_write(stream_, answer, asio::redirect_error(asio::use_awaitable, failed));
    co_return !failed;
}

asio::awaitable<void> http_peer::hang_up()
{
    error_code failed;
    stream_.socket().shutdown(tcp::socket::shutdown_send, failed);
    if (said_close_) {
        stream_.expires_after(limits::lingering);
        std::array<char, 4096> unread;
        for (std::size_t total = 0; !failed && total < limits::lingering_input;) {
            total += co_await stream_.async_read_some(
                asio::buffer(unread), asio::redirect_error(asio::use_awaitable, failed));
        }
    }
    close();
}

void http_peer::close()
{
    stream_.close();
}

} // namespace lease_server
