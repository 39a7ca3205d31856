// The demo's pool and its leases without the tools of exeunt, as a careful author writes them by hand.

#include "pool.hpp"

#include <exeunt/on_exit.hpp>

#include "in_hand.hpp"
#include "limits.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

namespace lease_server {

class connection_pool
{
public:
    // A place for a connection, which is there once it was needed.
    using place = std::unique_ptr<upstream_connection>;

    connection_pool(
        asio::any_io_executor executor, upstream_address where, std::size_t size, tally& count)
        : executor_(executor)
        , where_(std::move(where))
        , count_(count)
        , places_(size)
    {
        for (auto& each : places_)
            free_.push_back(&each);
    }

    tally& count() const noexcept { return count_; }
    upstream_address const& where() const noexcept { return where_; }

    // Waits for a place, for a limited time and in order of arrival.
    asio::awaitable<place*> take(in_hand& request)
    {
        if (!free_.empty()) {
            auto* const newest = free_.back();
            free_.pop_back();
            co_return newest;
        }
        if (waiting_.size() >= limits::waiting_requests)
            throw boost::system::system_error(asio::error::try_again, "too many wait for a lease");
        waiter self(executor_, waiting_);
        boost::system::error_code woken;
        co_await self.wake.async_wait(asio::redirect_error(request.token(), woken));
        if (!self.given) {
            throw boost::system::system_error(
                woken ? woken : make_error_code(asio::error::timed_out), "no lease in time");
        }
        co_return self.given;
    }

    void put_back(place& returned)
    {
        if (waiting_.empty()) {
            free_.push_back(&returned);
            return;
        }
        auto& next = *waiting_.front();
        waiting_.pop_front();
        next.given = &returned;
        next.wake.cancel();
    }

    // Says QUIT on every connection. All leases are back.
    asio::awaitable<void> close()
    {
        for (auto& each : places_) {
            auto const leaving = std::move(each);
            try {
                if (leaving)
                    co_await leaving->quit(limits::upstream_quit);
            } catch (boost::system::system_error const&) {
                // Then it is closed without an answer.
            }
        }
    }

private:
    struct waiter
    {
        waiter(asio::any_io_executor executor, std::deque<waiter*>& line)
            : wake(executor, limits::free_lease)
            , line_(line)
        {
            line.push_back(this);
        }
        waiter(waiter const&) = delete;
        waiter& operator=(waiter const&) = delete;
        ~waiter()
        {
            if (!given)
                std::erase(line_, this);
        }

        asio::steady_timer wake;
        place* given = nullptr;

    private:
        std::deque<waiter*>& line_;
    };

    asio::any_io_executor executor_;
    upstream_address where_;
    tally& count_;
    std::vector<place> places_;
    std::vector<place*> free_;
    std::deque<waiter*> waiting_;
};

namespace {

// Gives a place back; without a connection, unless that is good for the next one.
class held_place
{
public:
    held_place(connection_pool& pool, connection_pool::place& place) noexcept
        : pool_(pool)
        , place_(place)
    {
        ++pool_.count().leases.leased;
    }
    held_place(held_place const&) = delete;
    held_place& operator=(held_place const&) = delete;
    ~held_place()
    {
        if (!is_good_) {
            place_.reset();
            ++pool_.count().leases.discarded;
        } else {
            ++pool_.count().leases.returned;
        }
        pool_.put_back(place_);
    }

    void is_good() noexcept { is_good_ = true; }

private:
    connection_pool& pool_;
    connection_pool::place& place_;
    bool is_good_ = false;
};

} // namespace

asio::awaitable<connection_pool*> start_pool(
    exeunt::async_exit_stack& stack, upstream_address where, std::size_t size, tally& count)
{
    auto& pool = stack.emplace<connection_pool>(stack.get_executor(), where, size, count);
    stack.push(
        exeunt::on_exit([&pool] { return pool.close(); }).named("QUIT to every pooled connection"));
    try {
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
    return pool.count().leases;
}

// Commands go on when the caller is told to leave (`total`), as all composed operations of Asio do.
asio::awaitable<void> with_lease(connection_pool& pool, upstream_work const& work)
{
    connection_pool::place* place = nullptr;
    {
        in_hand request(co_await asio::this_coro::cancellation_state);
        place = co_await pool.take(request);
    }
    held_place held(pool, *place);
    if (!*place)
        *place = co_await upstream_connection::open(pool.where(), pool.count());
    co_await work(**place);
    try {
        co_await (*place)->reset(limits::upstream_reset);
        held.is_good();
    } catch (boost::system::system_error const&) {
        // Whoever had it got what it wanted.
    }
}

} // namespace lease_server
