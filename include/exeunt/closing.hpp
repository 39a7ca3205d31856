#ifndef EXEUNT_CLOSING_HPP
#define EXEUNT_CLOSING_HPP

#include <exeunt/exit_state.hpp>
#include <exeunt/on_exit.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/error.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <type_traits>
#include <utility>

namespace exeunt {

/// How long a close that waits for the peer does so, where nothing else is said (`within`).
inline constexpr std::chrono::steady_clock::duration polite_time = std::chrono::seconds(10);

namespace detail {

// What an object fails with while it is closed. Where something has failed already it adds nothing: that
// the close goes wrong then is no news.
inline void fail_unless_failed(exit_state& state, boost::system::error_code failed)
{
    if (failed && !state.failed())
        throw boost::system::system_error(failed, "close");
}

template <class T>
concept io_object = requires
{
    typename T::executor_type;
};

// An acceptor, a descriptor, a file, a pipe, a serial port.
template <class T>
concept closable = io_object<T> && requires(T& object, boost::system::error_code& failed)
{
    object.is_open();
    object.close(failed);
};

template <class T>
concept closable_socket = closable<T> && requires(T& socket, boost::system::error_code& failed)
{
    socket.shutdown(T::shutdown_both, failed);
};

template <class T>
concept closable_channel = io_object<T> && !closable<T> && requires(T & channel)
{
    channel.is_open();
    channel.close();
};

// A timer, a resolver, a signal set.
template <class T>
concept cancellable = io_object<T> && requires(T& object)
{
    object.cancel();
};

template <class Socket>
concept drainable = closable_socket<Socket> && requires(
    Socket& socket, asio::mutable_buffer buffer, boost::system::error_code& failed)
{
    socket.read_some(buffer, failed);
    socket.non_blocking(true, failed);
};

template <class Socket>
boost::system::error_code close_now(Socket& socket) noexcept
{
    boost::system::error_code failed;
    if constexpr (closable_socket<Socket>)
        socket.shutdown(Socket::shutdown_both, failed); // it may have no peer any more
    failed = {};
    socket.close(failed);
    return failed;
}

// The exit of an object that is closed at once.
template <class T>
class close_exit
{
public:
    explicit close_exit(T& object) noexcept
        : object_(&object)
    {
    }

    void operator()(exit_state& state) const
    {
        if constexpr (closable<T>)
            fail_unless_failed(state, close_now(*object_));
        else if constexpr (closable_channel<T>)
            object_->close();
        else
            object_->cancel();
    }

private:
    T* object_;
};

// How the object of a kind is closed; specialised where a header of its own is needed for that.
template <class T>
struct closer
{
    static constexpr bool is_known = closable<T> || closable_channel<T> || cancellable<T>;

    static auto make(T& object) noexcept { return on_exit(close_exit<T>(object), {}); }
};

// Reads what the peer still has to say, and forgets it.
template <class Socket>
class drain_operation
{
public:
    drain_operation(Socket& socket, exit_state& state) noexcept
        : socket_(&socket)
        , state_(&state)
    {
    }

    template <class Self>
    void operator()(Self& self, boost::system::error_code failed = {})
    {
        if (!socket_->is_open())
            failed = asio::error::operation_aborted; // by a cut
        else if (std::exchange(first_, false))
            socket_->shutdown(Socket::shutdown_send, failed);
        if (!failed)
            failed = read_what_is_there();
        if (failed == asio::error::would_block)
            return socket_->async_wait(Socket::wait_read, std::move(self));
        end(self, failed);
    }

private:
    boost::system::error_code read_what_is_there()
    {
        boost::system::error_code failed;
        socket_->non_blocking(true, failed);
        // Not for ever: others have a turn, too.
        for (int i = 0; !failed && i != 16; ++i) {
            std::array<char, 4096> unread;
            socket_->read_some(asio::buffer(unread), failed);
        }
        return failed ? failed : asio::error::would_block;
    }

    template <class Self>
    void end(Self& self, boost::system::error_code failed)
    {
        // The end, or nobody who could say more.
        if (failed == asio::error::eof || failed == asio::error::not_connected)
            failed = {};
        auto const close_failed = close_now(*socket_);
        if (!failed)
            failed = close_failed;
        self.complete(state_->failed() ? boost::system::error_code() : failed);
    }

    Socket* socket_;
    exit_state* state_;
    bool first_ = true;
};

template <class Socket>
class drain_exit
{
public:
    explicit drain_exit(Socket& socket) noexcept
        : socket_(&socket)
    {
    }

    template <class Handler>
    void operator()(exit_state& state, Handler&& handler) const
    {
        if (!socket_->is_open())
            return std::forward<Handler>(handler)();
        asio::async_compose<Handler, void(boost::system::error_code)>(
            drain_operation<Socket>(*socket_, state), handler, *socket_);
    }

private:
    Socket* socket_;
};

template <class T>
class force_close
{
public:
    explicit force_close(T& object) noexcept
        : object_(&object)
    {
    }

    void operator()() const noexcept { close_now(*object_); }

private:
    T* object_;
};

} // namespace detail

/// The type of `closing`.
class closing_t
{
public:
    constexpr closing_t() noexcept = default;

    template <class T, class... How>
    auto operator()(T& object, How&&... how) const noexcept
    {
        static_assert(detail::closer<T>::is_known,
            "exeunt: closing() knows sockets, acceptors, pipes, descriptors, files and serial "
            "ports "
            "(close), channels (close), timers, resolvers and signal sets (cancel); with "
            "<exeunt/closing_ssl.hpp> TLS streams, with <exeunt/closing_beast.hpp> WebSockets and "
            "Beast's streams; this is none of them");
        if constexpr (detail::closer<T>::is_known)
            return detail::closer<T>::make(object, std::forward<How>(how)...);
    }
};

/// The right exit of an object of Asio: `closing(object)` is the spec of it.
/**
 * - A socket is shut down and closed; an acceptor, a pipe, a descriptor, a file, a serial port and a
 *   channel is closed; a timer, a resolver and a signal set is cancelled. These are synchronous.
 * - A TLS stream (`<exeunt/closing_ssl.hpp>`) and a WebSocket (`<exeunt/closing_beast.hpp>`) say
 *   goodbye before that, asynchronously, and wait for the answer no longer than `polite_time`.
 *
 * Whatever happens, the object is closed at the end. If something is in flight already, that is, the
 * scope has failed or was cancelled, what goes wrong while closing is not added to it.
 *
 * What waits for the peer has a force: it closes the lowest layer. Say `.within(...)` for another time.
 *
 * `closing` itself stands for a release:
 *
 * @code
 * auto& socket = *co_await stack.async_acquire(connect(server), exeunt::closing);
 * @endcode
 *
 * @par Lifetimes
 * `closing(object)` refers to the object, which must live until the exit has ended.
 */
inline constexpr closing_t closing;

/// The type of `draining`.
class draining_t
{
public:
    constexpr draining_t() noexcept = default;

    template <class Socket>
    auto operator()(Socket& socket) const noexcept
    {
        static_assert(detail::drainable<Socket>,
            "exeunt: draining() takes a stream socket: nothing else has an end that a peer says");
        return on_exit(detail::drain_exit<Socket>(socket), {})
            .within(polite_time)
            .on_cut(detail::force_close<Socket>(socket)) // a cancellation can be missed
            .or_force(detail::force_close<Socket>(socket));
    }
};

/// The exit of a stream socket whose last words must arrive: `draining(socket)` is the spec of it.
/**
 * Shuts the sending side down, reads to the end of what the peer sends, and forgets it; then closes. A
 * socket that is closed with input unread is reset, and what was written last may be lost. Waits for the
 * peer no longer than `polite_time`; its force closes the socket at once.
 *
 * The socket is set to non-blocking. Nothing else may read from it. As with `closing`, the object is
 * always closed at the end, and adds no second failure; `draining` itself stands for a release.
 */
inline constexpr draining_t draining;

} // namespace exeunt

#endif // EXEUNT_CLOSING_HPP
