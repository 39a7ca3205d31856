#ifndef EXEUNT_DETAIL_UNWINDING_HPP
#define EXEUNT_DETAIL_UNWINDING_HPP

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

namespace exeunt::detail {

// Why an exit was not given the time that it wanted.
enum class stop_reason : unsigned char { none, cancelled, timed_out };

// What an unwinding decides, apart from how that is carried out: told what happens, it answers what
// to do. It starts nothing, waits for nothing and reads no clock.
class unwinding
{
public:
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr duration unlimited = duration::max();

    // What counts of the exit whose turn it is.
    struct exit_facts
    {
        bool async = false;
        bool has_force = false;
        bool only_on_success = false;
        duration within = unlimited;
    };

    // What becomes of an exit at its turn.
    enum class turn : unsigned char { run, start, force };

    // How an exit ended that was started.
    enum class ending : unsigned char { succeeded, failed, cancelled };

    struct verdict
    {
        // Its force has to run.
        bool force = false;
        // What it failed with is its failure.
        bool keep_failure = false;
        // It failed for this reason, whatever it says itself.
        stop_reason failure = stop_reason::none;
    };

    // Of what follows, those that return a bool tell whether the exit that is waited for has to be cut.

    // It has been cancelled before it began, or the scope around it has been.
    bool cancel_before(duration grace, time_point now) noexcept
    {
        cancelled_ = true;
        return begun_ ? limit(now, grace, now) : false;
    }

    void begin(duration timeout, duration grace, time_point now) noexcept
    {
        begun_ = true;
        if (timeout != unlimited)
            static_cast<void>(limit(now, timeout, now));
        if (cancelled_)
            static_cast<void>(limit(now, grace, now));
    }

    bool terminal(duration grace, time_point now) noexcept
    {
        cancelled_ = true;
        if (std::exchange(terminal_seen_, true))
            return force(stop_reason::cancelled);
        return begun_ ? limit(now, grace, now) : false;
    }

    bool force(stop_reason reason) noexcept
    {
        if (forced_ == stop_reason::none)
            forced_ = reason;
        return waits_ && cut(reason);
    }

    // Time has gone on: has to be called at deadline(), may be called at any time.
    bool elapsed(time_point now) noexcept
    {
        if (forced_ == stop_reason::none && deadline_ <= now)
            return force(stop_reason::timed_out);
        return waits_ && within_ <= now && cut(stop_reason::timed_out);
    }

    // Whether the exit that is waited for has to be reported as slow: once for each time that this is due.
    bool slow(time_point now) noexcept
    {
        if (now < report_)
            return false;
        report_ = after(now, report_after_);
        return true;
    }

    // An exit that is wanted is next.
    turn next(exit_facts const& exit) noexcept
    {
        look_at(exit);
        cut_ = stop_reason::none;
        waits_ = false;
        within_ = never;
        report_ = never;
        if (!exit.async)
            return turn::run;
        return is_forced() && exit.has_force ? turn::force : turn::start;
    }

    // The exit that was started is waited for; it is slow when that has taken `report_after`.
    bool wait(time_point now, duration report_after = unlimited) noexcept
    {
        waits_ = true;
        report_after_ = std::max<duration>(report_after, std::chrono::milliseconds(1));
        report_ = after(now, report_after_);
        if (time_within_ != unlimited)
            within_ = after(now, time_within_);
        return is_forced() ? cut(forced_) : elapsed(now);
    }

    // The same where nothing limits the time of the exit or forces it yet, and nobody asks if it is slow. It
    // need not have been next().
    void wait_untimed() noexcept { waits_ = true; }

    // What counts of an exit that has not been next().
    void look_at(exit_facts const& exit) noexcept
    {
        has_force_ = exit.has_force;
        only_on_success_ = exit.only_on_success;
        time_within_ = exit.within;
    }

    // The exit that had to be cut has ended before it was: it is judged as one that was not.
    void spare() noexcept { cut_ = stop_reason::none; }

    // The exit that was started has ended, and all that had to be known of it is known.
    void rest() noexcept
    {
        cut_ = stop_reason::none;
        waits_ = false;
    }

    // The exit that was started has ended.
    verdict end(ending how) noexcept
    {
        waits_ = false;
        within_ = never;
        report_ = never;
        if (how == ending::succeeded)
            return {};
        if (cut_ == stop_reason::none)
            return {has_force_, true, stop_reason::none};
        if (has_force_)
            return {true, false, only_on_success_ ? cut_ : stop_reason::none};
        bool const late = cut_ == stop_reason::timed_out && how == ending::cancelled;
        return {false, !late, late ? cut_ : stop_reason::none};
    }

    // The force of an exit runs in its place.
    verdict force_alone() const noexcept
    {
        return {true, false, only_on_success_ ? forced_ : stop_reason::none};
    }

    // Whether the time that has passed can force it.
    bool has_deadline() const noexcept { return deadline_ != never && !is_forced(); }

    bool is_cancelled() const noexcept { return cancelled_; }
    bool is_forced() const noexcept { return forced_ != stop_reason::none; }
    stop_reason forced_by() const noexcept { return forced_; }
    stop_reason cut_by() const noexcept { return cut_; }

    // When elapsed() and slow() have to be called; empty if time does not matter.
    std::optional<time_point> deadline() const noexcept
    {
        auto earliest = std::min(is_forced() ? never : deadline_, report_);
        if (cut_ == stop_reason::none)
            earliest = std::min(earliest, within_);
        return earliest == never ? std::nullopt : std::optional(earliest);
    }

private:
    // A deadline that there is not.
    static constexpr time_point never = time_point::max();

    static time_point after(time_point begin, duration time) noexcept
    {
        if (time == unlimited || time > never - begin)
            return never;
        return begin + std::max(time, duration::zero());
    }

    bool limit(time_point begin, duration time, time_point now) noexcept
    {
        deadline_ = std::min(deadline_, after(begin, time));
        return elapsed(now);
    }

    bool cut(stop_reason reason) noexcept
    {
        if (cut_ != stop_reason::none)
            return false;
        cut_ = reason;
        return true;
    }

    time_point deadline_ = never;
    time_point within_ = never;
    time_point report_ = never;
    duration report_after_ = unlimited;
    // Of the exit whose turn it is.
    duration time_within_ = unlimited;
    bool has_force_ = false;
    bool only_on_success_ = false;
    stop_reason forced_ = stop_reason::none;
    stop_reason cut_ = stop_reason::none;
    bool begun_ = false;
    bool cancelled_ = false;
    bool terminal_seen_ = false;
    bool waits_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_UNWINDING_HPP
