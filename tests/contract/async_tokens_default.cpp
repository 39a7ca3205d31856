// C76: stacks whose executor brings a default token along.
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

BOOST_FIXTURE_TEST_SUITE(async_tokens_default, coroutine_fixture)

// C76
BOOST_AUTO_TEST_CASE(as_default_on)
{
    using executor_type = asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
    using awaiting_stack = exeunt::async_exit_stack::rebind_executor<executor_type>::other;
    spawn([&]() -> asio::awaitable<void> {
        awaiting_stack typed{executor_type(context.get_executor())};
        exit_handle const handle = typed.push(script("a").posted().handler_function());
        asio::awaitable<void> run = typed.async_run_now(handle);
        co_await std::move(run);
        typed.push(script("b").posted().awaitable());
        nine_context nine;
        int const entered = co_await typed.async_enter(std::ref(nine));
        BOOST_TEST(entered == 9);
        int* const acquired = co_await typed.async_acquire(seven(), [](int&) {});
        BOOST_TEST(*acquired == 7);
        asio::awaitable<void> close = typed.async_close();
        co_await std::move(close);
    });
    result.expect_success();
    log.expect("+a -a +b -b");
}

// C76: as it is written for a socket or a timer
BOOST_AUTO_TEST_CASE(as_default_on_an_object)
{
    spawn([&]() -> asio::awaitable<void> {
        auto typed = asio::use_awaitable_t<>::as_default_on(async_exit_stack(context));
        typed.push(script("a").function());
        typed.push(script("b").posted().awaitable());
        asio::awaitable<void> close = typed.async_close();
        co_await std::move(close);
    });
    result.expect_success();
    log.expect("+b -b +a -a");
}

// C76, C62: exits are bound to the executor type they were registered with
BOOST_AUTO_TEST_CASE(as_default_on_a_stack_that_holds_exits_throws_and_leaves_it_as_it_was)
{
    push_note("a");
    BOOST_CHECK_THROW(asio::use_awaitable_t<>::as_default_on(std::move(stack)), std::logic_error);
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("+a -a");
}

// C76: as_default_on of a tuple token
BOOST_AUTO_TEST_CASE(as_default_on_of_an_adapted_token)
{
    using token = asio::as_tuple_t<asio::use_awaitable_t<>>;
    using executor_type = token::executor_with_default<asio::any_io_executor>;
    using tuple_stack = exeunt::basic_async_exit_stack<executor_type>;
    std::exception_ptr const cause = failure("cause");
    spawn([&]() -> asio::awaitable<void> {
        tuple_stack typed{executor_type(context.get_executor())};
        typed.push(script("a").posted().handler_function());
        auto const [error] = co_await typed.async_close(cause);
        BOOST_CHECK(error == cause);
    });
    result.expect_success();
    log.expect("+a -a");
}

BOOST_AUTO_TEST_SUITE_END()
