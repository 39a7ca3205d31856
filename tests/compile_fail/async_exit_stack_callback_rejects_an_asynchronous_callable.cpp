// error: push_async_callback
// C17
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

boost::asio::awaitable<void> clean_up(int);

void f(exeunt::async_exit_stack& stack)
{
    stack.callback(clean_up, 1);
}
