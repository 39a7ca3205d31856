// What synchronous stacks do, in vectors.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_MODEL_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_MODEL_HPP

#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"
#include "support/sync_operations.hpp"
#include "support/sync_operations_unwinding.hpp"

#include <cstddef>
#include <list>
#include <utility>
#include <vector>

namespace support::sync_operations {

class model : private unwinding
{
public:
    int_log run(op_sequence const& ops)
    {
        for (std::size_t k = 0; k != ops.size(); ++k) {
            carry_out(ops[k], cause_of(k, ops[k]));
            note_sizes();
        }
        end();
        return std::move(log_);
    }

private:
    model_thrown act_on(stack& s, behaviour const& b, int id) override
    {
        int const error = plain_failures + 30 + id;
        switch (b.what) {
        case action::adds: add(s, shape::seeing, simple_behaviour(b)); return {};
        case action::dismisses: dismiss(s, b.which); return {};
        case action::runs: return run_now(s, b.which);
        case action::hands_over: others_.push_back(pop_all(s)); return {};
        case action::moves_away: others_.push_back(take(s)); return {};
        case action::closes: return close(s, -1);
        case action::closes_with_cause: return close(s, error);
        case action::tells_failure: s.cause = error; return {};
        default: look(s); return {};
        }
    }

    void add(stack& s, shape how, behaviour const& does)
    {
        exit e{next_++, kind::code, how, does};
        bool const consumed = how != shape::entered_by_reference
            && how != shape::pushed_by_reference && how != shape::no_function;
        e.has_mark = consumed;
        if (how == shape::emplaced || how == shape::owned)
            e.what = kind::owned;
        handles_.push_back(-1);
        if (s.now == phase::closed) {
            // What is emplaced is never made.
            if (consumed && how != shape::emplaced)
                note(gone, e.id);
            return note(refused);
        }
        if (how == shape::no_function)
            return note(empty_function);
        bool const enters = how == shape::entered || how == shape::entered_by_reference;
        if (enters || how == shape::failing_to_enter)
            note(entered, e.id);
        if (how == shape::failing_to_enter) {
            note(gone, e.id);
            return note(outcome_word, plain_failures + e.id);
        }
        if (!enters)
            handles_.back() = e.id;
        s.exits.push_back(std::move(e));
    }

    void nest(stack& s, unsigned slot)
    {
        exit e{next_++, kind::nested};
        e.has_mark = false;
        e.slot = slot;
        handles_.push_back(-1);
        if (s.now == phase::closed)
            return note(refused);
        handles_.back() = e.id;
        s.exits.push_back(std::move(e));
    }

    void nest_owned(stack& s, stack& inner)
    {
        if (&s == &inner)
            return;
        exit e{next_++, kind::nested_owned};
        e.has_mark = false;
        handles_.push_back(-1);
        if (s.now == phase::closed)
            return note(refused);
        handles_.back() = e.id;
        e.child = std::make_shared<stack>(take(inner));
        s.exits.push_back(std::move(e));
    }

    // The position of an exit that a handle names; that of none.
    std::size_t find(stack const& s, unsigned which) const
    {
        std::size_t k = s.exits.size();
        int const id = handles_.empty() ? -1 : handles_[which % handles_.size()];
        while (k != 0 && (id < 0 || s.exits[k - 1].id != id))
            --k;
        return k;
    }

    bool remove(stack& s, unsigned which, exit& to)
    {
        std::size_t const at = find(s, which);
        if (at == 0)
            return false;
        to = std::move(s.exits[at - 1]);
        s.exits.erase(s.exits.begin() + static_cast<std::ptrdiff_t>(at - 1));
        return true;
    }

    void dismiss(stack& s, unsigned which)
    {
        exit e;
        bool const found = remove(s, which, e);
        if (found) {
            s.running.push_back(name_of(e));
            note_gone(e);
            s.running.pop_back();
        }
        note(result, found);
    }

    model_thrown run_now(stack& s, unsigned which)
    {
        exit e;
        bool const found = remove(s, which, e);
        model_thrown out;
        if (found) {
            model_flight flight(cause(s.cause), false);
            run_exit(s, e, flight, false);
            out = come_out(flight, s);
        }
        if (!out)
            note(result, found);
        return out;
    }

    void look(stack const& s)
    {
        std::size_t position = s.exits.size();
        if (!s.running.empty())
            note(running_view, static_cast<int>(position)), log_.push_back(s.running.back());
        while (position-- != 0)
            note(view, static_cast<int>(position)), log_.push_back(name_of(s.exits[position]));
    }

    void with(stack& from, int error, bool fails)
    {
        stack scope = take(from);
        model_thrown const out = close(scope, fails ? error : -1);
        if (!out)
            note(result, fails ? 0 : 7);
        note_thrown(outcome_word, out);
    }

    void exit_with_state(stack& s, int error)
    {
        model_flight outer(cause(error), true);
        exit_nested(s, outer, false);
        note(in_flight, outer.all());
    }

    void carry_out(op const& o, int error)
    {
        stack& s = slots_[slot_of(o)];
        switch (verb_of(o)) {
        case verb::add: return add(s, shape_of(o), behaviour_of(o));
        case verb::nest: return nest(s, other_slot_of(o));
        case verb::nest_owned: return nest_owned(s, slots_[other_slot_of(o)]);
        case verb::dismiss: return dismiss(s, o.c());
        case verb::run_now: return note_thrown(outcome_word, run_now(s, o.c()));
        case verb::pop_all: {
            stack all = pop_all(s);
            return assign(slots_[other_slot_of(o)], all);
        }
        case verb::move: return assign(s, slots_[other_slot_of(o)]);
        case verb::close: return note_thrown(outcome_word, close(s, -1));
        case verb::close_with_cause: return note_thrown(outcome_word, close(s, error));
        case verb::fail: s.cause = o.b() % 4 == 0 ? -1 : error; return;
        case verb::destroy: {
            stack doomed = take(s);
            return destroy(doomed);
        }
        case verb::exit_with_state: return exit_with_state(s, o.b() % 2 == 0 ? -1 : error);
        case verb::with: return with(s, error, o.b() % 2 != 0);
        case verb::look: return look(s);
        case verb::reserve: return;
        default: {
            stack fresh;
            fresh.primary_only = o.b() % 2 != 0;
            return assign(s, fresh);
        }
        }
    }

    // Closes or destroys what is left, which may move what is left elsewhere.
    void end()
    {
        for (bool closes = true; !others_.empty(); closes = !closes) {
            stack& next = others_.front();
            if (closes)
                note_thrown(outcome_word, close(next, -1));
            destroy(next);
            others_.pop_front();
        }
        bool left = false;
        for (stack& each : slots_) {
            stack doomed = take(each);
            left = left || !doomed.exits.empty();
            destroy(doomed);
        }
        if (left)
            end();
    }

    std::list<stack> others_;
    std::vector<int> handles_;
    int next_ = 0;
};

} // namespace support::sync_operations

#endif
