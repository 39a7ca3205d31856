// error: use an async_exit_stack
// C15 C17
#include <exeunt/exit_stack.hpp>

#include <functional>

struct pool
{
    template <class Token>
    auto async_exit(exeunt::exit_state&, Token&&);
};

void f(exeunt::exit_stack& stack, pool& connections)
{
    stack.push(std::ref(connections));
}
