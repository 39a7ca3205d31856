// Random sequences of operations, carried out by synchronous stacks.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_LIBRARY_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_LIBRARY_HPP

#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"
#include "support/sync_operations.hpp"
#include "support/sync_operations_exits.hpp"

#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

namespace support::sync_operations {

class library : public exits
{
public:
    using exits::exits;

    int_log run(op_sequence const& ops)
    {
        for (std::size_t k = 0; k != ops.size(); ++k) {
            int const cause = cause_of(k, ops[k]);
            note_thrown([&] { carry_out(ops[k], cause); });
            note_sizes();
        }
        end();
        return std::move(log_);
    }

private:
    void act_on(exit_stack& s, behaviour const& b, int id) override
    {
        auto const& error = known_failures::get(plain_failures + 30 + id);
        switch (b.what) {
        case action::adds: return add(s, shape::seeing, simple_behaviour(b));
        case action::dismisses: return note(result, s.dismiss(handle(b.which)));
        case action::runs: return note(result, s.run_now(handle(b.which)));
        case action::hands_over: others_.push_back(s.pop_all()); return;
        case action::moves_away: others_.push_back(std::move(s)); return;
        case action::closes: return s.close();
        case action::closes_with_cause: return s.close(error);
        case action::tells_failure: return s.fail(error);
        default: return look(s);
        }
    }

    exeunt::exit_handle handle(unsigned which) const
    {
        return handles_.empty() ? exeunt::exit_handle() : handles_[which % handles_.size()];
    }

    void add(exit_stack& s, shape how, behaviour const& does)
    {
        code const c{this, next_++, does};
        handles_.emplace_back();
        std::size_t const mine = handles_.size() - 1;
        try {
            exeunt::exit_handle const made = registered(s, how, c);
            handles_[mine] = made;
        } catch (exeunt::stack_closed const&) {
            note(refused);
        } catch (std::bad_function_call const&) {
            note(empty_function);
        } catch (std::runtime_error const&) {
            note_error(outcome_word, std::current_exception());
        }
    }

    exeunt::exit_handle registered(exit_stack& s, shape how, code const& c)
    {
        auto const m = [&] { return mark(*this, c.id); };
        auto const name = [&] { return std::to_string(c.id); };
        switch (how) {
        case shape::plain: return s.push(plain_exit{c, m()});
        case shape::seeing: return s.push(seeing_exit{c, m()});
        case shape::named: return s.push(exeunt::on_exit(seeing_exit{c, m()}).named(name()));
        case shape::on_failure:
            return s.push(exeunt::on_exit(seeing_exit{c, m()}).named(name()).only_on_failure());
        case shape::on_success:
            return s.push(exeunt::on_exit(seeing_exit{c, m()}).only_on_success());
        case shape::best_effort:
            return s.push(exeunt::on_exit(seeing_exit{c, m()}).named(name()).best_effort());
        case shape::callback:
            return s.callback([](code const& each, mark) { each.at->act(each, nullptr); }, c, m());
        case shape::emplaced: return s.handle_of(&s.emplace<mark>(*this, c.id));
        case shape::adopted:
            return s.handle_of(&s.adopt(m(), [c](mark&) { c.at->act(c, nullptr); }));
        case shape::adopted_seeing:
            return s.handle_of(
                &s.adopt(m(), [c](mark&, exit_state& state) { c.at->act(c, &state); }));
        case shape::entered: s.enter(context{{c}, m(), false}); return {};
        case shape::entered_by_reference:
            s.enter(std::ref(contexts_.emplace_back(unowned_context{c})));
            return {};
        case shape::pushed_by_reference:
            return s.push(std::ref(contexts_.emplace_back(unowned_context{c})));
        case shape::owned: return s.handle_of(&s.enter(m()));
        case shape::failing_to_enter: s.enter(context{{c}, m(), true}); return {};
        default: return s.push(std::function<void()>());
        }
    }

    void nest(exit_stack& s, exit_stack& inner)
    {
        ++next_;
        handles_.emplace_back();
        try {
            handles_.back() = s.push(std::ref(inner));
        } catch (exeunt::stack_closed const&) {
            note(refused);
        }
    }

    void nest_owned(exit_stack& s, exit_stack& inner)
    {
        // What is registered must not move the stack that it is registered with.
        if (&s == &inner)
            return;
        ++next_;
        handles_.emplace_back();
        try {
            handles_.back() = s.handle_of(&s.enter(std::move(inner)));
        } catch (exeunt::stack_closed const&) {
            note(refused);
        }
    }

    void look(exit_stack const& s)
    {
        for (exeunt::exit_view const& each : s.pending()) {
            note(each.running ? running_view : view, static_cast<int>(each.position));
            log_.push_back(number_of_name(each.name));
        }
    }

    void with(exit_stack& from, std::exception_ptr const& cause)
    {
        int const value = exeunt::with([&](exit_stack& scope) {
            scope = std::move(from);
            rethrow(cause);
            return 7;
        });
        note(result, value);
        note(outcome_word, -1);
    }

    void exit_with_state(exit_stack& s, std::exception_ptr const& cause)
    {
        exit_state state(cause);
        s.exit(state);
        note_all(in_flight, state.failures());
    }

    void carry_out(op const& o, int error)
    {
        exit_stack& s = slots_[slot_of(o)];
        exit_stack& other = slots_[other_slot_of(o)];
        auto const& cause = known_failures::get(error);
        switch (verb_of(o)) {
        case verb::add: return add(s, shape_of(o), behaviour_of(o));
        case verb::nest: return nest(s, other);
        case verb::nest_owned: return nest_owned(s, other);
        case verb::dismiss: return note(result, s.dismiss(handle(o.c())));
        case verb::run_now: note(result, s.run_now(handle(o.c()))); return note(outcome_word, -1);
        case verb::pop_all: other = s.pop_all(); return;
        case verb::move: assign(s, other); return;
        case verb::close: return note_closed(s, nullptr);
        case verb::close_with_cause: return note_closed(s, cause);
        case verb::fail: return s.fail(o.b() % 4 == 0 ? nullptr : cause);
        case verb::destroy: static_cast<void>(exit_stack(std::move(s))); return;
        case verb::exit_with_state: return exit_with_state(s, o.b() % 2 == 0 ? nullptr : cause);
        case verb::with: return with(s, o.b() % 2 == 0 ? nullptr : cause);
        case verb::look: return look(s);
        case verb::reserve: return s.reserve(o.c() % 8);
        default: s = exit_stack(exeunt::close_options{.primary_only = o.b() % 2 != 0}); return;
        }
    }

    static void assign(exit_stack& to, exit_stack& from) { to = std::move(from); }

    void end()
    {
        for (bool closes = true; !others_.empty(); closes = !closes) {
            exit_stack& next = others_.front();
            if (closes)
                note_thrown([&] { note_closed(next, nullptr); });
            static_cast<void>(exit_stack(std::move(next)));
            others_.pop_front();
        }
        bool left = false;
        for (exit_stack& each : slots_) {
            exit_stack const doomed(std::move(each));
            left = left || !doomed.empty();
        }
        if (left)
            end();
    }

    std::list<unowned_context> contexts_;
    std::vector<exeunt::exit_handle> handles_;
    int next_ = 0;
    std::list<exit_stack> others_;
};

} // namespace support::sync_operations

#endif
