#ifndef EXEUNT_DETAIL_POLITE_CLOSE_HPP
#define EXEUNT_DETAIL_POLITE_CLOSE_HPP

#include <exeunt/closing.hpp>

#include <boost/asio/compose.hpp>

#include <utility>

namespace exeunt::detail {

// A stream that says goodbye before what it runs on is closed: TLS, WebSocket. What they run on is found by
// next_layer(); at the bottom lies a socket of Asio, or Beast's tcp_stream around one.

template <class Layer>
concept wraps_socket = requires(Layer& layer)
{
    layer.socket();
    layer.release_socket();
};

template <class Layer>
auto& lowest_socket(Layer& layer) noexcept
{
    if constexpr (closable<Layer>)
        return layer;
    else if constexpr (wraps_socket<Layer>)
        return layer.socket();
    else
        return lowest_socket(layer.next_layer());
}

// Whether there is anybody to talk to.
template <class Stream>
bool is_connected(Stream& stream) noexcept
{
    auto& socket = lowest_socket(stream);
    if constexpr (requires(boost::system::error_code & failed) { socket.remote_endpoint(failed); })
    {
        boost::system::error_code failed;
        socket.remote_endpoint(failed); // fails, too, once the peer has reset the connection
        return !failed;
    } else {
        return socket.is_open();
    }
}

// `Goodbye` says goodbye to a Stream: can_say(stream), say(stream, handler), is_end(error_code).
template <class Stream, class Goodbye>
class polite_operation
{
public:
    polite_operation(Stream& stream, Goodbye const& goodbye, exit_state& state) noexcept
        : stream_(&stream)
        , goodbye_(goodbye)
        , state_(&state)
    {
    }

    template <class Self>
    void operator()(Self& self)
    {
        goodbye_.say(*stream_, std::move(self));
    }

    template <class Self, class... Ignored>
    void operator()(Self& self, boost::system::error_code said, Ignored&&...)
    {
        auto const closed = close_now(lowest_socket(*stream_));
        if (said == asio::error::bad_descriptor)
            said = asio::error::operation_aborted; // closed by a cut
        bool const went_wrong = said && !goodbye_.is_end(said);
        auto const failed = went_wrong ? said : closed;
        self.complete(state_->failed() ? boost::system::error_code() : failed);
    }

private:
    Stream* stream_;
    Goodbye goodbye_;
    exit_state* state_;
};

template <class Stream, class Goodbye>
class polite_exit
{
public:
    polite_exit(Stream& stream, Goodbye const& goodbye) noexcept
        : stream_(&stream)
        , goodbye_(goodbye)
    {
    }

    template <class Handler>
    void operator()(exit_state& state, Handler&& handler)
    {
        if (is_connected(*stream_) && goodbye_.can_say(*stream_)) {
            asio::async_compose<Handler, void(boost::system::error_code)>(
                polite_operation<Stream, Goodbye>(*stream_, goodbye_, state), handler, *stream_);
        } else {
            close_now(lowest_socket(*stream_));
            std::forward<Handler>(handler)();
        }
    }

private:
    Stream* stream_;
    Goodbye goodbye_;
};

template <class Stream, class Goodbye>
auto make_polite_exit(Stream& stream, Goodbye const& goodbye) noexcept
{
    auto& socket = lowest_socket(stream);
    using socket_type = std::remove_reference_t<decltype(socket)>;
    return on_exit(polite_exit<Stream, Goodbye>(stream, goodbye), {})
        .within(polite_time)
        .on_cut(force_close<socket_type>(socket)) // a cancellation can be missed
        .or_force(force_close<socket_type>(socket));
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_POLITE_CLOSE_HPP
