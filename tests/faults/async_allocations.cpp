// What the asynchronous stack allocates, and what it keeps (C19, C70, and the memory of a million exits).
#include <exeunt/async_exit_stack.hpp>

#include "support/faults.hpp"

#include <boost/asio/io_context.hpp>

#include <array>
#include <cstddef>
#include <utility>
#include <vector>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handle;
using exeunt::exit_handler;
using exeunt::exit_state;

namespace {

// small_capture bytes of captures: a pointer and padding.
struct small
{
    explicit small(int& r)
        : runs(&r)
    {
    }

    void hit() const { ++*runs; }

    int* runs;
    std::array<std::byte, exeunt::small_capture - sizeof(int*)> padding{};
};

static_assert(sizeof(small) == exeunt::small_capture);

struct small_sync : small
{
    using small::small;
    void operator()() const { hit(); }
};

struct small_seeing : small
{
    using small::small;
    void operator()(exit_state&) const { hit(); }
};

struct small_handler : small
{
    using small::small;
    void operator()(exit_handler handler) const
    {
        hit();
        std::move(handler)();
    }
};

struct small_awaitable : small
{
    using small::small;
    asio::awaitable<void> operator()() const
    {
        hit();
        co_return;
    }
};

struct async_allocations_fixture
{
    asio::io_context context;
    async_exit_stack stack{context};
    outcome result;

    void close()
    {
        result = {};
        stack.async_close(into(result));
        drive(context);
        result.expect_success();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_allocations, async_allocations_fixture)

// C19
BOOST_AUTO_TEST_CASE(push_after_reserve_does_not_allocate)
{
    for (std::size_t const n : {1u, 3u, 16u, 100u, 1000u}) {
        for (int kind = 0; kind != 5; ++kind) {
            BOOST_TEST_CONTEXT(n << " of kind " << kind)
            {
                int runs = 0;
                stack = async_exit_stack(context);
                stack.reserve(n);
                std::size_t const made = faults::allocations_of([&] {
                    for (std::size_t k = 0; k != n; ++k) {
                        switch (kind == 4 ? static_cast<int>(k % 4) : kind) {
                        case 0: stack.push(small_sync(runs)); break;
                        case 1: stack.push(small_seeing(runs)); break;
                        case 2: stack.push(small_handler(runs)); break;
                        default: stack.push(small_awaitable(runs)); break;
                        }
                    }
                });
                BOOST_TEST(made == 0u);
                BOOST_TEST(stack.size() == n);
                close();
                BOOST_TEST(runs == static_cast<int>(n));
            }
        }
    }
}

// C19: beside what is registered already
BOOST_AUTO_TEST_CASE(reserve_counts_from_what_is_registered_already)
{
    int runs = 0;
    for (int k = 0; k != 7; ++k)
        stack.push(small_sync(runs));
    stack.reserve(50);
    std::size_t const made = faults::allocations_of([&] {
        while (stack.size() != 50)
            stack.push(small_sync(runs));
    });
    BOOST_TEST(made == 0u);
    close();
    BOOST_TEST(runs == 50);
}

// C70
BOOST_AUTO_TEST_CASE(a_million_push_and_dismiss_leave_memory_where_it_was)
{
    int runs = 0;
    stack.push(small_sync(runs));
    auto const pairs = [&](std::size_t count) {
        for (std::size_t k = 0; k != count; ++k) {
            exit_handle const handle =
                k % 2 ? stack.push(small_handler(runs)) : stack.push(small_awaitable(runs));
            stack.dismiss(handle);
        }
    };
    pairs(1000);
    std::size_t const before = faults::blocks;
    std::size_t const made = faults::allocations_of([&] { pairs(1000000); });
    BOOST_TEST(faults::blocks == before);
    BOOST_TEST(made <= 1000u); // most of them use what the one before has left
    BOOST_TEST(stack.size() == 1u);
    close();
    BOOST_TEST(runs == 1);
}

// C70: several at a time, forgotten in another order than they were registered in
BOOST_AUTO_TEST_CASE(a_million_pairs_in_a_window_leave_memory_where_it_was)
{
    int runs = 0;
    std::vector<exit_handle> window(64);
    auto const turn = [&](std::size_t count) {
        for (std::size_t k = 0; k != count; ++k) {
            exit_handle& slot = window[(k * 37) % window.size()];
            stack.dismiss(slot);
            slot = k % 2 ? stack.push(small_sync(runs)) : stack.push(small_handler(runs));
        }
    };
    turn(10000);
    std::size_t const before = faults::blocks;
    turn(1000000);
    BOOST_TEST(faults::blocks <= before + 2u);
    BOOST_TEST(stack.size() == window.size());
    close();
    BOOST_TEST(runs == static_cast<int>(window.size()));
}

// C70: values, too
BOOST_AUTO_TEST_CASE(pairs_of_adopt_and_dismiss_leave_memory_where_it_was)
{
    auto const pairs = [&](std::size_t count) {
        for (std::size_t k = 0; k != count; ++k) {
            auto& value = stack.adopt(std::vector<int>(10), [](std::vector<int>&) {});
            BOOST_REQUIRE(stack.dismiss(stack.handle_of(&value)));
        }
    };
    pairs(100);
    std::size_t const before = faults::blocks;
    pairs(10000);
    BOOST_TEST(faults::blocks == before);
}

// C70: registering and running by itself, again and again
BOOST_AUTO_TEST_CASE(pairs_of_push_and_run_now_leave_memory_where_it_was)
{
    int runs = 0;
    auto const pairs = [&](int count) {
        for (int k = 0; k != count; ++k) {
            exit_handle const handle =
                k % 2 ? stack.push(small_awaitable(runs)) : stack.push(small_handler(runs));
            outcome one;
            stack.async_run_now(handle, into(one));
            drive(context);
            one.expect_success();
        }
    };
    pairs(1000);
    std::size_t const before = faults::blocks;
    pairs(10000);
    BOOST_TEST(faults::blocks == before);
    BOOST_TEST(runs == 11000);
}

// C70: acquires that fail leave nothing behind
BOOST_AUTO_TEST_CASE(acquires_that_fail_leave_memory_where_it_was)
{
    struct fails
    {
        static asio::awaitable<int> get()
        {
            throw 1;
            co_return 1;
        }
    };
    auto const fail = [&](int count) {
        for (int k = 0; k != count; ++k) {
            outcome_of<int*> one;
            stack.async_acquire(
                fails::get(), [](int&) {}, into(one));
            drive(context);
            one.expect_error("1");
        }
    };
    fail(100);
    std::size_t const before = faults::blocks;
    fail(1000);
    BOOST_TEST(faults::blocks == before);
    BOOST_TEST(stack.empty());
}

// Linear: a million exits allocate ten times what a hundred thousand do, and give it all back.
BOOST_AUTO_TEST_CASE(allocations_grow_linearly_with_the_exits)
{
    std::size_t made[2] = {0, 0};
    std::size_t const counts[2] = {100000, 1000000};
    for (int round = 0; round != 2; ++round) {
        std::size_t const before = faults::blocks;
        int runs = 0;
        made[round] = faults::allocations_of([&] {
            async_exit_stack each(context);
            for (std::size_t k = 0; k != counts[round]; ++k)
                each.push(small_handler(runs));
            result = {};
            each.async_close(into(result));
            drive(context);
        });
        result.expect_success();
        BOOST_TEST(runs == static_cast<int>(counts[round]));
        BOOST_TEST(faults::blocks == before);
    }
    BOOST_TEST(made[1] <= 11 * made[0] + 100);
}

// Closing frees the memory of exits as the stack goes.
BOOST_AUTO_TEST_CASE(closing_gives_all_memory_back)
{
    int runs = 0;
    std::size_t const before = faults::blocks;
    {
        async_exit_stack each(context);
        for (int k = 0; k != 1000; ++k)
            each.push(small_awaitable(runs));
        result = {};
        each.async_close(into(result));
        drive(context);
        result.expect_success();
    }
    BOOST_TEST(faults::blocks == before);
}

BOOST_AUTO_TEST_SUITE_END()
