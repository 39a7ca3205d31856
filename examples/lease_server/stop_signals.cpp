#include "stop_signals.hpp"

#include <boost/asio/cancellation_type.hpp>
#include <boost/system/error_code.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <iomanip>
#include <iostream>
#include <sstream>
#include <string>

#include <unistd.h>

namespace lease_server {

namespace {

// On a terminal, in place of a line that shows progress.
void say(std::string const& line)
{
    std::cerr << (isatty(STDERR_FILENO) ? "\r\x1b[K" : "") << line << std::endl;
}

std::string graceful_for(exeunt::close_options const& options)
{
    std::chrono::duration<double> const time = std::min(options.grace, options.timeout);
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << time.count() << " s";
    return text.str();
}

} // namespace

stop_signals::stop_signals(
    exeunt::async_exit_stack& program, asio::cancellation_signal& cancel, tally& count)
    : program_(program)
    , cancel_(cancel)
    , count_(count)
    , signals_(program.get_executor(), SIGINT, SIGTERM)
{
    signals_.async_wait([this](boost::system::error_code gone, int) {
        if (!gone)
            first();
    });
}

void stop_signals::first()
{
    count_.stopping = true;
    count_.stopping_since = std::chrono::steady_clock::now();
    say("stopping: " + graceful_for(program_.options()) + " of grace; a second signal forces");
    signals_.async_wait([this](boost::system::error_code gone, int) {
        if (!gone)
            second();
    });
    cancel_.emit(asio::cancellation_type::terminal);
}

void stop_signals::second()
{
    say("forced: everything is given back at once; a third signal kills");
    signals_.clear();
    program_.force();
}

} // namespace lease_server
