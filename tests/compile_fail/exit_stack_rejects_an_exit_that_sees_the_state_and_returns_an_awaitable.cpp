// error: use an async_exit_stack
// C17
#include <exeunt/exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

void f(exeunt::exit_stack& stack)
{
    stack.push([](exeunt::exit_state&) -> boost::asio::awaitable<void> { co_return; });
}
