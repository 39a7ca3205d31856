// What a scenario is made of: stacks, exits in all shapes and operations, which are followed from their begin.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_VERBS_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_VERBS_HPP

#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/testing.hpp>

#include "support/recording_observer.hpp"
#include "support/scenario_checks.hpp"
#include "support/scripted_source.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <list>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace support {

// In which shapes the exits of a scenario are registered, and where its operations are started.
struct scenario_flavour
{
    char const* name;
    std::span<shape const> shapes;
    bool from_outside; // its operations are started outside of the executor
    // Its executor runs nothing inline: what is started begins a step later. The completion of what is
    // answered would be on its way there, and its slot in use: exits are forced in place of that.
    bool queues;
};

inline constexpr std::array coroutine_shapes{
    shape::awaitable, shape::state_awaitable, shape::awaitable_context};

inline constexpr std::array callback_shapes{shape::state_handler, shape::handler_function,
    shape::token_context, shape::operation, shape::state_operation, shape::returns_operation};

inline constexpr std::array scenario_flavours{
    scenario_flavour{"coroutines", coroutine_shapes, false, false},
    scenario_flavour{"callbacks", callback_shapes, false, false},
    scenario_flavour{"mixed, from outside", async_shapes, true, false},
    scenario_flavour{"mixed, queued", async_shapes, false, true},
};

class scenario_verbs : public scenario_checks
{
    // ---- what is acquired

    class entered_context
    {
    public:
        entered_context(tracked_exit const& exit, scripted_source<int>& source)
            : source_(&source)
            , exit_(exit.script.token_context())
        {
        }

        template <class Token>
        auto async_enter(Token&& token)
        {
            return source_->async_get(std::forward<Token>(token));
        }

        template <class Token>
        auto async_exit(exit_state& state, Token&& token)
        {
            return exit_.async_exit(state, std::forward<Token>(token));
        }

    private:
        scripted_source<int>* source_;
        decltype(std::declval<scripted_exit>().token_context()) exit_;
    };

    static auto release_of(tracked_exit const& exit)
    {
        return [run = exit.script.handler_function()](
                   int&, exeunt::exit_handler handler) { run(std::move(handler)); };
    }

public:
    using duration = std::chrono::steady_clock::duration;
    static constexpr duration timeout = std::chrono::seconds(100);
    static constexpr duration grace = std::chrono::seconds(10);
    static constexpr duration within = std::chrono::seconds(2);

    scenario_verbs(scenario_flavour const& flavour, std::size_t turn)
        : flavour_(flavour)
        , turn_(turn)
    {
        now = [this] { return clock.now(); };
    }

    scenario_verbs(scenario_verbs const&) = delete;
    scenario_verbs& operator=(scenario_verbs const&) = delete;

    // ---- stacks

    tracked_stack& stack(std::string name, exeunt::close_options const& options = {})
    {
        auto& made = stacks.emplace_back(*this, std::move(name), options);
        made.stack = &own_.emplace_back(executor(), made.limits);
        return made;
    }

    tracked_stack& synchronous_stack(std::string name)
    {
        auto& made = unowned_stack(std::move(name));
        made.synchronous = &synchronous_.emplace_back();
        return made;
    }

    // One that is somewhere else.
    tracked_stack& unowned_stack(std::string name)
    {
        return stacks.emplace_back(*this, std::move(name), exeunt::close_options());
    }

    // Registers a stack as an exit.
    void nest(tracked_stack& parent, tracked_stack& child)
    {
        if (!parent.stack)
            return;
        if (child.synchronous)
            parent.stack->push(exeunt::on_exit(std::ref(*child.synchronous)).named(child.name));
        else
            parent.stack->push(exeunt::on_exit(std::ref(*child.stack)).named(child.name));
        parent.nested(child);
    }

    // Hands over what the main stack holds.
    void pop_all()
    {
        saved = &stack("saved");
        if (!main.stack)
            return;
        *saved->stack = main.stack->pop_all();
        saved->stack->options() = saved->limits;
        saved->takes_over(main);
    }

    void move(tracked_stack& which)
    {
        if (which.stack)
            which.stack = &own_.emplace_back(std::move(*which.stack));
    }

    void destroy(tracked_stack& which)
    {
        auto const* gone = std::exchange(which.stack, nullptr);
        std::list<async_exit_stack> doomed;
        for (auto each = own_.begin(); each != own_.end(); ++each)
            if (&*each == gone)
                return doomed.splice(doomed.begin(), own_, each);
    }

    // The main stack, unless it is that of a scope, which nobody else moves.
    void move_main()
    {
        if (owns(main))
            move(main);
    }

    // ---- exits

    tracked_exit& exit(std::string name) { return exit(main, std::move(name)); }

    tracked_exit& exit(tracked_stack& home, std::string name)
    {
        auto& made = exits.emplace_back(log, std::move(name), home);
        made.script.sees([this, &made](exit_state& state) { saw(made, state); });
        made.script.runs([this, &made] { began(made); });
        return made;
    }

    void push(tracked_exit& exit)
    {
        push_as(exit, [](auto spec) { return spec; });
    }

    void push_forceable(tracked_exit& exit)
    {
        exit.has_force = true;
        push_as(exit, [this, &exit](auto spec) {
            return std::move(spec).or_force([this, &exit] { forced(exit); });
        });
    }

    void push_within(tracked_exit& exit)
    {
        exit.within = within;
        push_as(exit, [](auto spec) { return std::move(spec).within(within); });
    }

    // It ignores its slot: its on_cut ends it.
    void push_within_forceable(tracked_exit& exit)
    {
        exit.ignores_cuts().within = within;
        exit.has_force = exit.has_on_cut = true;
        push_as(exit, [this, &exit](auto spec) {
            return std::move(spec)
                .within(within)
                .on_cut([this, &exit] { about_to_be_cut(exit); })
                .or_force([this, &exit] { forced(exit); });
        });
    }

    void push_best_effort(tracked_exit& exit)
    {
        exit.best_effort = true;
        push_as(exit, [](auto spec) { return std::move(spec).best_effort(); });
    }

    void push_only_on_failure(tracked_exit& exit)
    {
        exit.filter = exeunt::exit_filter::only_on_failure;
        push_as(exit, [](auto spec) { return std::move(spec).only_on_failure(); });
        push_spy(exit);
    }

    void push_only_on_success_forceable(tracked_exit& exit)
    {
        exit.filter = exeunt::exit_filter::only_on_success;
        exit.has_force = true;
        push_as(exit, [this, &exit](auto spec) {
            return std::move(spec).only_on_success().or_force([this, &exit] { forced(exit); });
        });
        push_spy(exit);
    }

    void push_sync(tracked_exit& exit)
    {
        if (exit.home->synchronous)
            push_sync_into(*exit.home->synchronous, exit);
        else if (exit.home->stack)
            push_sync_into(*exit.home->stack, exit);
    }

    void dismiss(tracked_exit& exit)
    {
        if (exit.home->stack && exit.home->stack->dismiss(exit.handle))
            exit.dismissed = true;
    }

    // ---- operations

    tracked_operation& operation(
        std::string name, tracked_stack& home, tracked_operation::kind kind)
    {
        auto& made = operations.emplace_back(std::move(name), home, kind);
        if (!target)
            target = &made;
        return made;
    }

    auto handler_of(tracked_operation& of)
    {
        return asio::bind_cancellation_slot(of.signal.slot(),
            [this, &of](std::exception_ptr error, auto const&...) { completed(of, error); });
    }

    template <class Initiate>
    void start(tracked_operation& which, Initiate initiate)
    {
        which.initiating = true;
        initiate(handler_of(which));
        which.initiating = false;
    }

    tracked_operation& close() { return close(main); }

    tracked_operation& close(tracked_stack& home, std::exception_ptr cause = {})
    {
        auto& made = operation("close " + home.name, home, tracked_operation::kind::unwinds);
        made.ends_home = true;
        made.finds_failure = cause != nullptr;
        if (!flavour_.queues && context.get_executor().running_in_this_thread())
            made.begun = now();
        if (cause && exeunt::is_cancelled(cause))
            made.cancelled = made.told = now();
        start(made,
            [&](auto handler) { home.stack->async_close(std::move(cause), std::move(handler)); });
        return made;
    }

    // A further close.
    tracked_operation& join()
    {
        auto& made = operation(
            "join " + std::to_string(operations.size()), main, tracked_operation::kind::waits);
        if (main.stack)
            start(made, [&](auto handler) { main.stack->async_close(std::move(handler)); });
        else
            ++made.calls;
        return made;
    }

    tracked_operation& run_now(tracked_exit& exit, tracked_operation::kind kind)
    {
        auto& made = operation("run " + exit.name(), *exit.home, kind);
        exit.out_of_order = true;
        start(made, [&](auto handler) {
            exit.home->stack->async_run_now(exit.handle, std::move(handler));
        });
        return made;
    }

    // Acquires a number, whose release is an exit with a force.
    tracked_operation& acquire(tracked_exit& exit)
    {
        auto& made = acquiring("acquire", exit);
        exit.has_force = true;
        start(made, [&](auto handler) {
            main.stack->async_acquire(sources.back().async_get(asio::deferred),
                exeunt::on_exit(release_of(exit)).named(exit.name()).or_force([this, &exit] {
                    forced(exit);
                }),
                std::move(handler));
        });
        return made;
    }

    // Enters a context, whose async_exit is an exit.
    tracked_operation& enter(tracked_exit& exit)
    {
        auto& made = acquiring("enter", exit);
        start(made, [&](auto handler) {
            main.stack->async_enter(
                exeunt::on_exit(entered_context(exit, sources.back())).named(exit.name()),
                std::move(handler));
        });
        return made;
    }

    // A scope whose stack is the main one.
    tracked_operation& scope(std::string name)
    {
        auto& made = operation(std::move(name), main, tracked_operation::kind::unwinds);
        made.ends_home = made.has_body = made.body_runs = true;
        main.stack = nullptr;
        return made;
    }

    template <class Body>
    tracked_operation& with(Body body)
    {
        auto& made = scope("with");
        start(made, [&](auto handler) {
            exeunt::async_with(executor(), main.limits, std::move(body), std::move(handler));
        });
        return made;
    }

    void enter_body(async_exit_stack& of_scope) { main.stack = &of_scope; }

    bool has_ended(std::string_view exit) { return find(exit)->ended(); }

    // What a body does, until it is cancelled or has its turn to be answered.
    scripted_exit work() { return works.emplace_back(log, "work" + std::to_string(works.size())); }

    asio::any_io_executor executor()
    {
        asio::any_io_executor const plain = context.get_executor();
        return flavour_.queues ? asio::require(plain, asio::execution::blocking.never) : plain;
    }

protected:
    scenario_flavour const& flavour_;

private:
    std::size_t turn_;
    default_observer_guard default_observer_;

public:
    asio::io_context context;
    exeunt::manual_clock clock{context};

protected:
    ~scenario_verbs() = default;

    bool owns(tracked_stack& which) const
    {
        for (auto const& each : own_)
            if (&each == which.stack)
                return true;
        return false;
    }

    std::list<async_exit_stack> own_;
    std::list<exeunt::exit_stack> synchronous_;

public:
    tracked_stack& main = stack("main", {.timeout = timeout, .grace = grace});
    tracked_stack* saved = nullptr; // what pop_all has made
    std::deque<scripted_source<int>> sources;
    tracked_operation* target = nullptr; // what is cancelled; the first one by default

private:
    // ---- registering

    template <class Say>
    void push_as(tracked_exit& exit, Say say)
    {
        if (!exit.home->stack)
            return;
        // A coroutine is no handler that could be dropped.
        auto const shapes =
            exit.loses_handler ? std::span<shape const>(callback_shapes) : flavour_.shapes;
        shape const form = shapes[turn_++ % shapes.size()];
        exit.is_coroutine = form == shape::awaitable || form == shape::state_awaitable
            || form == shape::awaitable_context;
        registering(exit, [&] {
            return in_async_shape(exit.script, form, [&](auto callable) {
                return exit.home->stack->push(
                    say(exeunt::on_exit(std::move(callable)).named(exit.name())));
            });
        });
    }

    template <class Stack>
    void push_sync_into(Stack& stack, tracked_exit& exit)
    {
        auto const push = [&](auto callable) {
            return stack.push(exeunt::on_exit(std::move(callable)).named(exit.name()));
        };
        registering(exit, [&] {
            switch (turn_++ % 3) {
            case 0: return push(exit.script.function());
            case 1: return push(exit.script.state_function());
            default: return push(exit.script.sync_context());
            }
        });
    }

    template <class Register>
    void registering(tracked_exit& exit, Register registers)
    {
        exit.home->registered(exit);
        try {
            exit.handle = registers();
        } catch (exeunt::stack_closed const&) {
            exit.home->refused(exit);
        }
    }

    // Looks, just before it, whether an exit's filter will hold.
    void push_spy(tracked_exit& exit)
    {
        exit.home->stack->push(
            [&exit](exit_state& state) { exit.failure_in_flight = state.failed(); });
    }

    tracked_operation& acquiring(std::string const& verb, tracked_exit& exit)
    {
        auto& made = operation(verb + " " + exit.name(), main, tracked_operation::kind::acquires);
        made.acquires = &exit;
        exit.acquired_by = &made;
        exit.registered = exit.out_of_order = true;
        exit.registrations = 1;
        sources.emplace_back();
        return made;
    }

    // ---- what exits report

    static bool told_forced(tracked_exit const& exit)
    {
        return (exit.told_by ? exit.told_by : exit.home)->told_forced();
    }

    void saw(tracked_exit& exit, exit_state& state)
    {
        if (!exit.home->may_abandon) {
            holds(state.forced() || !exit.forced_from_begin, "does not see that it is forced",
                exit.name());
            holds(!state.forced() || told_forced(exit), "sees forced that nobody was told of",
                exit.name());
        }
        if (exit.sees)
            exit.sees(state);
    }

    void starts(tracked_exit& exit)
    {
        exit.home->started(exit);
        if (exit.began_late)
            exit.acquired_by->releases(now());
    }

    void began(tracked_exit& exit)
    {
        holds(exit.script.begins() == 1 && exit.forces == 0, "began again", exit.name());
        holds(!exit.has_force || !exit.forced_from_begin, "was started in place of its force",
            exit.name());
        starts(exit);
        at_start();
        if (exit.acts)
            exit.acts();
    }

    void about_to_be_cut(tracked_exit& exit)
    {
        holds(exit.script.cuts() == 0 && ++exit.on_cuts == 1, "was cut before its on_cut",
            exit.name());
        asio::post(context, [&exit] { exit.give_up(); });
    }

    void forced(tracked_exit& exit)
    {
        log.add("^" + exit.name());
        holds(exit.forces == 0, "was forced again", exit.name());
        holds(!exit.succeeded(), "was forced, and had succeeded", exit.name());
        bool const alone = exit.script.begins() == 0;
        if (alone) {
            holds(told_forced(exit) || exit.home->may_abandon, "was forced in a stack that is not",
                exit.name());
            starts(exit);
        }
        ++exit.forces;
        if (alone)
            at_start();
        if (exit.force_fails)
            throw test_error("no force of " + exit.name());
    }

    // ---- operations

    void completed(tracked_operation& which, std::exception_ptr const& error)
    {
        log.add("done:" + which.name);
        holds(++which.calls == 1, "completed a second time", which.name);
        holds(!which.initiating, "completed inside the initiating function", which.name);
        which.error = error;
        if (which.ends_home)
            which.home->ends();
        if (which.has_body)
            which.home->stack = nullptr;
        if (which.acquires)
            check_acquired(which);
    }
};

} // namespace support

#endif
