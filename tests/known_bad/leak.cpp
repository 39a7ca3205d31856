// LeakSanitizer must see memory that nothing points to any more.
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

namespace asio = boost::asio;

int main()
{
    asio::io_context context;
    auto* lost = new int(7);
    asio::post(context, [lost] { *lost = 8; });
    context.run();
    return 0;
}
