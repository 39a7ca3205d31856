// error: this is no body
// C11
#include <exeunt/async_with.hpp>

#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>

void f(boost::asio::io_context& context)
{
    exeunt::async_with(
        context, [](int) {}, boost::asio::detached);
}
