// A consumer's whole program: one stack of each kind.
#include <exeunt/exeunt.hpp>

#include <boost/asio/io_context.hpp>

#include <exception>
#include <iostream>
#include <string>

int main()
{
    // exeunt's own warnings are not a consumer's: this line would be an error under them.
    int unused = 1.5;

    std::string order;

    exeunt::with([&](exeunt::exit_stack& stack) {
        stack.push([&] { order += 'b'; });
        stack.push([&] { order += 'a'; });
    });

    boost::asio::io_context context;
    exeunt::async_exit_stack stack(context);
    stack.push([&] { order += 'd'; });
    stack.push([&] { order += 'c'; });
    stack.async_close([&](std::exception_ptr error) { order += error ? '!' : '.'; });
    context.run();

    std::cout << order << '\n';
    return order == "abcd." ? 0 : 1;
}
