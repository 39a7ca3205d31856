// An HTTP server whose every request leases a connection to an upstream: what is taken is given back
// in reverse order, on every way out, also where giving back is itself a conversation.

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/progress_observer.hpp>
#include <exeunt/service.hpp>
#include <exeunt/task_scope.hpp>

#include "driver.hpp"
#include "http_server.hpp"
#include "observers.hpp"
#include "options.hpp"
#include "pool.hpp"
#include "report.hpp"
#include "shutdown.hpp"
#include "tally.hpp"
#include "trace_file.hpp"
#include "upstream.hpp"
#include "witness.hpp"

#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <iostream>
#include <optional>
#include <span>

namespace lease_server {

namespace {

// [build]
// The parts, oldest first: each registers on the stack, as it is built, what ends it.
asio::awaitable<void> build(exeunt::async_exit_stack& stack, options const& chosen, tally& count)
{
    upstream_address upstream;
    if (chosen.upstream)
        upstream = co_await resolve(*chosen.upstream);
    else
        upstream = {start_upstream(stack, 0, chosen.hang_after_resets, count)};

    auto& pool = *co_await start_pool(stack, upstream, chosen.pool, count);
    // Older than the server: its clients are there, in the middle of things, when it stops.
    auto& clients = start_clients(stack);
    auto const address = start_http(stack, chosen.port, pool, count);
    std::cout << "lease_server on http://" << address << ", upstream on " << upstream.front()
              << ", " << chosen.pool << " leases" << std::endl;
    if (!chosen.serve)
        drive(clients, address, pool, chosen, count);
}
// [/build]

asio::awaitable<void> build_upstream_only(
    exeunt::async_exit_stack& stack, options const& chosen, tally& count)
{
    auto const where = start_upstream(stack, chosen.port, chosen.hang_after_resets, count);
    std::cout << "upstream on " << where << std::endl;
    co_return;
}

exeunt::close_options limits_of(options const& chosen, exeunt::exit_observer& observer)
{
    exeunt::close_options limits;
    if (chosen.timeout)
        limits.timeout = *chosen.timeout;
    limits.grace = chosen.grace;
    limits.report_after = std::chrono::milliseconds(100); // the progress is shown this often
    limits.observer = &observer;
    return limits;
}

// The whole program: the body builds, and waits until a signal cancels it; then the stack takes all
// down again, newest first.
int run(options const& chosen, exeunt::exit_observer& observer, tally& count)
{
    asio::io_context context(1);
    auto const body = [&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        {
            stopwatch const measured(count, "start");
            auto const parts = chosen.upstream_only ? build_upstream_only : build;
            co_await parts(stack, chosen, count);
        }
        count.started = true;
        stopwatch const measured(count, "serve");
        co_await exeunt::until_cancelled();
    };
    return exeunt::run(context, limits_of(chosen, observer), body);
} // what could never run is lost here, and the observers hear of it

// Runs the program to its end, observed; returns its exit status.
int run_observed(options const& chosen, observers& everywhere, tally& count)
{
    // The many small unwindings of a server that serves are not shown.
    shutdown stages(chosen, count);
    exeunt::progress_observer progress;
    observers program{&everywhere, &stages};
    if (chosen.serve)
        program.add(progress);

    exeunt::set_default_observer(&everywhere);
    auto const status = run(chosen, program, count);
    exeunt::set_default_observer(nullptr);
    return status;
}

int run_and_report(options const& chosen)
{
    tally count;
    witness seen;
    observers everywhere{&seen};
    std::optional<trace_file> trace;
    if (chosen.trace)
        everywhere.add(trace.emplace(*chosen.trace).observer());

    auto const status = run_observed(chosen, everywhere, count);
    if (count.started)
        print_report(std::cout, count, seen);
    bool const well =
        status == EXIT_SUCCESS && leaked(count, seen) == 0 && count.client_surprises == 0;
    bool const traced = !trace || trace->finish();
    if (trace && traced)
        std::cout << seen.begun << " exits in " << trace->name() << '\n';
    else if (trace)
        std::cerr << "lease_server: " << trace->name() << " is not complete\n";
    return well && traced ? EXIT_SUCCESS : EXIT_FAILURE;
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
    } catch (unwritable_file const& error) {
        std::cerr << "lease_server: " << error.what() << '\n';
        return 2;
    }
}

} // namespace

} // namespace lease_server

int main(int argc, char** argv)
{
    return lease_server::program({argv + 1, static_cast<std::size_t>(argc - 1)});
}
