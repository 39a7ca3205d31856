// C76: the asynchronous stack in a stackful coroutine. Needs Boost.Context, which has to be linked: built
// where EXEUNT_TEST_YIELD_CONTEXT is defined.
#if defined(EXEUNT_TEST_YIELD_CONTEXT)
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/spawn.hpp>

#include <memory>

using namespace support;

namespace {

asio::awaitable<int> seven()
{
    co_return 7;
}

struct nine_context
{
    asio::awaitable<int> async_enter() { co_return 9; }
    asio::awaitable<void> async_exit(exit_state&) { co_return; }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_tokens_yield_context, async_fixture)

// C76
BOOST_AUTO_TEST_CASE(yield_context)
{
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            exit_handle const handle = push(script("a").posted(), shape::awaitable);
            stack.async_run_now(handle, yield);
            BOOST_TEST(stack.async_enter(nine_context(), yield) == 9);
            int* const acquired = stack.async_acquire(
                seven(), [&](int&) { log("released"); }, yield);
            BOOST_TEST(*acquired == 7);
            stack.async_close(yield);
            int const value = exeunt::async_with(
                [&](async_exit_stack& s) -> asio::awaitable<int> {
                    s.push(script("b").posted().awaitable());
                    co_return 5;
                },
                yield);
            BOOST_TEST(value == 5);
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("+a -a released +b -b");
}

// C76
BOOST_AUTO_TEST_CASE(yield_context_throws_what_the_operation_fails_with)
{
    std::exception_ptr const cause = failure("cause");
    asio::spawn(
        context,
        [&](asio::yield_context yield) {
            push(script("a").posted(), shape::handler_function);
            stack.async_close(cause, yield);
        },
        into(result));
    drive();
    result.expect_error(cause);
    log.expect("+a -a");
}

BOOST_AUTO_TEST_SUITE_END()
#else
#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_CASE(yield_context_is_not_tested_without_boost_context)
{
    BOOST_TEST_MESSAGE("built without EXEUNT_TEST_YIELD_CONTEXT");
    BOOST_TEST(true);
}
#endif
