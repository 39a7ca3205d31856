#ifndef LEASE_SERVER_POOL_HPP
#define LEASE_SERVER_POOL_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/pool_options.hpp>

#include "tally.hpp"
#include "upstream_connection.hpp"

#include <boost/asio/awaitable.hpp>

#include <cstddef>
#include <functional>

namespace lease_server {

// The connections to the upstream, which requests lease.
class connection_pool;

// A pool, open, that the stack closes. Throws std::runtime_error, with one clear line, if the
// upstream cannot be reached.
asio::awaitable<connection_pool*> start_pool(
    exeunt::async_exit_stack& stack, upstream_address where, std::size_t size, tally& count);

exeunt::pool_counts counts_of(connection_pool const& pool);

// What a request does with its connection.
using upstream_work = std::function<asio::awaitable<void>(upstream_connection&)>;

// Leases a connection for this work and gives it back, whatever comes of the work; fails with what that
// fails with, or because there is no connection. Waits for a free one in order of arrival, and not for
// ever. Goes on when the caller is told to leave, and ends at once when it is told to end at once.
asio::awaitable<void> with_lease(connection_pool& pool, upstream_work const& work);

// What the pool does with a connection that has been leased, before the next one gets it.
asio::awaitable<void> recycle(upstream_connection& used);

} // namespace lease_server

#endif // LEASE_SERVER_POOL_HPP
