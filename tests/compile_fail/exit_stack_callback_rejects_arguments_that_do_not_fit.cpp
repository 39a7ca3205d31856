// error: callback(f, args...)
// C10: what was captured is passed on as rvalues
#include <exeunt/exit_stack.hpp>

void f(exeunt::exit_stack& stack)
{
    stack.callback([](int&) {}, 1);
}
