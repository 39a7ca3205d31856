#include <exeunt/exeunt.hpp>

#include "units.hpp"

void push_in_second_unit(exeunt::exit_stack& stack, std::string& order)
{
    stack.push([&order] { order += 'b'; });
    stack.push([&order] { order += 'a'; });
}

void push_in_second_unit(exeunt::async_exit_stack& stack, std::string& order)
{
    stack.push([&order] { order += 'e'; });
    stack.push([&order] { order += 'd'; });
}

exeunt::exit_observer* default_observer_of_second_unit()
{
    return exeunt::default_observer();
}
