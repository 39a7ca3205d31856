// error: this one yields none
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>

void f(exeunt::async_exit_stack& stack, boost::asio::steady_timer& timer)
{
    stack.async_acquire(timer.async_wait(boost::asio::deferred), boost::asio::detached);
}
