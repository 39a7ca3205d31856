#ifndef EXEUNT_TRACE_OBSERVER_HPP
#define EXEUNT_TRACE_OBSERVER_HPP

#include <exeunt/config.hpp>
#include <exeunt/exit_observer.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <iosfwd>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace exeunt {

/// An observer that draws a picture of a shutdown: Chrome Trace Event JSON, which trace viewers open.
/**
 * Each unwinding has a lane of its own (a thread, in the words of the format), with one slice for itself
 * and in it one slice, a complete event, for each exit. What was forced, cut, slow, or failed is found in
 * the arguments of its slice; cuts and forces are marked as well. Times are in microseconds since the
 * observer was made.
 *
 * The array is closed by `finish`, or by the destructor; what comes later is not written. The format
 * lets viewers read a file that was never closed, too.
 *
 * What cannot be written, for want of memory or because the stream fails, is lost.
 *
 * @par Lifetimes
 * The stream outlives the observer, which outlives the execution context of the stacks that it observes.
 *
 * @par Thread safety
 * Its functions may be called by several threads at once. They lock a mutex.
 */
class trace_observer : public exit_observer
{
public:
    /// Writes to `out`.
    explicit trace_observer(std::ostream& out) noexcept;
    ~trace_observer() override;

    /// Writes the end.
    void finish() noexcept;

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

private:
    using time_point = std::chrono::steady_clock::time_point;

    // An unwinding that has not ended.
    struct lane
    {
        std::size_t number = 0;
        // The last time that is known of it.
        time_point now;
        // The slice of an exit that had begun and could not end, and since when: it lasts to the end.
        std::string unended;
        time_point unended_since;
        // Of the exit that runs.
        bool cut = false;
        bool forced = false;
        std::size_t reports = 0;
    };

    // Calls work(the lane); what that throws is ignored.
    template <class Work>
    void in_lane(std::uint64_t unwinding, Work&& work) noexcept;
    void write(std::string const& event);
    // Both without the end; that of a slice is its duration.
    std::string event(
        char const* phase, std::string_view name, lane const& in, time_point at) const;
    std::string slice(exit_view const& exit, lane const& in, std::string_view more) const;

    std::ostream& out_;
    time_point const began_ = std::chrono::steady_clock::now();
    std::mutex mutex_;
    std::map<std::uint64_t, lane> lanes_;
    std::size_t lanes_opened_ = 0;
    bool empty_ = true;
    bool finished_ = false;
};

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/trace_observer.ipp>
#endif

#endif // EXEUNT_TRACE_OBSERVER_HPP
