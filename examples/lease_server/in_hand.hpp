#ifndef LEASE_SERVER_IN_HAND_HPP
#define LEASE_SERVER_IN_HAND_HPP

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace lease_server {

namespace asio = boost::asio;

// A session is told to end in two ways: to leave when it has done what it has in hand (`total`), or at
// once (`terminal`).
inline bool is_told(asio::cancellation_state const& state)
{
    return state.cancelled() != asio::cancellation_type::none;
}

inline bool is_told_at_once(asio::cancellation_state const& state)
{
    return (state.cancelled() & asio::cancellation_type::terminal) != asio::cancellation_type::none;
}

// One operation in hand: it goes on when the coroutine that awaits it is told to leave, and is
// cancelled when that is told to end at once.
class in_hand
{
public:
    explicit in_hand(asio::cancellation_state const& told)
        : of_coroutine_(told.slot())
        , terminal_(told.slot(), asio::enable_terminal_cancellation())
    {
    }

    in_hand(in_hand const&) = delete;
    in_hand& operator=(in_hand const&) = delete;

    // What comes after the operation must not reach what the operation has left behind.
    ~in_hand() { of_coroutine_.clear(); }

    auto token() { return asio::bind_cancellation_slot(terminal_.slot(), asio::use_awaitable); }

private:
    asio::cancellation_slot of_coroutine_;
    asio::cancellation_state terminal_;
};

} // namespace lease_server

#endif // LEASE_SERVER_IN_HAND_HPP
