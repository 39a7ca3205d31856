#ifndef EXEUNT_SERVICE_HPP
#define EXEUNT_SERVICE_HPP

#include <exeunt/async_with.hpp>
#include <exeunt/close_options.hpp>
#include <exeunt/config.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <exception>
#include <functional>
#include <type_traits>
#include <utility>

namespace exeunt {

namespace detail {

// The process around the body of a service: its signals, its exit status, its report.
class service_process
{
public:
    explicit service_process(asio::io_context& context);

    asio::cancellation_slot slot() noexcept { return stop_.slot(); }

    // How the unwinding of this stack is forced.
    template <class Stack>
    void watch(Stack& stack) noexcept
    {
        stack_ = &stack;
        force_ = [](void* watched) { static_cast<Stack*>(watched)->force(); };
    }

    void ended(std::exception_ptr error, int status = 0) noexcept;

    // Runs the context until nothing is left to do; returns the exit status.
    int run();

private:
    void wait_for_signal();
    void signalled();
    void report(std::exception_ptr const& error) noexcept;

    asio::io_context& context_;
    asio::signal_set signals_;
    asio::cancellation_signal stop_;
    void* stack_ = nullptr;
    void (*force_)(void*) = nullptr;
    unsigned signals_seen_ = 0;
    int status_ = 1;
};

// The body of a service, in each of its shapes; tells which stack it has been given.
template <class Body>
class service_body
{
public:
    service_body(service_process& process, Body& body) noexcept
        : process_(&process)
        , body_(&body)
    {
    }

    template <class Stack>
        requires(std::is_invocable_v<Body&, Stack&>)
    decltype(auto) operator()(Stack& stack) const
    {
        process_->watch(stack);
        return std::invoke(*body_, stack);
    }

    template <class Stack, class Handler>
        requires(
            !std::is_invocable_v<Body&, Stack&> && std::is_invocable_v<Body&, Stack&, Handler>)
    void operator()(Stack& stack, Handler&& handler) const
    {
        process_->watch(stack);
        std::invoke(*body_, stack, std::forward<Handler>(handler));
    }

private:
    service_process* process_;
    Body* body_;
};

} // namespace detail

/// The main of a service: runs a body in a scope, until it ends or a signal stops it; returns a status.
/**
 * The body is that of an `async_with`, on the context's executor. What ends the service is registered
 * with its stack; then it waits, for `until_cancelled()` for instance.
 *
 * 1. SIGINT or SIGTERM, the first one, cancels the body. The unwinding has `options.grace`.
 * 2. While that takes long, the observer hears what it waits for: after `options.report_after`, or five
 *    seconds where that is not set, and again. The default observer writes it to stderr.
 * 3. A second signal forces the unwinding. A third one has its usual effect.
 * 4. The context runs until nothing is left to do.
 * 5. What has failed is written to stderr, once, each failure with its name. A cancellation that a signal
 *    has caused is none.
 *
 * Returns 0 if nothing has failed, or what the body yields if that is an `int`; 1 if something has failed,
 * or if the context was stopped before the end. An exception that leaves a handler of the program is
 * reported, and stops the service as a signal does.
 *
 * @code
 * int main()
 * {
 *     asio::io_context context;
 *     return exeunt::run(context, {.grace = 10s},
 *         [](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
 *             co_await start(stack);
 *             co_await exeunt::until_cancelled();
 *         });
 * }
 * @endcode
 *
 * @par Thread safety
 * Runs the context on this thread alone.
 */
template <class Body>
int run(asio::io_context& context, close_options options, Body&& body)
{
    if (options.report_after == close_options::duration::max())
        options.report_after = std::chrono::seconds(5);
    detail::service_process process(context);
    detail::service_body<std::remove_reference_t<Body>> const watched(process, body);
    auto ended = [&process](std::exception_ptr error, auto... status) noexcept {
        process.ended(std::move(error), status...);
    };
    async_with(context, options, watched, asio::bind_cancellation_slot(process.slot(), ended));
    return process.run();
}

/// Runs a body with default options.
template <class Body>
int run(asio::io_context& context, Body&& body)
{
    return run(context, close_options(), std::forward<Body>(body));
}

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/service.ipp>
#endif

#endif // EXEUNT_SERVICE_HPP
