// error: this exit is synchronous
// C17
#include <exeunt/async_exit_stack.hpp>

void f(exeunt::async_exit_stack& stack)
{
    stack.push_async_exit([](exeunt::exit_state&) {});
}
