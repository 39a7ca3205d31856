// error: destroys this body twice
#include <exeunt/async_with.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

boost::asio::awaitable<void> f(std::string name)
{
    auto const [failure] = co_await exeunt::async_with(
        [name](exeunt::async_exit_stack&) -> boost::asio::awaitable<void> { co_return; },
        boost::asio::as_tuple(boost::asio::use_awaitable));
}
