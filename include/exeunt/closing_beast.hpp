#ifndef EXEUNT_CLOSING_BEAST_HPP
#define EXEUNT_CLOSING_BEAST_HPP

#include <exeunt/closing.hpp>
#include <exeunt/detail/polite_close.hpp>

#include <boost/beast/core/stream_traits.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <boost/beast/websocket/stream.hpp>

namespace exeunt::detail {

// The close handshake of WebSocket.
class websocket_goodbye
{
public:
    explicit websocket_goodbye(boost::beast::websocket::close_reason const& reason) noexcept
        : reason_(reason)
    {
    }

    template <class Stream>
    bool can_say(Stream& stream) const noexcept
    {
        return stream.is_open();
    }

    template <class Stream, class Handler>
    void say(Stream& stream, Handler&& handler) const
    {
        stream.async_close(reason_, std::forward<Handler>(handler));
    }

    // Many peers just hang up.
    bool is_end(boost::system::error_code said) const noexcept { return said == asio::error::eof; }

private:
    boost::beast::websocket::close_reason reason_;
};

template <class Next, bool deflate>
struct closer<boost::beast::websocket::stream<Next, deflate>>
{
    using stream = boost::beast::websocket::stream<Next, deflate>;
    static constexpr bool is_known = true;

    static auto make(stream& websocket,
        boost::beast::websocket::close_reason const& reason =
            boost::beast::websocket::close_code::normal) noexcept
    {
        return make_polite_exit(websocket, websocket_goodbye(reason));
    }
};

// Beast's streams around a socket.
template <wraps_socket Stream>
struct closer<Stream>
{
    static constexpr bool is_known = true;

    static auto make(Stream& stream) noexcept
    {
        return on_exit(close_exit(lowest_socket(stream)), {});
    }
};

} // namespace exeunt::detail

#endif // EXEUNT_CLOSING_BEAST_HPP
