#ifndef EXEUNT_EXIT_OBSERVER_HPP
#define EXEUNT_EXIT_OBSERVER_HPP

#include <exeunt/config.hpp>
#include <exeunt/source_location.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <span>
#include <string_view>

namespace exeunt {

/// One registered exit, as observers and `pending()` show it.
struct exit_view
{
    /// Its name, empty where it has none. Valid until the exit has ended.
    std::string_view name;
    /// Where it was registered.
    source_location where;
    /// Its place in the stack: 0 is the oldest.
    std::size_t position = 0;
    /// How many stacks its stack is nested in, as far as that is known.
    std::size_t depth = 0;
    /// Whether it is an asynchronous exit.
    bool async = false;
    /// Whether it runs at this moment.
    bool running = false;
    /// Since when it is waited for; empty for one that is not, or is synchronous.
    std::optional<std::chrono::steady_clock::time_point> running_since = std::nullopt;
};

/// Hears of what no caller can be told.
/**
 * Derive from it and override what is of interest: each function does nothing by default. An
 * observer is given to one stack by `close_options::observer`, or to all others by
 * `set_default_observer`.
 *
 * @par Lifetimes
 * An observer outlives the execution context of the stacks that it observes.
 *
 * @par Thread safety
 * Called on the thread that unwinds or destroys; by several at once, if it serves several stacks.
 */
class exit_observer
{
public:
    exit_observer() = default;
    virtual ~exit_observer() = default;

    /// An asynchronous exit can never run, or never end: its stack or `io_context` was destroyed.
    /** What it holds is about to be destroyed. */
    virtual void exit_abandoned(exit_view const& exit) noexcept;

    /// A stack has lost `count` exits, after `exit_abandoned` was called for each.
    /** `first_names` are the names of the first few of them, newest first. */
    virtual void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept;

    /// An exit's failure that no one else receives.
    /**
     * That of a `best_effort` exit, of one that ran in a destructor, or one that stood beside the
     * primary failure under `close_options::primary_only`.
     */
    virtual void failure_unreceived(exit_view const& exit, std::exception_ptr error) noexcept;

protected:
    exit_observer(exit_observer const&) = default;
    exit_observer& operator=(exit_observer const&) = default;
};

/// The observer of every stack whose `close_options` name none; null if it has been silenced.
/** Until it is replaced it writes to stderr one line for each stack that lost exits, and one for
 * each failure that no one receives. */
exit_observer* default_observer() noexcept;

/// Replaces the default observer, silences it with null; returns the one before.
/** @par Thread safety Safe; a stack that is unwinding meanwhile may still use the one before. */
exit_observer* set_default_observer(exit_observer* observer) noexcept;

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/exit_observer.ipp>
#endif

#endif // EXEUNT_EXIT_OBSERVER_HPP
