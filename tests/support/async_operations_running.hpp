// How the model of asynchronous stacks runs an exit, hurries and forces it.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_RUNNING_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_RUNNING_HPP

#include "support/async_operations.hpp"
#include "support/async_operations_parts.hpp"
#include "support/model_failures.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>

namespace support::async_operations {

class running : protected parts
{
protected:
    // Closes a child that an exit is.
    virtual void begin_close(unwinding& u) = 0;
    virtual void abandon(core& c) = 0;
    // An exit that was waited for has ended.
    virtual void go_on(unwinding& u) = 0;
    // What an exit does to a stack.
    virtual void act_on(behaviour const& b, int id) = 0;

    ~running() = default;

    // ---- time and force

    void limit(unwinding& u, int seconds)
    {
        if (seconds != 0)
            u.deadline = std::min(u.deadline, now_ + seconds);
    }

    void begin_clock(unwinding& u, bool cancelled)
    {
        limit(u, u.limited.timeout);
        if (cancelled) {
            u.cancelled = true;
            limit(u, u.limited.grace);
        }
    }

    void force(unwinding& u, int reason)
    {
        if (u.forced == nothing)
            u.forced = reason;
        core& c = *u.on;
        if (c.active && c.active != &u && c.busy && c.now == phase::closing)
            return force(*c.active, u.forced);
        if (u.waits)
            cut_running(u, reason);
    }

    void terminal(unwinding& u)
    {
        u.cancelled = true;
        if (std::exchange(u.terminal_seen, true))
            force(u, made_aborted);
        else
            limit(u, u.limited.grace);
    }

    // The exit that is waited for is told to stop.
    void cut_running(unwinding& u, int reason)
    {
        if (u.cut != nothing)
            return;
        u.cut = reason;
        if (has_on_cut(u.running.how))
            note(on_cut, u.running.id);
        if (u.running.how == shape::nested) {
            // It hears of that by its slot, and later.
            posted_.push_back([this, &u, reason] {
                for (std::size_t k = 0; k != unwindings_.size(); ++k)
                    if (!unwindings_[k]->ended && unwindings_[k]->parent == &u)
                        force(*unwindings_[k], reason);
            });
            return;
        }
        cut_held(u.running.id);
    }

    // The unwinding that is forced first: the one around, whose state its own exits see.
    static int forced_around(unwinding const& u)
    {
        unwinding const* around = u.parent;
        while (around && around->flight != &around->own)
            around = around->parent;
        return around ? around->forced : nothing;
    }

    static bool shows_forced(unwinding const& u)
    {
        return u.forced != nothing || (u.parent && u.flight != &u.own && shows_forced(*u.parent));
    }

    // ---- running exits

    static bool is_wanted(exit const& e, bool failed)
    {
        if (e.how == shape::sync_on_failure)
            return failed;
        return e.how != shape::on_success_forced || !failed;
    }

    void record(exit const& e, model_flight& flight, model_thrown const& thrown)
    {
        if (thrown && is_best_effort(e.how))
            tell(name_of(e), thrown);
        else
            flight.add(thrown, name_of(e));
    }

    void note_gone(exit& e)
    {
        if (e.how != shape::nested)
            note(gone, e.id);
        if (auto const child = std::move(e.child))
            abandon(*child);
    }

    // False: the exit has not ended.
    bool run_exit(unwinding& u, exit e)
    {
        core& c = *u.on;
        if (!is_async(e.how)) {
            bool const before = std::exchange(c.inside, true);
            c.shown = &e;
            run_sync_exit(c, e, *u.flight, false, shows_forced(u));
            c.shown = nullptr;
            c.inside = before;
            return true;
        }
        if (!is_wanted(e, u.flight->failed())) {
            note_gone(e);
            return true;
        }
        if (int const around = forced_around(u); around != nothing && u.forced == nothing)
            u.forced = around;
        if (u.forced == nothing && u.deadline <= now_)
            u.forced = made_timed_out;
        c.running.push_back(e.id);
        u.running = std::move(e);
        c.shown = &u.running;
        u.cut = nothing;
        u.within = never;
        if (u.forced != nothing && has_force(u.running.how)) {
            if (u.running.how == shape::on_success_forced)
                record(u.running, *u.flight, model_thrown::one(u.forced));
            note(force_ran, u.running.id);
            forget_running(u);
            return true;
        }
        c.inside = true;
        model_thrown thrown;
        bool const has_ended = start(u, thrown);
        c.inside = false;
        if (has_ended) {
            settle(u, thrown);
            forget_running(u);
            return true;
        }
        u.waits = true;
        if (u.forced != nothing)
            cut_running(u, u.forced);
        else if (int const seconds = within_of(u.running.how))
            u.within = now_ + seconds;
        return false;
    }

    void run_sync_exit(core& c, exit& e, model_flight& flight, bool unknown, bool forced)
    {
        c.running.push_back(e.id);
        if (is_wanted(e, flight.failed() || unknown) && e.how != shape::emplaced) {
            begin(e, &flight, forced);
            model_thrown const thrown = behave(e, &flight);
            if (!thrown)
                note(ended, e.id);
            record(e, flight, thrown);
        }
        note_gone(e);
        c.running.pop_back();
    }

    // True: it has ended already.
    bool start(unwinding& u, model_thrown& thrown)
    {
        exit& e = u.running;
        if (e.how == shape::nested)
            return start_child(u, thrown);
        begin(e, sees_state(e.how) ? u.flight : nullptr, shows_forced(u));
        thrown = behave(e, sees_state(e.how) ? u.flight : nullptr);
        if (thrown)
            return true;
        if (e.does.waits) {
            hold(u, e);
            return false;
        }
        note(ended, e.id);
        thrown = end_of(e);
        return true;
    }

    void hold(unwinding& u, exit const& e)
    {
        held_.push_back({e, [this, &u](model_thrown const& result) { resume(u, result); }});
    }

    void resume(unwinding& u, model_thrown const& thrown)
    {
        u.waits = false;
        settle(u, thrown);
        forget_running(u);
        go_on(u);
    }

    bool start_child(unwinding& u, model_thrown& thrown)
    {
        core_ptr const child = u.running.child;
        if (child->now == phase::closed)
            return true;
        if (child->inside) {
            thrown = model_thrown::one(made_deadlock);
            return true;
        }
        unwinding& inner = make(kind::child, child, u.running.limited, nothing);
        inner.parent = &u;
        child->now = phase::closing;
        begin_close(inner);
        return false;
    }

    // The exit that was started has ended: what is its failure, and whether its force runs.
    void settle(unwinding& u, model_thrown const& thrown)
    {
        if (!thrown)
            return;
        exit const& e = u.running;
        bool const forces = has_force(e.how);
        bool const is_late = u.cut == made_timed_out && is_cancellation(primary_of(thrown.all));
        if (u.cut == nothing || (!forces && !is_late))
            record(e, *u.flight, thrown);
        else if (!forces || e.how == shape::on_success_forced)
            record(e, *u.flight, model_thrown::one(u.cut));
        if (forces)
            note(force_ran, e.id);
    }

    void forget_running(unwinding& u)
    {
        exit e = std::move(u.running);
        core& c = *u.on;
        note_gone(e);
        c.running.erase(std::find(c.running.begin(), c.running.end(), e.id));
        c.shown = nullptr;
        u.cut = nothing;
        u.within = never;
    }

    // ---- what exits do

    void begin(exit const& e, model_flight const* flight, bool forced)
    {
        note(began, e.id);
        if (!flight)
            return;
        note(in_flight);
        append(log_, flight->all());
        note(outcome_word, flight->primary());
        note(is_forced, forced);
    }

    model_thrown behave(exit const& e, model_flight* flight)
    {
        switch (e.does.what) {
        case action::nothing: return {};
        case action::fails: return model_thrown::one(plain_failures + e.id);
        case action::suppresses:
            if (flight)
                flight->suppress();
            return {};
        case action::replaces:
            if (flight)
                flight->replace(plain_failures + e.id, name_of(e));
            return {};
        case action::suppresses_and_fails:
            if (flight)
                flight->suppress();
            return model_thrown::one(plain_failures + e.id);
        default: act_on(e.does, e.id); return {};
        }
    }
};

} // namespace support::async_operations

#endif
