// Registers the exits of random sequences of operations, which do things to asynchronous stacks.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_EXITS_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_EXITS_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/on_exit.hpp>

#include "support/async_operations.hpp"
#include "support/async_operations_work.hpp"
#include "support/model_failures.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <list>
#include <string>
#include <utility>
#include <vector>

namespace support::async_operations {

class exits : public working
{
public:
    using working::working;

    // ---- what exits do to stacks

    void behave(code const& c, exit_state* state) override
    {
        switch (c.does.what) {
        case action::nothing: return;
        case action::fails: fail(plain_failures + c.id);
        case action::suppresses:
            if (state)
                state->suppress();
            return;
        case action::replaces:
            if (state)
                state->replace(known_failures::get(plain_failures + c.id));
            return;
        case action::suppresses_and_fails:
            if (state)
                state->suppress();
            fail(plain_failures + c.id);
        default: return act_on(slots_[c.does.target], c.does, c.id);
        }
    }

    void act_on(async_exit_stack& s, behaviour const& b, int id)
    {
        switch (b.what) {
        case action::adds: return add(s, b.which % 2 == 0 ? shape::sync : shape::handler, {});
        case action::dismisses: return note(result, s.dismiss(handle(b.which)));
        case action::hands_over: others_.push_back(s.pop_all()); return;
        case action::closes_own:
            if (!s.is_open())
                close(s, nullptr);
            return;
        case action::forces: return s.force();
        case action::tells_failure: return s.fail(known_failures::get(plain_failures + 30 + id));
        case action::closes_other: return close(s, nullptr);
        case action::runs_other: return run_now(s, b.which);
        default: return look(s);
        }
    }

    static std::size_t at(int id) { return static_cast<std::size_t>(id); }

    int new_exit()
    {
        handles_.emplace_back();
        return static_cast<int>(handles_.size()) - 1;
    }

    exeunt::exit_handle handle(unsigned which) const
    {
        return handles_.empty() ? exeunt::exit_handle() : handles_[which % handles_.size()];
    }

    void add(async_exit_stack& s, shape how, behaviour const& does)
    {
        int const id = new_exit();
        try {
            exeunt::exit_handle const made = registered(s, how, {this, id, does});
            handles_[at(id)] = made;
        } catch (exeunt::stack_closed const&) {
            note(refused);
        }
    }

    exeunt::exit_handle registered(async_exit_stack& s, shape how, code const& c)
    {
        using exeunt::on_exit;
        using namespace std::chrono_literals;
        auto const m = [&] { return mark(*this, c.id); };
        auto const name = [&] { return std::to_string(c.id); };
        auto const force = [c] { c.at->note(force_ran, c.id); };
        auto const before_cut = [c] { c.at->note(on_cut, c.id); };
        switch (how) {
        case shape::sync: return s.push(sync_exit{c, m()});
        case shape::sync_best_effort:
            return s.push(on_exit(sync_exit{c, m()}).named(name()).best_effort());
        case shape::sync_on_failure: return s.push(on_exit(sync_exit{c, m()}).only_on_failure());
        case shape::emplaced: return s.handle_of(&s.emplace<mark>(*this, c.id));
        case shape::handler: return s.push(handler_exit{c, m()});
        case shape::named_handler:
            return s.push_async_exit(on_exit(handler_exit{c, m()}).named(name()));
        case shape::on_success_forced:
            return s.push(on_exit(handler_exit{c, m()}).only_on_success().or_force(force));
        case shape::forced:
            return s.push(on_exit(handler_exit{c, m()}).named(name()).or_force(force));
        case shape::within: return s.push(on_exit(handler_exit{c, m()}).within(2s));
        case shape::within_forced:
            return s.push(
                on_exit(handler_exit{c, m()}).within(2s).on_cut(before_cut).or_force(force));
        case shape::best_effort:
            return s.push(on_exit(handler_exit{c, m()}).named(name()).best_effort());
        case shape::async_callback:
            return s.push_async_callback(
                [](code const& each, mark const&, exit_handler handler) {
                    each.at->start(each, nullptr, std::move(handler));
                },
                c, m());
        case shape::adopted:
            return s.handle_of(&s.adopt(m(), [c](mark&, exit_state& state, exit_handler handler) {
                c.at->start(c, &state, std::move(handler));
            }));
        case shape::coroutine: return s.push(coroutine_exit{c, m()});
        default:
            return s.push(
                on_exit(coroutine_exit{c, m()}).within(2s).on_cut(before_cut).or_force(force));
        }
    }

    // A handler that notes how its operation has ended, and a signal for it.
    template <class... Values>
    auto noting()
    {
        int const operation = completions_.begin();
        return asio::bind_cancellation_slot(
            signals_.emplace_back().slot(), [this, operation](std::exception_ptr error, Values...) {
                completions_.end(operation, numbers_of(error));
            });
    }

    void close(async_exit_stack& s, std::exception_ptr cause)
    {
        s.async_close(std::move(cause), noting());
    }

    void run_now(async_exit_stack& s, unsigned which) { s.async_run_now(handle(which), noting()); }

    void emit(unsigned which)
    {
        if (!signals_.empty())
            signals_[which % signals_.size()].emit(asio::cancellation_type::terminal);
    }

    void look(async_exit_stack const& s)
    {
        for (exeunt::exit_view const& each : s.pending()) {
            note(each.running ? running_view : view, static_cast<int>(each.position));
            log_.push_back(number_of_name(each.name));
        }
    }

    std::vector<exeunt::exit_handle> handles_;
    async_exit_stack slots_[3] = {
        async_exit_stack(context_), async_exit_stack(context_), async_exit_stack(context_)};
    std::list<async_exit_stack> others_;
};

} // namespace support::async_operations

#endif
