#ifndef LEASE_SERVER_HTTP_SERVER_HPP
#define LEASE_SERVER_HTTP_SERVER_HPP

#include <exeunt/async_exit_stack.hpp>

#include "pool.hpp"
#include "tally.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace lease_server {

namespace asio = boost::asio;
// Starts the HTTP server; what ends it is registered on the stack: first nobody is let in any more,
// then the requests in hand are finished, or cancelled where that is forced, and every session
// ends. Returns where it listens.
tcp::endpoint start_http(
    exeunt::async_exit_stack& stack, unsigned short port, connection_pool& pool, tally& count);

} // namespace lease_server

#endif // LEASE_SERVER_HTTP_SERVER_HPP
