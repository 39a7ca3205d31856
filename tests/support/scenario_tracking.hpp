// What is known of the exits and operations of a scenario: what they are to do, and what has become of them.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_TRACKING_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_TRACKING_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/expect.hpp"
#include "support/scripted_exit.hpp"

#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace support {

using exeunt::async_exit_stack;
using exeunt::exit_state;

using scenario_time = std::chrono::steady_clock::time_point;

class tracked_stack;
struct tracked_operation;

// One registered exit.
struct tracked_exit
{
    tracked_exit(event_log& log, std::string name, tracked_stack& of)
        : script(log, std::move(name))
        , home(&of)
    {
        script.marks_captures();
    }

    // ---- what it does; by default an asynchronous one waits, a synchronous one succeeds

    tracked_exit& at_once() { return script.at_once(), *this; }
    tracked_exit& fails_at_once() { return script.at_once(own_failure()), *this; }
    tracked_exit& posted() { return script.posted(), *this; }
    tracked_exit& fails_posted() { return script.posted(own_failure()), *this; }
    tracked_exit& throws() { return starts = false, script.throws(own_failure()), *this; }
    tracked_exit& drops()
    {
        return fails = loses_handler = true, script.drops_its_handler(), *this;
    }
    tracked_exit& ignores_cuts() { return deaf = true, script.ignores_cancellation(), *this; }

    // When it has begun.
    tracked_exit& does(std::function<void()> act) { return acts = std::move(act), *this; }
    tracked_exit& looks(std::function<void(exit_state&)> look)
    {
        return sees = std::move(look), *this;
    }

    // What its on_cut brings about.
    void give_up()
    {
        if (!script.running())
            return;
        gave_up = true;
        script.answer(cancellation());
    }

    // ---- what has become of it

    std::string const& name() const { return script.name(); }

    bool filtered_out() const
    {
        return filter != exeunt::exit_filter::always && failure_in_flight
            && *failure_in_flight != (filter == exeunt::exit_filter::only_on_failure);
    }

    bool wanted() const { return registered && !dismissed && !filtered_out(); }
    bool started() const { return script.begins() + forces != 0; }
    bool cut_short() const { return gave_up || (script.cuts() != 0 && !deaf); }
    bool succeeded() const { return script.begins() == 1 && !fails && !cut_short(); }

    bool ended() const
    {
        bool const runs = script.begins() != script.ends() && !loses_handler;
        return abandonments != 0
            || (started() && !runs && (!has_force || succeeded() || forces != 0));
    }

    // It is one of the failures that come out. Where it was cut, a force makes good for it.
    bool counts_as_failure() const
    {
        if (best_effort || !wanted())
            return false;
        bool const missed = filter == exeunt::exit_filter::only_on_success && forces != 0;
        bool const made_good = has_force && cut_told;
        return (fails && script.begins() != 0 && !made_good) || (force_fails && forces != 0)
            || missed || (cut_short() && !has_force);
    }

    scripted_exit script;
    tracked_stack* home;
    exeunt::exit_handle handle = {};
    bool is_coroutine = false;
    bool starts = true; // and does not throw in place of that
    bool loses_handler = false;
    bool has_force = false;
    bool force_fails = false;
    bool fails = false; // by itself
    bool deaf = false;
    bool gave_up = false;
    bool has_on_cut = false;
    bool best_effort = false;
    exeunt::exit_filter filter = exeunt::exit_filter::always;
    std::chrono::steady_clock::duration within = std::chrono::steady_clock::duration::max();
    bool out_of_order = false; // it may run before newer ones
    std::function<void()> acts = {};
    std::function<void(exit_state&)> sees = {};

    std::size_t registrations = 0; // tried
    bool registered = false;
    bool dismissed = false;
    bool alone = false; // its failure is that of another operation
    std::optional<bool> failure_in_flight = {}; // at its turn, where it has a filter
    bool began_late = false; // its stack was closed before
    tracked_operation* acquired_by = nullptr;
    tracked_stack* told_by = nullptr; // whose observer told that it began
    bool forced_from_begin = false; // its stack, or one around it
    int forces = 0;
    int on_cuts = 0;
    int abandonments = 0;
    int begins_told = 0;
    int ends_told = 0;
    int forces_told = 0;
    bool cut_told = false;

private:
    std::exception_ptr own_failure()
    {
        fails = true;
        return failure("no " + name());
    }
};

// One operation of the library, and what has been emitted on its slot.
struct tracked_operation
{
    enum class kind {
        unwinds, // it runs exits, or is the scope that they belong to
        waits, // for what another one does
        acquires,
    };

    tracked_operation(std::string named, tracked_stack& of, kind k)
        : name(std::move(named))
        , home(&of)
        , is(k)
    {
    }

    bool done() const { return calls != 0; }

    // A terminal is emitted on its slot.
    void note_terminal(scenario_time now)
    {
        if (done())
            return;
        if (!cancelled)
            cancelled = now;
        if (!body_runs || indirect)
            ++terminals;
        if (!body_runs && begun && !indirect)
            ++terminals_unwinding;
    }

    // What it acquired is released, its stack being closed.
    void releases(scenario_time now)
    {
        is = kind::unwinds;
        begun = now;
    }

    // The stack that it unwinds does so.
    void unwinding_began(scenario_time now)
    {
        if (is != kind::unwinds || begun || closed_by_body)
            return;
        begun = now;
        body_runs = false;
    }

    std::string name;
    tracked_stack* home;
    kind is;
    asio::cancellation_signal signal = {};
    bool indirect = false; // what is emitted on its slot comes to the library later
    bool can_be_cancelled = true;
    tracked_exit* acquires = nullptr;
    bool body_runs = false;
    bool has_body = false;
    bool closed_by_body = false; // its stack
    bool ends_home = false; // its stack is closed when it completes
    bool initiating = false;
    bool finds_failure = false; // its cause, or its body, fails
    int calls = 0;
    std::exception_ptr error = {};
    int terminals = 0; // that may have come when no body ran
    int terminals_unwinding = 0; // ... and which certainly came while it unwound
    std::optional<scenario_time> begun = {}; // since when its time counts
    std::optional<scenario_time> cancelled = {};
    std::optional<scenario_time> told = {}; // when that has certainly arrived
};

// What the parts of a scenario share. Outlives the execution context.
struct scenario_record
{
    // Tells the first thing that does not hold; what follows from it says nothing new.
    bool holds(
        bool ok, std::string_view what, std::string_view of, where_t where = where_t::current())
    {
        if (ok || std::exchange(told_of_failure, true))
            return ok;
        return expect(
            false, std::string(of) + " " + std::string(what) + ", in: " + log.text(), where);
    }

    tracked_exit* find(std::string_view name)
    {
        for (auto& each : exits)
            if (each.name() == name)
                return &each;
        return nullptr;
    }

    event_log log;
    event_log told; // what the observers heard
    std::deque<tracked_exit> exits;
    std::deque<tracked_operation> operations;
    std::function<scenario_time()> now;
    std::function<void()> at_start = [] {}; // an exit, or its force in place of it, has begun
    std::function<void()> at_event = [] {}; // an observer is told of something
    bool anything_forced = false;
    bool told_of_failure = false;
};

// Lies in the body of a scope that closes its own stack, for as long as that runs.
class body_that_closes
{
public:
    body_that_closes(tracked_operation& scope, scenario_record const& record)
        : scope_(scope)
        , record_(record)
    {
        scope_.closed_by_body = scope_.body_runs = true;
    }
    body_that_closes(body_that_closes const&) = delete;
    body_that_closes& operator=(body_that_closes const&) = delete;

    // A terminal from here on hurries the close. What came before concerned the body, and leaves it grace.
    ~body_that_closes()
    {
        scope_.body_runs = false;
        scope_.begun = record_.now();
    }

private:
    tracked_operation& scope_;
    scenario_record const& record_;
};

} // namespace support

#endif
