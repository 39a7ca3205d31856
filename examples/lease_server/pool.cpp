#include "pool.hpp"

#include <exeunt/exit_stack.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <sstream>
#include <stdexcept>
#include <utility>

namespace lease_server {

struct lease::place
{
    upstream_connection* connection = nullptr;
};

upstream_connection* lease::operator->() const
{
    return place_->connection;
}

asio::awaitable<void> lease::give_back(exeunt::exit_state& state)
{
    auto& count = pool_->count_;
    if (state.failed()) {
        drop();
    } else {
        co_await place_->connection->reset();
        ++count.leases_in;
        pool_->put_back(*place_);
    }
    ++count.exits_run;
}

void lease::discard()
{
    drop();
    ++pool_->count_.exits_forced;
}

void lease::drop()
{
    pool_->discard(*place_);
    ++pool_->count_.leases_discarded;
    pool_->put_back(*place_);
}

// Somebody who waits for a free place; given one, it is woken.
struct connection_pool::waiter
{
    asio::steady_timer wake;
    lease::place* given = nullptr;
};

connection_pool::connection_pool(
    asio::any_io_executor executor, upstream_address where, std::size_t size, tally& count)
    : executor_(executor)
    , where_(std::move(where))
    , count_(count)
    , connections_(executor)
    , places_(size)
{
    for (auto& place : places_)
        free_.push_back(&place);
}

asio::awaitable<void> connection_pool::open()
{
    co_await connect(places_.back());
}

asio::awaitable<lease> connection_pool::take()
{
    auto& place = *co_await free_place();
    if (!place.connection) {
        // The synchronous stack as a rollback: dismissed once there is nothing to undo.
        exeunt::exit_stack undo;
        auto const give_up =
            undo.push(exeunt::on_exit([&] { put_back(place); }).named("free the place"));
        co_await connect(place);
        undo.dismiss(give_up);
    }
    ++count_.leases_out;
    ++count_.exits_registered;
    co_return lease(*this, place);
}

asio::awaitable<lease::place*> connection_pool::free_place()
{
    if (!free_.empty()) {
        auto* const place = free_.back();
        free_.pop_back();
        co_return place;
    }
    waiter self{asio::steady_timer(executor_, limits::free_lease)};
    exeunt::exit_stack undo;
    undo.push(exeunt::on_exit([&] { std::erase(waiting_, &self); }).named("leave the queue"));
    waiting_.push_back(&self);

    boost::system::error_code woken;
    co_await self.wake.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    if (!self.given) {
        throw boost::system::system_error(
            woken ? woken : make_error_code(asio::error::timed_out), "no lease was free in time");
    }
    co_return self.given;
}

asio::awaitable<void> connection_pool::connect(lease::place& where)
{
    auto connection = co_await upstream_connection::open(where_, count_);
    auto const quit = [&count = count_](upstream_connection& leaving) -> asio::awaitable<void> {
        co_await leaving.quit();
        ++count.exits_run;
    };
    auto const close_it = [&count = count_](upstream_connection& leaving) {
        leaving.close();
        ++count.exits_forced;
    };
    auto leave = exeunt::on_exit(quit)
                     .named("QUIT")
                     .within(limits::upstream_quit)
                     .or_force(close_it)
                     .best_effort();
    where.connection = &connections_.adopt(std::move(connection), std::move(leave));
    ++count_.exits_registered;
}

void connection_pool::discard(lease::place& where)
{
    // Nothing is said to it any more: dismissed, it is destroyed, and that closes it.
    connections_.dismiss(connections_.handle_of(where.connection));
    where.connection = nullptr;
    ++count_.exits_dismissed;
}

void connection_pool::put_back(lease::place& where)
{
    if (waiting_.empty()) {
        free_.push_back(&where);
        return;
    }
    auto& next = *waiting_.front();
    waiting_.pop_front();
    next.given = &where;
    next.wake.cancel();
}

asio::awaitable<void> connection_pool::close(exeunt::exit_state& state)
{
    co_await connections_.async_exit(state);
}

asio::awaitable<connection_pool*> start_pool(
    exeunt::async_exit_stack& stack, upstream_address where, std::size_t size, tally& count)
{
    auto& pool = stack.emplace<connection_pool>(stack.get_executor(), where, size, count);
    stack.push(stage(count, "QUIT to every pooled connection",
        [&pool](exeunt::exit_state& state) { return pool.close(state); }));
    try {
        co_await pool.open();
    } catch (boost::system::system_error const& error) {
        if (error.code() == asio::error::operation_aborted)
            throw; // the program is stopping
        std::ostringstream line;
        line << "cannot reach the upstream at " << where.front() << ": " << error.code().message();
        throw std::runtime_error(line.str());
    }
    co_return &pool;
}

} // namespace lease_server
