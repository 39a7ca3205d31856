#ifndef EXEUNT_DETAIL_EXIT_STATE_ACCESS_HPP
#define EXEUNT_DETAIL_EXIT_STATE_ACCESS_HPP

#include <exeunt/detail/unwinding.hpp>
#include <exeunt/exit_state.hpp>
#include <exeunt/on_exit.hpp>

#include <span>
#include <utility>

namespace exeunt::detail {

// The engine's side of an exit_state.
struct exit_state_access
{
    static void add(exit_state& state, std::exception_ptr const& error, std::string_view name,
        source_location where) noexcept
    {
        state.add(error, name, where);
    }

    // Adds what is in flight in another state.
    static void absorb(exit_state& state, exit_state const& other) noexcept
    {
        for (auto const& failure : other.failures())
            state.add(failure.error, failure.name, failure.where);
        take_dropped(state, other);
    }
    // How many failures it could not keep.
    static std::size_t dropped(exit_state const& state) noexcept { return state.dropped_; }
    static void take_dropped(exit_state& state, exit_state const& other) noexcept
    {
        state.dropped_ += other.dropped_ - other.unreported_dropped_;
    }

    // What is in flight now is seen by the exits and not rethrown by the close.
    static void leave_cause_unreported(exit_state& state) noexcept
    {
        if (!state.failed())
            return;
        state.unreported_ = state.failures().size();
        state.unreported_dropped_ = state.dropped_;
    }

    static void drop_unreported(exit_state& state) noexcept { state.drop_unreported(); }

    // Nobody can say whether the scope failed: it is being destroyed.
    static void set_unknown(exit_state& state) noexcept { state.unknown_ = true; }
    // `reason`, if it is given: of whoever owns the state.
    static void force(exit_state& state, stop_reason reason) noexcept
    {
        state.forced_.fetch_add(1, std::memory_order_relaxed);
        if (reason != stop_reason::none)
            state.forced_by_.store(static_cast<unsigned char>(reason), std::memory_order_relaxed);
    }
    // Why whoever owns the state is forced. That it is forced may also come from one that is nested.
    static stop_reason forced_by(exit_state const& state) noexcept
    {
        return static_cast<stop_reason>(state.forced_by_.load(std::memory_order_relaxed));
    }
    static void leave_forced(exit_state& state) noexcept
    {
        state.forced_.fetch_sub(1, std::memory_order_relaxed);
    }

    static void set_cut_for_time(exit_state& state, bool for_time) noexcept
    {
        state.cut_for_time_.store(for_time, std::memory_order_relaxed);
    }
    static bool cut_for_time(exit_state const& state) noexcept
    {
        return state.cut_for_time_.load(std::memory_order_relaxed);
    }

    // Why what runs has been cut.
    static stop_reason cut_reason(exit_state const& state) noexcept
    {
        return cut_for_time(state) ? stop_reason::timed_out : stop_reason::cancelled;
    }

    // Who observes the unwinding that the exits run in; returns who did before.
    static observation* observe(exit_state& state, observation* by) noexcept
    {
        return std::exchange(state.observed_by_, by);
    }

    static observation*& observed_by(exit_state& state) noexcept { return state.observed_by_; }

    static std::size_t depth(exit_state const& state) noexcept { return state.depth_; }
    static void enter_nested(exit_state& state) noexcept { ++state.depth_; }
    static void leave_nested(exit_state& state) noexcept { --state.depth_; }
    // `state` is that of an unwinding which is a part of that of `outer`.
    static void nest(exit_state& state, exit_state const& outer) noexcept
    {
        state.depth_ = outer.depth_;
        state.observed_by_ = outer.observed_by_;
    }
    // It begins with what is in flight there, which the exits see, and which is not its own.
    static void show(exit_state& state, exit_state const& outer) noexcept
    {
        state.cause_ = outer.cause_;
        try {
            state.single_ = outer.single_;
        } catch (...) {
            // The failure is worth more than its name.
            state.single_.error = outer.single_.error;
            state.single_.where = outer.single_.where;
        }
        state.several_ = outer.several_;
        state.dropped_ = outer.dropped_;
        state.whole_ = outer.whole_;
        state.primary_ = outer.primary_;
        state.primary_is_ = outer.primary_is_;
        leave_cause_unreported(state);
    }
    // What is in flight in it besides; all that is, where an exit has seen to what it began with.
    static std::span<exit_failure const> own_failures(exit_state const& state) noexcept
    {
        return state.failures().subspan(state.unreported_);
    }
    static bool is_handled(exit_state const& state) noexcept
    {
        return state.handled_ != exit_state::handled::no;
    }
    static bool is_replaced(exit_state const& state) noexcept
    {
        return state.handled_ == exit_state::handled::replaced;
    }
    // What is in flight in it goes, as it did in `other`.
    static void suppress_as(exit_state& state, exit_state const& other) noexcept
    {
        state.suppress();
        state.handled_ = other.handled_;
    }
    static void set_depth(exit_state& state, std::size_t depth) noexcept { state.depth_ = depth; }

    static bool wants(exit_state const& state, exit_filter filter) noexcept
    {
        if (filter == exit_filter::always)
            return true;
        bool const may_have_failed = state.failed() || state.unknown_;
        return may_have_failed == (filter == exit_filter::only_on_failure);
    }

    // An exit that called replace() gives the new failure its name.
    static bool has_replacement(exit_state const& state) noexcept { return state.replaced_; }
    static void name_replacement(
        exit_state& state, std::string_view name, source_location where) noexcept
    {
        state.replaced_ = false;
        // A report has names of its own.
        if (state.whole_)
            return;
        state.single_.where = where;
        try {
            state.single_.name = name;
        } catch (...) {
            // The failure is worth more than its name.
        }
    }

    // What comes out of the close: null, one failure as it is, or a report. `unreceived` is called
    // with each failure that does not come out because the primary alone shall.
    template <class Unreceived>
    static std::exception_ptr outcome(
        exit_state& state, bool primary_only, Unreceived&& unreceived) noexcept
    {
        if (!state.failed())
            return nullptr;
        state.drop_unreported();
        auto const failures = state.failures();
        if (failures.empty())
            return nullptr;
        if (state.whole_ && !primary_only)
            return state.whole_;
        if (failures.size() == 1 && state.dropped_ == 0)
            return failures.front().error;
        // Cached for two failures and more, so that this classifies nothing again.
        state.outranks_primary(nullptr);
        if (state.primary_is_ == exit_state::classified::cancellation)
            return failures.front().error;
        auto const primary = failures[state.primary_].error;
        if (primary_only) {
            for (auto const& failure : failures)
                if (failure.error != primary)
                    unreceived(failure);
            return primary;
        }
        return report(state, primary);
    }

private:
    static std::exception_ptr report(exit_state& state, std::exception_ptr const& primary) noexcept
    {
        try {
            return std::make_exception_ptr(
                exit_errors(primary, std::move(state.several_), state.dropped_));
        } catch (...) {
            return primary;
        }
    }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_EXIT_STATE_ACCESS_HPP
