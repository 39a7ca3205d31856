// error: use an async_exit_stack
// C17
#include <exeunt/exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

boost::asio::awaitable<void> give_back(int&);

void f(exeunt::exit_stack& stack)
{
    stack.adopt(1, give_back);
}
