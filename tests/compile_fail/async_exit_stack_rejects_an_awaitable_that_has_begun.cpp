// error: this is no exit
// C11: an awaitable is no exit, a function that makes one is
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

boost::asio::awaitable<void> clean_up();

void f(exeunt::async_exit_stack& stack)
{
    stack.push(clean_up());
}
