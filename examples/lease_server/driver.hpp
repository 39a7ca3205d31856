#ifndef LEASE_SERVER_DRIVER_HPP
#define LEASE_SERVER_DRIVER_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/task_scope.hpp>

#include "options.hpp"
#include "pool.hpp"
#include "tally.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace lease_server {

using tcp = asio::ip::tcp;

// Where the clients will be: a scope whose exit ends them.
exeunt::task_scope& start_clients(exeunt::async_exit_stack& stack);

// The program's own client: several keep-alive connections that store, fetch, and now and then fail
// on purpose, and an alarm that raises SIGTERM when the time is over. All of them are children of the
// scope.
void drive(exeunt::task_scope& clients, tcp::endpoint server, connection_pool const& pool,
    options const& chosen, tally& count);

} // namespace lease_server

#endif // LEASE_SERVER_DRIVER_HPP
