#ifndef EXEUNT_CLOSING_SSL_HPP
#define EXEUNT_CLOSING_SSL_HPP

#include <exeunt/closing.hpp>
#include <exeunt/detail/polite_close.hpp>

#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>

namespace exeunt::detail {

// close_notify, and that of the peer.
struct tls_goodbye
{
    // Without a handshake there is nothing to end.
    template <class Stream>
    bool can_say(Stream& stream) const noexcept
    {
        return ::SSL_is_init_finished(stream.native_handle()) != 0;
    }

    template <class Stream, class Handler>
    void say(Stream& stream, Handler&& handler) const
    {
        stream.async_shutdown(std::forward<Handler>(handler));
    }

    // Many peers just hang up, or go on talking.
    bool is_end(boost::system::error_code said) const noexcept
    {
        return said == asio::ssl::error::stream_truncated
            || (said.category() == asio::error::get_ssl_category()
                && ERR_GET_REASON(static_cast<unsigned long>(said.value()))
                    == SSL_R_APPLICATION_DATA_AFTER_CLOSE_NOTIFY);
    }
};

template <class T>
concept tls_stream = requires(T& stream)
{
    stream.native_handle();
    stream.next_layer();
    stream.async_shutdown([](boost::system::error_code) {});
    requires std::same_as<decltype(stream.native_handle()), ::SSL*>;
};

template <tls_stream Stream>
struct closer<Stream>
{
    static constexpr bool is_known = true;

    static auto make(Stream& stream) noexcept { return make_polite_exit(stream, tls_goodbye()); }
};

} // namespace exeunt::detail

#endif // EXEUNT_CLOSING_SSL_HPP
