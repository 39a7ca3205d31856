// Registers the exits of a plan with the stacks of this library, and is what they do.
#ifndef EXEUNT_TESTS_DIFFERENTIAL_EXITS_HPP
#define EXEUNT_TESTS_DIFFERENTIAL_EXITS_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "differential/failures.hpp"
#include "differential/plan.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <list>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace differential {

using exeunt::async_exit_stack;
using exeunt::exit_stack;

class exits
{
protected:
    // Where the exits that were registered together are now: pop_all takes them elsewhere.
    template <class Stack>
    struct home
    {
        Stack* stack;
    };

    template <class Stack>
    struct stacks
    {
        std::list<home<Stack>> homes;
        std::list<Stack> others; // made by pop_all
        std::list<Stack*> kept;
    };

    template <class Stack>
    struct sync_context
    {
        exits* at;
        step const* s;
        home<Stack>* in;

        void enter() const { at->enter(*s); }
        void exit(exit_state& state) const { at->run(*s, *in, &state); }
    };

    struct async_context
    {
        exits* at;
        step const* s;
        home<async_exit_stack>* in;

        asio::awaitable<void> async_enter() const
        {
            co_await asio::post(asio::use_awaitable);
            at->enter(*s);
        }
        asio::awaitable<void> async_exit(exit_state& state) const
        {
            return at->run_async(*s, *in, &state);
        }
    };

    explicit exits(asio::io_context& context)
        : context_(context)
    {
    }

    template <class Stack>
    stacks<Stack>& all()
    {
        if constexpr (std::is_same_v<Stack, exit_stack>)
            return sync_;
        else
            return async_;
    }

    template <class Stack>
    Stack fresh()
    {
        if constexpr (std::is_same_v<Stack, exit_stack>)
            return exit_stack();
        else
            return async_exit_stack(context_);
    }

    void note(std::string const& word) { log_ += (log_.empty() ? "" : " ") + word; }

    template <class Stack>
    home<Stack>& make_home(Stack& stack)
    {
        return all<Stack>().homes.emplace_back(home<Stack>{&stack});
    }

    // ---- registering

    template <class Stack>
    void add(home<Stack>& in, step const& s)
    {
        try {
            link(in, s);
        } catch (exeunt::stack_closed const&) {
            note("refused" + std::to_string(s.number));
            *in.stack = fresh<Stack>();
            link(in, s);
        }
    }

    template <class Stack>
    void link(home<Stack>& in, step const& s)
    {
        switch (s.how) {
        case form::callback:
            in.stack->callback(
                [this](step const* each, home<Stack>* at) {
                    run(*each, *at, nullptr);
                    return true;
                },
                &s, &in);
            break;
        case form::push:
            push(in, s, [this, &s, &in](exit_state& state) { run(s, in, &state); });
            break;
        case form::enter: in.stack->enter(sync_context<Stack>{this, &s, &in}); break;
        case form::child: link_child<exit_stack>(in, s); break;
        default:
            if constexpr (std::is_same_v<Stack, async_exit_stack>)
                link_async(in, s);
        }
    }

    void link_async(home<async_exit_stack>& in, step const& s)
    {
        switch (s.how) {
        case form::async_callback:
            in.stack->push_async_callback(
                [this](step const* each, home<async_exit_stack>* at) {
                    return run_async(*each, *at, nullptr);
                },
                &s, &in);
            break;
        case form::async_push:
            push(in, s, [this, &s, &in](exit_state& state) { return run_async(s, in, &state); });
            break;
        default: link_child<async_exit_stack>(in, s);
        }
    }

    template <class Child, class Stack>
    void link_child(home<Stack>& in, step const& s)
    {
        home<Child>& within = make_home(in.stack->enter(fresh<Child>()));
        for (step const& each : s.inside)
            add(within, each);
    }

    template <class Stack, class F>
    void push(home<Stack>& in, step const& s, F f)
    {
        switch (s.when) {
        case filter::always: in.stack->push(f); break;
        case filter::only_on_failure: in.stack->push(exeunt::on_exit(f).only_on_failure()); break;
        case filter::only_on_success: in.stack->push(exeunt::on_exit(f).only_on_success()); break;
        }
    }

    // ---- what exits do

    void enter(step const& s)
    {
        note("enter" + std::to_string(s.number));
        if (s.what == act::enter_fails)
            fail(s);
    }

    [[noreturn]] void fail(step const& s)
    {
        std::rethrow_exception(make_failure(s.number, s.cancels));
    }

    void begin(step const& s, exit_state* state)
    {
        note(std::to_string(s.number) + (state ? ":" + text_of(*state) : ""));
    }

    void end(step const& s) { note("/" + std::to_string(s.number)); }

    template <class Stack>
    void run(step const& s, home<Stack>& in, exit_state* state)
    {
        begin(s, state);
        if (act_on(s, in, state))
            end(s);
    }

    asio::awaitable<void> run_async(step const& s, home<async_exit_stack>& in, exit_state* state)
    {
        begin(s, state);
        if (s.what == act::close_own)
            co_await close_own(*in.stack);
        co_await asio::post(asio::use_awaitable);
        if (s.what == act::transfer && s.rest == fate::closed)
            co_await take(in).async_close(asio::use_awaitable);
        else if (!act_on(s, in, state))
            co_return;
        end(s);
    }

    asio::awaitable<void> close_own(async_exit_stack& stack)
    {
        try {
            co_await stack.async_close(asio::use_awaitable);
            note("closed within");
        } catch (boost::system::system_error const& e) {
            if (e.code() != boost::system::errc::resource_deadlock_would_occur)
                throw;
        }
    }

    // Of exits that a plan lets act on the state of their stack.
    static exit_state& given(exit_state* state)
    {
        if (!state)
            throw std::logic_error("this exit is not given the state");
        return *state;
    }

    // False: the exit has failed, which it does in CPython by raising.
    template <class Stack>
    bool act_on(step const& s, home<Stack>& in, exit_state* state)
    {
        switch (s.what) {
        case act::nothing:
        case act::enter_fails: break;
        case act::fail: fail(s);
        case act::suppress: given(state).suppress(); break;
        case act::suppress_and_fail: given(state).suppress(); fail(s);
        case act::replace:
            if (!given(state).failed())
                break;
            given(state).replace(make_failure(s.number, s.cancels));
            return false;
        case act::rethrow:
            if (given(state).failed())
                std::rethrow_exception(given(state).error());
            break;
        case act::late:
        case act::late_and_fail:
            for (step const& each : s.inside)
                add(in, each);
            if (s.what == act::late_and_fail)
                fail(s);
            break;
        case act::transfer: transfer(in, s.rest); break;
        case act::close_own:
            if constexpr (std::is_same_v<Stack, exit_stack>)
                in.stack->close();
            break;
        }
        return true;
    }

    // ---- transfer

    // The stack that takes what is registered. That its exits were registered with has another home.
    template <class Stack>
    Stack& take(home<Stack>& in)
    {
        Stack& other = all<Stack>().others.emplace_back(in.stack->pop_all());
        in.stack = &other;
        return other;
    }

    template <class Stack>
    void transfer(home<Stack>& in, fate rest)
    {
        take(in);
        auto& mine = all<Stack>();
        switch (rest) {
        case fate::closed:
            if constexpr (std::is_same_v<Stack, exit_stack>)
                in.stack->close();
            break;
        case fate::kept: mine.kept.push_back(in.stack); break;
        case fate::dropped: mine.others.pop_back(); break;
        }
    }

    asio::io_context& context_;
    std::string log_;
    stacks<exit_stack> sync_;
    stacks<async_exit_stack> async_;
};

} // namespace differential

#endif
