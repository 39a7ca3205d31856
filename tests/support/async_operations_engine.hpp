// How asynchronous stacks unwind, in vectors: the part of the model that runs exits.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_ENGINE_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_ENGINE_HPP

#include "support/async_operations.hpp"
#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <algorithm>
#include <climits>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace support::async_operations {

class engine
{
protected:
    static constexpr int never = INT_MAX;
    static constexpr int nothing = -1;

    struct core;
    struct unwinding;

    struct exit
    {
        int id = 0;
        shape how = shape::sync;
        behaviour does = {};
        std::shared_ptr<core> child = {};
        limits limited = {}; // of the child
        bool entered = false;
    };

    enum class phase { open, closing, closed };

    // What the stack objects hold, and the operations on them share.
    struct core
    {
        std::vector<exit> exits = {}; // oldest first
        int cause = nothing;
        phase now = phase::open;
        bool forced = false;
        bool busy = false; // an operation runs exits
        bool inside = false; // the code of an exit is being called
        unwinding* active = nullptr;
        unwinding* closer = nullptr; // waits for an exit that is run by itself
        std::vector<int> running = {}; // the exits that have begun, and those that are forgotten
        exit const* shown = nullptr; // as running
        std::deque<unwinding*> requests = {}; // to run one exit
        std::deque<unwinding*> answering = {};
        std::vector<int> joined = {}; // operations
    };

    using core_ptr = std::shared_ptr<core>;

    enum class kind { close, run_now, child, release };

    // One operation that runs exits, or waits to.
    struct unwinding
    {
        kind what = kind::close;
        core_ptr on = {};
        limits limited = {};
        int operation = nothing;
        int wanted = nothing; // of run_now
        unwinding* parent = nullptr; // of a child
        model_flight own = {};
        model_flight* flight = nullptr; // its own, or its parent's
        model_thrown cause = {};
        bool ended = false;

        bool cancelled = false;
        bool terminal_seen = false;
        int forced = nothing; // by a failure of this number
        int deadline = never;

        bool waits = false; // for the exit that runs
        int cut = nothing;
        int within = never;
        exit running = {};
    };

    // ---- the log

    void note(int word) { log_.push_back(word); }
    void note(int word, int number)
    {
        log_.push_back(word);
        log_.push_back(number);
    }

    static void append(int_log& log, std::vector<model_failure> const& all)
    {
        for (model_failure const& each : all) {
            log.push_back(each.error);
            log.push_back(each.name);
        }
    }

    static int_log numbers_of(model_thrown const& thrown)
    {
        int_log log{outcome_word};
        if (thrown.several)
            append(log, thrown.all);
        else
            log.push_back(thrown ? thrown.all.front().error : nothing);
        return log;
    }

    void tell(int name, model_thrown const& thrown)
    {
        note(told, name);
        int_log const numbers = numbers_of(thrown);
        log_.insert(log_.end(), numbers.begin(), numbers.end());
    }

    void complete(int operation, model_thrown const& thrown)
    {
        completions_.end(operation, numbers_of(thrown));
    }

    static int name_of(exit const& e) { return is_named(e.how) ? e.id : nothing; }

    static model_thrown thrown_of(int error)
    {
        return error < 0 ? model_thrown() : model_thrown::one(error);
    }

    static model_thrown end_of(exit const& e)
    {
        switch (e.does.end) {
        case ending::fails: return model_thrown::one(plain_failures + e.id);
        case ending::is_cancelled: return model_thrown::one(cancellations + e.id);
        default: return {};
        }
    }

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
            dispatch([this, &u, reason] {
                for (std::size_t k = 0; k != unwindings_.size(); ++k)
                    if (!unwindings_[k]->ended && unwindings_[k]->parent == &u)
                        force(*unwindings_[k], reason);
            });
            return;
        }
        cut_held(u.running.id);
    }

    void cut_held(int id)
    {
        note(cut, id);
        auto const one = std::find_if(
            held_.begin(), held_.end(), [&](auto const& each) { return each.e.id == id; });
        if (one == held_.end() || one->e.does.ignores_cut)
            return;
        finish(one, model_thrown::one(made_aborted));
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

    // ---- what waits for an answer

    struct held
    {
        exit e;
        std::function<void(model_thrown const&)> then;
    };

    void finish(std::vector<held>::iterator which, model_thrown const& thrown)
    {
        held one = std::move(*which);
        held_.erase(which);
        posted_.push_back([this, one = std::move(one), thrown] {
            note(ended, one.e.id);
            one.then(thrown);
        });
    }

    // What is begun where the stacks' executor does not run, begins later.
    template <class F>
    void dispatch(F f)
    {
        if (draining_)
            f();
        else
            posted_.push_back(std::move(f));
    }

    void drain()
    {
        draining_ = true;
        while (!posted_.empty()) {
            auto const next = std::move(posted_.front());
            posted_.pop_front();
            next();
        }
        draining_ = false;
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
        if (u.what == kind::run_now)
            return end_run_now(u);
        answer_request(*u.on);
        run(u);
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

    // ---- closing

    unwinding& make(kind what, core_ptr const& on, limits const& limited, int operation)
    {
        auto made = std::make_unique<unwinding>();
        made->what = what;
        made->on = on;
        made->limited = limited;
        made->operation = operation;
        unwindings_.push_back(std::move(made));
        return *unwindings_.back();
    }

    void begin_close(unwinding& u)
    {
        core& c = *u.on;
        int const cause = u.cause ? primary_of(u.cause.all) : c.cause;
        begin_clock(u, cause != nothing && is_cancellation(cause));
        if (int const around = forced_around(u); c.forced || around != nothing)
            u.forced = c.forced ? made_aborted : around;
        if (c.busy) {
            c.closer = &u;
            if (u.forced != nothing)
                force(u, u.forced);
            return;
        }
        c.busy = true;
        unwind(u);
    }

    void unwind(unwinding& u)
    {
        core& c = *u.on;
        c.active = &u;
        if (c.forced && u.forced == nothing)
            u.forced = made_aborted;
        if (u.parent && c.cause == nothing) {
            u.flight = u.parent->flight;
        } else {
            bool const reported = static_cast<bool>(u.cause);
            int const told_cause = reported ? nothing : std::exchange(c.cause, nothing);
            u.own = model_flight(reported ? u.cause : thrown_of(told_cause), reported);
            u.flight = &u.own;
        }
        run(u);
    }

    void run(unwinding& u)
    {
        core& c = *u.on;
        for (exit e; next(c, e);) {
            if (!run_exit(u, std::move(e)))
                return;
            answer_request(c);
        }
        end_close(u);
    }

    // A wish to run one exit comes before what is newest.
    bool next(core& c, exit& e)
    {
        while (!c.requests.empty()) {
            unwinding* const request = c.requests.front();
            c.requests.pop_front();
            if (take(c, request->wanted, e)) {
                c.answering.push_back(request);
                return true;
            }
            end_request(*request, {});
        }
        if (c.exits.empty())
            return false;
        e = std::move(c.exits.back());
        c.exits.pop_back();
        return true;
    }

    static bool take(core& c, int wanted, exit& to)
    {
        for (std::size_t k = c.exits.size(); k-- != 0;)
            if (wanted >= 0 && c.exits[k].id == wanted) {
                to = std::move(c.exits[k]);
                c.exits.erase(c.exits.begin() + static_cast<std::ptrdiff_t>(k));
                return true;
            }
        return false;
    }

    void answer_request(core& c)
    {
        if (c.answering.empty())
            return;
        unwinding* const request = c.answering.front();
        c.answering.pop_front();
        end_request(*request, {});
    }

    void end_request(unwinding& u, model_thrown const& thrown)
    {
        u.ended = true;
        complete(u.operation, thrown);
    }

    model_thrown come_out(unwinding const& u)
    {
        std::vector<model_failure> others;
        model_thrown out = u.flight->outcome(u.limited.primary_only, others);
        for (model_failure const& each : others)
            tell(each.name, model_thrown::one(each.error));
        return out;
    }

    void end_close(unwinding& u)
    {
        core_ptr const c = u.on;
        c->now = phase::closed;
        c->busy = false;
        c->active = nullptr;
        u.ended = true;
        for (unwinding* each : std::exchange(c->requests, {}))
            end_request(*each, {});
        for (int each : std::exchange(c->joined, {}))
            complete(each, {});
        if (u.what != kind::child)
            return complete(u.operation, come_out(u));
        if (u.flight == &u.own)
            u.parent->flight->add(come_out(u), nothing);
        posted_.push_back([this, parent = u.parent] { resume(*parent, {}); });
    }

    // ---- one exit by itself

    void begin_run_now(unwinding& u)
    {
        core& c = *u.on;
        if (c.busy || c.now == phase::closing)
            return c.requests.push_back(&u);
        c.busy = true;
        run_one(u);
    }

    void run_one(unwinding& u)
    {
        core& c = *u.on;
        exit e;
        if (!take(c, u.wanted, e))
            return end_run_now(u);
        c.active = &u;
        u.own = model_flight(thrown_of(c.cause), false);
        u.flight = &u.own;
        begin_clock(u, false);
        if (c.forced)
            u.forced = made_aborted;
        if (run_exit(u, std::move(e)))
            end_run_now(u);
    }

    void end_run_now(unwinding& u)
    {
        core_ptr const c = u.on;
        c->active = nullptr;
        c->busy = false;
        end_request(u, u.flight ? come_out(u) : model_thrown());
        while (!c->busy) {
            if (unwinding* const closer = std::exchange(c->closer, nullptr)) {
                c->busy = true;
                unwind(*closer);
            } else if (!c->requests.empty()) {
                unwinding* const request = c->requests.front();
                c->requests.pop_front();
                c->busy = true;
                run_one(*request);
            } else {
                return;
            }
        }
    }

    // ---- abandoning

    void abandon(core& c)
    {
        if (c.now != phase::open)
            return;
        c.now = phase::closing;
        bool const inside = std::exchange(c.inside, true);
        model_flight flight(thrown_of(std::exchange(c.cause, nothing)), false);
        int count = 0;
        while (!c.exits.empty()) {
            exit e = std::move(c.exits.back());
            c.exits.pop_back();
            abandon_exit(c, e, flight, count);
        }
        if (count != 0)
            note(lost, count);
        for (model_failure const& each : flight.reported())
            tell(each.name, model_thrown::one(each.error));
        c.inside = inside;
        c.now = phase::closed;
    }

    void abandon_exit(core& c, exit& e, model_flight& flight, int& count)
    {
        if (!is_async(e.how))
            return run_sync_exit(c, e, flight, true, true);
        c.running.push_back(e.id);
        if (is_wanted(e, true)) {
            if (has_force(e.how)) {
                note(force_ran, e.id);
            } else {
                note(abandoned, name_of(e));
                ++count;
            }
        }
        note_gone(e);
        c.running.pop_back();
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

    virtual void act_on(behaviour const& b, int id) = 0;

    ~engine() = default;

    int_log log_;
    completions completions_;
    std::vector<std::unique_ptr<unwinding>> unwindings_;
    std::vector<held> held_;
    std::deque<std::function<void()>> posted_;
    int now_ = 0;
    bool draining_ = false;
};

} // namespace support::async_operations

#endif
