// The asynchronous stack: a great many exits, on a flat native stack, in linear time (C73, C74).
#include "support/async_fixture.hpp"

#include <cstddef>
#include <vector>

using namespace support;

namespace {

// Counts; holds its order and the depth of the native stack.
struct counted
{
    std::size_t ran = 0;
    std::size_t out_of_order = 0;
    std::size_t next = 0; // the number of the exit that is to run next, counted down
    stack_depth depth;

    void run(std::size_t number)
    {
        ++ran;
        out_of_order += number + 1 == next ? 0u : 1u;
        next = number;
        depth.note();
    }

    void expect(std::size_t count, where_t where = where_t::current())
    {
        support::expect(ran == count, std::to_string(ran) + " exits ran", where);
        support::expect(
            out_of_order == 0, std::to_string(out_of_order) + " ran out of order", where);
        depth.expect_flat(where);
    }
};

struct long_fixture : async_fixture
{
    counted all;

    template <class Push>
    void push_many(std::size_t count, Push push)
    {
        all.next = count;
        for (std::size_t k = 0; k != count; ++k)
            push(k);
        BOOST_TEST(stack.size() == count);
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_long, long_fixture)

// C73
BOOST_AUTO_TEST_CASE(async_close_100000_handlers_called_at_once_use_a_flat_native_stack)
{
    push_many(100000, [&](std::size_t k) {
        stack.push([this, k](exit_handler handler) {
            all.run(k);
            std::move(handler)();
        });
    });
    closed().expect_success();
    all.expect(100000);
}

// C73
BOOST_AUTO_TEST_CASE(async_close_100000_coroutines_that_never_suspend_use_a_flat_native_stack)
{
    push_many(100000, [&](std::size_t k) {
        stack.push([this, k]() -> asio::awaitable<void> {
            all.run(k);
            co_return;
        });
    });
    closed().expect_success();
    all.expect(100000);
}

// C73: operations, and the kinds mixed
BOOST_AUTO_TEST_CASE(async_close_100000_exits_of_all_kinds_use_a_flat_native_stack)
{
    push_many(100000, [&](std::size_t k) {
        switch (k % 5) {
        case 0: stack.push([this, k] { all.run(k); }); break;
        case 1:
            stack.push([this, k]() -> asio::awaitable<void> {
                all.run(k);
                co_return;
            });
            break;
        case 2:
            stack.push([this, k](exit_handler handler) {
                all.run(k);
                std::move(handler)(boost::system::error_code(), k);
            });
            break;
        case 3:
            stack.push([this, k] {
                all.run(k);
                return asio::async_initiate<asio::deferred_t const, void()>(
                    [](auto handler) { std::move(handler)(); }, asio::deferred);
            });
            break;
        default:
            stack.push([this, k](exit_state&) -> asio::awaitable<void> {
                all.run(k);
                co_return;
            });
            break;
        }
    });
    closed().expect_success();
    all.expect(100000);
}

// C74
BOOST_AUTO_TEST_CASE(async_close_1000000_sync_exits)
{
    push_many(1000000, [&](std::size_t k) { stack.push([this, k] { all.run(k); }); });
    closed().expect_success();
    all.expect(1000000);
    BOOST_TEST(stack.empty());
}

// C74, C73
BOOST_AUTO_TEST_CASE(async_close_1000000_async_exits_that_complete_at_once)
{
    push_many(1000000, [&](std::size_t k) {
        stack.push([this, k](exit_handler handler) {
            all.run(k);
            std::move(handler)();
        });
    });
    closed().expect_success();
    all.expect(1000000);
}

// C74: what the stack submits to its executor does not depend on how many sync exits there are
BOOST_AUTO_TEST_CASE(async_close_10000_sync_exits_cost_one_hop)
{
    push_many(10000, [&](std::size_t k) { stack.push([this, k] { all.run(k); }); });
    stack.async_close(into(result));
    BOOST_TEST(drive() <= 4u);
    result.expect_success();
    all.expect(10000);
}

// C74
BOOST_AUTO_TEST_CASE(async_close_100000_exits_that_throw)
{
    push_many(100000, [&](std::size_t k) {
        if (k % 2 == 0)
            stack.push([this, k] {
                all.run(k);
                throw 1;
            });
        else
            stack.push([this, k](exit_handler) {
                all.run(k);
                throw 2;
            });
    });
    closed();
    all.expect(100000);
    BOOST_TEST(failures_of(result.error).size() == 100000u);
}

// C74
BOOST_AUTO_TEST_CASE(async_close_100000_exits_that_post)
{
    push_many(100000, [&](std::size_t k) {
        if (k % 2 == 0)
            stack.push([this, k](exit_handler handler) {
                all.run(k);
                asio::post(std::move(handler));
            });
        else
            stack.push([this, k]() -> asio::awaitable<void> {
                all.run(k);
                co_await asio::post(asio::use_awaitable);
            });
    });
    closed().expect_success();
    all.expect(100000);
}

// Linear: ten times as many exits are ten times as many hops.
BOOST_AUTO_TEST_CASE(async_close_hops_grow_linearly_with_the_exits)
{
    std::size_t hops[2] = {0, 0};
    std::size_t const counts[2] = {1000, 10000};
    for (int round = 0; round != 2; ++round) {
        stack = async_exit_stack(context);
        for (std::size_t k = 0; k != counts[round]; ++k)
            stack.push([](exit_handler handler) { asio::post(std::move(handler)); });
        result = {};
        stack.async_close(into(result));
        hops[round] = drive();
        result.expect_success();
    }
    BOOST_TEST(hops[1] <= 11 * hops[0]);
}

// C73: exits that register exits, without end but one
BOOST_AUTO_TEST_CASE(async_close_exit_that_registers_its_successor_100000_times)
{
    stack_depth depth;
    struct link
    {
        async_exit_stack* stack;
        stack_depth* depth;
        int left;

        void operator()(exit_handler handler) const
        {
            depth->note();
            if (left != 0)
                stack->push(link{stack, depth, left - 1});
            std::move(handler)();
        }
    };
    stack.push(link{&stack, &depth, 100000});
    closed().expect_success();
    depth.expect_flat();
    BOOST_TEST(stack.empty());
}

BOOST_AUTO_TEST_SUITE_END()
