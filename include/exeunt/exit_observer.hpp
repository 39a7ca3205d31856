#ifndef EXEUNT_EXIT_OBSERVER_HPP
#define EXEUNT_EXIT_OBSERVER_HPP

#include <exeunt/config.hpp>
#include <exeunt/source_location.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <string_view>

namespace exeunt {

/// One registered exit, as observers and `pending()` show it.
struct exit_view
{
    /// Its name, empty where it has none. Valid until the exit has ended; in a call of an observer, until
    /// that returns.
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
    /// Since when it runs; in `pending()`, since when it is waited for: empty for one that is not.
    std::optional<std::chrono::steady_clock::time_point> running_since = std::nullopt;
    /// In a call of an observer that follows it, the unwinding that runs it; else 0.
    std::uint64_t unwinding = 0;
};

/// One unwinding, as observers see it: of a stack, or of a single exit that is run by itself.
struct unwinding_view
{
    /// Differs for all unwindings of the process; never 0.
    std::uint64_t id = 0;
    /// The unwinding that this one is a part of; 0 if there is none that this observer is told of.
    std::uint64_t parent = 0;
    /// How many exits there were when it began.
    std::size_t exits = 0;
    /// How many stacks its stack is nested in, as far as that is known.
    std::size_t depth = 0;
    /// Whether the stack is an asynchronous one.
    bool async = false;
    /// When it began.
    std::chrono::steady_clock::time_point began = {};
    /// What began it: the failure or the cancellation of a body; null if nothing failed.
    std::exception_ptr cause = {};
};

/// What an observer wants to hear of.
enum class observed : unsigned char {
    /// What is lost, what no caller is told, and slow exits. Costs nothing while none of that happens.
    losses,
    /// Every step of every unwinding as well.
    everything,
};

/// Watches unwindings, and hears of what no caller can be told.
/**
 * Derive from it and override what is of interest: each function does nothing by default. An
 * observer is given to one stack by `close_options::observer`, or to all others by
 * `set_default_observer`. A nested stack that names none is observed by that of the stack around it.
 *
 * 1. `unwinding_began`, with what began it.
 * 2. For each exit that is wanted, newest first, `exit_began`, later `exit_ended`. In between come, for
 *    an asynchronous one, `exit_slow` again and again, `exit_cut` at most once and `exit_forced` at most
 *    once. One that can never run, or never end, is told by `exit_abandoned` instead.
 * 3. `unwinding_forced` at most once, in between or before the first exit.
 * 4. `unwinding_ended`, with what came out. `stack_abandoned` comes before it if exits were lost.
 *
 * Exits whose filter does not hold are not told of. A nested stack is an unwinding of its own within
 * the exit that it is. What is run by `run_now`, and a release that comes too late for its stack, are
 * unwindings of one exit. Times come from the clock that the stack's deadlines come from.
 *
 * @par Caution
 * An observer is called in the middle of an unwinding. It may force the stack that it is told of, end
 * the exit that runs, and look at the stack, but must not register with, dismiss from, close, move or
 * destroy it.
 *
 * @par Exception safety
 * All functions are noexcept. Without memory for it, the steps of an unwinding are not told; losses are.
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
    using duration = std::chrono::steady_clock::duration;

    /// An observer that is told everything.
    constexpr exit_observer() noexcept = default;
    /// An observer that is told as much as this.
    constexpr explicit exit_observer(observed what) noexcept
        : observes_(what)
    {
    }
    virtual ~exit_observer() = default;

    /// How much it is told of.
    observed observes() const noexcept { return observes_; }

    /// An unwinding begins.
    virtual void unwinding_began(unwinding_view const& unwinding) noexcept;

    /// An unwinding no longer waits for grace.
    virtual void unwinding_forced(unwinding_view const& unwinding, duration elapsed) noexcept;

    /// An unwinding has ended; `error` is what comes out of it.
    /** Null for a nested stack: its failures are in flight in the unwinding around it. */
    virtual void unwinding_ended(
        unwinding_view const& unwinding, std::exception_ptr error, duration elapsed) noexcept;

    /// An exit begins, or its force in place of it.
    virtual void exit_began(exit_view const& exit) noexcept;

    /// An asynchronous exit has been waited for `close_options::report_after`, or a multiple of that.
    virtual void exit_slow(exit_view const& exit, duration elapsed) noexcept;

    /// An asynchronous exit is about to be cut: it is told to stop, and waited for.
    virtual void exit_cut(exit_view const& exit, duration elapsed) noexcept;

    /// The force of an exit is about to run.
    virtual void exit_forced(exit_view const& exit, duration elapsed) noexcept;

    /// An exit has ended, and what it held is gone; `error` is its failure, the first one of several.
    virtual void exit_ended(
        exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept;

    /// An asynchronous exit can never run, or never end: its stack or `io_context` was destroyed.
    /** What it holds is about to be destroyed. `running_since` is set if it had begun. */
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

private:
    observed observes_ = observed::everything;
};

/// The observer of every stack whose `close_options` name none; null if it has been silenced.
/** Until it is replaced it writes to stderr one line for each stack that lost exits, one for each
 * failure that no one receives, and one for each report of a slow exit. */
exit_observer* default_observer() noexcept;

/// Replaces the default observer, silences it with null; returns the one before.
/** @par Thread safety Safe; a stack that is unwinding meanwhile may still use the one before. */
exit_observer* set_default_observer(exit_observer* observer) noexcept;

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/exit_observer.ipp>
#endif

#endif // EXEUNT_EXIT_OBSERVER_HPP
