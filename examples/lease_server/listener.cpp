#include "listener.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace lease_server {

listener::listener(asio::any_io_executor executor, unsigned short port)
    : acceptor_(executor)
    , accepting_(executor)
{
    tcp::endpoint const wanted(asio::ip::address_v4::loopback(), port);
    try {
        acceptor_.open(wanted.protocol());
        acceptor_.set_option(tcp::acceptor::reuse_address(true));
        acceptor_.bind(wanted);
        acceptor_.listen();
    } catch (boost::system::system_error const& error) {
        std::ostringstream line;
        line << "cannot listen on " << wanted << ": " << error.code().message();
        throw std::runtime_error(line.str());
    }
}

void listener::open(std::function<void(tcp::socket)> take)
{
    accepting_.spawn(accept(std::move(take)));
}

asio::awaitable<void> listener::accept(std::function<void(tcp::socket)> take)
{
    for (;;) {
        boost::system::error_code failed;
        auto socket =
            co_await acceptor_.async_accept(asio::redirect_error(asio::use_awaitable, failed));
        if (!failed) {
            socket.set_option(tcp::no_delay(true), failed);
            take(std::move(socket));
            continue;
        }
        // Out of descriptors, perhaps: some will come back. (Told to stop, this throws.)
        asio::steady_timer pause(acceptor_.get_executor(), std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
    }
}

asio::awaitable<void> listener::close()
{
    co_await accepting_.leave();
    acceptor_.close();
}

} // namespace lease_server
