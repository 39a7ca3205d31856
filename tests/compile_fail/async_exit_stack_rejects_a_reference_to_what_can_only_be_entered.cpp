// error: this is no exit
// C16
#include <exeunt/async_exit_stack.hpp>

#include <functional>

struct door
{
    void enter();
};

void f(exeunt::async_exit_stack& stack, door& front)
{
    stack.push(std::ref(front));
}
