// error: a coroutine that Asio cannot await
// C17
#include <exeunt/async_exit_stack.hpp>

#include <coroutine>

struct task
{
    bool await_ready();
    void await_suspend(std::coroutine_handle<>);
    void await_resume();
};

task clean_up();

void f(exeunt::async_exit_stack& stack)
{
    stack.push(clean_up);
}
