// error: within, on_cut and or_force are for asynchronous exits
#include <exeunt/exit_stack.hpp>

void f(exeunt::exit_stack& stack)
{
    stack.push(exeunt::on_exit([] {}).within(std::chrono::seconds(1)));
}
