// error: on_cut and or_force are synchronous
#include <exeunt/async_exit_stack.hpp>

void f(exeunt::async_exit_stack& stack)
{
    auto exit = []() -> boost::asio::awaitable<void> { co_return; };
    stack.push(exeunt::on_exit(exit).or_force(exit));
}
