#ifndef LEASE_SERVER_POOL_HPP
#define LEASE_SERVER_POOL_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "limits.hpp"
#include "tally.hpp"
#include "upstream_connection.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include <deque>
#include <vector>

namespace lease_server {

class connection_pool;

// The right to use one pooled connection.
//
// Acquired by `co_await stack.async_acquire(pool.take(), release)`, where the release is what
// giving_back() returns.
class lease
{
public:
    upstream_connection* operator->() const;

    // After success the connection is reset. After a failure nobody knows in which state it is, and
    // it is discarded.
    asio::awaitable<void> give_back(exeunt::exit_state& state);

    // The last resort: discards it.
    void discard();

private:
    friend connection_pool;
    struct place;

    lease(connection_pool& pool, place& where)
        : pool_(&pool)
        , place_(&where)
    {
    }

    void drop();

    connection_pool* pool_;
    place* place_;
};

// A fixed number of places, each with a connection to the upstream once it was needed. A connection
// that is discarded leaves its place empty, and the next lease connects anew.
class connection_pool
{
public:
    connection_pool(
        asio::any_io_executor executor, upstream_address where, std::size_t size, tally& count);

    // Opens the first connection: an upstream that is down is known at once.
    asio::awaitable<void> open();

    // Waits for a free place, for a limited time and in order of arrival, and connects if it has to.
    // Fails with a system_error.
    asio::awaitable<lease> take();

    // Says QUIT on every connection, as a part of the unwinding that this is the state of. All leases
    // are back.
    asio::awaitable<void> close(exeunt::exit_state& state);

private:
    friend lease;
    struct waiter;

    asio::awaitable<lease::place*> free_place();
    asio::awaitable<void> connect(lease::place& where);
    void discard(lease::place& where);
    void put_back(lease::place& where);

    asio::any_io_executor executor_;
    upstream_address where_;
    tally& count_;
    exeunt::async_exit_stack connections_; // owns them; the exit of each says QUIT
    std::deque<lease::place> places_;
    std::vector<lease::place*> free_;
    std::deque<waiter*> waiting_;
};

// How a lease is given back. That is the pool's own affair: whoever had the lease got what it wanted.
inline auto giving_back()
{
    return exeunt::on_exit(
        [](lease& held, exeunt::exit_state& state) { return held.give_back(state); })
        .named("RESET")
        .within(limits::upstream_reset)
        .or_force([](lease& held) { held.discard(); })
        .best_effort();
}

// A pool, open, that the stack closes. Throws std::runtime_error, with one clear line, if the
// upstream cannot be reached.
asio::awaitable<connection_pool*> start_pool(
    exeunt::async_exit_stack& stack, upstream_address where, std::size_t size, tally& count);

} // namespace lease_server

#endif // LEASE_SERVER_POOL_HPP
