// A pool, a stack and some who use them. Counts the lives of what is pooled; allocates nothing by itself while that is being counted.
#ifndef EXEUNT_TESTS_SUPPORT_POOL_WORLD_HPP
#define EXEUNT_TESTS_SUPPORT_POOL_WORLD_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/resource_pool.hpp>
#include <exeunt/testing.hpp>

#include "support/fault_tools.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace support {

struct pool_world;

// Moves with its life.
class connection
{
public:
    explicit connection(pool_world& w);
    connection(connection&& other) noexcept
        : of_(std::exchange(other.of_, nullptr))
        , number_(other.number_)
    {
    }
    connection& operator=(connection&&) = delete;
    ~connection();

    int number() const noexcept { return number_; }

private:
    pool_world* of_;
    int number_;
};

// How jobs are done: as coroutines, or as operations.
enum class job_style { coroutines, operations };

struct pool_world
{
    using pool_type = exeunt::resource_pool<connection>;
    using lease_type = pool_type::lease;

    // Who asks for a lease, and may be cancelled.
    struct request : answer
    {
        asio::cancellation_signal signal;
        lease_type lease;
    };

    explicit pool_world(job_style s)
        : style(s)
    {
    }

    ~pool_world() { destroy(true); }

    // ---- jobs

    template <class Handler>
    void do_job(Handler handler)
    {
        if (jobs_hang)
            never->async_wait(std::move(handler));
        else
            asio::post(asio::append(std::move(handler), boost::system::error_code()));
    }

    asio::awaitable<void> job()
    {
        if (!jobs_hang)
            co_return co_await hop();
        boost::system::error_code code;
        co_await asio::async_initiate<asio::use_awaitable_t<> const, void()>(
            wait_initiation(*never, code), asio::use_awaitable);
        if (code)
            std::rethrow_exception(failure(code));
    }

    // Asio has an exception made of an error code within run(), where nobody can be told that there is no
    // memory: a coroutine gets it by itself.
    class wait_initiation
    {
    public:
        wait_initiation(asio::steady_timer& timer, boost::system::error_code& code)
            : timer_(&timer)
            , code_(&code)
        {
        }
        template <class Handler>
        void operator()(Handler handler) const
        {
            allocation_pause const pause;
            auto const executor = asio::get_associated_executor(handler);
            auto const slot = asio::get_associated_cancellation_slot(handler);
            timer_->async_wait(asio::bind_executor(executor,
                asio::bind_cancellation_slot(slot,
                    [h = std::move(handler), code = code_](boost::system::error_code ec) mutable {
                        *code = ec;
                        std::move(h)();
                    })));
        }

    private:
        asio::steady_timer* timer_;
        boost::system::error_code* code_;
    };

    asio::awaitable<connection> open()
    {
        co_await job();
        co_return connection(*this);
    }

    auto open_by_operation()
    {
        return asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, connection)>(
            [this](auto handler) {
                auto const executor = asio::get_associated_executor(handler);
                auto const slot = asio::get_associated_cancellation_slot(handler);
                do_job(asio::bind_executor(executor,
                    asio::bind_cancellation_slot(
                        slot, [this, h = std::move(handler)](boost::system::error_code ec) mutable {
                            if (ec)
                                std::move(h)(failure(ec), connection(*this));
                            else
                                std::move(h)(nullptr, connection(*this));
                        })));
            },
            asio::deferred);
    }

    // ---- what the scenarios do

    void make(exeunt::pool_options options = {})
    {
        allocation_pause const pause;
        if (style == job_style::coroutines)
            pool.emplace(*context, exeunt::opened_by([this] {
                return open();
            }).recycled_by([this](connection&) {
                  return job();
              }).closed_by([this](connection& unwanted) {
                note_closed(unwanted);
                return job();
            }),
                options);
        else
            pool.emplace(*context, exeunt::opened_by([this] {
                return open_by_operation();
            }).recycled_by([this](connection&, auto handler) {
                  do_job(std::move(handler));
              }).closed_by([this](connection& unwanted, auto handler) {
                note_closed(unwanted);
                do_job(std::move(handler));
            }),
                options);
    }

    void acquire(int number)
    {
        auto& one = requests[static_cast<std::size_t>(number)];
        auto got = [this, &one, number](lease_type lease) {
            in_turn = in_turn && (!lease || std::exchange(last_served, number) < number);
            one.lease = std::move(lease);
        };
        one.ask([&] {
            pool->async_acquire(asio::bind_cancellation_slot(
                one.signal.slot(), answering<decltype(got)>(one, got)));
        });
    }

    void drop(int number) { requests[static_cast<std::size_t>(number)].lease = {}; }
    void discard(int number) { requests[static_cast<std::size_t>(number)].lease.discard(); }

    // For the stack, which is its owner then.
    void acquire_owned(int number)
    {
        auto& one = owned[static_cast<std::size_t>(number)];
        one.ask([&] {
            stack->async_acquire(pool->async_acquire(asio::deferred),
                asio::bind_cancellation_slot(owner.slot(), answering(one, [](lease_type*) {})));
        });
    }

    void close_stack(std::exception_ptr cause = {})
    {
        stack_closed.ask([&] {
            stack->async_close(std::move(cause),
                asio::bind_cancellation_slot(owner.slot(), answer_to(stack_closed)));
        });
    }

    void close_pool()
    {
        pool_closed = {};
        pool_closed.ask([&] {
            pool->async_close(asio::bind_cancellation_slot(closer.slot(), answer_to(pool_closed)));
        });
    }

    void advance(std::chrono::seconds time)
    {
        try {
            clock->advance(time);
        } catch (std::bad_alloc const&) {
        }
    }

    // ---- running it

    // What runs out of memory must not come out of run().
    bool step()
    {
        context->restart();
        try {
            return context->poll_one() != 0;
        } catch (std::bad_alloc const&) {
            ++run_threw;
            return true;
        }
    }
    void drive()
    {
        while (step()) {
        }
    }

    void emit(asio::cancellation_signal& signal)
    {
        try {
            signal.emit(asio::cancellation_type::terminal);
        } catch (std::bad_alloc const&) {
        }
    }

    // With memory: who has a lease gives it back, and all is closed, by force if it has to be.
    void finish(where_t where = where_t::current())
    {
        drop_all();
        force_to_end(stack_closed, owner, where);
        stack.reset();
        drive();
        drop_all();
        force_to_end(pool_closed, closer, where);
        // What could not be started is a failure of the close.
        if (pool_closed.calls != 0 && !is_out_of_memory(pool_closed.error))
            return;
        close_pool();
        force_to_end(pool_closed, closer, where);
    }

    // What one gives back the next may get.
    void drop_all()
    {
        for (std::size_t k = 0; k != requests.size(); ++k) {
            for (auto& each : requests)
                each.lease = {};
            drive();
        }
    }

    // Nothing but what is told to hang needs force.
    void force_to_end(answer& closed_one, asio::cancellation_signal& signal, where_t where)
    {
        drive();
        bool const waits = closed_one.is_awaited();
        expect(!waits || jobs_hang || is_untold, "the close waits for something that never comes",
            where);
        for (int k = 0; k != 2 && waits; ++k, drive())
            emit(signal);
    }

    void check_finished(where_t where = where_t::current())
    {
        allocation_pause const pause;
        expect(run_threw == 0, "bad_alloc came out of run()", where);
        for (auto const& each : requests)
            each.expect_called(where);
        for (auto const& each : owned)
            each.expect_called(where);
        stack_closed.expect_called(where);
        pool_closed.expect_called(where);
        // Without any memory a handler may be called ahead of one that has been queued.
        expect(in_turn || is_untold, "who waits longest was not served first", where);
        auto const counts = pool->counts();
        expect(counts.leased == counts.returned + counts.discarded,
            "out: " + std::to_string(counts.leased) + ", in: " + std::to_string(counts.returned)
                + ", discarded: " + std::to_string(counts.discarded),
            where);
        expect(counts.opened == counts.closed + counts.discarded,
            "opened: " + std::to_string(counts.opened)
                + ", closed: " + std::to_string(counts.closed)
                + ", discarded: " + std::to_string(counts.discarded),
            where);
        expect(
            pool->size() == 0 && pool->waiting() == 0, "the pool is closed, and not empty", where);
        check_lives(where);
    }

    // Every handler was called or destroyed.
    void check_destroyed(where_t where = where_t::current())
    {
        allocation_pause const pause;
        for (auto const& each : requests)
            each.expect_called_or_destroyed(where);
        for (auto const& each : owned)
            each.expect_called_or_destroyed(where);
        stack_closed.expect_called_or_destroyed(where);
        pool_closed.expect_called_or_destroyed(where);
        expect(in_turn, "who waits longest was not served first", where);
        check_lives(where);
    }

    // Of each that was opened.
    void check_lives(where_t where = where_t::current())
    {
        allocation_pause const pause;
        for (std::size_t number = 0; number != static_cast<std::size_t>(opened); ++number) {
            auto const name = "connection " + std::to_string(number);
            expect(gone[number] == 1,
                name + " was destroyed " + std::to_string(gone[number]) + " times", where);
            expect(closed[number] <= 1, name + " was closed twice", where);
        }
    }

    // In one order or the other; neither outlives the context.
    void destroy(bool pool_first)
    {
        for (auto& each : requests)
            each.lease = {};
        if (pool_first)
            pool.reset();
        stack.reset();
        pool.reset();
        clock.reset();
        never.reset();
        context.reset();
    }

    void note_closed(connection& unwanted)
    {
        ++closed[static_cast<std::size_t>(unwanted.number())];
    }

    static constexpr int most = 32;

    job_style style;
    counting_observer observer;
    int opened = 0;
    std::array<int, most> closed{};
    std::array<int, most> gone{};
    int run_threw = 0;
    bool jobs_hang = false;
    bool is_untold = false; // that something has come back, for want of any memory
    bool in_turn = true;
    int last_served = -1;
    std::unique_ptr<asio::io_context> context = make_warm_context();
    std::optional<exeunt::manual_clock> clock{std::in_place, *context};
    std::optional<asio::steady_timer> never{
        std::in_place, *context, asio::steady_timer::time_point::max()};
    std::optional<pool_type> pool;
    std::optional<exeunt::async_exit_stack> stack{std::in_place, *context};
    std::array<request, 6> requests;
    std::array<answer, 2> owned;
    answer stack_closed;
    answer pool_closed;
    asio::cancellation_signal owner; // of what the stack does
    asio::cancellation_signal closer; // of the close of the pool
};

inline connection::connection(pool_world& w)
    : of_(&w)
    , number_(w.opened++)
{
}

inline connection::~connection()
{
    if (of_)
        ++of_->gone[static_cast<std::size_t>(number_)];
}

} // namespace support

#endif
