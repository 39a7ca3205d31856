// What tests of exeunt::run need: signals that are raised, and what is written to stderr.
#ifndef EXEUNT_TESTS_SUPPORT_SERVICE_FIXTURE_HPP
#define EXEUNT_TESTS_SUPPORT_SERVICE_FIXTURE_HPP

#include <exeunt/service.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <unistd.h>

namespace support {

// Takes what is written to stderr while it lives.
class stderr_capture
{
public:
    stderr_capture()
        : file_(std::tmpfile())
        , former_(::dup(STDERR_FILENO))
    {
        std::fflush(stderr);
        ::dup2(::fileno(file_), STDERR_FILENO);
    }

    stderr_capture(stderr_capture const&) = delete;
    stderr_capture& operator=(stderr_capture const&) = delete;

    ~stderr_capture()
    {
        std::fflush(stderr);
        ::dup2(former_, STDERR_FILENO);
        ::close(former_);
        std::fclose(file_);
    }

    std::string text()
    {
        std::fflush(stderr);
        std::string all;
        std::array<char, 4096> part;
        for (off_t at = 0;;) {
            auto const size = ::pread(::fileno(file_), part.data(), part.size(), at);
            if (size <= 0)
                return all;
            all.append(part.data(), static_cast<std::size_t>(size));
            at += size;
        }
    }

private:
    std::FILE* file_;
    int former_;
};

// Whether a signal would do what it does in a program that never asked for it.
inline bool has_default_effect(int signal)
{
    struct sigaction now = {};
    ::sigaction(signal, nullptr, &now);
    return now.sa_handler == SIG_DFL;
}

inline bool signals_have_default_effect()
{
    return has_default_effect(SIGINT) && has_default_effect(SIGTERM);
}

struct service_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    exeunt::close_options options;
    std::string written; // to stderr, by the last run

    template <class Body>
    int run(Body&& body)
    {
        stderr_capture capture;
        int const status = exeunt::run(context, options, std::forward<Body>(body));
        written = capture.text();
        return status;
    }

    // Runs a service that must not end with anything left to do.
    template <class Body>
    void expect_status(int expected, Body&& body, where_t where = where_t::current())
    {
        int const status = run(std::forward<Body>(body));
        expect(status == expected, "the exit status is " + std::to_string(status), where);
        expect(signals_have_default_effect(), "a signal is still caught", where);
    }

    void expect_written(std::string const& expected, where_t where = where_t::current())
    {
        expect(written == expected, "written to stderr: \"" + written + "\"", where);
    }

    // As soon as the handlers that are ready now have run.
    template <class F>
    void soon(F f)
    {
        asio::post(context, std::move(f));
    }

    // After so many rounds of handlers.
    void later(int rounds, std::function<void()> f)
    {
        soon([this, rounds, f = std::move(f)] {
            if (rounds == 0)
                f();
            else
                later(rounds - 1, f);
        });
    }

    void raise_soon(int signal)
    {
        soon([signal] { ::raise(signal); });
    }

    // Raises it, and calls `f` when the service has been told.
    void raise_and_then(int signal, std::function<void()> f)
    {
        auto own = std::make_shared<asio::signal_set>(context, signal);
        own->async_wait([this, own, f = std::move(f)](boost::system::error_code, int) {
            own->clear();
            later(3, f);
        });
        raise_soon(signal);
    }

    // An exit that waits for ever, but does what it is told. When it has begun, `hook` is called.
    template <class Stack>
    scripted_exit push_hanging(Stack& on, std::string name, std::function<void()> hook = {})
    {
        auto exit = script(std::move(name));
        if (hook)
            exit.runs(std::move(hook));
        on.push(exeunt::on_exit(exit.handler_function()).named(exit.name()));
        return exit;
    }

    template <class Stack>
    void push_failing(Stack& on, std::string const& name)
    {
        on.push(exeunt::on_exit([name] { throw test_error("no " + name); }).named(name));
    }
};

} // namespace support

#endif
