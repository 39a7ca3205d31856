// error: destroys this context twice
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

struct pool
{
    std::string name;

    boost::asio::awaitable<void> async_exit(exeunt::exit_state&);
};

boost::asio::awaitable<void> f(exeunt::async_exit_stack& stack)
{
    co_await stack.async_enter(pool(), boost::asio::use_awaitable);
}
