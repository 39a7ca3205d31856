// error: this judges no resource
#include <exeunt/resource_pool.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>

using connection = std::unique_ptr<int>;

boost::asio::awaitable<connection> connect();

exeunt::resource_pool<connection> f(boost::asio::io_context& context)
{
    return exeunt::resource_pool<connection>(
        context, exeunt::opened_by([] { return connect(); }).reusable_if([](connection&) {}));
}
