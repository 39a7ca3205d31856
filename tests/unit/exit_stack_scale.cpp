// Many exits: nothing recursive, nothing quadratic.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>

namespace {

using namespace sync_support;
using exeunt::exit_handle;
using exeunt::exit_stack;
using exeunt::exit_state;

// The bytes asked for while n exits are registered and run.
std::size_t bytes_of(std::size_t n, std::size_t& runs, bool& in_order)
{
    std::size_t const before = allocations().bytes;
    exit_stack stack;
    std::size_t expected = n;
    for (std::size_t i = 0; i != n; ++i) {
        stack.push([&, i] {
            ++runs;
            in_order = in_order && --expected == i;
        });
    }
    stack.close();
    return allocations().bytes - before;
}

} // namespace

// C74
BOOST_AUTO_TEST_CASE(ten_thousand_and_a_million_callbacks_run_in_order_on_a_small_stack_C74)
{
    for (std::size_t const n : {10000u, 1000000u}) {
        std::size_t runs = 0;
        bool in_order = true;
        on_small_stack([&] { bytes_of(n, runs, in_order); });
        BOOST_TEST(runs == n);
        BOOST_TEST(in_order);
    }
}

// C74
BOOST_AUTO_TEST_CASE(a_million_callbacks_take_memory_in_proportion_C74)
{
    std::size_t runs = 0;
    bool in_order = true;
    std::size_t const small = bytes_of(100000, runs, in_order);
    std::size_t const large = bytes_of(1000000, runs, in_order);
    BOOST_TEST(runs == 1100000u);
    BOOST_TEST(large < 20 * small);
    // And not more than a few words each.
    BOOST_TEST(large < 1000000u * 200u);
}

// C74
BOOST_AUTO_TEST_CASE(a_million_callbacks_destroyed_unclosed_run_on_a_small_stack_C74)
{
    std::size_t runs = 0;
    on_small_stack([&] {
        exit_stack stack;
        for (int i = 0; i != 1000000; ++i)
            stack.push([&] { ++runs; });
    });
    BOOST_TEST(runs == 1000000u);
}

// C74
BOOST_AUTO_TEST_CASE(very_many_exits_that_throw_are_all_reported_on_a_small_stack_C74)
{
    // Quadratic, the larger number would run into the time limit of the test.
    for (int const n : {100000, 400000}) {
        std::size_t seen = 0;
        bool ordered = true;
        on_small_stack([&] {
            exit_stack stack;
            for (int i = 0; i != n; ++i)
                stack.push([i] { throw i; });
            std::exception_ptr const error = caught([&] { stack.close(); });
            with_report(error, [&](exeunt::exit_errors const& e) {
                seen = e.failures().size();
                for (std::size_t i = 0; i < seen; i += 1000) {
                    try {
                        std::rethrow_exception(e.failures()[i].error);
                    } catch (int thrown) {
                        ordered = ordered && thrown == n - 1 - static_cast<int>(i);
                    }
                }
            });
        });
        BOOST_TEST(seen == static_cast<std::size_t>(n));
        BOOST_TEST(ordered);
    }
}

// C74
BOOST_AUTO_TEST_CASE(a_hundred_thousand_exits_that_throw_and_one_that_suppresses_end_in_success_C74)
{
    std::exception_ptr error = make_boom(1);
    std::size_t const blocks = allocations().blocks;
    {
        exit_stack stack;
        stack.push([](exit_state& state) { state.suppress(); });
        for (int i = 0; i != 100000; ++i)
            stack.push([] { throw 1; });
        error = caught([&] { stack.close(); });
    }
    BOOST_TEST((error == nullptr));
    BOOST_TEST(allocations().blocks == blocks);
}

// C74
BOOST_AUTO_TEST_CASE(a_hundred_thousand_owned_values_are_destroyed_on_a_small_stack_C74)
{
    std::size_t released = 0;
    std::size_t left = 1;
    on_small_stack([&] {
        // A thread keeps a little memory for its next stack: the second time none is added to that.
        for (int round = 0; round != 2; ++round) {
            std::size_t const before = allocations().blocks;
            {
                exit_stack stack;
                for (int i = 0; i != 100000; ++i) {
                    stack.emplace<std::unique_ptr<int>>(std::make_unique<int>(i));
                    stack.adopt(int(i), [&](int&) { ++released; });
                }
                exit_stack moved = stack.pop_all();
            }
            left = allocations().blocks - before;
        }
    });
    BOOST_TEST(released == 200000u);
    BOOST_TEST(left == 0u);
}

// C62
BOOST_AUTO_TEST_CASE(pop_all_and_moves_of_a_million_exits_cost_nothing_C62)
{
    exit_stack stack;
    std::size_t runs = 0;
    for (int i = 0; i != 1000000; ++i)
        stack.push([&] { ++runs; });
    std::size_t const made = allocations_of([&] {
        // Were it linear, this would take hours.
        for (int i = 0; i != 100000; ++i) {
            exit_stack other = stack.pop_all();
            stack = std::move(other);
        }
    });
    BOOST_TEST(made < 10u);
    stack.close();
    BOOST_TEST(runs == 1000000u);
}
