// The same as compile_library.cpp without the library.
#include "reference_coroutines.hpp"

#include <boost/asio/io_context.hpp>

int main()
{
    boost::asio::io_context context;
    int runs = 0;
    auto body = [&runs](reference::coroutine_exits& exits) -> boost::asio::awaitable<void> {
        exits.push_back([&runs]() -> boost::asio::awaitable<void> {
            ++runs;
            co_return;
        });
        exits.push_back([&runs]() -> boost::asio::awaitable<void> {
            ++runs;
            co_return;
        });
        co_return;
    };
    boost::asio::co_spawn(context, reference::scope(body), [](std::exception_ptr) {});
    context.run();
    return runs == 2 ? 0 : 1;
}
