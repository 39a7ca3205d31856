#include "listener.hpp"

#include <exeunt/on_exit.hpp>
#include <exeunt/task_scope.hpp>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <sstream>
#include <stdexcept>
#include <utility>

namespace lease_server {

namespace {

tcp::acceptor open_door(asio::any_io_executor executor, unsigned short port)
{
    tcp::acceptor door(executor);
    tcp::endpoint const wanted(asio::ip::address_v4::loopback(), port);
    try {
        door.open(wanted.protocol());
        door.set_option(tcp::acceptor::reuse_address(true));
        door.bind(wanted);
        door.listen();
    } catch (boost::system::system_error const& error) {
        std::ostringstream line;
        line << "cannot listen on " << wanted << ": " << error.code().message();
        throw std::runtime_error(line.str());
    }
    return door;
}

asio::awaitable<void> accept(tcp::acceptor& door, std::function<void(tcp::socket)> take)
{
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    for (;;) {
        boost::system::error_code failed;
        auto socket = co_await door.async_accept(asio::redirect_error(asio::use_awaitable, failed));
        if (!failed) {
            socket.set_option(tcp::no_delay(true), failed);
            take(std::move(socket));
            continue;
        }
        // Out of descriptors, perhaps: some will come back. (Told to stop, this throws.)
        asio::steady_timer pause(door.get_executor(), std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::use_awaitable);
    }
}

} // namespace

tcp::endpoint listen(exeunt::async_exit_stack& stack, unsigned short port, std::string name,
    std::function<void(tcp::socket)> take)
{
    auto& door = stack.emplace<tcp::acceptor>(open_door(stack.get_executor(), port));
    auto& accepting = stack.enter(
        exeunt::on_exit(exeunt::task_scope(stack.get_executor())).named(std::move(name)));
    accepting.spawn(accept(door, std::move(take)));
    return door.local_endpoint();
}

} // namespace lease_server
