#include "driver.hpp"

#include <exeunt/exit_stack.hpp>

#include "http_client.hpp"
#include "report.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <iostream>

#include <unistd.h>

namespace lease_server {

driver::driver(asio::any_io_executor executor, options const& chosen, tally& count)
    : executor_(executor)
    , chosen_(chosen)
    , count_(count)
    , clients_(executor)
{
}

void driver::start(tcp::endpoint server)
{
    for (std::size_t number = 0; number != chosen_.connections; ++number)
        clients_.spawn(run_client(server, number, count_));
    clients_.spawn(terminate_after(chosen_.seconds));
    if (isatty(STDOUT_FILENO))
        clients_.spawn(show_progress());
}

asio::awaitable<void> driver::leave()
{
    return clients_.leave();
}

asio::awaitable<void> driver::terminate_after(std::chrono::seconds time)
{
    asio::steady_timer alarm(executor_, time);
    co_await alarm.async_wait(asio::use_awaitable);
    if (!count_.stopping) // else somebody was faster
        std::raise(SIGTERM);
}

// One line on a terminal, written again and again.
asio::awaitable<void> driver::show_progress()
{
    exeunt::exit_stack stack;
    stack.push([] { std::cout << "\r\x1b[K" << std::flush; }); // the report finds a clean line
    asio::steady_timer next(executor_);
    for (std::uint64_t before = 0;; before = count_.requests) {
        constexpr auto tick = std::chrono::milliseconds(200);
        next.expires_after(tick);
        co_await next.async_wait(asio::use_awaitable);
        std::cout << '\r' << progress_line(count_, (count_.requests - before) * 5) << "\x1b[K"
                  << std::flush;
    }
}

} // namespace lease_server
