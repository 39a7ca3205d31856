#ifndef EXEUNT_IMPL_LOG_OBSERVER_IPP
#define EXEUNT_IMPL_LOG_OBSERVER_IPP

#include <exeunt/detail/event_text.hpp>
#include <exeunt/log_observer.hpp>

#include <algorithm>
#include <ostream>

namespace exeunt {

namespace detail {

// "#7 ", indented.
EXEUNT_DECL std::string number_of(std::uint64_t unwinding, std::size_t depth)
{
    return std::string(2 * depth, ' ') + (unwinding ? '#' + std::to_string(unwinding) + ' ' : "");
}

// How something ended.
EXEUNT_DECL std::string ending_of(
    std::exception_ptr const& error, std::chrono::steady_clock::duration elapsed)
{
    if (!error)
        return "ends after " + seconds(elapsed);
    return "fails after " + seconds(elapsed) + ": " + line_of(error);
}

} // namespace detail

template <class Make>
void log_observer::write(time_point now, Make&& make) noexcept
{
    std::lock_guard const lock(mutex_);
    last_ = std::max(last_, now);
    try {
        std::string const line =
            detail::seconds(last_ - began_) + "  " + std::forward<Make>(make)() + '\n';
        out_ << line << std::flush;
    } catch (...) {
        // Nobody can be told.
    }
}

template <class Make>
void log_observer::write_of(exit_view const& exit, duration elapsed, Make&& make) noexcept
{
    auto const now = exit.running_since ? *exit.running_since + elapsed : time_point();
    write(now, [&] {
        return detail::number_of(exit.unwinding, exit.depth) + detail::text_of(exit) + ' '
            + std::forward<Make>(make)();
    });
}

EXEUNT_DECL log_observer::log_observer(std::ostream& out) noexcept
    : out_(out)
{
}

EXEUNT_DECL void log_observer::unwinding_began(unwinding_view const& unwinding) noexcept
{
    write(unwinding.began, [&] {
        auto text = detail::number_of(unwinding.id, unwinding.depth) + "begins";
        if (unwinding.parent)
            text += " in #" + std::to_string(unwinding.parent);
        text +=
            ": " + std::to_string(unwinding.exits) + (unwinding.exits == 1 ? " exit" : " exits");
        if (unwinding.cause)
            text += ", after " + detail::line_of(unwinding.cause);
        return text;
    });
}

EXEUNT_DECL void log_observer::unwinding_forced(
    unwinding_view const& unwinding, duration elapsed) noexcept
{
    write(unwinding.began + elapsed, [&] {
        return detail::number_of(unwinding.id, unwinding.depth) + "is forced after "
            + detail::seconds(elapsed);
    });
}

EXEUNT_DECL void log_observer::unwinding_ended(
    unwinding_view const& unwinding, std::exception_ptr error, duration elapsed) noexcept
{
    write(unwinding.began + elapsed, [&] {
        return detail::number_of(unwinding.id, unwinding.depth) + detail::ending_of(error, elapsed);
    });
}

EXEUNT_DECL void log_observer::exit_began(exit_view const& exit) noexcept
{
    write_of(exit, duration::zero(), [] { return "begins"; });
}

EXEUNT_DECL void log_observer::exit_slow(exit_view const& exit, duration elapsed) noexcept
{
    write_of(exit, elapsed, [&] { return "has been running for " + detail::seconds(elapsed); });
}

EXEUNT_DECL void log_observer::exit_cut(exit_view const& exit, duration elapsed) noexcept
{
    write_of(exit, elapsed, [&] { return "is cut after " + detail::seconds(elapsed); });
}

EXEUNT_DECL void log_observer::exit_forced(exit_view const& exit, duration elapsed) noexcept
{
    write_of(exit, elapsed, [] { return "is forced"; });
}

EXEUNT_DECL void log_observer::exit_ended(
    exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept
{
    write_of(exit, elapsed, [&] { return detail::ending_of(error, elapsed); });
}

EXEUNT_DECL void log_observer::exit_abandoned(exit_view const& exit) noexcept
{
    write_of(exit, duration::zero(),
        [&] { return exit.running_since ? "can never end" : "can never run"; });
}

EXEUNT_DECL void log_observer::stack_abandoned(
    std::size_t count, std::span<std::string_view const> first_names) noexcept
{
    write(time_point(), [&] {
        return "a stack was destroyed with " + std::to_string(count)
            + (count == 1 ? " asynchronous exit" : " asynchronous exits")
            + " that never ended: " + detail::names_of(count, first_names);
    });
}

EXEUNT_DECL void log_observer::failure_unreceived(
    exit_view const& exit, std::exception_ptr error) noexcept
{
    write(time_point(), [&] {
        return "a failure that no one receives, of " + detail::text_of(exit) + ": "
            + detail::line_of(error);
    });
}

} // namespace exeunt

#endif // EXEUNT_IMPL_LOG_OBSERVER_IPP
