#ifndef LEASE_SERVER_TO_THE_END_HPP
#define LEASE_SERVER_TO_THE_END_HPP

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace lease_server {

namespace asio = boost::asio;

// The token of an operation that runs to its end although the coroutine that awaits it is cancelled:
// it carries no cancellation.
inline auto to_the_end()
{
    return asio::bind_cancellation_slot(asio::cancellation_slot(), asio::use_awaitable);
}

} // namespace lease_server

#endif // LEASE_SERVER_TO_THE_END_HPP
