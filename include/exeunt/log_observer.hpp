#ifndef EXEUNT_LOG_OBSERVER_HPP
#define EXEUNT_LOG_OBSERVER_HPP

#include <exeunt/config.hpp>
#include <exeunt/exit_observer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

namespace exeunt {

/// An observer that writes one line for each event.
/**
 * A line begins with the time since the observer was made, and the number of the unwinding, indented by
 * how many stacks it is nested in:
 *
 *     0.000 s  #7 begins: 2 exits, after out of paper
 *     0.000 s  #7 quit (session.cpp:41) begins
 *     2.000 s  #7 quit (session.cpp:41) is cut after 2.000 s
 *     2.001 s  #7 quit (session.cpp:41) fails after 2.001 s: Connection timed out
 *     2.001 s  #7 save (session.cpp:12) begins
 *     2.003 s  #7 save (session.cpp:12) ends after 0.002 s
 *     2.003 s  #7 fails after 2.003 s: 2 failures while unwinding; body: out of paper; quit ...
 *
 * Each line is flushed. What cannot be written, for want of memory or because the stream fails, is lost.
 *
 * @par Lifetimes
 * The stream outlives the observer, which outlives the execution context of the stacks that it observes.
 *
 * @par Thread safety
 * Its functions may be called by several threads at once. They lock a mutex.
 */
class log_observer : public exit_observer
{
public:
    /// Writes to `out`.
    explicit log_observer(std::ostream& out) noexcept;

    void unwinding_began(unwinding_view const& unwinding) noexcept override;
    void unwinding_forced(unwinding_view const& unwinding, duration elapsed) noexcept override;
    void unwinding_ended(unwinding_view const& unwinding, std::exception_ptr error,
        duration elapsed) noexcept override;
    void exit_began(exit_view const& exit) noexcept override;
    void exit_slow(exit_view const& exit, duration elapsed) noexcept override;
    void exit_cut(exit_view const& exit, duration elapsed) noexcept override;
    void exit_forced(exit_view const& exit, duration elapsed) noexcept override;
    void exit_ended(
        exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept override;
    void exit_abandoned(exit_view const& exit) noexcept override;
    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override;
    void failure_unreceived(exit_view const& exit, std::exception_ptr error) noexcept override;

private:
    using time_point = std::chrono::steady_clock::time_point;

    // Writes what make() returns, at this time; where the time is not known, at that of the last line.
    template <class Make>
    void write(time_point now, Make&& make) noexcept;
    template <class Make>
    void write_of(exit_view const& exit, duration elapsed, Make&& make) noexcept;

    std::ostream& out_;
    time_point const began_ = std::chrono::steady_clock::now();
    std::mutex mutex_;
    time_point last_ = began_;
};

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/log_observer.ipp>
#endif

#endif // EXEUNT_LOG_OBSERVER_HPP
