// error: this is no release
// C11
#include <exeunt/async_exit_stack.hpp>

void f(exeunt::async_exit_stack& stack)
{
    stack.adopt(1, [] {});
}
