#ifndef LEASE_SERVER_UPSTREAM_HPP
#define LEASE_SERVER_UPSTREAM_HPP

#include <exeunt/async_exit_stack.hpp>

#include "tally.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <optional>

namespace lease_server {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// The built-in upstream: a key-value server with a protocol of its own, reached through real
// sockets. A command is a line that ends in '\n', and so is its answer:
//
//     GET <key>                           VALUE <bytes>, '\n', the value, '\n'; or NONE
//     SET <key> <bytes>, the value, '\n'  STORED
//     RESET                               READY     the connection is as good as new
//     QUIT                                BYE       and the connection ends
//     anything else                       ERROR <why>, and the connection ends
//
// If it is to hang after so many RESETs, a connection that sends one more is answered nothing from
// then on.
//
// Starts it; what ends it is registered on the stack. Returns where it listens.
tcp::endpoint start_upstream(exeunt::async_exit_stack& stack, unsigned short port,
    std::optional<std::uint64_t> hang_after_resets, tally& count);

} // namespace lease_server

#endif // LEASE_SERVER_UPSTREAM_HPP
