#ifndef LEASE_SERVER_HTTP_CLIENT_HPP
#define LEASE_SERVER_HTTP_CLIENT_HPP

#include "tally.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstddef>

namespace lease_server {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// One client of the own server: keeps asking, and checks every answer, until the server is gone. An upstream
// that may forget, being started anew meanwhile, may have none of what it was given.
asio::awaitable<void> run_client(
    tcp::endpoint server, std::size_t number, bool may_forget, tally& count);

} // namespace lease_server

#endif // LEASE_SERVER_HTTP_CLIENT_HPP
