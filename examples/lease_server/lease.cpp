#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>

#include "connection_pool.hpp"
#include "in_hand.hpp"
#include "limits.hpp"
#include "pool.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>

#include <chrono>

namespace lease_server {

// How long it may take is said of the exit.
asio::awaitable<void> recycle(upstream_connection& used)
{
    return used.reset();
}

// [lease]
asio::awaitable<void> with_lease(connection_pool& pool, upstream_work const& work)
{
    // All that can cancel this is a session that is told to end at once: then there is no time to be
    // graceful.
    constexpr exeunt::close_options at_once{.grace = std::chrono::seconds(0)};
    in_hand request(co_await asio::this_coro::cancellation_state);
    co_await exeunt::async_with(
        at_once,
        [&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
            auto const giving_back =
                exeunt::on_exit(exeunt::own_exit).named("RESET").within(limits::upstream_reset);
            auto& upstream =
                *co_await stack.async_acquire(pool.async_acquire(asio::deferred), giving_back);
            co_await work(**upstream);
        },
        request.token());
}
// [/lease]

} // namespace lease_server
