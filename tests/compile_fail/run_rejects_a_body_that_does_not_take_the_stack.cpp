// error: this is no body
#include <exeunt/service.hpp>

int f(boost::asio::io_context& context)
{
    return exeunt::run(context, [](int) {});
}
