// error: this is no exit
// C11
#include <exeunt/async_exit_stack.hpp>

void f(exeunt::async_exit_stack& stack)
{
    stack.push(42);
}
