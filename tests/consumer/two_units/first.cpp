// Two translation units with all of exeunt in each: they link, and are one program with one state.
#include <exeunt/exeunt.hpp>

#include "units.hpp"

static_assert(EXEUNT_VERSION == EXEUNT_PROJECT_VERSION, "config.hpp and CMakeLists.txt disagree");

int main()
{
    std::string order;

    exeunt::exit_stack stack;
    stack.push([&] { order += 'c'; });
    push_in_second_unit(stack, order);
    stack.close();

    boost::asio::io_context context;
    exeunt::async_exit_stack async_stack(context);
    async_stack.push([&] { order += 'f'; });
    push_in_second_unit(async_stack, order);
    async_stack.async_close([](std::exception_ptr) {});
    context.run();

    exeunt::exit_observer observer;
    exeunt::set_default_observer(&observer);
    bool const shared = default_observer_of_second_unit() == &observer;

    return order == "abcdef" && shared ? 0 : 1;
}
