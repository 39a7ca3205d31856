// error: this is no child of a scope
#include <exeunt/task_scope.hpp>

void f(exeunt::task_scope& children)
{
    children.spawn([] {});
}
