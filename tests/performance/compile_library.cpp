// What a source file pays for one stack: compare with compile_by_hand.cpp.
#include <exeunt/async_exit_stack.hpp>

#include <boost/asio/io_context.hpp>

int main()
{
    boost::asio::io_context context;
    int runs = 0;
    exeunt::async_exit_stack stack(context);
    stack.push([&runs]() -> boost::asio::awaitable<void> {
        ++runs;
        co_return;
    });
    stack.push([&runs] { ++runs; });
    stack.async_close([](std::exception_ptr) {});
    context.run();
    return runs == 2 ? 0 : 1;
}
