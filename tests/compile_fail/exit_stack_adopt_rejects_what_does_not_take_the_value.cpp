// error: this is no release
// C11
#include <exeunt/exit_stack.hpp>

void f(exeunt::exit_stack& stack)
{
    stack.adopt(1, [] {});
}
