// What can happen around stacks and scopes, as a list, to be run without memory: each step of a scenario is
// taken when nothing is left to do for the one before.
#ifndef EXEUNT_TESTS_SUPPORT_FAULT_SCENARIOS_HPP
#define EXEUNT_TESTS_SUPPORT_FAULT_SCENARIOS_HPP

#include <exeunt/closing.hpp>
#include <exeunt/log_observer.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/service.hpp>
#include <exeunt/trace_observer.hpp>

#include "support/fault_world.hpp"

#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/signal_set.hpp>

#include <chrono>
#include <cstddef>
#include <ostream>
#include <streambuf>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

namespace support {

struct fault_scenario
{
    using step = void (*)(fault_world&);

    char const* name;
    step prepare; // with memory
    std::vector<step> steps; // without
    step end = [](fault_world&) {}; // with memory, when all is over
    bool on_executor = true; // its steps may be taken there
};

namespace fault_parts {

using namespace std::chrono_literals;
using exeunt::async_exit_stack;
using exeunt::exit_handler;
using exeunt::exit_state;
using exeunt::on_exit;
using world = fault_world;

// ---- preparations

inline void nothing(world&) {}

inline void all_shapes(world& w)
{
    w.push_all(*w.stack);
}

// A stack by itself, to be nested or handed over.
inline void another_stack(world& w)
{
    w.other.emplace(*w.context);
}

inline void push_waiting(world& w)
{
    w.push(*w.stack, [&](std::size_t n) { return w.waiting(n); });
}

inline void one_that_waits_between(world& w)
{
    w.push_synchronous(*w.stack);
    push_waiting(w);
    w.push_asynchronous(*w.stack);
}

inline void push_forceable(world& w)
{
    w.push(*w.stack, [&](std::size_t n) { return on_exit(w.waiting(n)).or_force(w.force_of(n)); });
}

inline void some_that_wait_with_a_force(world& w)
{
    push_forceable(w);
    w.push_synchronous(*w.stack);
    push_waiting(w);
    push_forceable(w);
    push_waiting(w);
}

inline void some_that_fail(world& w)
{
    auto& s = *w.stack;
    w.push(s, [&](std::size_t n) { return w.throwing(n); });
    w.push(s, [&](std::size_t n) { return w.throwing_coroutine(n); });
    w.push(s, [&](std::size_t n) { return w.failing(n); });
    w.push(s, [&](std::size_t n) { return w.coroutine(n); });
    w.push(s, [&](std::size_t n) { return w.throwing(n); });
}

inline void some_with_filters(world& w)
{
    auto& s = *w.stack;
    w.push_filtered(s, world::wanted::if_failed,
        [&](std::size_t n) { return on_exit(w.coroutine(n)).only_on_failure(); });
    w.push_filtered(s, world::wanted::if_succeeded,
        [&](std::size_t n) { return on_exit(w.posting(n)).only_on_success(); });
    w.push_filtered(s, world::wanted::if_succeeded, [&](std::size_t n) {
        return on_exit(w.posting(n)).only_on_success().or_force(w.force_of(n));
    });
    w.push_filtered(s, world::wanted::if_failed,
        [&](std::size_t n) { return on_exit(w.function(n)).only_on_failure(); });
    w.push(s, [&](std::size_t n) { return w.operation(n); });
}

// ---- steps

inline void close(world& w)
{
    w.close(*w.stack);
}

inline void close_other(world& w)
{
    w.close(*w.other);
}

inline void close_cancellable(world& w)
{
    w.close_cancellable(*w.stack);
}

inline void close_after_a_failure(world& w)
{
    ++w.failed_otherwise;
    auto& to =
        w.ask(&*w.stack, [&](auto handler) { w.stack->async_close(w.cause, std::move(handler)); });
    // It is closed by itself then.
    w.failed_otherwise -= to.threw ? 1 : 0;
}

inline void emit(world& w)
{
    w.emit();
}

inline void let_all_end(world& w)
{
    w.let_all_end();
}

inline void pass_grace(world& w)
{
    w.advance(10s);
}

inline void force(world& w)
{
    if (w.stack)
        w.stack->force();
}

// ---- what is acquired; tracked as an exit from then on

struct resource
{
    world* of = nullptr;
    std::size_t number = 0;
};

inline asio::awaitable<resource> obtain(world& w, std::size_t number)
{
    co_await hop();
    w.exits[number].registered = true;
    co_return resource{&w, number};
}

inline asio::awaitable<resource> obtain_nothing(world& w)
{
    co_await hop();
    std::rethrow_exception(w.cause);
}

class obtaining
{
public:
    obtaining(world& w, std::size_t number)
        : of_(&w)
        , number_(number)
    {
    }

    template <class Handler>
    void operator()(Handler&& handler) const
    {
        allocation_pause const pause;
        asio::post(
            *of_->context, [h = std::forward<Handler>(handler), w = of_, n = number_]() mutable {
                w->exits[n].registered = true;
                std::move(h)(std::exception_ptr(), resource{w, n});
            });
    }

private:
    world* of_;
    std::size_t number_;
};

inline auto release(resource& what)
{
    ++what.of->exits[what.number].ran;
}

inline asio::awaitable<void> release_by_coroutine(resource& what)
{
    ++what.of->exits[what.number].ran;
    co_return;
}

// A resource that is its own exit.
class own
{
public:
    own() = default;
    own(world& w, std::size_t number)
        : of_(&w)
        , number_(number)
    {
    }

    template <class Token>
    auto async_exit(exit_state&, Token&& token)
    {
        ++of_->exits[number_].ran;
        return asio::post(std::forward<Token>(token));
    }

private:
    world* of_ = nullptr;
    std::size_t number_ = 0;
};

inline asio::awaitable<own> obtain_own(world& w, std::size_t number)
{
    co_await hop();
    w.exits[number].registered = true;
    co_return own(w, number);
}

// Makes the awaitable with memory: that is no matter of the library.
template <class Make>
auto with_memory(Make make)
{
    allocation_pause const pause;
    return make();
}

template <class Release>
void acquire_by_coroutine(world& w, Release releasing)
{
    auto const number = w.reserve_exit();
    w.ask_for_value([&](auto handler) {
        w.stack->async_acquire(with_memory([&] { return obtain(w, number); }), releasing,
            asio::bind_cancellation_slot(w.signal.slot(), std::move(handler)));
    });
}

inline void acquire(world& w)
{
    acquire_by_coroutine(w, release);
}

inline void acquire_with_a_release_that_waits(world& w)
{
    acquire_by_coroutine(w, release_by_coroutine);
}

inline void acquire_by_operation(world& w)
{
    auto const number = w.reserve_exit();
    w.ask_for_value([&](auto handler) {
        w.stack->async_acquire(
            asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, resource)>(
                obtaining(w, number), asio::deferred),
            release_by_coroutine, std::move(handler));
    });
}

inline void acquire_own(world& w)
{
    auto const number = w.reserve_exit();
    w.ask_for_value([&](auto handler) {
        w.stack->async_acquire(
            with_memory([&] { return obtain_own(w, number); }), std::move(handler));
    });
}

inline void acquire_nothing(world& w)
{
    w.ask_for_value([&](auto handler) {
        w.stack->async_acquire(
            with_memory([&] { return obtain_nothing(w); }), release, std::move(handler));
    });
}

// ---- contexts that are entered

class coroutine_context
{
public:
    coroutine_context(world& w, std::size_t number)
        : of_(&w)
        , number_(number)
        , life_(w)
    {
    }

    asio::awaitable<int> async_enter()
    {
        co_await hop();
        of_->exits[number_].registered = true;
        co_return 3;
    }

    asio::awaitable<void> async_exit(exit_state&)
    {
        ++of_->exits[number_].ran;
        co_await hop();
    }

private:
    world* of_;
    std::size_t number_;
    world::life life_;
};

class token_context
{
public:
    token_context(world& w, std::size_t number)
        : of_(&w)
        , number_(number)
    {
    }

    template <class Token>
    auto async_enter(Token&& token)
    {
        return asio::async_initiate<Token, void(std::exception_ptr, resource)>(
            obtaining(*of_, number_), token);
    }

    template <class Token>
    auto async_exit(exit_state&, Token&& token)
    {
        ++of_->exits[number_].ran;
        return asio::post(std::forward<Token>(token));
    }

private:
    world* of_;
    std::size_t number_;
};

template <class Context>
void enter(world& w)
{
    Context context(w, w.reserve_exit());
    w.ask_for_value(
        [&](auto handler) { w.stack->async_enter(std::move(context), std::move(handler)); });
}

// ---- scopes

template <class Body>
void scope(world& w, Body body)
{
    auto const made = w.made();
    auto& to = w.ask(nullptr, [&](auto handler) {
        exeunt::async_with(
            *w.context, body, asio::bind_cancellation_slot(w.signal.slot(), std::move(handler)));
    });
    if (to.threw)
        expect(w.made() == made, "the body ran, and the scope did not start");
}

inline void scope_of_a_coroutine(world& w)
{
    scope(w, [&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.push_synchronous(s);
        co_await hop();
        w.push_asynchronous(s);
    });
}

inline void scope_with_a_result(world& w)
{
    scope(w, [&w](async_exit_stack& s) -> asio::awaitable<int> {
        w.push_asynchronous(s);
        co_await hop();
        co_return 3;
    });
}

inline void scope_whose_body_fails(world& w)
{
    scope(w, [&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.push_asynchronous(s);
        co_await hop();
        ++w.failed_otherwise;
        std::rethrow_exception(w.cause);
    });
}

inline void scope_of_a_function(world& w)
{
    scope(w, [&w](async_exit_stack& s) { w.push_all(s); });
}

inline void scope_of_a_function_that_fails(world& w)
{
    scope(w, [&w](async_exit_stack& s) {
        w.push_all(s);
        ++w.failed_otherwise;
        std::rethrow_exception(w.cause);
    });
}

inline void scope_of_a_function_with_a_handler(world& w)
{
    scope(w, [&w](async_exit_stack& s, exit_handler handler) {
        w.push_all(s);
        allocation_pause const pause;
        asio::post(std::move(handler));
    });
}

inline void scope_of_an_operation(world& w)
{
    scope(w, [&w](async_exit_stack& s) {
        w.push_all(s);
        return asio::post(asio::deferred);
    });
}

inline void scope_whose_body_waits(world& w)
{
    scope(w, [&w](async_exit_stack& s, exit_handler handler) {
        w.push_all(s);
        auto const number = w.reserve_exit();
        w.exits[number].registered = true;
        w.waiting(number)(std::move(handler));
    });
}

inline void scope_that_hands_over(world& w)
{
    scope(w, [&w](async_exit_stack& s) {
        w.push_all(s);
        try {
            w.other = s.pop_all();
        } catch (std::bad_alloc const&) {
        }
    });
}

// ---- a service, by the real clock, on a context of its own; what it writes is not read

inline void run_service(world& w)
{
    int const former = ::dup(STDERR_FILENO);
    int const sink = ::open("/dev/null", O_WRONLY);
    ::dup2(sink, STDERR_FILENO);
    ::close(sink);
    int status = 1;
    auto const context = make_warm_context();
    // Where Asio has no memory for its service of signals it leaks.
    with_memory([&] { return asio::signal_set(*context).get_executor(); });
    try {
        status = exeunt::run(*context, [&w](async_exit_stack& s) -> asio::awaitable<void> {
            w.push_all(s);
            co_await hop();
        });
    } catch (std::bad_alloc const&) {
        expect(w.made() == 0, "the service began, and is not known to end");
    }
    ::dup2(former, STDERR_FILENO);
    ::close(former);
    w.outcome_is_known = status == 0; // then nothing is lost
}

// ---- observers

struct counting_steps : exeunt::exit_observer
{
    void unwinding_began(exeunt::unwinding_view const&) noexcept override { ++unwindings; }
    void unwinding_ended(
        exeunt::unwinding_view const&, std::exception_ptr, duration) noexcept override
    {
        --unwindings;
    }
    void exit_began(exeunt::exit_view const&) noexcept override { ++exits; }
    void exit_ended(exeunt::exit_view const&, std::exception_ptr, duration) noexcept override
    {
        --exits;
    }

    int unwindings = 0;
    int exits = 0;
};

class null_buffer : public std::streambuf
{
    int_type overflow(int_type c) override { return traits_type::not_eof(c); }
};

// One that outlives each world.
template <class Observer, class... Arguments>
Observer& the_only(Arguments&... arguments)
{
    static Observer it(arguments...);
    return it;
}

inline std::ostream& sink()
{
    static null_buffer buffer;
    static std::ostream out(&buffer);
    return out;
}

inline void observe(world& w, exeunt::exit_observer& by)
{
    w.stack->options().observer = &by;
    w.stack->options().report_after = 1s;
    w.push_all(*w.stack);
    push_forceable(w);
}

inline void pass_a_second(world& w)
{
    w.advance(1s);
}

// ---- nested

inline async_exit_stack& nest(world& w, async_exit_stack& in)
{
    w.may_abandon = true; // the exits of a child that could not be closed
    return in.enter(async_exit_stack(*w.context));
}

inline void nested_stack(world& w)
{
    push_waiting(w);
    w.push_all(nest(w, *w.stack));
    w.push(*w.stack, [&](std::size_t n) { return w.posting(n); });
}

inline void nested_stacks_three_deep(world& w)
{
    auto& child = nest(w, *w.stack);
    w.push_synchronous(child);
    w.push_asynchronous(nest(w, child));
}

inline void nested_stack_that_waits(world& w)
{
    push_forceable(w);
    auto& child = nest(w, *w.stack);
    w.push(child, [&](std::size_t n) { return on_exit(w.waiting(n)).or_force(w.force_of(n)); });
    w.push(child, [&](std::size_t n) { return w.waiting(n); });
}

inline void nested_synchronous_stack(world& w)
{
    auto& child = w.stack->enter(exeunt::exit_stack());
    w.push_synchronous(child);
    w.push(child, [&](std::size_t n) { return w.throwing(n); });
    push_waiting(w);
}

// ---- the synchronous stack

inline void close_synchronous(world& w)
{
    w.note([&] { w.synchronous->close(); });
}

} // namespace fault_parts

} // namespace support

#endif
