// error: use an async_exit_stack
// C17
#include <exeunt/exit_stack.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

void f(exeunt::exit_stack& stack, boost::asio::steady_timer& timer)
{
    stack.push([&] { return timer.async_wait(boost::asio::deferred); });
}
