// error: destroys this release twice
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

boost::asio::awaitable<int> open();

boost::asio::awaitable<void> f(exeunt::async_exit_stack& stack, std::string name)
{
    co_await stack.async_acquire(open(), exeunt::on_exit([name](int&) {}).named("close"),
        boost::asio::as_tuple(boost::asio::use_awaitable));
}
