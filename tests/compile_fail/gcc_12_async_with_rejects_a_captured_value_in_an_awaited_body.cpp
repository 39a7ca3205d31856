// error: destroys this body twice
// asio-notes 17: g++ 12 destroys the closure twice
#include <exeunt/async_with.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

boost::asio::awaitable<void> f(std::string name)
{
    co_await exeunt::async_with(
        [name](exeunt::async_exit_stack&) -> boost::asio::awaitable<void> { co_return; },
        boost::asio::use_awaitable);
}
