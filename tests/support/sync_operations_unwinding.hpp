// How the model of synchronous stacks unwinds: vectors, and a log.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_UNWINDING_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_UNWINDING_HPP

#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"
#include "support/sync_operations.hpp"

#include <memory>
#include <utility>
#include <vector>

namespace support::sync_operations {

class unwinding
{
protected:
    struct stack;

    enum class kind { code, owned, nested, nested_owned };

    struct exit
    {
        int id = 0;
        kind what = kind::code;
        shape how = shape::plain;
        behaviour does = {};
        bool has_mark = true; // its end is noted
        unsigned slot = 0; // of what is nested by reference
        std::shared_ptr<stack> child = {};
    };

    enum class phase { open, closing, closed };

    struct stack
    {
        std::vector<exit> exits = {}; // oldest first
        std::vector<int> running = {}; // names
        int cause = -1;
        phase now = phase::open;
        bool primary_only = false;
    };

    // What an exit does to a stack.
    virtual model_thrown act_on(stack& s, behaviour const& b, int id) = 0;

    ~unwinding() = default;

    // ---- the log

    void note(int word) { log_.push_back(word); }
    void note(int word, int number)
    {
        log_.push_back(word);
        log_.push_back(number);
    }

    void note(int word, std::vector<model_failure> const& all)
    {
        note(word);
        for (model_failure const& each : all) {
            log_.push_back(each.error);
            log_.push_back(each.name);
        }
    }

    void note_thrown(int word, model_thrown const& thrown)
    {
        if (thrown.several)
            return note(word, thrown.all);
        note(word, thrown ? thrown.all.front().error : -1);
    }

    void note_sizes()
    {
        note(sizes);
        for (stack const& each : slots_)
            log_.push_back(static_cast<int>(each.exits.size()) * 2 + (each.now == phase::open));
    }

    void note_gone(exit& e)
    {
        if (e.has_mark)
            note(gone, e.id);
        if (auto const child = std::move(e.child))
            destroy(*child);
    }

    static int name_of(exit const& e)
    {
        return e.what == kind::code && is_named(e.how) ? e.id : no_name;
    }

    // ---- stacks

    static model_thrown cause(int error)
    {
        return error < 0 ? model_thrown() : model_thrown::one(error);
    }

    void unwind(stack& s, model_flight& flight, bool unknown)
    {
        s.now = phase::closing;
        while (!s.exits.empty()) {
            exit e = std::move(s.exits.back());
            s.exits.pop_back();
            run_exit(s, e, flight, unknown);
        }
        s.now = phase::closed;
    }

    void run_exit(stack& s, exit& e, model_flight& flight, bool unknown)
    {
        bool const failed = flight.failed() || unknown;
        bool const wanted =
            !(e.how == shape::on_failure && !failed) && !(e.how == shape::on_success && failed);
        s.running.push_back(name_of(e));
        if (!wanted) {
            // Only what it holds ends.
        } else if (e.what == kind::code) {
            model_thrown const thrown = act(e, sees_state(e.how) ? &flight : nullptr);
            if (e.how == shape::best_effort && thrown)
                note(told, name_of(e)), note_thrown(outcome_word, thrown);
            else
                flight.add(thrown, name_of(e));
        } else if (e.what == kind::nested) {
            exit_nested(slots_[e.slot], flight, unknown);
        } else if (e.what == kind::nested_owned) {
            exit_nested(*e.child, flight, unknown);
        }
        note_gone(e);
        s.running.pop_back();
    }

    void exit_nested(stack& s, model_flight& outer, bool unknown)
    {
        if (s.now != phase::open)
            return;
        if (s.cause < 0)
            return unwind(s, outer, unknown);
        model_flight own(cause(std::exchange(s.cause, -1)), false);
        unwind(s, own, false);
        outer.add(come_out(own, s), no_name);
    }

    model_thrown come_out(model_flight const& flight, stack const& s)
    {
        std::vector<model_failure> others;
        model_thrown out = flight.outcome(s.primary_only, others);
        for (model_failure const& each : others)
            note(told, each.name), note(outcome_word, each.error);
        return out;
    }

    model_thrown close(stack& s, int error)
    {
        if (s.now != phase::open)
            return cause(error);
        model_flight flight(cause(error < 0 ? std::exchange(s.cause, -1) : error), error >= 0);
        unwind(s, flight, false);
        return come_out(flight, s);
    }

    // As the destructor does.
    void destroy(stack& s)
    {
        if (s.exits.empty())
            return;
        model_flight flight(cause(std::exchange(s.cause, -1)), false);
        unwind(s, flight, true);
        for (model_failure const& each : flight.reported())
            note(told, each.name), note(outcome_word, each.error);
    }

    static stack take(stack& from)
    {
        stack to;
        to.exits = std::move(from.exits);
        from.exits.clear();
        to.cause = std::exchange(from.cause, -1);
        to.primary_only = from.primary_only;
        if (from.now == phase::closed)
            std::swap(to.now, from.now);
        return to;
    }

    static stack pop_all(stack& from)
    {
        stack to;
        to.exits = std::move(from.exits);
        from.exits.clear();
        to.primary_only = from.primary_only;
        return to;
    }

    void assign(stack& to, stack& from)
    {
        if (&to == &from)
            return;
        destroy(to);
        stack taken = take(from);
        taken.running = std::move(to.running);
        to = std::move(taken);
    }

    // ---- exits

    model_thrown act(exit& e, model_flight* flight)
    {
        int const id = e.id;
        note(began, id);
        if (flight) {
            note(in_flight, flight->all());
            note(outcome_word, flight->primary());
        }
        model_thrown const thrown = behave(e, id, flight);
        if (!thrown)
            note(ended, id);
        return thrown;
    }

    model_thrown behave(exit& e, int id, model_flight* flight)
    {
        switch (e.does.what) {
        case action::fails: return model_thrown::one(plain_failures + id);
        case action::fails_oddly: return model_thrown::one(odd_failures + id);
        case action::is_cancelled: return model_thrown::one(cancellations + id);
        default: break;
        }
        if (static_cast<unsigned>(e.does.what) >= simple_actions)
            return act_on(slots_[e.does.target], e.does, id);
        if (!flight)
            return {};
        switch (e.does.what) {
        case action::suppresses: flight->suppress(); return {};
        case action::replaces: flight->replace(plain_failures + id, name_of(e)); return {};
        case action::rethrows_error: return cause(flight->primary());
        case action::rethrows_cause: return cause(flight->cause());
        case action::suppresses_and_fails:
            flight->suppress();
            return model_thrown::one(plain_failures + id);
        case action::replaces_and_rethrows:
            flight->replace(plain_failures + id, name_of(e));
            return cause(flight->primary());
        default: return {};
        }
    }

    int_log log_;
    stack slots_[slots];
};

} // namespace support::sync_operations

#endif
