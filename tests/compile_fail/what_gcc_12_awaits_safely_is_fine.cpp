// The control of the files for g++ 12: captures by reference, and std::ref of a named object.
#include <exeunt/async_with.hpp>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <string>

namespace asio = boost::asio;

asio::awaitable<int> open();

struct pool
{
    std::string name;

    asio::awaitable<void> async_exit(exeunt::exit_state&);
};

asio::awaitable<void> f(exeunt::async_exit_stack& stack, pool& connections, std::string name)
{
    co_await exeunt::async_with(
        [&](exeunt::async_exit_stack&) -> asio::awaitable<void> {
            name.clear();
            co_return;
        },
        asio::use_awaitable);

    auto body = [name](exeunt::async_exit_stack&) -> asio::awaitable<void> { co_return; };
    co_await exeunt::async_with(std::ref(body), asio::deferred);
    co_await exeunt::async_with(std::ref(body));

    co_await stack.async_acquire(
        open(), [&](int&) { name.clear(); }, asio::use_awaitable);
    auto release = [name](int&) {};
    co_await stack.async_acquire(open(), std::ref(release), asio::use_awaitable);
    auto const spec = exeunt::on_exit([name](int&) {}).named("close");
    co_await stack.async_acquire(open(), spec, asio::as_tuple(asio::use_awaitable));

    co_await stack.async_enter(std::ref(connections), asio::use_awaitable);
}

// What is not awaited is not affected.
void f(asio::io_context& context, std::string name)
{
    exeunt::async_with(
        context, [name](exeunt::async_exit_stack&) -> asio::awaitable<void> { co_return; },
        asio::detached);
}
