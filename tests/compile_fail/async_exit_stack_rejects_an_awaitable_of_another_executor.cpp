// error: cannot run on the executor of the stack
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

using its_executor = boost::asio::io_context::executor_type;

void f(exeunt::async_exit_stack& stack)
{
    stack.push([]() -> boost::asio::awaitable<void, its_executor> { co_return; });
}
