// error: callback(f, args...)
// C11
#include <exeunt/exit_stack.hpp>

void f(exeunt::exit_stack& stack)
{
    stack.callback(42, 43);
}
