// error: this is no release
// C11
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/detached.hpp>

boost::asio::awaitable<int> open();

void f(exeunt::async_exit_stack& stack)
{
    stack.async_acquire(
        open(), [] {}, boost::asio::detached);
}
