// Operations of the asynchronous stack that coroutines enter, acquire and await.
#ifndef EXEUNT_TESTS_SUPPORT_COROUTINE_FIXTURE_HPP
#define EXEUNT_TESTS_SUPPORT_COROUTINE_FIXTURE_HPP

#include "support/async_fixture.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>

namespace support {

inline asio::awaitable<int> seven()
{
    co_return 7;
}

struct nine_context
{
    asio::awaitable<int> async_enter() { co_return 9; }
    asio::awaitable<void> async_exit(exit_state&) { co_return; }
};

struct coroutine_fixture : async_fixture
{
    exit_handle fresh()
    {
        stack = async_exit_stack(context);
        return push(script("a").posted(), shape::awaitable);
    }

    template <class Coroutine>
    void spawn(Coroutine const& coroutine)
    {
        result = {};
        asio::co_spawn(context, coroutine, into(result));
        drive();
    }
};

} // namespace support

#endif
