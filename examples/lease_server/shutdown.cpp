#include "shutdown.hpp"

#include <exeunt/exit_errors.hpp>

#include <algorithm>
#include <chrono>
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

std::string graceful_for(options const& chosen)
{
    std::chrono::duration<double> const time =
        std::min(chosen.grace, chosen.timeout.value_or(chosen.grace));
    std::ostringstream text;
    text << std::fixed << std::setprecision(1) << time.count() << " s";
    return text.str();
}

} // namespace

void shutdown::unwinding_began(exeunt::unwinding_view const& unwinding) noexcept
{
    if (unwinding.depth != 0 || !exeunt::is_cancelled(unwinding.cause))
        return;
    count_.stopping = true;
    count_.stopping_since = unwinding.began;
    say("stopping: " + graceful_for(chosen_) + " of grace; a second signal forces");
}

void shutdown::unwinding_forced(exeunt::unwinding_view const& unwinding, duration) noexcept
{
    if (unwinding.depth == 0)
        say("forced: everything is given back at once; a third signal kills");
}

void shutdown::unwinding_ended(
    exeunt::unwinding_view const& unwinding, std::exception_ptr, duration elapsed) noexcept
{
    if (unwinding.depth == 0 && count_.stopping)
        count_.stages.push_back({"from the signal to the end", elapsed});
}

void shutdown::exit_ended(
    exeunt::exit_view const& exit, std::exception_ptr, duration elapsed) noexcept
{
    if (exit.depth == 0 && !exit.name.empty())
        count_.stages.push_back({std::string(exit.name), elapsed});
}

} // namespace lease_server
