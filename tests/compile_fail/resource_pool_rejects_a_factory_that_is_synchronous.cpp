// error: this opens no resource
#include <exeunt/resource_pool.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>

using connection = std::unique_ptr<int>;

connection connect();

exeunt::resource_pool<connection> f(boost::asio::io_context& context)
{
    return exeunt::resource_pool<connection>(context, [] { return connect(); });
}
