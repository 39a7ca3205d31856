// Where an allocation fails: a stack or two, exits of every shape that are counted, and operations whose
// answers are counted. Nothing here needs memory of its own while a plan (faults.hpp) is at work.
#ifndef EXEUNT_TESTS_SUPPORT_FAULT_WORLD_HPP
#define EXEUNT_TESTS_SUPPORT_FAULT_WORLD_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/testing.hpp>

#include "support/fault_tools.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace support {

// Outlives the world: how many of the captures live.
struct fault_tally
{
    int lives = 0;
};

class fault_world
{
public:
    using async_exit_stack = exeunt::async_exit_stack;
    using exit_handle = exeunt::exit_handle;
    using exit_handler = exeunt::exit_handler;
    using exit_state = exeunt::exit_state;

    static constexpr std::size_t most_exits = 32;

    enum class wanted { always, if_failed, if_succeeded };

    struct tracked
    {
        bool registered = false;
        bool dismissed = false;
        int ran = 0;
        int forced = 0;
        int failed = 0; // by itself
        wanted when = wanted::always;
        std::optional<bool> found_failed = {}; // in front of one that has a filter
        exit_handle handle = {};
        std::optional<exit_handler> waiting = {};
    };

    // Counts the lives of what is captured.
    class life
    {
    public:
        explicit life(fault_world& of) noexcept
            : tally_(&of.tally_)
        {
            ++tally_->lives;
        }
        life(life const& other) noexcept
            : tally_(other.tally_)
        {
            ++tally_->lives;
        }
        life& operator=(life const&) = delete;
        ~life() { --tally_->lives; }

    private:
        fault_tally* tally_;
    };

    explicit fault_world(fault_tally& tally)
        : tally_(tally)
    {
    }

    fault_world(fault_world const&) = delete;
    fault_world& operator=(fault_world const&) = delete;

    // ---- exits, by their shape; what they post goes to the executor of their handler: on the way from one
    // executor to another Asio lets bad_alloc out of run() and loses the handler, with or without us

    auto function(std::size_t number)
    {
        return [this, number, l = life(*this)] { ++exits[number].ran; };
    }

    auto seeing_function(std::size_t number)
    {
        return [this, number, l = life(*this)](exit_state&) { ++exits[number].ran; };
    }

    auto coroutine(std::size_t number)
    {
        return [this, number, l = life(*this)]() -> asio::awaitable<void> {
            ++exits[number].ran;
            co_return;
        };
    }

    auto seeing_coroutine(std::size_t number)
    {
        return [this, number, l = life(*this)](exit_state&) -> asio::awaitable<void> {
            ++exits[number].ran;
            co_await hop();
        };
    }

    auto with_handler(std::size_t number)
    {
        return [this, number, l = life(*this)](exit_handler handler) {
            ++exits[number].ran;
            std::move(handler)();
        };
    }

    auto posting(std::size_t number)
    {
        return [this, number, l = life(*this)](exit_state&, auto handler) {
            ++exits[number].ran;
            asio::post(std::move(handler));
        };
    }

    auto operation(std::size_t number)
    {
        return [this, number, l = life(*this)] {
            ++exits[number].ran;
            return asio::post(asio::deferred);
        };
    }

    // Ends when it is answered or cut.
    auto waiting(std::size_t number)
    {
        return [this, number, l = life(*this)](exit_handler handler) {
            allocation_pause const pause;
            auto& exit = exits[number];
            ++exit.ran;
            auto slot = handler.get_cancellation_slot();
            exit.waiting.emplace(std::move(handler));
            slot.assign([this, number](asio::cancellation_type) {
                let_end(number, asio::error::operation_aborted);
            });
        };
    }

    auto throwing(std::size_t number)
    {
        return [this, number, l = life(*this), error = failure("thrown")] {
            count_failure(number);
            std::rethrow_exception(error);
        };
    }

    auto throwing_coroutine(std::size_t number)
    {
        return [this, number, l = life(*this),
                   error = failure("thrown by a coroutine")]() -> asio::awaitable<void> {
            count_failure(number);
            std::rethrow_exception(error);
            co_return;
        };
    }

    auto failing(std::size_t number)
    {
        return [this, number, l = life(*this), error = failure("told")](exit_handler handler) {
            count_failure(number);
            std::move(handler)(error);
        };
    }

    auto dropping(std::size_t number)
    {
        return [this, number, l = life(*this)](exit_handler) { count_failure(number); };
    }

    auto force_of(std::size_t number)
    {
        return [this, number, l = life(*this)] { ++exits[number].forced; };
    }

    // A context of which the exit is all there is; entered or not.
    class context_of
    {
    public:
        context_of(fault_world& w, std::size_t number)
            : w_(&w)
            , number_(number)
            , life_(w)
        {
        }

        template <class Token>
        auto async_enter(Token&& token)
        {
            return asio::post(std::forward<Token>(token));
        }

        template <class Token>
        auto async_exit(exit_state&, Token&& token)
        {
            ++w_->exits[number_].ran;
            return asio::post(std::forward<Token>(token));
        }

    private:
        fault_world* w_;
        std::size_t number_;
        life life_;
    };

    class synchronous_context
    {
    public:
        synchronous_context(fault_world& w, std::size_t number)
            : w_(&w)
            , number_(number)
            , life_(w)
        {
        }

        void enter() {}
        void exit(exit_state&) { ++w_->exits[number_].ran; }

    private:
        fault_world* w_;
        std::size_t number_;
        life life_;
    };

    // Its destructor is the exit.
    class guard
    {
    public:
        guard(fault_world& w, std::size_t number)
            : w_(&w)
            , number_(number)
        {
        }
        guard(guard const&) = delete;
        guard& operator=(guard const&) = delete;
        ~guard() { ++w_->exits[number_].ran; }

    private:
        fault_world* w_;
        std::size_t number_;
    };

    // ---- registering

    // reg(number) registers exit `number`; what could not be registered leaves the stack as it was.
    template <class Stack, class Register>
    tracked& add(Stack& on, Register reg, where_t where = where_t::current())
    {
        std::size_t const number = made_++;
        auto& exit = exits.at(number);
        auto const size = on.size();
        try {
            reg(number);
            exit.registered = true;
        } catch (std::bad_alloc const&) {
            expect(on.size() == size, "a failed registration has left something", where);
        }
        return exit;
    }

    // push(make(number)), and its handle.
    template <class Stack, class Make>
    tracked& push(Stack& on, Make make, where_t where = where_t::current())
    {
        return add(
            on, [&](std::size_t number) { exits[number].handle = on.push(make(number)); }, where);
    }

    template <class Stack>
    void push_synchronous(Stack& s)
    {
        push(s, [this](std::size_t n) { return function(n); });
        push(s, [this](std::size_t n) { return seeing_function(n); });
        add(s, [&](std::size_t n) {
            s.callback([this, n](life const&, int) { ++exits[n].ran; }, life(*this), 5);
        });
        add(s, [&](std::size_t n) { s.adopt(life(*this), [this, n](life&) { ++exits[n].ran; }); });
        add(s, [&](std::size_t n) { s.template emplace<guard>(*this, n); });
        add(s, [&](std::size_t n) { s.enter(synchronous_context(*this, n)); });
    }

    void push_asynchronous(async_exit_stack& s)
    {
        push(s, [this](std::size_t n) { return coroutine(n); });
        push(s, [this](std::size_t n) { return with_handler(n); });
        push(s, [this](std::size_t n) { return posting(n); });
        push(s, [this](std::size_t n) { return operation(n); });
        push(s, [this](std::size_t n) { return seeing_coroutine(n); });
        add(s, [&](std::size_t n) {
            s.adopt(life(*this), [this, n](life&) -> asio::awaitable<void> {
                ++exits[n].ran;
                co_await hop();
            });
        });
        add(s, [&](std::size_t n) { s.push(context_of(*this, n)); });
        add(s, [&](std::size_t n) { s.push_async_exit(posting(n)); });
        add(s, [&](std::size_t n) {
            s.push_async_callback(
                [this, n](life const&, auto handler) {
                    ++exits[n].ran;
                    asio::post(std::move(handler));
                },
                life(*this));
        });
    }

    void push_all(async_exit_stack& s)
    {
        push_synchronous(s);
        push_asynchronous(s);
    }

    // One that has a filter, and, newer, one that sees whether it holds.
    template <class Stack, class Make>
    tracked& push_filtered(Stack& s, wanted when, Make make)
    {
        std::size_t const number = made_;
        auto& exit = push(s, std::move(make));
        exit.when = when;
        s.push([this, number](exit_state& state) { exits[number].found_failed = state.failed(); });
        return exit;
    }

    // One that is registered by what it belongs to.
    std::size_t reserve_exit() { return made_++; }

    std::size_t made() const { return made_; }

    // ---- operations

    // f() throws what comes out.
    template <class F>
    void note(F f)
    {
        auto& to = next_answer();
        to.asked = true;
        ++to.calls;
        try {
            f();
        } catch (...) {
            to.error = std::current_exception();
        }
    }

    // start(handler); a call that throws leaves the stack as it was.
    template <class Start>
    answer& ask(async_exit_stack* on, Start start, where_t where = where_t::current())
    {
        auto& to = next_answer();
        auto const size = on ? on->size() : 0;
        bool const open = on && on->is_open();
        to.ask([&] { start(answer_to(to)); });
        if (to.threw && on)
            expect(on->size() == size && on->is_open() == open,
                "what did not start has changed the stack", where);
        return to;
    }

    answer& close(async_exit_stack& on, where_t where = where_t::current())
    {
        return ask(
            &on, [&](auto handler) { on.async_close(std::move(handler)); }, where);
    }

    // By its signal.
    answer& close_cancellable(async_exit_stack& on, where_t where = where_t::current())
    {
        return ask(
            &on,
            [&](auto handler) {
                on.async_close(asio::bind_cancellation_slot(signal.slot(), std::move(handler)));
            },
            where);
    }

    answer& run_now(async_exit_stack& s, exit_handle handle)
    {
        return ask(&s, [&](auto handler) { s.async_run_now(handle, std::move(handler)); });
    }

    // One that ends with a value.
    template <class Start>
    void ask_for_value(Start start)
    {
        auto& to = next_answer();
        to.ask([&] { start(answer_to(to)); });
    }

    // Without memory to queue it, it has not been emitted.
    void emit()
    {
        try {
            signal.emit(asio::cancellation_type::terminal);
        } catch (std::bad_alloc const&) {
        }
    }

    void let_end(std::size_t number, boost::system::error_code error = {})
    {
        if (auto handler = std::exchange(exits[number].waiting, std::nullopt))
            std::move (*handler)(error);
    }

    // All that wait, one after the other.
    void let_all_end()
    {
        for (std::size_t number = 0; number != made_; ++number)
            let_end(number);
    }

    void advance(std::chrono::steady_clock::duration time)
    {
        try {
            clock.advance(time);
        } catch (std::bad_alloc const&) {
            allocation_pause const pause;
            clock.advance(std::chrono::steady_clock::duration::zero());
        }
    }

    // Runs what is ready; no exception may come out of that.
    void drive()
    {
        context->restart();
        while (true) {
            try {
                context->poll();
                return;
            } catch (std::bad_alloc const&) {
                ++run_threw;
            }
        }
    }

    // ---- its end

    // With memory: all that waits is answered or forced, all stacks are closed.
    void finish()
    {
        for (int rounds = 0; rounds != 100; ++rounds) {
            // A wait that was called off without memory ends when the clock is looked at.
            clock.advance(std::chrono::steady_clock::duration::zero());
            drive();
            if (is_open(stack))
                close(*stack);
            if (is_open(other))
                close(*other);
            drive();
            if (!is_awaited() && !is_open(stack) && !is_open(other))
                break;
            let_all_end();
            // Without memory for its deadline an exit is bounded by nothing else.
            for (auto* each : {&stack, &other})
                if (*each && rounds != 0)
                    (*each)->force();
        }
        stack.reset();
        other.reset();
        synchronous.reset();
        drive();
    }

    // Where one allocation failed, one failure more may have come without its record.
    void check(bool hit, where_t where = where_t::current())
    {
        allocation_pause const pause;
        expect(run_threw == 0, "bad_alloc came out of run()", where);
        for (auto const& each : answers_)
            each.expect_called(where);
        int lost = 0;
        int failed = failed_otherwise;
        for (std::size_t number = 0; number != made_; ++number) {
            auto const& each = exits[number];
            std::string const name = "exit " + std::to_string(number);
            bool const ends = each.ran + each.forced != 0;
            expect(each.ran <= 1 && each.forced <= 1, name + " ran twice", where);
            failed += each.failed;
            if (!each.registered || each.dismissed || is_left_out(each))
                expect(!ends, name + " ran, and should not", where);
            else if (!ends)
                ++lost;
        }
        int const told = failures() + observer.unreceived;
        expect(may_abandon || observer.abandoned == 0, "an exit was abandoned", where);
        expect(lost <= out_of_memory() + observer.abandoned || !outcome_is_known,
            std::to_string(lost) + " exits were lost, " + std::to_string(out_of_memory())
                + " told, " + std::to_string(observer.abandoned) + " abandoned",
            where);
        expect(lost <= 1 + observer.abandoned, std::to_string(lost) + " exits were lost", where);
        expect(told >= failed - (hit ? 1 : 0) || !outcome_is_known,
            std::to_string(failed) + " exits failed, " + std::to_string(told) + " failures told",
            where);
        expect(context->stopped(), "work is left", where);
    }

    fault_tally& tally_;
    counting_observer observer;
    std::unique_ptr<asio::io_context> context = make_warm_context();
    exeunt::manual_clock clock{*context};
    asio::cancellation_signal signal;
    std::array<tracked, most_exits> exits;
    std::exception_ptr cause = failure("cause");
    std::optional<async_exit_stack> stack{std::in_place, *context};
    std::optional<async_exit_stack> other; // made by the scenario that needs it
    std::optional<exeunt::exit_stack> synchronous;
    bool may_abandon = false;
    bool outcome_is_known = true; // no exit suppresses or replaces
    int failed_otherwise = 0;
    int run_threw = 0;

private:
    void count_failure(std::size_t number)
    {
        ++exits[number].ran;
        ++exits[number].failed;
    }

    answer& next_answer()
    {
        allocation_pause const pause;
        return answers_.emplace_back();
    }

    static bool is_open(std::optional<async_exit_stack> const& which)
    {
        return which && which->is_open();
    }

    bool is_awaited() const
    {
        for (auto const& each : answers_)
            if (each.is_awaited())
                return true;
        return false;
    }

    static bool is_left_out(tracked const& exit)
    {
        return exit.when != wanted::always && exit.found_failed
            && *exit.found_failed != (exit.when == wanted::if_failed);
    }

    template <class Count>
    int count_failures(Count count) const
    {
        int total = 0;
        for (auto const& each : answers_) {
            for (auto const& failed : failures_of(each.error))
                total += count(failed.error) ? 1 : 0;
            try {
                if (each.error)
                    std::rethrow_exception(each.error);
            } catch (exeunt::exit_errors const& all) {
                total += static_cast<int>(all.dropped());
            } catch (...) {
            }
        }
        return total;
    }

    int failures() const
    {
        return count_failures([](std::exception_ptr const&) { return true; });
    }

    int out_of_memory() const { return count_failures(is_out_of_memory) + observer.unreceived; }

    std::deque<answer> answers_;
    std::size_t made_ = 0;
};

} // namespace support

#endif
