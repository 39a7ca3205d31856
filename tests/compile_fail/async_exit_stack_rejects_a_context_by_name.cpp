// error: a context is passed by std::ref(context)
// C16
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/awaitable.hpp>

struct pool
{
    boost::asio::awaitable<void> async_exit(exeunt::exit_state&);
};

void f(exeunt::async_exit_stack& stack, pool& connections)
{
    stack.push(connections);
}
