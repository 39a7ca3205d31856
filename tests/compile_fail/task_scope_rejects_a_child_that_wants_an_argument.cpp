// error: this is no child of a scope
#include <exeunt/task_scope.hpp>

#include <boost/asio/awaitable.hpp>

void f(exeunt::task_scope& children)
{
    children.spawn([](int) -> boost::asio::awaitable<void> { co_return; });
}
