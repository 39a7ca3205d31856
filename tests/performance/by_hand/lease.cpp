// The demo's session with its lease held by hand, as a careful author writes that: what the cost of a lease
// that is an exit of a scope is compared with.

#include "connection_pool.hpp"
#include "in_hand.hpp"
#include "limits.hpp"
#include "pool.hpp"

#include <boost/asio/this_coro.hpp>

namespace lease_server {

// The pool does so in the background, without a limit of its own.
asio::awaitable<void> recycle(upstream_connection& used)
{
    return used.reset(limits::upstream_reset);
}

asio::awaitable<void> with_lease(connection_pool& pool, upstream_work const& work)
{
    in_hand request(co_await asio::this_coro::cancellation_state);
    auto held = co_await pool.async_acquire(request.token());
    try {
        co_await work(**held);
    } catch (...) {
        held.discard();
        throw;
    }
}

} // namespace lease_server
