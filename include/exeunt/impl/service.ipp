#ifndef EXEUNT_IMPL_SERVICE_IPP
#define EXEUNT_IMPL_SERVICE_IPP

#include <exeunt/exit_errors.hpp>
#include <exeunt/service.hpp>

#include <csignal>
#include <cstdio>
#include <string>

namespace exeunt::detail {

EXEUNT_DECL service_process::service_process(asio::io_context& context)
    : context_(context)
    , signals_(context, SIGINT, SIGTERM)
{
    wait_for_signal();
}

EXEUNT_DECL void service_process::wait_for_signal()
{
    signals_.async_wait([this](boost::system::error_code cancelled, int) {
        if (cancelled || has_ended_)
            return;
        if (stops_ == 0)
            wait_for_signal();
        else
            leave_signals();
        stop();
    });
}

// Signals have their default effect from here on.
EXEUNT_DECL void service_process::leave_signals() noexcept
{
    boost::system::error_code ignored;
    signals_.clear(ignored);
    signals_.cancel(ignored);
}

EXEUNT_DECL void service_process::stop()
{
    if (stops_++ != 0 && stack_)
        force_(stack_);
    // A body that has not ended is told each time.
    stop_.emit(asio::cancellation_type::terminal);
}

EXEUNT_DECL void service_process::name_failure(std::string_view name) noexcept
{
    // That a body has failed needs no saying where nothing else has.
    if (name == "body")
        return;
    try {
        failure_name_ = name;
    } catch (...) {
        // The failure is worth more than its name.
    }
}

EXEUNT_DECL void service_process::ended(std::exception_ptr error, int status) noexcept
{
    has_ended_ = true;
    leave_signals();
    status_ = status;
    bool const told_to = stops_ != 0 && is_cancelled(error);
    if (error && !told_to) {
        status_ = 1;
        report(error, failure_name_);
    }
}

EXEUNT_DECL void service_process::lost() noexcept
{
    has_ended_ = true;
    stop_watching();
    leave_signals();
}

EXEUNT_DECL int service_process::run()
{
    bool failed = false;
    if (context_.stopped())
        context_.restart();
    for (bool again = true; again;) {
        again = false;
        try {
            context_.run();
        } catch (...) {
            failed = again = true;
            report(std::current_exception());
            if (stops_ == 0 && !has_ended_)
                stop();
        }
    }
    leave_signals();
    return failed || !has_ended_ ? 1 : status_;
}

EXEUNT_DECL void service_process::report(
    std::exception_ptr const& error, std::string const& name) noexcept
{
    auto const write = [](std::string const& of, std::exception_ptr const& failure) {
        auto const line = "exeunt: " + (of.empty() ? "" : of + ": ") + message_of(failure);
        std::fprintf(stderr, "%s\n", line.c_str());
    };
    try {
        try {
            std::rethrow_exception(error);
        } catch (exit_errors const& several) {
            for (auto const& failure : several.failures())
                if (stops_ == 0 || !is_cancelled(failure.error))
                    write(failure.name, failure.error);
        } catch (...) {
            write(name, error);
        }
    } catch (...) {
        std::fputs("exeunt: out of memory\n", stderr);
    }
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_SERVICE_IPP
