// How the model of asynchronous stacks closes a stack, runs one exit by itself, and abandons.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_ENGINE_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_ENGINE_HPP

#include "support/async_operations.hpp"
#include "support/async_operations_running.hpp"
#include "support/model_failures.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace support::async_operations {

class engine : protected running
{
protected:
    ~engine() = default;

    void go_on(unwinding& u) override
    {
        if (u.what == kind::run_now)
            return end_run_now(u);
        answer_request(*u.on);
        run(u);
    }

    // ---- closing

    void begin_close(unwinding& u) override
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

    void abandon(core& c) override
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

    // ---- what else is done to a stack

    void dismiss(core& c, int wanted)
    {
        exit e;
        bool const found = take(c, wanted, e);
        if (found) {
            c.running.push_back(e.id);
            note_gone(e);
            c.running.erase(std::find(c.running.begin(), c.running.end(), e.id));
        }
        note(result, found);
    }

    void force_stack(core& c)
    {
        if (c.now == phase::closed)
            return;
        c.forced = true;
        if (c.active)
            force(*c.active, made_aborted);
    }

    void look(core const& c)
    {
        std::size_t position = c.exits.size();
        if (c.shown)
            note(running_view, static_cast<int>(position)), log_.push_back(name_of(*c.shown));
        while (position-- != 0)
            note(view, static_cast<int>(position)), log_.push_back(name_of(c.exits[position]));
    }
};

} // namespace support::async_operations

#endif
