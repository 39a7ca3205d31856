// error: use async_with
// C17
#include <exeunt/exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

void f()
{
    exeunt::with([](exeunt::exit_stack&) -> boost::asio::awaitable<void> { co_return; });
}
