// An HTTP server whose every request leases a connection to an upstream: what is taken is given back
// in reverse order, on every way out, also where giving back is itself a conversation.

#include <exeunt/async_with.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/progress_observer.hpp>

#include "driver.hpp"
#include "http_server.hpp"
#include "observers.hpp"
#include "options.hpp"
#include "pool.hpp"
#include "report.hpp"
#include "stop_signals.hpp"
#include "tally.hpp"
#include "trace_file.hpp"
#include "upstream.hpp"
#include "witness.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <optional>
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
        upstream = {start_upstream(stack, 0, chosen.hang_after_resets, count)};

    auto& pool = *co_await start_pool(stack, upstream, chosen.pool, count);

    // Older than the server: its clients are there, in the middle of things, when it stops.
    auto& clients = stack.emplace<driver>(stack.get_executor(), chosen, count);
    stack.push(
        stage(count, "let the clients leave", [&clients](auto&) { return clients.leave(); }));

    auto const address = start_http(stack, chosen.port, pool, count);
    std::cout << "lease_server on http://" << address << ", upstream on " << upstream.front()
              << ", " << chosen.pool << " leases" << std::endl;
    if (!chosen.serve)
        clients.start(address);
}

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

// The whole program: the body builds, and waits until it is cancelled by a signal; then the stack
// takes all down again, newest first.
asio::awaitable<void> run(options const& chosen, exeunt::exit_observer& observer,
    asio::cancellation_signal& cancel, tally& count)
{
    auto const limits = limits_of(chosen, observer);
    co_await exeunt::async_with(
        limits, [&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
            stack.emplace<stop_signals>(stack, cancel, count);
            {
                stopwatch const measured(count, "start");
                auto const parts = chosen.upstream_only ? build_upstream_only : build;
                co_await parts(stack, chosen, count);
            }
            count.started = true;
            stopwatch const measured(count, "serve");
            asio::steady_timer for_ever(
                stack.get_executor(), asio::steady_timer::time_point::max());
            co_await for_ever.async_wait(asio::use_awaitable);
        });
}

// Runs the program to its end; returns what it failed with. To be stopped is no failure.
std::exception_ptr run_to_the_end(options const& chosen, observers& everywhere, tally& count)
{
    // The many small unwindings of a server that serves are not shown.
    exeunt::progress_observer progress;
    observers program{&everywhere};
    if (chosen.serve)
        program.add(progress);

    exeunt::set_default_observer(&everywhere);
    std::exception_ptr failure;
    {
        asio::cancellation_signal cancel;
        asio::io_context context(1);
        asio::co_spawn(context, run(chosen, program, cancel, count),
            asio::bind_cancellation_slot(
                cancel.slot(), [&failure](std::exception_ptr ended) { failure = ended; }));
        context.run();
    } // what could never run is lost here, and the observers hear of it
    exeunt::set_default_observer(nullptr);

    if (count.stopping) {
        auto const took = std::chrono::steady_clock::now() - count.stopping_since;
        count.stages.push_back({"from the signal to the end", took});
    }
    return count.stopping && exeunt::is_cancelled(failure) ? nullptr : failure;
}

int run_and_report(options const& chosen)
{
    tally count;
    witness seen;
    observers everywhere{&seen};
    std::optional<trace_file> trace;
    if (chosen.trace)
        everywhere.add(trace.emplace(*chosen.trace).observer());

    auto const failure = run_to_the_end(chosen, everywhere, count);
    if (count.started)
        print_report(std::cout, count, seen);
    if (failure)
        std::cerr << "lease_server: " << message_of(failure) << '\n';
    bool const well = !failure && leaked(count, seen) == 0 && count.client_surprises == 0;
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
