// error: this is no child of a scope
#include <exeunt/task_scope.hpp>

#include <boost/asio/detached.hpp>

void f(exeunt::task_scope& children)
{
    children.async_spawn(5, boost::asio::detached);
}
