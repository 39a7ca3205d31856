// A stack of a scenario, with its observer, and what must hold for it whatever is done: its exits run one
// at a time, newest first; forced is never left; nothing is forced or cut without a reason; nothing comes
// after the end.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_STACK_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_STACK_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_stack.hpp>

#include "support/following_observer.hpp"
#include "support/scenario_tracking.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

// A stack with its observer.
class tracked_stack : public following_observer
{
public:
    tracked_stack(scenario_record& record, std::string named, exeunt::close_options const& options)
        : following_observer(record.told)
        , name(std::move(named))
        , limits(options)
        , record_(record)
    {
        limits.observer = this;
    }

    // ---- what happens

    void registered(tracked_exit& exit)
    {
        exit.registered = true;
        ++exit.registrations;
        exit.home = this;
        places_.push_back({&exit, nullptr});
    }

    void refused(tracked_exit& exit)
    {
        exit.registered = false;
        record_.holds(!exit_runs(), "was refused while an exit runs", exit.name());
        std::erase_if(places_, [&](place const& each) { return each.exit == &exit; });
    }

    void nested(tracked_stack& child)
    {
        child.parent = this;
        places_.push_back({nullptr, &child});
    }

    // pop_all
    void takes_over(tracked_stack& other)
    {
        places_ = std::exchange(other.places_, {});
        for (auto& each : places_)
            (each.exit ? each.exit->home : each.child->parent) = this;
    }

    void started(tracked_exit& exit)
    {
        if (completed && exit.acquired_by) {
            // By itself.
            exit.began_late = true;
            return;
        }
        record_.holds(!completed, "began after the completion", exit.name());
        record_.holds(!exit_runs(), "began before the newer one had ended", exit.name());
        if (running_)
            expect_gone(*running_);
        if (!exit.out_of_order)
            expect_turn_of(exit);
        std::erase_if(places_, [&](place const& each) { return each.exit == &exit; });
        running_ = &exit;
    }

    // Its operation completes.
    void ends()
    {
        completed = true;
        record_.holds(all_done(), "was completed before all exits had ended", name);
        for (auto& each : record_.exits)
            if (each.home == this && each.wanted() && !each.out_of_order)
                expect_gone(each);
    }

    // ---- what is known

    bool exit_runs() const { return running_ && !running_->ended(); }
    tracked_exit* running() const { return exit_runs() ? running_ : nullptr; }

    bool all_done() const
    {
        return !exit_runs() && std::all_of(places_.begin(), places_.end(), [](place const& each) {
            return each.done();
        });
    }

    // An unwinding of it, or of the stack around it, was told to be forced.
    bool told_forced() const
    {
        return own_told_forced() || (parent && !closes_early && parent->told_forced());
    }

    bool is_within(tracked_stack const& other) const
    {
        return this == &other || (parent && parent->is_within(other));
    }

    // What fails in it comes out of the other one.
    bool reports_to(tracked_stack const& other) const
    {
        return this == &other || (parent && !closes_early && parent->reports_to(other));
    }

    bool own_told_forced() const
    {
        return std::any_of(
            open_.begin(), open_.end(), [](auto const& each) { return each.forced; });
    }

    bool unwinds() const { return !open_.empty(); }

    bool may_be_forced() const
    {
        auto const now = record_.now();
        bool const timed_out = std::any_of(open_.begin(), open_.end(),
            [&](auto const& each) { return passed(each.began, limits.timeout, now); });
        return force_called || timed_out || bounded_elsewhere
            || std::any_of(record_.operations.begin(), record_.operations.end(),
                [&](auto const& each) { return each.home == this && lets_force(each, now); })
            || (parent && parent->may_be_forced());
    }

    // What has been told has arrived.
    bool must_be_forced(tracked_operation const& by) const
    {
        if (by.done() || by.is != tracked_operation::kind::unwinds || !by.begun || by.body_runs)
            return false;
        auto const now = record_.now();
        return (force_called && !by.acquires) || by.terminals_unwinding >= 2
            || passed(*by.begun, limits.timeout, now)
            || (by.told && passed(std::max(*by.begun, *by.told), limits.grace, now));
    }

    // ---- what its observer hears

    void unwinding_began(exeunt::unwinding_view const& unwinding) noexcept override
    {
        following_observer::unwinding_began(unwinding);
        open_.push_back({unwinding.id, unwinding.began, false});
        for (auto& each : record_.operations)
            if (each.home == this)
                each.unwinding_began(unwinding.began);
        record_.at_event();
    }

    void unwinding_forced(
        exeunt::unwinding_view const& unwinding, duration elapsed) noexcept override
    {
        following_observer::unwinding_forced(unwinding, elapsed);
        record_.holds(may_be_forced(), "was forced without a reason", name);
        record_.anything_forced = true;
        for (auto& each : open_)
            each.forced = each.forced || each.id == unwinding.id;
        record_.at_event();
    }

    void unwinding_ended(exeunt::unwinding_view const& unwinding, std::exception_ptr error,
        duration elapsed) noexcept override
    {
        following_observer::unwinding_ended(unwinding, error, elapsed);
        std::erase_if(open_, [&](auto const& each) { return each.id == unwinding.id; });
        record_.at_event();
    }

    void exit_began(exeunt::exit_view const& exit) noexcept override
    {
        following_observer::exit_began(exit);
        if (auto* found = record_.find(exit.name)) {
            ++found->begins_told;
            found->told_by = this;
            found->forced_from_begin = told_forced();
        }
        record_.at_event();
    }

    void exit_cut(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        following_observer::exit_cut(exit, elapsed);
        if (auto* found = record_.find(exit.name)) {
            found->cut_told = true;
            record_.holds(own_told_forced() || elapsed >= found->within, "was cut without a reason",
                exit.name);
        }
        record_.at_event();
    }

    void exit_forced(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        following_observer::exit_forced(exit, elapsed);
        if (auto* found = record_.find(exit.name))
            ++found->forces_told;
        record_.at_event();
    }

    void exit_ended(
        exeunt::exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept override
    {
        following_observer::exit_ended(exit, error, elapsed);
        if (auto* found = record_.find(exit.name)) {
            ++found->ends_told;
            expect_gone(*found);
        }
        record_.at_event();
    }

    void exit_abandoned(exeunt::exit_view const& exit) noexcept override
    {
        following_observer::exit_abandoned(exit);
        record_.holds(may_abandon, "was abandoned", exit.name);
        if (auto* found = record_.find(exit.name))
            ++found->abandonments;
        record_.at_event();
    }

    std::string name;
    exeunt::close_options limits;
    async_exit_stack* stack = nullptr; // null: out of reach
    exeunt::exit_stack* synchronous = nullptr; // in place of that
    tracked_stack* parent = nullptr; // that it is an exit of
    bool closes_early = false; // before its turn there
    bool may_abandon = false;
    bool force_called = false;
    bool bounded_elsewhere = false; // by what is not known here
    bool completed = false;

private:
    struct place
    {
        bool done() const { return exit ? exit->ended() || !exit->wanted() : child->all_done(); }

        tracked_exit* exit;
        tracked_stack* child;
    };

    struct open_unwinding
    {
        std::uint64_t id;
        scenario_time began;
        bool forced;
    };

    static bool passed(scenario_time since, duration time, scenario_time now)
    {
        return time != duration::max() && now - since >= time;
    }

    bool lets_force(tracked_operation const& by, scenario_time now) const
    {
        return !by.done() && by.is != tracked_operation::kind::waits
            && (by.terminals >= 2 || (by.begun && passed(*by.begun, limits.timeout, now))
                || (by.cancelled && passed(*by.cancelled, limits.grace, now)));
    }

    // What is newer has had its turn, here and in the stacks around this one.
    void expect_turn_of(tracked_exit const& exit)
    {
        auto const mine = std::find_if(
            places_.begin(), places_.end(), [&](place const& each) { return each.exit == &exit; });
        record_.holds(mine != places_.end(), "ran twice", exit.name());
        record_.holds(std::all_of(mine, places_.end(),
                          [&](place const& each) { return each.exit == &exit || each.done(); }),
            "began before a newer one", exit.name());
        for (auto* inner = this; inner->parent && !inner->closes_early; inner = inner->parent)
            inner->parent->expect_turn_of(*inner, exit.name());
    }

    void expect_turn_of(tracked_stack const& child, std::string_view exit)
    {
        auto const mine = std::find_if(places_.begin(), places_.end(),
            [&](place const& each) { return each.child == &child; });
        record_.holds(!exit_runs()
                && std::all_of(mine, places_.end(),
                    [&](place const& each) { return each.child == &child || each.done(); }),
            "began before a newer one of the stack around its own", exit);
    }

    // What it held has been destroyed.
    void expect_gone(tracked_exit const& exit)
    {
        bool const had_frame = exit.is_coroutine && exit.starts && exit.script.begins() != 0;
        std::size_t const frames = had_frame ? 1 : 0;
        record_.holds(exit.ended() && record_.log.count("~" + exit.name()) == 1
                && record_.log.count("%" + exit.name()) == frames,
            "ended, and something of it lives", exit.name());
    }

    scenario_record& record_;
    // What has not begun, oldest first; a nested stack stays until its parent goes on.
    std::vector<place> places_;
    tracked_exit* running_ = nullptr; // the last one that was started
    std::vector<open_unwinding> open_;
};

} // namespace support

#endif
