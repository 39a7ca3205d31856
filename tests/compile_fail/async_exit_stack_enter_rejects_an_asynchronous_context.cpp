// error: use async_enter
// C15 C17
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

struct pool
{
    boost::asio::awaitable<void> async_enter();
    boost::asio::awaitable<void> async_exit(exeunt::exit_state&);
};

void f(exeunt::async_exit_stack& stack)
{
    stack.enter(pool());
}
