// error: let the body return a std::optional
#include <exeunt/exit_stack.hpp>

struct result
{
    explicit result(int);
};

void f()
{
    exeunt::with([](exeunt::exit_stack&) { return result(1); });
}
