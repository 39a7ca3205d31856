// error: use an async_exit_stack
// C17
#include <exeunt/exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

boost::asio::awaitable<void> clean_up(int);

void f(exeunt::exit_stack& stack)
{
    stack.callback(clean_up, 1);
}
