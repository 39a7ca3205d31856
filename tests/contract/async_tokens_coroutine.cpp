// C76: every operation of the asynchronous stack in a coroutine: use_awaitable, deferred, as_tuple,
// the default token.
#include <exeunt/async_with.hpp>

#include "support/coroutine_fixture.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_tokens_coroutine, coroutine_fixture)

// C76
BOOST_AUTO_TEST_CASE(use_awaitable)
{
    spawn([&]() -> asio::awaitable<void> {
        exit_handle const handle = fresh();
        co_await stack.async_run_now(handle, asio::use_awaitable);
        log("ran");
        nine_context nine;
        int const entered = co_await stack.async_enter(std::ref(nine), asio::use_awaitable);
        BOOST_TEST(entered == 9);
        int* const acquired = co_await stack.async_acquire(
            seven(), [this](int& v) { log("released" + std::to_string(v)); }, asio::use_awaitable);
        BOOST_TEST(*acquired == 7);
        co_await stack.async_close(asio::use_awaitable);
        log("closed");
        int const value = co_await exeunt::async_with(
            [this](async_exit_stack& s) -> asio::awaitable<int> {
                s.push(script("b").posted().awaitable());
                co_return 5;
            },
            asio::use_awaitable);
        BOOST_TEST(value == 5);
        co_await exeunt::async_with(
            [this](async_exit_stack& s) -> asio::awaitable<void> {
                s.push(script("c").posted().awaitable());
                co_return;
            },
            asio::use_awaitable);
    });
    result.expect_success();
    log.expect("+a -a ran released7 closed +b -b +c -c");
}

// C76
BOOST_AUTO_TEST_CASE(use_awaitable_throws_what_the_operation_fails_with)
{
    std::exception_ptr const cause = failure("cause");
    spawn([&]() -> asio::awaitable<void> {
        fresh();
        co_await stack.async_close(cause, asio::use_awaitable);
    });
    result.expect_error(cause);
}

// C76
BOOST_AUTO_TEST_CASE(deferred)
{
    fresh();
    auto operation = stack.async_close(asio::deferred);
    drive();
    BOOST_TEST(stack.is_open()); // nothing has begun
    log.expect("");
    std::move(operation)(into(result));
    drive();
    result.expect_success();
    log.expect("+a -a");

    spawn([&]() -> asio::awaitable<void> {
        exit_handle const handle = fresh();
        co_await stack.async_run_now(handle, asio::deferred);
        co_await stack.async_close(asio::deferred);
        co_await exeunt::async_with(
            [this](async_exit_stack& s) -> asio::awaitable<void> {
                s.push(script("c").posted().awaitable());
                co_return;
            },
            asio::deferred);
    });
    result.expect_success();
    log.expect("+a -a +c -c");
}

// C76: what yields a value, deferred, and started with a callback
BOOST_AUTO_TEST_CASE(deferred_operations_that_yield_a_value)
{
    nine_context nine;
    auto enter = stack.async_enter(std::ref(nine), asio::deferred);
    auto const release = [this](int&) { log("released"); };
    auto acquire = stack.async_acquire(seven(), std::ref(release), asio::deferred);
    auto const body = [this](async_exit_stack& s) -> asio::awaitable<int> {
        s.push(script("b").posted().awaitable());
        co_return 5;
    };
    auto with = exeunt::async_with(context, std::ref(body), asio::deferred);
    drive();
    BOOST_TEST(stack.empty());
    outcome_of<int> entered;
    outcome_of<int*> acquired;
    outcome_of<int> value;
    std::move(enter)(into(entered));
    std::move(acquire)(into(acquired));
    std::move(with)(into(value));
    drive();
    entered.expect_success();
    BOOST_TEST(entered.value.value_or(0) == 9);
    acquired.expect_success();
    value.expect_success();
    BOOST_TEST(value.value.value_or(0) == 5);
    log.expect("+b -b");
    closed().expect_success();
    log.expect("released");
}

// C76
BOOST_AUTO_TEST_CASE(as_tuple)
{
    std::exception_ptr const cause = failure("cause");
    auto const tuple = asio::as_tuple(asio::use_awaitable);
    spawn([&]() -> asio::awaitable<void> {
        exit_handle const handle = fresh();
        auto const [run_error] = co_await stack.async_run_now(handle, tuple);
        BOOST_CHECK(!run_error);
        nine_context nine;
        auto const [enter_error, entered] = co_await stack.async_enter(std::ref(nine), tuple);
        BOOST_CHECK(!enter_error);
        BOOST_TEST(entered == 9);
        auto const [acquire_error, acquired] = co_await stack.async_acquire(
            seven(), [](int&) {}, tuple);
        BOOST_CHECK(!acquire_error);
        BOOST_TEST(*acquired == 7);
        auto const [close_error] = co_await stack.async_close(cause, tuple);
        BOOST_CHECK(close_error == cause);
        auto const [with_error, value] = co_await exeunt::async_with(
            [&](async_exit_stack& s) -> asio::awaitable<int> {
                s.push([](exit_state& state) { state.replace(state.error()); });
                std::rethrow_exception(cause);
                co_return 5;
            },
            tuple);
        BOOST_CHECK(with_error == cause);
        BOOST_TEST(value == 0);
        log("end");
    });
    result.expect_success();
    log.expect("+a -a end");
}

// C76
BOOST_AUTO_TEST_CASE(default_token_reads_as_it_should)
{
    spawn([&]() -> asio::awaitable<void> {
        exit_handle const handle = fresh();
        co_await stack.async_run_now(handle);
        co_await stack.async_close();
        stack = async_exit_stack(co_await asio::this_coro::executor);
        nine_context nine;
        int const entered = co_await stack.async_enter(std::ref(nine));
        BOOST_TEST(entered == 9);
        int* const acquired = co_await stack.async_acquire(seven(), [](int&) {});
        BOOST_TEST(*acquired == 7);
        int* const owned = co_await stack.async_acquire(seven());
        BOOST_TEST(*owned == 7);
        co_await stack.async_close();
        co_await exeunt::async_with([this](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("b").posted().awaitable());
            co_return;
        });
        int const value =
            co_await exeunt::async_with([this](async_exit_stack& s) -> asio::awaitable<int> {
                s.push(script("c").posted().awaitable());
                co_return 5;
            });
        BOOST_TEST(value == 5);
    });
    result.expect_success();
    log.expect("+a -a +b -b +c -c");
}

// C76
BOOST_AUTO_TEST_CASE(default_token_with_a_cause)
{
    std::exception_ptr const cause = failure("cause");
    spawn([&]() -> asio::awaitable<void> {
        fresh();
        try {
            co_await stack.async_close(cause);
        } catch (test_error const&) {
            log("threw");
        }
        fresh();
        try {
            co_await stack.async_close(boost::system::error_code(asio::error::eof));
        } catch (boost::system::system_error const& e) {
            BOOST_TEST(e.code() == asio::error::eof);
            log("threw");
        }
    });
    result.expect_success();
    log.expect("+a -a threw +a -a threw");
}

// C76
BOOST_AUTO_TEST_CASE(async_with_given_an_executor_from_a_coroutine_of_another)
{
    asio::io_context other;
    bool on_other = false;
    spawn([&]() -> asio::awaitable<void> {
        co_await exeunt::async_with(
            other,
            [&](async_exit_stack& s) -> asio::awaitable<void> {
                s.push([&] { on_other = other.get_executor().running_in_this_thread(); });
                co_return;
            },
            asio::use_awaitable);
        BOOST_TEST(context.get_executor().running_in_this_thread());
        log("back");
    });
    result.expect_pending();
    for (int k = 0; k != 5; ++k) {
        support::drive(other);
        drive();
    }
    result.expect_success();
    BOOST_TEST(on_other);
    log.expect("back");
}

BOOST_AUTO_TEST_SUITE_END()
