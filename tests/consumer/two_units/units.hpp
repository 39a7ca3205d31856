// What the second unit offers the first.
#ifndef EXEUNT_TESTS_CONSUMER_TWO_UNITS_UNITS_HPP
#define EXEUNT_TESTS_CONSUMER_TWO_UNITS_UNITS_HPP

#include <exeunt/exeunt.hpp>

#include <boost/asio/io_context.hpp>

#include <exception>
#include <string>

void push_in_second_unit(exeunt::exit_stack& stack, std::string& order);
void push_in_second_unit(exeunt::async_exit_stack& stack, std::string& order);
exeunt::exit_observer* default_observer_of_second_unit();

#endif
