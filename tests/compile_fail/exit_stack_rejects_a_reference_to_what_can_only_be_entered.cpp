// error: this is no exit
// C16
#include <exeunt/exit_stack.hpp>

#include <functional>

struct door
{
    void enter();
};

void f(exeunt::exit_stack& stack, door& front)
{
    stack.push(std::ref(front));
}
