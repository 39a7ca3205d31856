#include "pool.hpp"

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/resource_pool.hpp>

#include "in_hand.hpp"
#include "limits.hpp"

#include <chrono>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace lease_server {

namespace {

using connection = std::unique_ptr<upstream_connection>;
using resource_pool = exeunt::resource_pool<connection>;

auto connections_to(upstream_address where, tally& count)
{
    return exeunt::opened_by(
        [where = std::move(where), &count] { return upstream_connection::open(where, count); })
        .recycled_by([](connection& used) { return used->reset(); })
        .closed_by(exeunt::on_exit([](connection& leaving) { return leaving->quit(); })
                       .named("QUIT")
                       .within(limits::upstream_quit)
                       .or_force([](connection& leaving) { leaving->close(); })
                       .best_effort());
}

exeunt::pool_options options_for(std::size_t size)
{
    exeunt::pool_options options;
    options.max_size = size;
    options.max_waiters = limits::waiting_requests;
    options.wait_timeout = limits::free_lease;
    return options;
}

} // namespace

class connection_pool : public resource_pool
{
public:
    using resource_pool::resource_pool;
};

asio::awaitable<connection_pool*> start_pool(
    exeunt::async_exit_stack& stack, upstream_address where, std::size_t size, tally& count)
{
    auto& pool = stack.emplace<connection_pool>(
        stack.get_executor(), connections_to(where, count), options_for(size));
    stack.push([&] { count.leases = pool.counts(); });
    stack.push(exeunt::on_exit(std::ref(pool)).named("QUIT to every pooled connection"));
    try {
        // An upstream that is down is known at once.
        co_await with_lease(pool, [](upstream_connection&) -> asio::awaitable<void> { co_return; });
    } catch (boost::system::system_error const& error) {
        if (error.code() == asio::error::operation_aborted)
            throw; // the program is stopping
        std::ostringstream line;
        line << "cannot reach the upstream at " << where.front() << ": " << error.code().message();
        throw std::runtime_error(line.str());
    }
    co_return &pool;
}

exeunt::pool_counts counts_of(connection_pool const& pool)
{
    return pool.counts();
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
