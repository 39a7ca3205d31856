// An HTTP server whose every request leases a connection to an upstream: what is taken is given back
// in reverse order, on every way out, also where giving back is itself a conversation.

#include <exeunt/async_with.hpp>

#include "driver.hpp"
#include "http_server.hpp"
#include "options.hpp"
#include "pool.hpp"
#include "report.hpp"
#include "tally.hpp"
#include "upstream.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <exception>
#include <iostream>
#include <optional>
#include <span>
#include <stdexcept>

namespace lease_server {

namespace {

asio::awaitable<upstream_address> resolve(host_and_port where)
{
    tcp::resolver resolver(co_await asio::this_coro::executor);
    boost::system::error_code failed;
    auto const found = co_await resolver.async_resolve(
        where.host, where.port, asio::redirect_error(asio::use_awaitable, failed));
    if (failed)
        throw std::runtime_error(
            "cannot find the upstream " + where.host + ": " + failed.message());
    upstream_address address;
    for (auto const& entry : found)
        address.push_back(entry.endpoint());
    co_return address;
}

// Ctrl-C, kill, or the driver's alarm. Afterwards the signals have their usual effect again: whoever
// is not willing to wait for the unwinding interrupts once more.
asio::awaitable<void> stop_signal(tally& count)
{
    asio::signal_set signals(co_await asio::this_coro::executor, SIGINT, SIGTERM);
    co_await signals.async_wait(asio::use_awaitable);
    count.stopping = true;
}

// The whole program. Each part registers on the stack what ends it, as it is built; the body only
// waits; then the stack takes all down again, newest first.
asio::awaitable<void> run(options const& chosen, tally& count)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        std::optional<stopwatch> measured(std::in_place, count, "start");
        if (chosen.upstream_only) {
            std::cout << "upstream on " << start_upstream(stack, chosen.port, count) << std::endl;
        } else {
            upstream_address where;
            if (chosen.upstream)
                where = co_await resolve(*chosen.upstream);
            else
                where = {start_upstream(stack, 0, count)};

            auto& pool = *co_await start_pool(stack, where, chosen.pool, count);

            // Older than the server: its clients are there, in the middle of things, when it stops.
            auto& clients = stack.emplace<driver>(stack.get_executor(), chosen, count);
            stack.push(
                stage(count, "let the clients leave", [&clients] { return clients.leave(); }));

            auto const address = start_http(stack, chosen.port, pool, count);
            std::cout << "lease_server on http://" << address << ", upstream on " << where.front()
                      << ", " << chosen.pool << " leases" << std::endl;
            if (!chosen.serve)
                clients.start(address);
        }
        measured.emplace(count, "serve");
        co_await stop_signal(count);
    });
}

int main(std::span<char const* const> arguments)
{
    tally count;
    witness seen;
    exeunt::set_default_observer(&seen);
    try {
        auto const chosen = parse_options(arguments);
        if (chosen.help) {
            std::cout << usage;
            return 0;
        }
        asio::io_context context(1);
        asio::co_spawn(context, run(chosen, count), [](std::exception_ptr failure) {
            if (failure)
                std::rethrow_exception(failure);
        });
        context.run();
    } catch (bad_option const& error) {
        std::cerr << "lease_server: " << error.what() << "; try --help\n";
        return 2;
    } catch (std::exception const& error) {
        std::cerr << "lease_server: " << error.what() << '\n';
        return 1;
    }
    print_report(std::cout, count, seen);
    return leaked(count, seen) == 0 && count.client_surprises == 0 ? 0 : 1;
}

} // namespace

} // namespace lease_server

int main(int argc, char** argv)
{
    return lease_server::main({argv + 1, static_cast<std::size_t>(argc - 1)});
}
