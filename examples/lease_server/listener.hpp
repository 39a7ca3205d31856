#ifndef LEASE_SERVER_LISTENER_HPP
#define LEASE_SERVER_LISTENER_HPP

#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/ip/tcp.hpp>

#include <functional>
#include <string>

namespace lease_server {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// Gives each connection on a loopback port to `take`, which does not wait, until the stack unwinds; the
// exit that ends it has this name. Port 0 takes one that is free. Returns where it listens; throws
// std::runtime_error, with one clear line.
tcp::endpoint listen(exeunt::async_exit_stack& stack, unsigned short port, std::string name,
    std::function<void(tcp::socket)> take);

} // namespace lease_server

#endif // LEASE_SERVER_LISTENER_HPP
