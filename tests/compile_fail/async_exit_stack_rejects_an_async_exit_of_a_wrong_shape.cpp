// error: async_exit of a context takes
// C15
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

#include <functional>

struct pool
{
    boost::asio::awaitable<void> async_exit(int);
};

void f(exeunt::async_exit_stack& stack, pool& connections)
{
    stack.push(std::ref(connections));
}
