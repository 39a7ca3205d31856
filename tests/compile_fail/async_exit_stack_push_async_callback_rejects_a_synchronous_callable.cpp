// error: this callable is synchronous
// C17
#include <exeunt/async_exit_stack.hpp>

void clean_up(int);

void f(exeunt::async_exit_stack& stack)
{
    stack.push_async_callback(clean_up, 1);
}
