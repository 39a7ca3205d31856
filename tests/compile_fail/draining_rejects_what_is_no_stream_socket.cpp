// error: draining() takes a stream socket
#include <exeunt/closing.hpp>

#include <boost/asio/ip/tcp.hpp>

void f(boost::asio::ip::tcp::acceptor& acceptor)
{
    exeunt::draining(acceptor);
}
