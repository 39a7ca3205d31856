// Where a plan is carried out by the stacks of this library, and logged.
#ifndef EXEUNT_TESTS_DIFFERENTIAL_STAGE_HPP
#define EXEUNT_TESTS_DIFFERENTIAL_STAGE_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>

#include "differential/exits.hpp"
#include "differential/failures.hpp"
#include "differential/plan.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <string>
#include <utility>

namespace differential {

class stage : private exits
{
public:
    // The log of a plan.
    static std::string perform(plan const& p, asio::io_context& context)
    {
        stage s(p, context);
        if (p.async)
            s.perform_async();
        else
            s.perform_sync();
        return std::move(s.log_);
    }

private:
    stage(plan const& p, asio::io_context& context)
        : exits(context)
        , plan_(p)
    {
    }

    // Of what the body registers next.
    template <class Stack>
    home<Stack>& home_of(Stack& stack, home<Stack>& before)
    {
        return before.stack == &stack ? before : make_home(stack);
    }

    void end_body()
    {
        if (plan_.fails)
            std::rethrow_exception(make_failure(0, plan_.cancelled));
    }

    void body(exit_stack& stack)
    {
        auto* in = &make_home(stack);
        for (operation const& o : plan_.body) {
            in = &home_of(stack, *in);
            switch (o.what) {
            case operation::add: add(*in, o.exit); break;
            case operation::close: stack.close(); break;
            case operation::transfer: transfer(*in, o.rest); break;
            }
        }
        end_body();
    }

    asio::awaitable<void> async_body(async_exit_stack& stack)
    {
        auto* in = &make_home(stack);
        for (operation const& o : plan_.body) {
            in = &home_of(stack, *in);
            switch (o.what) {
            case operation::add:
                if (o.exit.how == form::async_enter)
                    co_await async_enter(*in, o.exit);
                else
                    add(*in, o.exit);
                break;
            case operation::close: co_await stack.async_close(asio::use_awaitable); break;
            case operation::transfer:
                transfer(*in, o.rest);
                if (o.rest == fate::closed)
                    co_await in->stack->async_close(asio::use_awaitable);
                break;
            }
        }
        end_body();
    }

    asio::awaitable<void> async_enter(home<async_exit_stack>& in, step const& s)
    {
        if (!in.stack->is_open()) {
            note("refused" + std::to_string(s.number));
            *in.stack = async_exit_stack(context_);
        }
        co_await in.stack->async_enter(async_context{this, &s, &in}, asio::use_awaitable);
    }

    template <class F>
    void note_outcome(std::string const& word, F&& f)
    {
        std::exception_ptr error;
        try {
            f();
        } catch (...) {
            error = std::current_exception();
        }
        note(word + text_of(error));
    }

    void perform_sync()
    {
        note_outcome("out:", [&] {
            if (!plan_.given)
                return exeunt::with([&](exit_stack& stack) { body(stack); });
            exit_stack stack;
            std::exception_ptr error;
            try {
                body(stack);
            } catch (...) {
                error = std::current_exception();
            }
            stack.close(error);
        });
        for (exit_stack* each : sync_.kept)
            note_outcome("kept:", [&] { each->close(); });
    }

    // Runs an operation to its end.
    template <class Initiate>
    void await(Initiate initiate)
    {
        bool done = false;
        std::exception_ptr error;
        initiate([&](std::exception_ptr e) {
            done = true;
            error = std::move(e);
        });
        context_.restart();
        context_.run();
        if (!done)
            note("never");
        else if (error)
            std::rethrow_exception(error);
    }

    void perform_async()
    {
        note_outcome("out:", [&] {
            auto const scope = [this](async_exit_stack& stack) { return async_body(stack); };
            if (!plan_.given)
                return await(
                    [&](auto handler) { exeunt::async_with(context_, scope, std::move(handler)); });
            async_exit_stack stack(context_);
            std::exception_ptr error;
            try {
                await([&](auto handler) {
                    asio::co_spawn(context_, async_body(stack), std::move(handler));
                });
            } catch (...) {
                error = std::current_exception();
            }
            await([&](auto handler) { stack.async_close(error, std::move(handler)); });
        });
        for (async_exit_stack* each : async_.kept)
            note_outcome("kept:",
                [&] { await([&](auto handler) { each->async_close(std::move(handler)); }); });
    }

    plan const& plan_;
};

} // namespace differential

#endif
