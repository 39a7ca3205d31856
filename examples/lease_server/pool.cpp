#include "pool.hpp"

#include <exeunt/on_exit.hpp>

#include "connection_pool.hpp"
#include "limits.hpp"

#include <functional>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace lease_server {

namespace {

auto connections_to(upstream_address where, tally& count)
{
    return exeunt::opened_by(
        [where = std::move(where), &count] { return upstream_connection::open(where, count); })
        .recycled_by([](connection& used) { return recycle(*used); })
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

} // namespace lease_server
