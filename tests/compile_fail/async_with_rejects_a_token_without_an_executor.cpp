// error: pass an executor
#include <exeunt/async_with.hpp>

#include <boost/asio/awaitable.hpp>

#include <exception>

boost::asio::awaitable<void> body(exeunt::async_exit_stack&);

void f()
{
    exeunt::async_with(body, [](std::exception_ptr) {});
}
