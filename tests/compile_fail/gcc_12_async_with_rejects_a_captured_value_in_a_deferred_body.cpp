// error: destroys this body twice
#include <exeunt/async_with.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>

#include <string>

boost::asio::awaitable<void> f(std::string name)
{
    co_await exeunt::async_with(
        [name](exeunt::async_exit_stack&) -> boost::asio::awaitable<void> { co_return; },
        boost::asio::deferred);
}
