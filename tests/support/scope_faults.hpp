// A scope whose children count how they end, in a program whose allocations can be made to fail.
#ifndef EXEUNT_TESTS_SUPPORT_SCOPE_FAULTS_HPP
#define EXEUNT_TESTS_SUPPORT_SCOPE_FAULTS_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/fault_tools.hpp"
#include "support/faults.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace support::scope_faults {

using exeunt::task_scope;

// What a run counts; outlives it.
struct tally
{
    int spawned = 0;
    int refused = 0; // by bad_alloc, to whoever spawned
    int ended = 0; // well
    int cancelled = 0;
    int failed = 0; // on purpose
    int lives = 0; // captures that are alive
};

inline bool is_for_want_of_memory(std::exception_ptr const& error)
{
    allocation_pause const pause;
    for (auto const& each : failures_of(error))
        if (describe(each.error) == "std::bad_alloc")
            return true;
    return false;
}

struct life
{
    explicit life(tally& t) noexcept
        : of(&t)
    {
        ++of->lives;
    }
    life(life const& other) noexcept
        : of(other.of)
    {
        ++of->lives;
    }
    life& operator=(life const&) = delete;
    ~life() { --of->lives; }

    tally* of;
};

struct world
{
    explicit world(tally& to)
        : counts(to)
    {
        // What Asio allocates once and for all.
        asio::post(*context, [] {});
        context->poll();
        error = failure("on purpose");
    }

    // ---- children

    static asio::awaitable<void> step(tally& counts, life)
    {
        co_await hop();
        ++counts.ended;
    }

    auto coroutine()
    {
        return [this, l = life(counts)]() -> asio::awaitable<void> {
            co_await hop();
            ++counts.ended;
        };
    }

    auto operation_that_posts()
    {
        return [this, l = life(counts)](auto handler) {
            asio::post(*context, [this, h = std::move(handler)]() mutable {
                ++counts.ended;
                std::move(h)();
            });
        };
    }

    auto operation_at_once()
    {
        return [this, l = life(counts)](auto handler) {
            ++counts.ended;
            std::move(handler)();
        };
    }

    // Ends when it is told to.
    auto listener()
    {
        return [this, l = life(counts)](auto handler) {
            allocation_pause const pause;
            auto slot = asio::get_associated_cancellation_slot(handler);
            auto kept = std::make_shared<std::optional<decltype(handler)>>(std::move(handler));
            slot.assign([this, kept](asio::cancellation_type) {
                if (!*kept)
                    return;
                ++counts.cancelled;
                auto last = std::move(**kept);
                kept->reset();
                std::move(last)();
            });
        };
    }

    auto failing()
    {
        return [this, l = life(counts)]() -> asio::awaitable<void> {
            co_await hop();
            ++counts.failed;
            std::rethrow_exception(error);
        };
    }

    template <class Child>
    void spawn(task_scope& in, Child child)
    {
        int const ended = counts.ended;
        try {
            in.spawn(std::move(child));
            ++counts.spawned;
        } catch (std::bad_alloc const&) {
            ++counts.refused;
            counts.ended = ended;
        }
    }

    template <class Child>
    void spawn(Child child)
    {
        spawn(*scope, std::move(child));
    }

    // ---- what waits

    struct wait
    {
        int calls = 0;
        bool threw = false;
        std::exception_ptr error = {};
    };

    template <class Start>
    void begin(wait& which, Start start)
    {
        try {
            start([&which](std::exception_ptr e) {
                ++which.calls;
                which.error = std::move(e);
            });
        } catch (std::bad_alloc const&) {
            which.threw = true;
        }
    }

    // No child is left when this completes; unless there was no memory to wait for that, which it says.
    template <class Start>
    void begin_last(wait& which, Start start)
    {
        begin(which, [&](auto handler) {
            start([this, h = std::move(handler)](std::exception_ptr e) mutable {
                lives_at_end = is_for_want_of_memory(e) ? 0 : counts.lives;
                h(std::move(e));
            });
        });
    }

    void begin_join(wait& which)
    {
        begin_last(which, [&](auto handler) { scope->async_join(std::move(handler)); });
    }

    // Its completion needs no memory either.
    auto counted_hop()
    {
        ++counts.ended;
        return asio::async_initiate<asio::deferred_t const, void()>(
            hop_initiation(), asio::deferred);
    }

    void spawn_each()
    {
        spawn(coroutine());
        spawn([this, l = life(counts)]() -> asio::awaitable<void> {
            ++counts.ended;
            co_return;
        });
        spawn(operation_that_posts());
        spawn(operation_at_once());
        try {
            spawn(step(counts, life(counts)));
        } catch (std::bad_alloc const&) { // no memory for its frame
        }
        spawn([this, l = life(counts)] { return counted_hop(); });
    }

    // Runs all there is; bad_alloc that comes out of run() is counted.
    void drive()
    {
        for (int attempts = 0; attempts != 10; ++attempts) {
            try {
                context->restart();
                context->poll();
                return;
            } catch (std::bad_alloc const&) {
                ++run_threw;
            }
        }
    }

    void expect_came(wait const& which, where_t where = where_t::current()) const
    {
        allocation_pause const pause;
        expect(which.calls == (which.threw ? 0 : 1),
            "completed " + std::to_string(which.calls) + " times", where);
    }

    // What came out of the end, and what the observer was told, is what went wrong: on purpose, or for want
    // of memory.
    void check(int failures_received, where_t where = where_t::current())
    {
        allocation_pause const pause;
        expect(run_threw == 0, "bad_alloc came out of run()", where);
        // What Asio could not start it destroys later.
        expect(lives_at_end == 0 || counts.refused != 0,
            std::to_string(lives_at_end) + " children outlived it", where);
        expect(ends() <= counts.spawned,
            std::to_string(counts.spawned) + " spawned, " + std::to_string(ends()) + " ended",
            where);
        expect(
            counts.failed <= failures_received + observer.unreceived, "a failure is lost", where);
    }

    // Where nothing is cancelled, who has not ended well has failed. Else some may never have begun.
    void check_each(int failures_received, where_t where = where_t::current())
    {
        check(failures_received, where);
        allocation_pause const pause;
        expect(counts.spawned - ends() <= failures_received + observer.unreceived,
            std::to_string(counts.spawned) + " spawned, " + std::to_string(ends()) + " ended, "
                + std::to_string(failures_received) + " failures",
            where);
    }

    int ends() const { return counts.ended + counts.cancelled + counts.failed; }

    tally& counts;
    counting_observer observer;
    std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>();
    exeunt::manual_clock clock{*context};
    std::optional<task_scope> scope;
    std::exception_ptr error;
    wait join;
    wait other;
    int lives_at_end = 0;
    int run_threw = 0;
};

} // namespace support::scope_faults

#endif
