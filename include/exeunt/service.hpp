#ifndef EXEUNT_SERVICE_HPP
#define EXEUNT_SERVICE_HPP

#include <exeunt/async_with.hpp>
#include <exeunt/close_options.hpp>
#include <exeunt/config.hpp>
#include <exeunt/detail/with_operation.hpp>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace exeunt {

namespace detail {

// The process around the body of a service: its signals, its exit status, its report.
class service_process
{
public:
    explicit service_process(asio::io_context& context);
    service_process(service_process const&) = delete;
    service_process& operator=(service_process const&) = delete;

    asio::cancellation_slot slot() noexcept { return stop_.slot(); }

    // How the unwinding of this stack is forced.
    template <class Stack>
    void watch(Stack& stack) noexcept
    {
        stack_ = &stack;
        force_ = [](void* watched) { static_cast<Stack*>(watched)->force(); };
    }
    // The stack is about to be destroyed.
    void stop_watching() noexcept { stack_ = nullptr; }

    // The one failure of an exit that comes out as it is says no more which exit that was.
    void name_failure(std::string_view name) noexcept;

    void ended(std::exception_ptr error, int status = 0) noexcept;
    // The scope has been abandoned: observers have been told of it.
    void lost() noexcept;

    // Runs the context until nothing is left to do; returns the exit status.
    int run();

private:
    void wait_for_signal();
    void leave_signals() noexcept;
    void stop();
    void report(std::exception_ptr const& error, std::string const& name = {}) noexcept;

    asio::io_context& context_;
    asio::signal_set signals_;
    asio::cancellation_signal stop_;
    void* stack_ = nullptr;
    void (*force_)(void*) = nullptr;
    std::string failure_name_;
    unsigned stops_ = 0;
    bool has_ended_ = false;
    int status_ = 1;
};

// The body of a service, in each of its shapes; tells which stack it has been given. `Body` is a reference
// where the service's caller has named one.
template <class Body>
class service_body
{
public:
    service_body(service_process& process, Body&& body)
        : process_(&process)
        , body_(std::forward<Body>(body))
    {
    }

    template <class Stack>
        requires(std::is_invocable_v<Body&, Stack&>)
    decltype(auto) operator()(Stack& stack)
    {
        process_->watch(stack);
        return std::invoke(body_, stack);
    }

    template <class Stack, class Handler>
        requires(!std::is_invocable_v<Body&, Stack&> && std::is_invocable_v<Body&, Stack&, Handler>)
    void operator()(Stack& stack, Handler&& handler)
    {
        process_->watch(stack);
        std::invoke(body_, stack, std::forward<Handler>(handler));
    }

private:
    service_process* process_;
    Body body_;
};

// Tells the process of its end. It keeps that alive: a context that was stopped may run on later.
class service_end
{
public:
    explicit service_end(std::shared_ptr<service_process> process) noexcept
        : process_(std::move(process))
    {
    }
    service_end(service_end&&) noexcept = default;
    service_end& operator=(service_end&&) = delete;
    ~service_end()
    {
        if (process_)
            process_->lost();
    }

    template <class... Status>
    void operator()(std::exception_ptr error, Status... status) noexcept
    {
        std::exchange(process_, nullptr)->ended(std::move(error), status...);
    }

private:
    std::shared_ptr<service_process> process_;
};

// The scope around the body of a service; tells the process what it can only know while the stack is there.
template <class Executor, class Body>
class service_base : public with_base<Executor, Body>
{
public:
    service_base(Executor const& executor, service_process& process, close_options const& options,
        Body&& body)
        : with_base<Executor, Body>(executor, options, std::move(body))
        , process_(&process)
    {
    }

protected:
    ~service_base() = default;

    void leave_context() noexcept
    {
        process_->stop_watching();
        with_base<Executor, Body>::leave_context();
    }

    auto results()
    {
        auto all = with_base<Executor, Body>::results();
        if (this->state_)
            for (auto const& failure : this->state_->failures())
                if (failure.error == std::get<0>(all))
                    process_->name_failure(failure.name);
        return all;
    }

private:
    service_process* process_;
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
 * 3. A second signal forces the unwinding.
 * 4. What has failed is written to stderr, once, each failure with the name of its exit. A cancellation
 *    that a signal has caused is none.
 * 5. The context runs until nothing is left to do.
 *
 * After the second signal, or when the unwinding has ended, a signal has its default effect: it ends the
 * process.
 *
 * Returns 0 if nothing has failed, or what the body yields if that is an `int`; 1 if something has failed,
 * or if the context was stopped before the end; what is left runs on if that is restarted. An exception
 * that leaves a handler of the program is reported, and stops the service as a signal does. A context that
 * was run before is restarted.
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
    using body_type = detail::service_body<Body>;
    using executor_type = detail::scope_executor<body_type, asio::io_context&>;
    if (options.report_after == close_options::duration::max())
        options.report_after = std::chrono::seconds(5);
    auto const process = std::make_shared<detail::service_process>(context);
    detail::initiate_operation<detail::service_base<executor_type, body_type>>(
        asio::bind_cancellation_slot(process->slot(), detail::service_end(process)),
        executor_type(context.get_executor()), *process, options,
        body_type(*process, std::forward<Body>(body)));
    return process->run();
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
