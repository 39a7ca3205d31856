// error: this is no exit
// C11
#include <exeunt/exit_stack.hpp>

void f(exeunt::exit_stack& stack)
{
    stack.push(42);
}
