// error: what the body yields must be default constructible
#include <exeunt/async_with.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

struct result
{
    explicit result(int);
};

void f(boost::asio::io_context& context)
{
    auto body = [](exeunt::async_exit_stack&) { return result(1); };
    exeunt::async_with(context, body, boost::asio::detached);
}
