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
#include "witness.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <span>

namespace lease_server {

namespace {

// The parts, oldest first: each registers on the stack, as it is built, what ends it.
asio::awaitable<void> build(exeunt::async_exit_stack& stack, options const& chosen, tally& count)
{
    upstream_address upstream;
    if (chosen.upstream)
        upstream = co_await resolve(*chosen.upstream);
    else
        upstream = {start_upstream(stack, 0, count)};

    auto& pool = *co_await start_pool(stack, upstream, chosen.pool, count);

    // Older than the server: its clients are there, in the middle of things, when it stops.
    auto& clients = stack.emplace<driver>(stack.get_executor(), chosen, count);
    stack.push(stage(count, "let the clients leave", [&clients] { return clients.leave(); }));

    auto const address = start_http(stack, chosen.port, pool, count);
    std::cout << "lease_server on http://" << address << ", upstream on " << upstream.front()
              << ", " << chosen.pool << " leases" << std::endl;
    if (!chosen.serve)
        clients.start(address);
}

asio::awaitable<void> build_upstream_only(
    exeunt::async_exit_stack& stack, options const& chosen, tally& count)
{
    std::cout << "upstream on " << start_upstream(stack, chosen.port, count) << std::endl;
    co_return;
}

// The whole program: the body builds, and waits for a signal; then the stack takes all down again,
// newest first.
asio::awaitable<void> run(options const& chosen, tally& count)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        // A local of the body: while the stack unwinds, the signals have their usual effect again,
        // for whoever is not willing to wait.
        asio::signal_set stop(stack.get_executor(), SIGINT, SIGTERM);
        {
            stopwatch const measured(count, "start");
            auto const parts = chosen.upstream_only ? build_upstream_only : build;
            co_await parts(stack, chosen, count);
        }
        count.started = true;
        stopwatch const measured(count, "serve");
        co_await stop.async_wait(asio::use_awaitable);
        count.stopping = true;
    });
}

int run_and_report(options const& chosen)
{
    tally count;
    witness seen;
    exeunt::set_default_observer(&seen);

    std::exception_ptr failure;
    {
        asio::io_context context(1);
        asio::co_spawn(
            context, run(chosen, count), [&failure](std::exception_ptr ended) { failure = ended; });
        context.run();
    } // what could never run is lost here, and the witness hears of it
    exeunt::set_default_observer(nullptr);

    if (count.started)
        print_report(std::cout, count, seen);
    if (failure)
        std::cerr << "lease_server: " << message_of(failure) << '\n';
    auto const well = !failure && leaked(count, seen) == 0 && count.client_surprises == 0;
    return well ? EXIT_SUCCESS : EXIT_FAILURE;
}

int program(std::span<char const* const> arguments)
{
    try {
        auto const chosen = parse_options(arguments);
        if (!chosen.help)
            return run_and_report(chosen);
        std::cout << usage;
        return EXIT_SUCCESS;
    } catch (bad_option const& error) {
        std::cerr << "lease_server: " << error.what() << "; try --help\n";
        return 2;
    }
}

} // namespace

} // namespace lease_server

int main(int argc, char** argv)
{
    return lease_server::program({argv + 1, static_cast<std::size_t>(argc - 1)});
}
