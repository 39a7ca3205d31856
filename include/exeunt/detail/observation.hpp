#ifndef EXEUNT_DETAIL_OBSERVATION_HPP
#define EXEUNT_DETAIL_OBSERVATION_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/config.hpp>
#include <exeunt/detail/entry.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_state.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>

namespace exeunt::detail {

inline exit_observer* observer_of(close_options const& options) noexcept
{
    return options.observer ? options.observer : default_observer();
}

exit_view view_of(entry& e, std::size_t position, std::size_t depth) noexcept;

// Tells an observer what one unwinding does. Nobody follows it where there is none, or it wants to hear of
// losses alone; then all this costs is the look.
class observation
{
public:
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;
    // Tells the time, of what deadlines go by.
    using clock = time_point (*)(void const* source);

    observation() noexcept = default;
    observation(observation const&) = delete;
    observation& operator=(observation const&) = delete;
    ~observation() = default;

    // `state` is what the exits see; an observation of the unwinding around it is found there, and this
    // one stands in its place until end().
    void begin(close_options const& options, exit_state& state, std::size_t exits, bool async,
        clock read_clock, void const* source) noexcept;
    void end(exit_state& state, std::exception_ptr const& error) noexcept;

    // Who hears of losses; null if nobody does.
    exit_observer* observer() const noexcept { return observer_; }
    bool follows() const noexcept { return followed_ != nullptr; }
    // How long an exit is waited for before it is slow; without limit if nobody would hear of it.
    duration report_after() const noexcept { return report_after_; }

    void forced() noexcept
    {
        if (followed_)
            tell_forced();
    }
    void exit_began(entry& e, std::size_t position) noexcept
    {
        if (followed_)
            tell_exit_began(e, position);
    }
    void exit_failed(std::exception_ptr const& error) noexcept
    {
        if (followed_)
            note_failure(error);
    }
    void exit_cut() noexcept
    {
        if (followed_)
            tell_exit_cut();
    }
    void exit_forced() noexcept
    {
        if (followed_)
            tell_exit_forced();
    }
    void exit_ended() noexcept
    {
        if (followed_)
            tell_exit_ended();
    }
    // What followed it, if it had begun, has been told as abandoned.
    void exit_slow(entry& e, std::size_t position, std::size_t depth, time_point since,
        time_point now) noexcept;
    void exit_abandoned(entry& e, std::size_t position, std::size_t depth) noexcept;

    // Whether what `inner` observes is nested in what this observes, or is the same.
    bool is_around(observation const* inner) const noexcept
    {
        while (inner && inner != this)
            inner = inner->outer_;
        return inner != nullptr;
    }

private:
    struct followed;
    struct forget
    {
        void operator()(followed* what) const noexcept;
    };

    void tell_forced() noexcept;
    void tell_exit_began(entry& e, std::size_t position) noexcept;
    void note_failure(std::exception_ptr const& error) noexcept;
    void tell_exit_cut() noexcept;
    void tell_exit_forced() noexcept;
    void tell_exit_ended() noexcept;

    exit_observer* observer_ = nullptr;
    // Apart, so that an operation that nobody follows stays small.
    std::unique_ptr<followed, forget> followed_;
    // The observation of the unwinding around this one.
    observation* outer_ = nullptr;
    duration report_after_ = duration::max();
};

} // namespace exeunt::detail

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/observation.ipp>
#endif

#endif // EXEUNT_DETAIL_OBSERVATION_HPP
