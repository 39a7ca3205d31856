// AddressSanitizer must see that a coroutine's local is used after its frame is gone. It cannot if Asio
// recycles the frame.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace asio = boost::asio;

namespace {

asio::awaitable<int*> address_of_a_local()
{
    int local = 7;
    int* const address = &local;
    co_await asio::post(asio::use_awaitable);
    co_return address;
}

asio::awaitable<void> use_it(int& result)
{
    int* const dangling = co_await address_of_a_local();
    result = *dangling;
}

} // namespace

int main()
{
    asio::io_context context;
    int result = 0;
    asio::co_spawn(context, use_it(result), asio::detached);
    context.run();
    return result == 7 ? 0 : 1;
}
