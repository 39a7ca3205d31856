// C76: the asynchronous stack with Asio's experimental tokens: use_promise, parallel_group, and the
// operators of awaitables.
#include <exeunt/async_with.hpp>

#include "support/coroutine_fixture.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>

#include <array>
#include <cstddef>
#include <utility>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_tokens_experimental, async_fixture)

// C76
BOOST_AUTO_TEST_CASE(use_promise)
{
    auto const token = asio::experimental::use_promise;
    exit_handle const handle = push(script("a").posted(), shape::awaitable);
    auto run = stack.async_run_now(handle, token);
    drive();
    BOOST_TEST(run.completed());
    std::move(run)(into(result));
    drive();
    result.expect_success();
    log.expect("+a -a");

    auto entering = stack.async_enter(nine_context(), token);
    auto acquiring = stack.async_acquire(
        seven(), [&](int&) { log("released"); }, token);
    drive();
    outcome_of<int> entered;
    outcome_of<int*> acquired;
    std::move(entering)(into(entered));
    std::move(acquiring)(into(acquired));
    drive();
    entered.expect_success();
    BOOST_TEST(entered.value.value_or(0) == 9);
    acquired.expect_success();

    result = {};
    auto closing = stack.async_close(token);
    drive();
    log.expect("released"); // it has begun without being awaited
    std::move(closing)(into(result));
    drive();
    result.expect_success();

    outcome_of<int> value;
    auto with = exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<int> {
            s.push(script("b").posted().awaitable());
            co_return 5;
        },
        token);
    drive();
    std::move(with)(into(value));
    drive();
    value.expect_success();
    BOOST_TEST(value.value.value_or(0) == 5);
    log.expect("+b -b");
}

// C76
BOOST_AUTO_TEST_CASE(parallel_group_of_closes)
{
    async_exit_stack other(context);
    auto a = script("a");
    auto b = script("b");
    stack.push(a.awaitable());
    other.push(b.awaitable());
    bool done = false;
    asio::experimental::make_parallel_group(
        stack.async_close(asio::deferred), other.async_close(failure("cause"), asio::deferred))
        .async_wait(asio::experimental::wait_for_all(),
            [&](std::array<std::size_t, 2>, std::exception_ptr first, std::exception_ptr second) {
                BOOST_CHECK(!first);
                BOOST_TEST(describe(second) == "cause");
                done = true;
            });
    drive();
    log.expect("+a +b");
    b.answer();
    drive();
    BOOST_TEST(!done);
    a.answer();
    drive();
    BOOST_TEST(done);
}

// C76, C82: the loser of a group is told to stop once, which cuts nothing, and is waited for
BOOST_AUTO_TEST_CASE(parallel_group_waits_for_a_close_that_lost)
{
    auto a = script("a");
    auto quick = script("quick");
    stack.push(a.awaitable());
    bool done = false;
    asio::experimental::make_parallel_group(
        stack.async_close(asio::deferred), quick.async_operation(asio::deferred))
        .async_wait(asio::experimental::wait_for_one(),
            [&](std::array<std::size_t, 2> order, std::exception_ptr close, std::exception_ptr) {
                BOOST_TEST(order[0] == 1u);
                BOOST_CHECK(!close);
                done = true;
            });
    drive();
    quick.answer();
    drive();
    BOOST_TEST(!done);
    BOOST_TEST(a.cuts() == 0);
    a.answer();
    drive();
    BOOST_TEST(done);
    log.expect("+quick +a -quick -a");
}

// C76
BOOST_AUTO_TEST_CASE(awaitable_operators_run_scopes_in_parallel)
{
    using namespace asio::experimental::awaitable_operators;
    auto a = script("a");
    auto b = script("b");
    auto const scope = [&](scripted_exit& exit) -> asio::awaitable<void> {
        co_await exeunt::async_with(
            [&](async_exit_stack& s) -> asio::awaitable<void> {
                s.push(exit.awaitable());
                co_return;
            },
            asio::use_awaitable);
    };
    auto const both = [&]() -> asio::awaitable<void> { co_await (scope(a) && scope(b)); };
    asio::co_spawn(context, both, into(result));
    drive();
    log.expect("+a +b");
    a.answer();
    drive();
    result.expect_pending();
    b.answer();
    drive();
    result.expect_success();
}

// C83: inside an exit parallel groups work, and the cancellation of a loser reaches no one else
BOOST_AUTO_TEST_CASE(exit_may_use_parallel_groups_inside)
{
    using namespace asio::experimental::awaitable_operators;
    auto slow = script("slow");
    auto quick = script("quick");
    auto older = script("older");
    stack.push(older.awaitable());
    stack.push([&]() -> asio::awaitable<void> {
        co_await (slow.async_operation(asio::use_awaitable)
            || quick.async_operation(asio::use_awaitable));
        log("inside");
    });
    close();
    log.expect("+slow +quick");
    quick.answer();
    drive();
    log.expect("-quick !slow -slow inside +older");
    BOOST_TEST(older.cuts() == 0);
    older.answer();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_SUITE_END()
