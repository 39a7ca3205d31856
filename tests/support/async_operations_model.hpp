// What asynchronous stacks do, in vectors.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_MODEL_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_MODEL_HPP

#include "support/async_operations.hpp"
#include "support/async_operations_engine.hpp"
#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

namespace support::async_operations {

class model : private engine
{
public:
    explicit model(op_sequence const& ops)
        : reader_(ops)
    {
    }

    int_log run(op_sequence const& ops)
    {
        for (std::size_t k = 0; k != ops.size(); ++k) {
            carry_out(ops[k], cause_of(k, ops[k]));
            settle_down();
        }
        while (end_something())
            settle_down();
        note(pending, completions_.pending());
        return std::move(log_);
    }

private:
    struct stack
    {
        core_ptr is = std::make_shared<core>();
        limits limited = {0, 10, false};
    };

    void settle_down()
    {
        drain();
        completions_.write(log_);
        note(sizes);
        for (unsigned k = 0; k != reader_.slots(); ++k) {
            core const& c = *slots_[k].is;
            log_.push_back(static_cast<int>(c.exits.size()) * 2 + (c.now == phase::open));
        }
    }

    // ---- operations

    // What a terminal is for, by operation.
    int begin(std::function<void()> on_terminal = {})
    {
        on_terminal_.push_back(std::move(on_terminal));
        return completions_.begin();
    }

    int new_exit()
    {
        handles_.push_back(nothing);
        return static_cast<int>(handles_.size()) - 1;
    }

    int handle(unsigned which) const
    {
        return handles_.empty() ? nothing : handles_[which % handles_.size()];
    }

    void add(core& c, exit e)
    {
        if (c.now == phase::closed) {
            if (e.how != shape::emplaced && e.how != shape::nested)
                note(gone, e.id);
            return note(refused);
        }
        if (e.how != shape::acquired && !e.entered)
            handles_[static_cast<std::size_t>(e.id)] = e.id;
        c.exits.push_back(std::move(e));
    }

    void add(core& c, shape how, behaviour const& does) { add(c, exit{new_exit(), how, does}); }

    void nest(core& c, stack& inner)
    {
        if (&c == inner.is.get() || inner.is->now != phase::open || completions_.pending() != 0)
            return;
        exit e{new_exit(), shape::nested};
        if (c.now == phase::closed)
            return note(refused);
        e.child = std::exchange(inner.is, std::make_shared<core>());
        e.limited = inner.limited;
        add(c, std::move(e));
    }

    void close(stack const& s, int error)
    {
        core& c = *s.is;
        int const operation = begin();
        auto& on_terminal = on_terminal_.back();
        if (c.now == phase::closed)
            return complete(operation, thrown_of(error));
        if (c.inside)
            return complete(operation, model_thrown::one(made_deadlock));
        if (c.now == phase::closing) {
            c.joined.push_back(operation);
            on_terminal = [this, is = s.is, operation] { detach(is->joined, operation); };
            return;
        }
        unwinding& u = make(kind::close, s.is, s.limited, operation);
        u.cause = thrown_of(error);
        on_terminal = [this, &u] { terminal(u); };
        c.now = phase::closing;
        dispatch([this, &u] { begin_close(u); });
    }

    void detach(std::vector<int>& joined, int operation)
    {
        auto const one = std::find(joined.begin(), joined.end(), operation);
        if (one == joined.end())
            return;
        joined.erase(one);
        complete(operation, model_thrown::one(made_aborted));
    }

    void run_now(stack const& s, int wanted)
    {
        core& c = *s.is;
        int const operation = begin();
        bool const exists = wanted >= 0
            && (has(c.exits, wanted) || (!c.running.empty() && c.running.back() == wanted));
        if (!exists)
            return complete(operation, {});
        if (c.inside)
            return complete(operation, model_thrown::one(made_deadlock));
        unwinding& u = make(kind::run_now, s.is, s.limited, operation);
        u.wanted = wanted;
        on_terminal_.back() = [this, &u] { cancel_run_now(u); };
        dispatch([this, &u] { begin_run_now(u); });
    }

    static bool has(std::vector<exit> const& exits, int id)
    {
        return std::any_of(exits.begin(), exits.end(), [&](exit const& e) { return e.id == id; });
    }

    void cancel_run_now(unwinding& u)
    {
        if (u.ended)
            return;
        for (auto* const waiting : {&u.on->requests, &u.on->answering}) {
            auto const one = std::find(waiting->begin(), waiting->end(), &u);
            if (one == waiting->end())
                continue;
            waiting->erase(one);
            return end_request(u, model_thrown::one(made_aborted));
        }
        terminal(u);
    }

    stack pop_all(stack& from)
    {
        stack to;
        to.limited = from.limited;
        to.is->exits = std::exchange(from.is->exits, {});
        return to;
    }

    static stack take_stack(stack& from)
    {
        stack to;
        to.limited = from.limited;
        std::swap(to.is, from.is);
        return to;
    }

    void assign(stack& to, stack from)
    {
        core_ptr const before = std::exchange(to.is, from.is);
        to.limited = from.limited;
        abandon(*before);
    }

    void acquire(stack const& s, behaviour const& does)
    {
        exit e{new_exit(), shape::acquired, does};
        int const operation = begin();
        if (s.is->now == phase::closed)
            return complete(operation, model_thrown::one(made_stack_closed));
        auto const yielded = [this, e, is = s.is, l = s.limited, operation](
                                 model_thrown const& thrown) {
            if (thrown)
                return complete(operation, thrown);
            yield(e, is, l, operation);
        };
        if (!does.waits)
            return yielded(end_of(e));
        held_.push_back({e, yielded});
        on_terminal_.back() = [this, id = e.id] {
            if (std::any_of(
                    held_.begin(), held_.end(), [&](held const& each) { return each.e.id == id; }))
                cut_held(id);
        };
    }

    // What has been acquired comes too late for a stack that is closed: it is released.
    void yield(exit const& e, core_ptr const& is, limits const& l, int operation)
    {
        if (is->now != phase::closed) {
            is->exits.push_back(e);
            return complete(operation, {});
        }
        unwinding& u = make(kind::release, is, l, operation);
        u.own = model_flight(model_thrown::one(made_stack_closed), true);
        u.flight = &u.own;
        if (is->forced)
            u.forced = made_aborted;
        if (run_exit(u, e))
            end_request(u, come_out(u));
    }

    void enter(stack const& s, behaviour const& does)
    {
        exit e{new_exit(), shape::coroutine, does};
        e.entered = true;
        int const operation = begin();
        if (s.is->now == phase::closed) {
            note(gone, e.id);
            return complete(operation, model_thrown::one(made_stack_closed));
        }
        note(entered, e.id);
        if (does.end == ending::fails) {
            note(gone, e.id);
            return complete(operation, end_of(e));
        }
        add(*s.is, e);
        complete(operation, {});
    }

    void with(stack& from, int error)
    {
        if (from.is->now != phase::open)
            return;
        int const operation = begin();
        stack const scope = take_stack(from);
        unwinding& u = make(kind::close, scope.is, scope.limited, operation);
        u.cause = thrown_of(error);
        on_terminal_.back() = [this, &u] { terminal(u); };
        scope.is->now = phase::closing;
        dispatch([this, &u] { begin_close(u); });
    }

    void advance(int seconds)
    {
        now_ += seconds;
        std::multimap<int, unwinding*> due;
        for (std::size_t k = 0; k != unwindings_.size(); ++k)
            if (int const when = next_deadline(*unwindings_[k]); when <= now_)
                due.emplace(when, unwindings_[k].get());
        for (auto const& [when, u] : due) {
            if (u->ended)
                continue;
            if (u->forced == nothing && u->deadline <= now_)
                force(*u, made_timed_out);
            else if (u->waits && u->within <= now_)
                cut_running(*u, made_timed_out);
        }
    }

    static int next_deadline(unwinding const& u)
    {
        return std::min(u.forced == nothing && !u.ended ? u.deadline : never,
            u.waits && !u.ended ? u.within : never);
    }

    void emit(unsigned which)
    {
        if (on_terminal_.empty())
            return;
        if (auto const& f = on_terminal_[which % on_terminal_.size()])
            f();
    }

    void answer(unsigned which)
    {
        if (held_.empty())
            return;
        auto const one = held_.begin() + static_cast<std::ptrdiff_t>(which % held_.size());
        finish(one, end_of(one->e));
    }

    void act_on(behaviour const& b, int id) override
    {
        stack& s = slots_[b.target];
        switch (b.what) {
        case action::adds: return add(*s.is, b.which % 2 == 0 ? shape::sync : shape::handler, {});
        case action::dismisses: return dismiss(*s.is, handle(b.which));
        case action::hands_over: others_.push_back(pop_all(s)); return;
        case action::closes_own:
            if (s.is->now != phase::open)
                close(s, nothing);
            return;
        case action::forces: return force_stack(*s.is);
        case action::tells_failure: s.is->cause = plain_failures + 30 + id; return;
        case action::closes_other: return close(s, nothing);
        case action::runs_other: return run_now(s, handle(b.which));
        default: return look(*s.is);
        }
    }

    bool may_move() const { return !reader_.is_timed() || completions_.pending() == 0; }

    void set_options(stack& s, limits const& l) const
    {
        s.limited.primary_only = l.primary_only;
        if (!reader_.is_timed())
            return;
        s.limited.timeout = l.timeout;
        s.limited.grace = l.grace;
    }

    void carry_out(op const& o, int error)
    {
        stack& s = slots_[reader_.slot_of(o)];
        stack& other = slots_[reader_.other_slot_of(o)];
        switch (reader_.verb_of(o)) {
        case verb::add: return add(*s.is, reader_.shape_of(o), reader_.behaviour_of(o));
        case verb::nest: return nest(*s.is, other);
        case verb::dismiss: return dismiss(*s.is, handle(o.c()));
        case verb::run_now: return run_now(s, handle(o.c()));
        case verb::pop_all:
            if (may_move())
                assign(other, pop_all(s));
            return;
        case verb::move:
            if (may_move() && &s != &other)
                assign(s, take_stack(other));
            return;
        case verb::close: return close(s, nothing);
        case verb::close_with_cause: return close(s, error);
        case verb::fail: s.is->cause = o.b() % 4 == 0 ? nothing : error; return;
        case verb::destroy:
            if (may_move())
                abandon(*take_stack(s).is);
            return;
        case verb::force: return force_stack(*s.is);
        case verb::terminal: return emit(o.c());
        case verb::advance: return advance(seconds_of(o));
        case verb::answer: return answer(o.c());
        case verb::acquire: return acquire(s, reader_.behaviour_of(o));
        case verb::enter: return enter(s, reader_.behaviour_of(o));
        case verb::with: return with(s, o.b() % 2 == 0 ? nothing : error);
        case verb::set_options: return set_options(s, limits_of(o));
        default: return look(*s.is);
        }
    }

    // Answers what waits, and closes what is left.
    bool end_something()
    {
        if (!held_.empty()) {
            answer(0);
            return true;
        }
        if (!others_.empty()) {
            stack const next = others_.front();
            others_.pop_front();
            close(next, nothing);
            return true;
        }
        for (stack const& each : slots_)
            if (!each.is->exits.empty()) {
                close(each, nothing);
                return true;
            }
        return false;
    }

    reader reader_;
    std::vector<std::function<void()>> on_terminal_;
    std::vector<int> handles_;
    stack slots_[3];
    std::deque<stack> others_;
};

} // namespace support::async_operations

#endif
