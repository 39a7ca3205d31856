// C76: every operation of the asynchronous stack with every kind of completion token.
#include <exeunt/async_with.hpp>

#include "support/coroutine_fixture.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/prepend.hpp>
#include <boost/asio/use_future.hpp>

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>

using namespace support;

namespace {

struct tokens_fixture : async_fixture
{
    nine_context context_nine;

    // What each operation must have done when it has completed without error.
    void check_all_ran(where_t where = where_t::current())
    {
        expect(log.count("-a") == log.count("+a"), "an exit has not ended", where);
        expect(log.has("-a"), "the exit has not run", where);
        log.clear();
    }

    exit_handle fresh()
    {
        stack = async_exit_stack(context);
        log.clear();
        return push(script("a").posted(), shape::awaitable);
    }

    // A body by reference, so that it may stand in the operand of co_await.
    auto body()
    {
        return [this](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").posted().awaitable());
            co_return;
        };
    }

    auto value_body()
    {
        return [this](async_exit_stack& s) -> asio::awaitable<int> {
            s.push(script("a").posted().awaitable());
            co_return 5;
        };
    }
};

template <class F>
bool is_ready(std::future<F>& future)
{
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_tokens, tokens_fixture)

// C76
BOOST_AUTO_TEST_CASE(callback_and_move_only_callback)
{
    fresh();
    stack.async_close([&, owned = std::make_unique<int>(1)](std::exception_ptr error) {
        BOOST_TEST(*owned == 1);
        into(result)(error);
    });
    drive();
    result.expect_success();
    check_all_ran();

    exit_handle const handle = fresh();
    result = {};
    stack.async_run_now(handle, [&, owned = std::make_unique<int>(1)](std::exception_ptr error) {
        BOOST_TEST(*owned == 1);
        into(result)(error);
    });
    drive();
    result.expect_success();
    check_all_ran();

    outcome_of<int> value;
    exeunt::async_with(context, value_body(),
        [&, owned = std::make_unique<int>(1)](std::exception_ptr error, int number) {
            BOOST_TEST(*owned == 1);
            into(value)(error, number);
        });
    drive();
    value.expect_success();
    BOOST_TEST(value.value.value_or(0) == 5);
    check_all_ran();

    fresh();
    outcome_of<int> entered;
    stack.async_enter(nine_context(),
        [&, owned = std::make_unique<int>(1)](std::exception_ptr error, int number) {
            BOOST_TEST(*owned == 1);
            into(entered)(error, number);
        });
    drive();
    entered.expect_success();
    BOOST_TEST(entered.value.value_or(0) == 9);

    outcome_of<int*> acquired;
    stack.async_acquire(
        seven(), [](int&) {},
        [&, owned = std::make_unique<int>(1)](std::exception_ptr error, int* number) {
            BOOST_TEST(*owned == 1);
            into(acquired)(error, number);
        });
    drive();
    acquired.expect_success();
    BOOST_TEST(**acquired.value == 7);
    BOOST_TEST(stack.size() == 3u);
    closed().expect_success();
}

// C76
BOOST_AUTO_TEST_CASE(callback_given_as_an_lvalue_is_copied)
{
    auto const handler = into(result);
    fresh();
    stack.async_close(handler);
    drive();
    result.expect_success();
    auto modifiable = into(result);
    result = {};
    exeunt::async_with(context, body(), modifiable);
    drive();
    result.expect_success();
}

// C76
BOOST_AUTO_TEST_CASE(use_future)
{
    exit_handle const handle = fresh();
    std::future<void> ran = stack.async_run_now(handle, asio::use_future);
    drive();
    BOOST_REQUIRE(is_ready(ran));
    BOOST_CHECK_NO_THROW(ran.get());

    std::future<int> entered = stack.async_enter(nine_context(), asio::use_future);
    drive();
    BOOST_REQUIRE(is_ready(entered));
    BOOST_TEST(entered.get() == 9);

    std::future<int*> acquired = stack.async_acquire(
        seven(), [](int&) {}, asio::use_future);
    drive();
    BOOST_REQUIRE(is_ready(acquired));
    BOOST_TEST(*acquired.get() == 7);

    std::future<void> closed_one = stack.async_close(asio::use_future);
    drive();
    BOOST_REQUIRE(is_ready(closed_one));
    BOOST_CHECK_NO_THROW(closed_one.get());

    fresh();
    std::future<void> failed = stack.async_close(failure("cause"), asio::use_future);
    drive();
    BOOST_REQUIRE(is_ready(failed));
    BOOST_CHECK_THROW(failed.get(), test_error);
    check_all_ran();

    std::future<int> with_value = exeunt::async_with(context, value_body(), asio::use_future);
    drive();
    BOOST_REQUIRE(is_ready(with_value));
    BOOST_TEST(with_value.get() == 5);
    check_all_ran();
}

// C76
BOOST_AUTO_TEST_CASE(detached)
{
    exit_handle const handle = fresh();
    stack.async_run_now(handle, asio::detached);
    drive();
    check_all_ran();
    stack.async_enter(nine_context(), asio::detached);
    stack.async_acquire(
        seven(), [&](int&) { log("released"); }, asio::detached);
    drive();
    BOOST_TEST(stack.size() == 2u);
    stack.async_close(asio::detached);
    drive();
    log.expect("released");
    BOOST_TEST(stack.empty());
    exeunt::async_with(context, body(), asio::detached);
    drive();
    check_all_ran();
    exeunt::async_with(context, value_body(), asio::detached);
    drive();
    check_all_ran();
}

// C76
BOOST_AUTO_TEST_CASE(append_prepend_consign)
{
    fresh();
    int number = 0;
    stack.async_close(asio::append(
        [&](std::exception_ptr error, int appended) {
            into(result)(error);
            number = appended;
        },
        3));
    drive();
    result.expect_success();
    BOOST_TEST(number == 3);
    check_all_ran();

    fresh();
    result = {};
    stack.async_close(asio::prepend(
        [&](int prepended, std::exception_ptr error) {
            into(result)(error);
            number = prepended;
        },
        4));
    drive();
    result.expect_success();
    BOOST_TEST(number == 4);

    fresh();
    result = {};
    auto kept = std::make_shared<int>(1);
    std::weak_ptr<int> const watch = kept;
    stack.async_close(asio::consign(into(result), std::move(kept)));
    BOOST_TEST(!watch.expired());
    drive();
    result.expect_success();
    BOOST_TEST(watch.expired());

    int with_value = 0;
    exeunt::async_with(context, value_body(),
        asio::append(
            [&](std::exception_ptr, int value, int appended) { with_value = value + appended; },
            10));
    drive();
    BOOST_TEST(with_value == 15);

    exit_handle const handle = fresh();
    stack.async_run_now(handle, asio::append([&](std::exception_ptr, int n) { number = n; }, 6));
    drive();
    BOOST_TEST(number == 6);
    stack.async_enter(nine_context(),
        asio::prepend([&](int n, std::exception_ptr, int e) { number = n + e; }, 1));
    drive();
    BOOST_TEST(number == 10);
    stack.async_acquire(
        seven(), [](int&) {},
        asio::append([&](std::exception_ptr, int* a, int n) { number = *a + n; }, 1));
    drive();
    BOOST_TEST(number == 8);
    closed().expect_success();
}

// C76
BOOST_AUTO_TEST_CASE(bind_executor_allocator_and_cancellation_slot)
{
    asio::io_context other;
    asio::cancellation_signal signal;
    auto const bound = [&](auto handler) {
        return asio::bind_executor(other,
            asio::bind_allocator(asio::recycling_allocator<void>(),
                asio::bind_cancellation_slot(signal.slot(), std::move(handler))));
    };
    auto const drive_both = [&] {
        for (int k = 0; k != 6; ++k) {
            drive();
            support::drive(other);
        }
    };
    exit_handle const handle = fresh();
    stack.async_run_now(handle, bound(into(result)));
    for (int k = 0; k != 6; ++k)
        drive();
    result.expect_pending(); // its executor is another
    drive_both();
    result.expect_success();

    outcome_of<int> entered;
    stack.async_enter(nine_context(), bound(into(entered)));
    drive_both();
    entered.expect_success();

    outcome_of<int*> acquired;
    stack.async_acquire(
        seven(), [](int&) {}, bound(into(acquired)));
    drive_both();
    acquired.expect_success();

    result = {};
    stack.async_close(bound(into(result)));
    for (int k = 0; k != 6; ++k)
        drive();
    result.expect_pending();
    drive_both();
    result.expect_success();

    outcome_of<int> value;
    exeunt::async_with(context, value_body(), bound(into(value)));
    drive_both();
    value.expect_success();
    BOOST_TEST(value.value.value_or(0) == 5);
}

// C76: without an executor argument the scope lives on the handler's
BOOST_AUTO_TEST_CASE(async_with_token_bound_to_an_executor_needs_no_executor_argument)
{
    exeunt::async_with(body(), asio::bind_executor(context, into(result)));
    result.expect_pending();
    drive();
    result.expect_success();
    check_all_ran();

    exeunt::close_options options;
    options.primary_only = true;
    result = {};
    exeunt::async_with(options, body(), asio::bind_executor(context, into(result)));
    drive();
    result.expect_success();
    check_all_ran();
}

BOOST_AUTO_TEST_SUITE_END()
