#include "driver.hpp"

#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "http_client.hpp"
#include "report.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <iostream>

#include <unistd.h>

namespace lease_server {

namespace {

asio::awaitable<void> terminate_after(std::chrono::seconds time, tally& count)
{
    asio::steady_timer alarm(co_await asio::this_coro::executor, time);
    co_await alarm.async_wait(asio::use_awaitable);
    if (!count.stopping) // else somebody was faster
        std::raise(SIGTERM);
}

// One line on a terminal, written again and again.
asio::awaitable<void> show_progress(connection_pool const& pool, tally& count)
{
    exeunt::exit_stack stack;
    stack.push([] { std::cout << "\r\x1b[K" << std::flush; }); // the report finds a clean line
    asio::steady_timer next(co_await asio::this_coro::executor);
    for (std::uint64_t before = 0;; before = count.requests) {
        constexpr auto tick = std::chrono::milliseconds(200);
        next.expires_after(tick);
        co_await next.async_wait(asio::use_awaitable);
        count.leases = counts_of(pool);
        std::cout << '\r' << progress_line(count, (count.requests - before) * 5) << "\x1b[K"
                  << std::flush;
    }
}

} // namespace

exeunt::task_scope& start_clients(exeunt::async_exit_stack& stack)
{
    exeunt::task_scope_options at_once;
    at_once.drain = std::chrono::seconds(0);
    return stack.enter(exeunt::on_exit(exeunt::task_scope(stack.get_executor(), at_once))
                           .named("let the clients leave"));
}

void drive(exeunt::task_scope& clients, tcp::endpoint server, connection_pool const& pool,
    options const& chosen, tally& count)
{
    for (std::size_t number = 0; number != chosen.connections; ++number)
        clients.spawn(run_client(server, number, chosen.upstream.has_value(), count));
    clients.spawn(terminate_after(chosen.seconds, count));
    if (isatty(STDOUT_FILENO))
        clients.spawn(show_progress(pool, count));
}

} // namespace lease_server
