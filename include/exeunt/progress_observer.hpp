#ifndef EXEUNT_PROGRESS_OBSERVER_HPP
#define EXEUNT_PROGRESS_OBSERVER_HPP

#include <exeunt/config.hpp>
#include <exeunt/exit_observer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <mutex>
#include <string>
#include <vector>

namespace exeunt {

/// An observer that shows on a terminal what a shutdown waits for, in one line that is written again.
/**
 *     3 of 7: http server > 12 of 50: hang up, 2.0 s
 *
 * That is the exit that runs in the unwinding which began first, how many of how many it is, and, behind
 * it, the same of what is nested in it. The time is how long the last one has been running; it is
 * written anew with each report of a slow exit, so set `close_options::report_after`, to a tenth of a
 * second for instance. Nothing is left on the line when all unwindings have ended. Where there is no
 * terminal, nothing is written.
 *
 * @par Lifetimes
 * The observer outlives the execution context of the stacks that it observes.
 *
 * @par Thread safety
 * Its functions may be called by several threads at once. They lock a mutex.
 */
class progress_observer : public exit_observer
{
public:
    /// Writes to `out` if that is a terminal.
    explicit progress_observer(std::FILE* out = stderr) noexcept;

    void unwinding_began(unwinding_view const& unwinding) noexcept override;
    void unwinding_ended(unwinding_view const& unwinding, std::exception_ptr error,
        duration elapsed) noexcept override;
    void exit_began(exit_view const& exit) noexcept override;
    void exit_slow(exit_view const& exit, duration elapsed) noexcept override;
    void exit_ended(
        exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept override;
    void exit_abandoned(exit_view const& exit) noexcept override;

private:
    // An unwinding that has not ended.
    struct progress
    {
        std::uint64_t id = 0;
        std::uint64_t parent = 0;
        std::size_t ended = 0;
        // What runs, if anything does, and how many are to come after it.
        std::string running;
        std::size_t to_come = 0;
        duration elapsed = duration::zero();
    };

    template <class Change>
    void change(std::uint64_t unwinding, Change&& change) noexcept;
    void show();

    // Null where nothing is shown.
    std::FILE* out_;
    std::mutex mutex_;
    // In the order in which they began.
    std::vector<progress> open_;
};

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/progress_observer.ipp>
#endif

#endif // EXEUNT_PROGRESS_OBSERVER_HPP
