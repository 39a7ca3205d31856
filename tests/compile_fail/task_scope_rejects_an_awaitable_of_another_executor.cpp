// error: this awaitable cannot run on the executor of the scope
#include <exeunt/task_scope.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

using its_executor = boost::asio::io_context::executor_type;

void f(exeunt::task_scope& children)
{
    children.spawn([]() -> boost::asio::awaitable<void, its_executor> { co_return; });
}
