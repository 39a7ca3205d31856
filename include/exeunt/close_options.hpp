#ifndef EXEUNT_CLOSE_OPTIONS_HPP
#define EXEUNT_CLOSE_OPTIONS_HPP

#include <exeunt/exit_observer.hpp>

#include <chrono>

namespace exeunt {

/// How a stack closes.
/**
 * The time limits are those of an asynchronous stack. When one is over the unwinding is forced: the
 * exit that runs is cut, and of the rest the asynchronous ones are cut at their first suspension, or
 * their force runs alone. No exit is skipped.
 */
struct close_options
{
    using duration = std::chrono::steady_clock::duration;

    /// The whole unwinding may stay graceful this long.
    duration timeout = duration::max();

    /// ... and this long once it has been cancelled.
    duration grace = std::chrono::seconds(10);

    /// The observer hears of an asynchronous exit that has been waited for this long, and again each
    /// time that this much more has passed. At least a millisecond. Without limit: as it is in the stack
    /// that this one is nested in.
    duration report_after = duration::max();

    /// Of several failures the primary alone comes out, unwrapped, so that its type still matches a
    /// `catch`; the others go to the observer.
    bool primary_only = false;

    /// Who watches, and hears of what no caller is told. Null: the observer of the stack that this one is
    /// nested in, else the default observer. Outlives the execution context.
    exit_observer* observer = nullptr;
};

} // namespace exeunt

#endif // EXEUNT_CLOSE_OPTIONS_HPP
