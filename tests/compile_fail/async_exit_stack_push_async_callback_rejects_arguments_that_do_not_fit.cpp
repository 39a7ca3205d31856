// error: push_async_callback(f, args...)
// C10: what was captured is passed on as rvalues
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

boost::asio::awaitable<void> clean_up(int&);

void f(exeunt::async_exit_stack& stack)
{
    stack.push_async_callback(clean_up, 1);
}
