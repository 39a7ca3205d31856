// error: push_async_callback
// C17
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

void f(exeunt::async_exit_stack& stack, boost::asio::steady_timer& timer)
{
    stack.callback([&] { return timer.async_wait(boost::asio::deferred); });
}
