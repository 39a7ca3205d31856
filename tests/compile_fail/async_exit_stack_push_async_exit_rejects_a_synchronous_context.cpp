// error: this exit is synchronous
// C15 C17
#include <exeunt/async_exit_stack.hpp>

#include <functional>

struct door
{
    void exit(exeunt::exit_state&);
};

void f(exeunt::async_exit_stack& stack, door& front)
{
    stack.push_async_exit(std::ref(front));
}
