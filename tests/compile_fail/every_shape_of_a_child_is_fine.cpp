// What a task_scope takes as children.
#include <exeunt/task_scope.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

#include <memory>

boost::asio::awaitable<std::unique_ptr<int>> work();
boost::asio::awaitable<void> free_function();

void f(exeunt::task_scope& children, boost::asio::steady_timer& timer)
{
    children.spawn(work());
    children.spawn(free_function);
    children.spawn(
        [owned = std::make_unique<int>(1)]() -> boost::asio::awaitable<int> { co_return 1; });
    children.spawn([&] { return timer.async_wait(boost::asio::deferred); });
    children.spawn(timer.async_wait(boost::asio::deferred));
    children.spawn([&](auto handler) { timer.async_wait(std::move(handler)); });
}

using io_executor = boost::asio::io_context::executor_type;

void f(exeunt::basic_task_scope<io_executor>& children)
{
    children.spawn([]() -> boost::asio::awaitable<void, io_executor> { co_return; });
    children.spawn([]() -> boost::asio::awaitable<void> { co_return; });
}
