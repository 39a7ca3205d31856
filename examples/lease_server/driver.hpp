#ifndef LEASE_SERVER_DRIVER_HPP
#define LEASE_SERVER_DRIVER_HPP

#include "options.hpp"
#include "tally.hpp"
#include "task_group.hpp"

#include <boost/asio/ip/tcp.hpp>

namespace lease_server {

using tcp = asio::ip::tcp;

// The program's own client: several keep-alive connections that store, fetch, and now and then fail
// on purpose, and an alarm that raises SIGTERM when the time is over.
class driver
{
public:
    driver(asio::any_io_executor executor, options const& chosen, tally& count);

    void start(tcp::endpoint server);

    // What is still connected leaves.
    asio::awaitable<void> leave();

private:
    asio::awaitable<void> terminate_after(std::chrono::seconds time);
    asio::awaitable<void> show_progress();

    asio::any_io_executor executor_;
    options const& chosen_;
    tally& count_;
    task_group clients_;
};

} // namespace lease_server

#endif // LEASE_SERVER_DRIVER_HPP
