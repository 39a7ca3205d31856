// The asynchronous stack on pools of threads: order, executors, hand-over (C09, C75, C77). To be run
// under TSan: what a strand guards is not atomic here.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>

#include "support/count.hpp"
#include "support/expect.hpp"
#include "support/suppressions.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handler;

namespace {

// How often a race is given the chance to show itself.
int rounds()
{
    return static_cast<int>(count_from("EXEUNT_TEST_ROUNDS", 300));
}

using pool_strand = asio::strand<asio::thread_pool::executor_type>;

// Everything in it is guarded by the strand.
struct journal
{
    explicit journal(pool_strand s)
        : strand(std::move(s))
    {
    }

    void note(int number)
    {
        off_strand += strand.running_in_this_thread() ? 0 : 1;
        overlaps += inside++ == 0 ? 0 : 1;
        order.push_back(number);
        --inside;
    }

    bool is_descending() const
    {
        for (std::size_t k = 1; k < order.size(); ++k)
            if (order[k - 1] <= order[k])
                return false;
        return true;
    }

    pool_strand strand;
    std::vector<int> order;
    int inside = 0;
    int off_strand = 0;
    int overlaps = 0;
};

// Registers 40 exits of several shapes, which complete on any thread of the pool.
void push_forty(async_exit_stack& stack, journal& j, asio::thread_pool& pool)
{
    for (int k = 0; k != 40; k += 5) {
        stack.push([&j, k] { j.note(k); });
        stack.push([&j, &pool, k]() -> asio::awaitable<void> {
            j.note(k + 1);
            co_await asio::post(pool, asio::use_awaitable);
        });
        stack.push([&j, &pool, k](exit_handler handler) {
            j.note(k + 2);
            // To another thread of the pool and, as operations do, back to the handler's executor.
            asio::post(pool, [h = std::move(handler)]() mutable {
                auto const executor = asio::get_associated_executor(h, asio::system_executor());
                asio::dispatch(executor, std::move(h));
            });
        });
        stack.push([&j, &pool, k] {
            j.note(k + 3);
            return asio::post(pool, asio::deferred);
        });
        stack.push([&j, k](exit_handler handler) {
            j.note(k + 4);
            std::move(handler)();
        });
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(async_threads)

// C09
BOOST_AUTO_TEST_CASE(async_close_on_a_strand_over_three_threads_keeps_the_order)
{
    asio::thread_pool pool(3);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(pool));
        async_exit_stack stack(j.strand);
        push_forty(stack, j, pool);
        std::future<void> done = stack.async_close(asio::use_future);
        done.get();
        BOOST_REQUIRE(j.order.size() == 40u);
        BOOST_REQUIRE(j.is_descending());
        BOOST_REQUIRE(j.off_strand == 0);
        BOOST_REQUIRE(j.overlaps == 0);
    }
    pool.join();
}

// C09: with a stack whose executor type is the strand itself
BOOST_AUTO_TEST_CASE(typed_stack_on_a_strand_over_three_threads_keeps_the_order)
{
    asio::thread_pool pool(3);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(pool));
        exeunt::basic_async_exit_stack<pool_strand> stack(j.strand);
        for (int k = 0; k != 20; k += 2) {
            stack.push([&j, k] { j.note(k); });
            stack.push([&j, &pool, k]() -> asio::awaitable<void, pool_strand> {
                j.note(k + 1);
                co_await asio::post(pool, asio::use_awaitable_t<pool_strand>());
            });
        }
        stack.async_close(asio::use_future).get();
        BOOST_REQUIRE(j.order.size() == 20u);
        BOOST_REQUIRE(j.is_descending());
        BOOST_REQUIRE(j.off_strand == 0);
    }
    pool.join();
}

// C75
BOOST_AUTO_TEST_CASE(async_close_exits_on_the_stacks_pool_handler_on_the_other)
{
    asio::thread_pool stacks(3);
    asio::thread_pool handlers(3);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(stacks));
        auto const home = asio::make_strand(handlers);
        async_exit_stack stack(j.strand);
        push_forty(stack, j, handlers);
        std::promise<bool> done;
        stack.async_close(asio::bind_executor(home, [&](std::exception_ptr error) {
            done.set_value(!error && home.running_in_this_thread());
        }));
        BOOST_REQUIRE(done.get_future().get());
        BOOST_REQUIRE(j.order.size() == 40u);
        BOOST_REQUIRE(j.is_descending());
        BOOST_REQUIRE(j.off_strand == 0);
        BOOST_REQUIRE(j.overlaps == 0);
    }
    stacks.join();
    handlers.join();
}

// C75: a scope of one pool, awaited in a coroutine of the other
BOOST_AUTO_TEST_CASE(async_with_scope_on_one_pool_awaited_on_the_other)
{
    asio::thread_pool scopes(3);
    asio::thread_pool coroutines(3);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(scopes));
        auto const home = asio::make_strand(coroutines);
        bool back = false;
        auto const body = [&](async_exit_stack& s) -> asio::awaitable<void> {
            push_forty(s, j, coroutines);
            co_await asio::post(coroutines, asio::use_awaitable);
            j.off_strand += j.strand.running_in_this_thread() ? 0 : 1;
        };
        auto const parent = [&]() -> asio::awaitable<void> {
            co_await exeunt::async_with(j.strand, std::ref(body), asio::use_awaitable);
            back = home.running_in_this_thread();
        };
        asio::co_spawn(home, parent, asio::use_future).get();
        BOOST_REQUIRE(back);
        BOOST_REQUIRE(j.order.size() == 40u);
        BOOST_REQUIRE(j.is_descending());
        BOOST_REQUIRE(j.off_strand == 0);
    }
    scopes.join();
    coroutines.join();
}

// C77
BOOST_AUTO_TEST_CASE(exits_registered_in_one_coroutine_closed_by_another_on_another_thread)
{
    asio::thread_pool pool(3);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(pool));
        auto stack = std::make_shared<async_exit_stack>(j.strand);
        bool registered = false;
        bool closed = false;
        auto const registers = [&]() -> asio::awaitable<void> {
            for (int k = 0; k != 10; ++k) {
                stack->push([&j, k]() -> asio::awaitable<void> {
                    j.note(k);
                    co_return;
                });
                co_await asio::post(j.strand, asio::use_awaitable); // any thread may go on
            }
            registered = true;
        };
        auto const closes = [&]() -> asio::awaitable<void> {
            while (!registered)
                co_await asio::post(j.strand, asio::use_awaitable);
            co_await stack->async_close(asio::use_awaitable);
            closed = true;
        };
        std::future<void> one = asio::co_spawn(j.strand, registers, asio::use_future);
        std::future<void> two = asio::co_spawn(j.strand, closes, asio::use_future);
        one.get();
        two.get();
        BOOST_REQUIRE(closed);
        BOOST_REQUIRE(j.order.size() == 10u);
        BOOST_REQUIRE(j.is_descending());
        BOOST_REQUIRE(j.off_strand == 0);
    }
    pool.join();
}

// Distinct stacks from distinct threads: safe.
BOOST_AUTO_TEST_CASE(distinct_stacks_are_used_by_distinct_threads)
{
    std::vector<std::thread> threads;
    std::atomic<int> ran{0};
    for (int t = 0; t != 3; ++t)
        threads.emplace_back([&ran] {
            asio::io_context context;
            for (int round = 0; round != 50; ++round) {
                async_exit_stack stack(context);
                for (int k = 0; k != 20; ++k) {
                    auto const handle = stack.push([&ran] { ++ran; });
                    if (k % 2)
                        stack.dismiss(handle);
                    else
                        stack.push([&ran]() -> asio::awaitable<void> {
                            ++ran;
                            co_return;
                        });
                }
                stack.async_close([](std::exception_ptr) {});
                context.restart();
                context.run();
            }
        });
    for (std::thread& each : threads)
        each.join();
    BOOST_TEST(ran == 3 * 50 * 20);
}

// The initiating function may be called outside the executor.
BOOST_AUTO_TEST_CASE(async_close_called_from_a_foreign_thread_runs_on_the_strand)
{
    asio::thread_pool pool(2);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(pool));
        auto stack = std::make_unique<async_exit_stack>(j.strand);
        push_forty(*stack, j, pool);
        std::future<void> done;
        std::thread foreign([&] { done = stack->async_close(asio::use_future); });
        foreign.join();
        done.get();
        BOOST_REQUIRE(j.order.size() == 40u);
        BOOST_REQUIRE(j.off_strand == 0);
    }
    pool.join();
}

// C88: cancelled and forced from other threads, through the strand, while deadlines are waited for
BOOST_AUTO_TEST_CASE(async_close_hurried_from_another_thread_runs_every_exit)
{
    asio::thread_pool pool(3);
    for (int round = 0; round != rounds(); ++round) {
        journal j(asio::make_strand(pool));
        async_exit_stack stack(j.strand, {.timeout = std::chrono::seconds(60)});
        asio::cancellation_signal signal;
        push_forty(stack, j, pool);
        std::promise<void> closed;
        asio::post(j.strand, [&] {
            stack.async_close(asio::bind_cancellation_slot(
                signal.slot(), [&](std::exception_ptr) { closed.set_value(); }));
        });
        std::thread other([&] {
            std::promise<void> hurried;
            for (int k = 0; k != 2; ++k)
                asio::post(j.strand, [&] { signal.emit(asio::cancellation_type::terminal); });
            asio::post(j.strand, [&] {
                stack.force();
                hurried.set_value();
            });
            hurried.get_future().wait();
        });
        other.join();
        closed.get_future().wait();
        BOOST_REQUIRE(j.order.size() == 40u);
        BOOST_REQUIRE(j.off_strand == 0);
    }
    pool.join();
}

BOOST_AUTO_TEST_SUITE_END()
