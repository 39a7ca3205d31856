// error: use async_enter of an async_exit_stack
// C15 C17
#include <exeunt/exit_stack.hpp>

struct pool
{
    template <class Token>
    auto async_exit(exeunt::exit_state&, Token&&);
};

void f(exeunt::exit_stack& stack)
{
    stack.enter(pool());
}
