// error: what a pool does with its resources depends on no outcome
#include <exeunt/resource_pool.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

exeunt::asio::awaitable<int> make();

void f(exeunt::asio::io_context& context)
{
    exeunt::resource_pool<int>(
        context, exeunt::opened_by(make).closed_by(exeunt::on_exit([](int&) {}).only_on_success()));
}
