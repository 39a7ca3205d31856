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
        if (!cancelled)
            signalled();
    });
}

EXEUNT_DECL void service_process::signalled()
{
    bool const first = signals_seen_++ == 0;
    if (first) {
        wait_for_signal();
        return stop_.emit(asio::cancellation_type::terminal);
    }
    // From here on signals have their usual effect.
    boost::system::error_code ignored;
    signals_.clear(ignored);
    if (stack_)
        force_(stack_);
    // A body that has not ended is told once more.
    stop_.emit(asio::cancellation_type::terminal);
}

EXEUNT_DECL void service_process::ended(std::exception_ptr error, int status) noexcept
{
    stack_ = nullptr;
    status_ = status;
    bool const told_to = signals_seen_ != 0 && is_cancelled(error);
    if (error && !told_to) {
        status_ = 1;
        report(error);
    }
    boost::system::error_code ignored;
    signals_.cancel(ignored);
}

EXEUNT_DECL int service_process::run()
{
    bool failed = false;
    for (bool again = true; again;) {
        again = false;
        try {
            context_.run();
        } catch (...) {
            failed = again = true;
            report(std::current_exception());
            if (signals_seen_ == 0)
                signalled();
        }
    }
    return failed ? 1 : status_;
}

EXEUNT_DECL void service_process::report(std::exception_ptr const& error) noexcept
{
    auto const write = [](std::string const& name, std::exception_ptr const& failure) {
        auto const line = "exeunt: " + (name.empty() ? "" : name + ": ") + message_of(failure);
        std::fprintf(stderr, "%s\n", line.c_str());
    };
    try {
        try {
            std::rethrow_exception(error);
        } catch (exit_errors const& several) {
            for (auto const& failure : several.failures())
                if (signals_seen_ == 0 || !is_cancelled(failure.error))
                    write(failure.name, failure.error);
        } catch (...) {
            write({}, error);
        }
    } catch (...) {
        std::fputs("exeunt: out of memory\n", stderr);
    }
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_SERVICE_IPP
