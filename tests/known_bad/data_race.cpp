// ThreadSanitizer must see two threads that write to one variable. Often enough: it has missed a race
// of a hundred rounds.
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>

namespace asio = boost::asio;

int main()
{
    int counter = 0;
    asio::thread_pool pool(2);
    for (int i = 0; i != 20'000; ++i)
        asio::post(pool, [&counter] { ++counter; });
    pool.join();
    return counter == 0 ? 1 : 0;
}
