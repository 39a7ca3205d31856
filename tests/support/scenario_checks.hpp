// What must hold for a scenario between two of its steps, when nothing is ready, and at its end.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_CHECKS_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_CHECKS_HPP

#include "support/scenario_stack.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <exception>
#include <string_view>

namespace support {

class scenario_checks : public scenario_record
{
public:
    bool outcome_is_known = true; // no exit suppresses or replaces
    bool ends_when_forced = true; // nothing in it has limits of its own

protected:
    // An exit that waits while its stack is forced has been cut.
    void check_running()
    {
        for (auto const& each : exits)
            if (each.script.running() && each.told_by && each.told_by->own_told_forced())
                holds(each.script.cuts() == 1, "waits in a forced stack and was not cut",
                    each.name());
    }

    // No handler is ready: what has been emitted has arrived, and has had its effect.
    void check_settled()
    {
        for (auto& each : operations) {
            if (each.done())
                continue;
            if (each.cancelled && !each.told)
                each.told = now();
            if (each.is == tracked_operation::kind::waits && each.cancelled)
                holds(false, "was not detached", each.name);
            if (each.body_runs && each.cancelled)
                holds(!work_runs(), "is cancelled, and its body is not", each.name);
            if (each.home->must_be_forced(each))
                check_forced(each);
        }
    }

    void check_forced(tracked_operation const& by)
    {
        bool waits = false;
        for (auto const& each : exits)
            if (each.script.running() && each.home->is_within(*by.home)) {
                waits = true;
                holds(each.deaf && each.script.cuts() == 1,
                    "waits, and what runs it has to be forced", each.name());
            }
        holds(waits || !ends_when_forced, "has to be forced, and does not end", by.name);
    }

    void check_end_of(tracked_exit const& exit)
    {
        auto const begins = exit.script.begins();
        holds(exit.ended() == exit.wanted(), "has not come to one end", exit.name());
        holds(begins <= 1 && exit.forces <= 1 && exit.abandonments <= 1, "came to several ends",
            exit.name());
        if (exit.wanted())
            check_kind_of_end(exit);
        else
            holds(!exit.started() && exit.abandonments == 0, "ran", exit.name());
        holds(log.count("~" + exit.name()) == exit.registrations, "was not destroyed once",
            exit.name());
        holds(exit.begins_told == (exit.started() ? 1 : 0) && exit.ends_told == exit.begins_told
                && exit.forces_told == exit.forces,
            "was told of in another way", exit.name());
    }

    void check_kind_of_end(tracked_exit const& exit)
    {
        auto const begins = exit.script.begins();
        if (exit.has_force)
            holds(exit.forces == (exit.succeeded() ? 0 : 1) && exit.abandonments == 0,
                "should be forced where it did not succeed, and only there", exit.name());
        else
            holds(begins + exit.abandonments == 1, "should run", exit.name());
        holds(exit.script.ends() == begins || exit.loses_handler, "did not end", exit.name());
        holds(exit.script.cuts() <= 1, "was cut several times", exit.name());
        holds(!exit.has_on_cut || exit.on_cuts == exit.script.cuts(), "was cut without its on_cut",
            exit.name());
        for (auto const type : exit.script.cut_types())
            holds(
                type == asio::cancellation_type::terminal, "was cut by another type", exit.name());
    }

    void check_end_of(tracked_operation const& operation)
    {
        if (!holds(operation.done(), "was not completed", operation.name))
            return;
        if (operation.acquires && !operation.error)
            holds(
                !operation.acquires->began_late, "acquired what was released late", operation.name);
        if (operation.ends_home && outcome_is_known)
            check_outcome(operation);
    }

    void check_outcome(tracked_operation const& operation)
    {
        bool fails = operation.finds_failure || (operation.has_body && work_was_cut());
        for (auto const& each : exits)
            if (each.home->reports_to(*operation.home) && !each.alone && !each.began_late)
                fails = fails || each.counts_as_failure();
        holds((operation.error != nullptr) == fails,
            fails ? "completed without the failures of its exits"
                  : "completed with a failure that no exit had",
            operation.name);
    }

    // The exit that an acquire was to register, when that completes.
    void check_acquired(tracked_operation const& by)
    {
        auto& exit = *by.acquires;
        if (is_stack_closed(exeunt::primary(by.error)))
            holds(exit.ended(), "was not released before its acquire completed", exit.name());
        else if (by.error)
            exit.registered = false;
    }

    bool work_runs() const
    {
        return std::any_of(
            works.begin(), works.end(), [](auto const& each) { return each.running(); });
    }

    bool work_was_cut() const
    {
        return std::any_of(
            works.begin(), works.end(), [](auto const& each) { return each.cuts() != 0; });
    }

    std::deque<tracked_stack> stacks;
    std::deque<scripted_exit> works; // of bodies
};

} // namespace support

#endif
