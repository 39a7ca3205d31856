// error: a context is passed by std::ref(context)
// C16
#include <exeunt/exit_stack.hpp>

struct door
{
    void exit(exeunt::exit_state&);
};

void f(exeunt::exit_stack& stack, door& front)
{
    stack.push(front);
}
