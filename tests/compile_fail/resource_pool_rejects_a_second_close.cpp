// error: a pool has one closed_by()
#include <exeunt/resource_pool.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <memory>

using connection = std::unique_ptr<int>;

boost::asio::awaitable<connection> connect();

void f()
{
    exeunt::opened_by([] {
        return connect();
    }).closed_by([](connection&) {
      }).closed_by([](connection&) {});
}
