#ifndef EXEUNT_DETAIL_UNWINDING_HPP
#define EXEUNT_DETAIL_UNWINDING_HPP

// Takes the place of the library's: there is no limit to the time of anything, and no force.

#include <chrono>
#include <cstddef>
#include <optional>

namespace exeunt::detail {

enum class stop_reason : unsigned char { none, cancelled, timed_out };

class unwinding
{
public:
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;
    static constexpr duration unlimited = duration::max();

    struct exit_facts
    {
        bool async = false;
        bool has_force = false;
        bool only_on_success = false;
        duration within = unlimited;
    };
    enum class turn : unsigned char { run, start, force };
    enum class ending : unsigned char { succeeded, failed, cancelled };
    struct verdict
    {
        bool force = false;
        bool keep_failure = false;
        stop_reason failure = stop_reason::none;
    };

    static constexpr bool cancel_before(duration, time_point) { return false; }
    static constexpr void begin(duration, duration, time_point) {}
    static constexpr bool terminal(duration, time_point) { return false; }
    static constexpr bool force(stop_reason) { return false; }
    static constexpr bool elapsed(time_point) { return false; }
    static constexpr bool slow(time_point) { return false; }
    static constexpr turn next(exit_facts const& exit)
    {
        return exit.async ? turn::start : turn::run;
    }
    static constexpr bool wait(time_point, duration = unlimited) { return false; }
    static constexpr void wait_untimed() {}
    static constexpr void look_at(exit_facts const&) {}
    static constexpr void spare() {}
    static constexpr void rest() {}
    static constexpr verdict end(ending how)
    {
        return {false, how != ending::succeeded, stop_reason::none};
    }
    static constexpr verdict force_alone() { return {}; }
    static constexpr bool has_deadline() { return false; }
    static constexpr bool is_cancelled() { return false; }
    static constexpr bool is_forced() { return false; }
    static constexpr stop_reason forced_by() { return stop_reason::none; }
    static constexpr stop_reason cut_by() { return stop_reason::none; }
    static constexpr std::optional<time_point> deadline() { return std::nullopt; }
};

// Where an operation keeps its deadline.
struct no_deadline
{
    template <class T>
    no_deadline& operator=(T&&) noexcept
    {
        return *this;
    }
    no_deadline const* operator->() const noexcept { return this; }
    explicit constexpr operator bool() const noexcept { return false; }
    void detach() const {}
    void stop() const {}
    void wait_until(unwinding::time_point) const {}
    bool waits() const { return false; }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_UNWINDING_HPP
