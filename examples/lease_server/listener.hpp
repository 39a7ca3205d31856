#ifndef LEASE_SERVER_LISTENER_HPP
#define LEASE_SERVER_LISTENER_HPP

#include "task_group.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <functional>

namespace lease_server {

using tcp = asio::ip::tcp;

// Takes connections on a loopback port until it is closed.
class listener
{
public:
    // Listens at once; port 0 takes one that is free. Throws std::runtime_error, with one clear line.
    listener(asio::any_io_executor executor, unsigned short port);

    tcp::endpoint where() const { return acceptor_.local_endpoint(); }

    // From now on each connection is given to `take`, which does not wait.
    void open(std::function<void(tcp::socket)> take);

    asio::awaitable<void> close();

private:
    asio::awaitable<void> accept(std::function<void(tcp::socket)> take);

    tcp::acceptor acceptor_;
    task_group accepting_;
};

} // namespace lease_server

#endif // LEASE_SERVER_LISTENER_HPP
