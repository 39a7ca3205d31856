// error: this is no exit
// C11
#include <exeunt/async_exit_stack.hpp>

#include <string>

void f(exeunt::async_exit_stack& stack)
{
    stack.push([](std::string const&) {});
}
