// bad_alloc at every allocation of a list of scenarios of stacks and scopes: nothing leaks, no exit is lost
// untold, none runs twice, and every operation that was started completes once (C18, C25, C93).
#include "support/fault_scenarios.hpp"
#include "support/faults.hpp"

#include <cstddef>
#include <exception>
#include <iostream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace support::fault_parts;

namespace {

using step = fault_scenario::step;

// What is registered runs when memory is back, or by the close of the scenario.
std::vector<fault_scenario> registering()
{
    auto const functions = [](world& w) { w.push_synchronous(*w.stack); };
    auto const specs = [](world& w) {
        auto& s = *w.stack;
        w.push(s, [&](std::size_t n) { return on_exit(w.function(n)).named("a function"); });
        w.push(s, [&](std::size_t n) {
            return on_exit(w.posting(n)).named("one that is bounded").within(1h);
        });
        w.push(s, [&](std::size_t n) {
            return on_exit(w.waiting(n)).on_cut([] {}).or_force(w.force_of(n)).best_effort();
        });
    };
    return {
        {"exits of every shape are registered", nothing, {all_shapes, close}},
        {"exits that are specified are registered", nothing, {specs, close, let_all_end}},
        {"exits are registered in reserved places", nothing,
            {[](world& w) {
                 try {
                     w.stack->reserve(8);
                 } catch (std::bad_alloc const&) {
                 }
             },
                functions, close}},
        {"exits are registered while one runs", push_waiting, {close, all_shapes, let_all_end}},
        {"an exit registers exits", nothing,
            {[](world& w) {
                 w.push(*w.stack, [&w](std::size_t n) {
                     return [&w, run = w.function(n)] {
                         run();
                         w.push_all(*w.stack);
                     };
                 });
             },
                close}},
        {"exits are dismissed", all_shapes,
            {[](world& w) {
                 for (std::size_t n = 0; n < w.made(); n += 2)
                     w.exits[n].dismissed = w.stack->dismiss(w.exits[n].handle);
             },
                close}},
    };
}

std::vector<fault_scenario> closing_them()
{
    auto const clear = [](world& w) { w.stack->fail(failure("told by value")); };
    auto const suppressing = [](world& w) {
        w.outcome_is_known = false;
        w.push_synchronous(*w.stack);
        w.stack->push([](exit_state& state) { state.suppress(); });
        some_that_fail(w);
    };
    auto const replacing = [](world& w) {
        w.outcome_is_known = false;
        w.push_synchronous(*w.stack);
        w.stack->push([better = failure("better")](exit_state& state) { state.replace(better); });
        some_that_fail(w);
    };
    auto const primary = [](world& w) {
        w.stack->options().primary_only = true;
        w.outcome_is_known = false; // a failure without a record is told to nobody
        some_that_fail(w);
    };
    auto const best_effort = [](world& w) {
        w.push(*w.stack, [&](std::size_t n) { return on_exit(w.throwing(n)).best_effort(); });
        w.push(*w.stack, [&](std::size_t n) { return on_exit(w.failing(n)).best_effort(); });
        w.push(*w.stack, [&](std::size_t n) { return on_exit(w.posting(n)).best_effort(); });
    };
    auto const dropping = [](world& w) {
        w.push(*w.stack, [&](std::size_t n) { return w.dropping(n); });
        w.push(*w.stack, [&](std::size_t n) { return w.coroutine(n); });
        w.push(*w.stack,
            [&](std::size_t n) { return on_exit(w.dropping(n)).or_force(w.force_of(n)); });
    };
    auto const throwing_force = [](world& w) {
        w.push(*w.stack, [&](std::size_t n) {
            return on_exit(w.failing(n)).or_force([error = failure("force")] {
                std::rethrow_exception(error);
            });
        });
        w.push(*w.stack, [&](std::size_t n) { return w.posting(n); });
    };
    return {
        {"a stack is closed", all_shapes, {close}},
        {"a stack is closed after a failure", all_shapes, {close_after_a_failure}},
        {"a stack is closed with an error code", all_shapes, {[](world& w) {
             w.ask(&*w.stack, [&](auto handler) {
                 w.stack->async_close(
                     boost::system::error_code(asio::error::eof), std::move(handler));
             });
         }}},
        {"a stack is closed after fail()", all_shapes, {clear, close}},
        {"an empty stack is closed, twice", nothing, {close, close}},
        {"exits fail", some_that_fail, {close}},
        {"exits fail after a failure", some_that_fail, {close_after_a_failure}},
        {"exits fail, and the first one comes out", primary, {close}},
        {"exits fail, and no one minds", best_effort, {close}},
        {"exits drop their handler", dropping, {close}},
        {"a force throws", throwing_force, {close}},
        {"an exit suppresses", suppressing, {close_after_a_failure}},
        {"an exit replaces", replacing, {close_after_a_failure}},
        {"exits have filters", some_with_filters, {close}},
        {"exits have filters, and something failed", some_with_filters, {close_after_a_failure}},
        {"exits have filters, and wait for the close",
            [](world& w) {
                some_with_filters(w);
                push_waiting(w);
            },
            {close, let_all_end}},
    };
}

std::vector<fault_scenario> hurrying()
{
    auto const bounded = [](world& w) {
        w.push(*w.stack, [&](std::size_t n) { return on_exit(w.waiting(n)).within(1s); });
        w.push_synchronous(*w.stack);
        w.push(*w.stack, [&](std::size_t n) {
            return on_exit(w.waiting(n)).within(1s).or_force(w.force_of(n));
        });
        w.push(*w.stack, [&](std::size_t n) {
            return on_exit(w.waiting(n)).within(1s).on_cut([&w, n] { w.let_end(n); });
        });
    };
    auto const with_timeout = [](world& w) {
        w.stack->options().timeout = 1s;
        some_that_wait_with_a_force(w);
    };
    return {
        {"exits are over their time", bounded,
            {close, pass_a_second, pass_a_second, pass_a_second}},
        {"the time of a close is over", with_timeout, {close, pass_a_second}},
        {"a stack is forced before", some_that_wait_with_a_force, {force, close}},
        {"a stack is forced while an exit waits", some_that_wait_with_a_force, {close, force}},
        {"a close is cancelled, and ends within its grace", one_that_waits_between,
            {close_cancellable, emit, let_all_end}},
        {"a close is cancelled, and its grace is over", some_that_wait_with_a_force,
            {close_cancellable, emit, pass_grace}},
        {"a close is cancelled twice", some_that_wait_with_a_force,
            {close_cancellable, emit, emit}},
        {"a close begins with a cancellation",
            [](world& w) {
                w.cause = cancellation();
                some_that_wait_with_a_force(w);
            },
            {[](world& w) {
                 w.ask(&*w.stack,
                     [&](auto handler) { w.stack->async_close(w.cause, std::move(handler)); });
             },
                pass_grace}},
    };
}

std::vector<fault_scenario> observing()
{
    auto const counted = [](world& w) { observe(w, the_only<counting_steps>()); };
    auto const logged = [](world& w) { observe(w, the_only<exeunt::log_observer>(sink())); };
    auto const traced = [](world& w) { observe(w, the_only<exeunt::trace_observer>(sink())); };
    auto const all_told = [](world&) {
        auto const& told = the_only<counting_steps>();
        expect(told.unwindings == 0 && told.exits == 0, "an end was not told");
    };
    std::vector<step> const steps{close, pass_a_second, pass_a_second, force};
    return {
        {"an observer counts", counted, steps, all_told},
        {"an observer writes a log", logged, steps},
        {"an observer writes a trace", traced, steps},
    };
}

std::vector<fault_scenario> handing_over()
{
    auto const pop_all = [](world& w) {
        auto const size = w.stack->size();
        try {
            w.other = w.stack->pop_all();
            expect(w.stack->empty() && w.other->size() == size, "pop_all left something");
        } catch (std::bad_alloc const&) {
            expect(w.stack->size() == size, "pop_all that failed has lost exits");
        }
    };
    auto const close_both = [](world& w) {
        if (w.other)
            close_other(w);
        close(w);
    };
    auto const move = [](world& w) { w.other = std::move(*w.stack); };
    auto const destroy = [](world& w) { w.stack.reset(); };
    auto const unclosed = [](world& w) {
        w.may_abandon = true;
        push_forceable(w);
        w.push_all(*w.stack);
    };
    auto const on_a_full_one = [](world& w) {
        w.may_abandon = true;
        another_stack(w);
        w.push_all(*w.stack);
        w.push_synchronous(*w.other);
        w.push(*w.other, [&](std::size_t n) { return w.posting(n); });
    };
    return {
        {"all is handed over", all_shapes, {pop_all, close_both}},
        {"all is handed over while an exit waits", one_that_waits_between,
            {close, pop_all, close_both, let_all_end}},
        {"an exit hands all over",
            [](world& w) {
                w.push_all(*w.stack);
                w.stack->push([&w] {
                    try {
                        w.other = w.stack->pop_all();
                    } catch (std::bad_alloc const&) {
                    }
                });
            },
            {close,
                [](world& w) {
                    if (w.other)
                        close_other(w);
                }}},
        {"a stack is moved", all_shapes, {move, close_other}},
        {"a stack is moved while an exit waits", one_that_waits_between,
            {close, move, let_all_end}},
        {"a stack is destroyed while an exit waits", one_that_waits_between,
            {close,
                [](world& w) {
                    if (!w.stack->is_open())
                        w.stack.reset();
                },
                let_all_end}},
        {"a stack is destroyed unclosed", unclosed, {destroy}},
        {"a stack is moved onto a full one", on_a_full_one, {move, close_other}},
    };
}

std::vector<fault_scenario> joining()
{
    auto const run_first = [](world& w) { w.run_now(*w.stack, w.exits[0].handle); };
    auto const run_second = [](world& w) { w.run_now(*w.stack, w.exits[1].handle); };
    auto const two_that_wait = [](world& w) {
        push_waiting(w);
        push_forceable(w);
        w.push(*w.stack, [&](std::size_t n) { return w.posting(n); });
    };
    return {
        {"a close is joined", one_that_waits_between, {close, close, let_all_end}},
        {"a close that joins is cancelled", one_that_waits_between,
            {close, close_cancellable, emit, let_all_end}},
        {"an exit runs by itself", two_that_wait, {run_first, let_all_end, close, let_all_end}},
        {"a synchronous exit runs by itself", all_shapes, {run_first, run_second, close}},
        {"a close waits for an exit that runs by itself", two_that_wait,
            {run_first, close, let_all_end, let_all_end}},
        {"an exit is to run next while closing", two_that_wait,
            {close, run_first, let_all_end, let_all_end}},
        {"an exit that runs is joined", two_that_wait,
            {close, run_second, let_all_end, let_all_end}},
        {"one exit after the other runs by itself", two_that_wait,
            {run_first, run_second, let_all_end, let_all_end}},
    };
}

std::vector<fault_scenario> nesting()
{
    return {
        {"a stack is in a stack", nested_stack, {close, let_all_end}},
        {"a stack is in a stack in a stack", nested_stacks_three_deep, {close}},
        {"a stack in a stack is forced", nested_stack_that_waits, {close, force}},
        {"a stack in a stack is over its grace", nested_stack_that_waits,
            {close_cancellable, emit, pass_grace}},
        {"a synchronous stack is in a stack", nested_synchronous_stack, {close, let_all_end}},
        {"a stack is nested and filled", nothing,
            {[](world& w) {
                 try {
                     auto& child = nest(w, *w.stack);
                     w.push_all(child);
                 } catch (std::bad_alloc const&) {
                     expect(w.stack->empty(), "what failed to be nested is there");
                 }
             },
                close}},
    };
}

std::vector<fault_scenario> acquiring()
{
    return {
        {"a coroutine acquires", nothing, {acquire, close}},
        {"what a coroutine releases is acquired", nothing,
            {acquire_with_a_release_that_waits, close}},
        {"an operation acquires", nothing, {acquire_by_operation, close}},
        {"what is its own exit is acquired", nothing, {acquire_own, close}},
        {"nothing is acquired", all_shapes, {acquire_nothing, close}},
        {"two acquire at once", nothing,
            {[](world& w) {
                 acquire(w);
                 acquire_by_operation(w);
             },
                close}},
        {"a close waits for one that acquires", push_waiting,
            {[](world& w) {
                 close(w);
                 acquire_by_operation(w);
             },
                let_all_end}},
        {"what is acquired comes too late", nothing, {[](world& w) {
             acquire_with_a_release_that_waits(w);
             close(w);
         }}},
        {"what is acquired for a stack that is gone is released", nothing, {[](world& w) {
             acquire_with_a_release_that_waits(w);
             w.stack.reset();
         }}},
        {"one that acquires is cancelled", nothing,
            {[](world& w) {
                 acquire(w);
                 w.emit();
             },
                close}},
        {"a context is entered by a coroutine", nothing, {enter<coroutine_context>, close}},
        {"a context is entered by an operation", nothing, {enter<token_context>, close}},
    };
}

std::vector<fault_scenario> scopes()
{
    std::vector<fault_scenario> all{
        {"the body of a scope is a coroutine", nothing, {scope_of_a_coroutine}},
        {"the body of a scope has a result", nothing, {scope_with_a_result}},
        {"the body of a scope fails", nothing, {scope_whose_body_fails}},
        {"the body of a scope is a function", nothing, {scope_of_a_function}},
        {"the body of a scope is a function that fails", nothing, {scope_of_a_function_that_fails}},
        {"the body of a scope takes a handler", nothing, {scope_of_a_function_with_a_handler}},
        {"the body of a scope is an operation", nothing, {scope_of_an_operation}},
        {"the body of a scope is cancelled", nothing, {scope_whose_body_waits, emit}},
        {"the body of a scope waits", nothing, {scope_whose_body_waits, let_all_end}},
        {"the body of a scope hands all over", nothing,
            {scope_that_hands_over,
                [](world& w) {
                    if (w.other)
                        close_other(w);
                }}},
    };
    all.push_back({"a service runs", nothing, {run_service}, nothing, false});
    return all;
}

// Sockets that are closed: by their exit, or by what is their last resort.
struct socket_pair
{
    explicit socket_pair(asio::io_context& context)
        : near(context)
        , far(context)
    {
        asio::local::connect_pair(near, far);
    }

    asio::local::stream_protocol::socket near;
    asio::local::stream_protocol::socket far;
};

std::optional<socket_pair> sockets;

std::vector<fault_scenario> closing_objects()
{
    auto const connect = [](world& w) { sockets.emplace(*w.context); };
    auto const disconnect = [](world& w) {
        auto const& exit = w.exits[0];
        expect(sockets->near.is_open() == !exit.registered, "the socket is open, or was closed");
        w.exits[0].ran = exit.registered ? 1 : 0;
        sockets.reset();
    };
    auto const push_close = [](world& w) {
        w.push(*w.stack, [](std::size_t) { return exeunt::closing(sockets->near); });
    };
    auto const push_drain = [](world& w) {
        w.push(*w.stack, [](std::size_t) { return exeunt::draining(sockets->near); });
    };
    auto const hang_up = [](world&) { sockets->far.close(); };
    return {
        {"a socket is closed", connect, {push_close, close}, disconnect},
        {"a socket is drained", connect, {push_drain, close, hang_up}, disconnect},
        {"a socket is drained for too long", connect, {push_drain, close, pass_grace}, disconnect},
    };
}

std::vector<fault_scenario> synchronous()
{
    auto const make = [](world& w) { w.synchronous.emplace(); };
    auto const fill = [](world& w) { w.push_synchronous(*w.synchronous); };
    auto const filled = [](world& w) {
        w.synchronous.emplace();
        w.push_synchronous(*w.synchronous);
        for (int k = 0; k != 3; ++k)
            w.push(*w.synchronous, [&](std::size_t n) { return w.throwing(n); });
    };
    auto const close_it = close_synchronous;
    return {
        {"synchronous exits are registered", make, {fill, close_it}},
        {"synchronous exits fail", filled, {close_it}},
        {"a synchronous stack is destroyed", filled, {[](world& w) { w.synchronous.reset(); }}},
        {"a synchronous stack is handed over", filled,
            {[](world& w) {
                 try {
                     auto taken = w.synchronous->pop_all();
                     w.note([&] { taken.close(); });
                 } catch (std::bad_alloc const&) {
                 }
             },
                close_it}},
        {"a synchronous scope", nothing, {[](world& w) {
             w.note([&] { exeunt::with([&w](exeunt::exit_stack& s) { w.push_synchronous(s); }); });
         }}},
    };
}

void take(fault_world& w, step what, bool on_executor)
{
    if (!on_executor)
        return what(w);
    allocation_pause const pause;
    asio::post(*w.context, [&w, what] { what(w); });
}

// Returns how many allocations failed.
std::size_t fail_each_allocation(fault_scenario const& scenario, bool on_executor)
{
    return faults::at_every_allocation([&](std::size_t k, bool& hit) {
        fault_tally tally;
        {
            std::optional<fault_world> w;
            {
                allocation_pause const pause;
                w.emplace(tally);
                scenario.prepare(*w);
            }
            {
                faults::plan plan(k);
                for (auto const each : scenario.steps) {
                    take(*w, each, on_executor);
                    w->drive();
                }
                plan.stop();
                hit = plan.hit();
            }
            w->finish();
            scenario.end(*w);
            w->check(hit);
        }
        expect(tally.lives == 0, std::to_string(tally.lives) + " captures leaked");
    });
}

} // namespace

BOOST_AUTO_TEST_SUITE(async_scenario_faults)

// C18, C25, C93
BOOST_AUTO_TEST_CASE(scenario_in_which_any_allocation_fails_loses_no_exit_untold_and_completes_once)
{
    std::size_t scenarios = 0;
    std::size_t points = 0;
    for (auto const part : {registering, closing_them, hurrying, observing, handing_over, joining,
             nesting, acquiring, scopes, closing_objects, synchronous})
        for (auto const& each : part())
            BOOST_TEST_CONTEXT(each.name)
            {
                ++scenarios;
                std::size_t const before = points;
                for (bool const on_executor : {false, true})
                    if (!on_executor || each.on_executor) {
                        BOOST_TEST_CONTEXT((on_executor ? "on the executor" : "from outside"))
                        {
                            points += fail_each_allocation(each, on_executor);
                        }
                    }
                BOOST_TEST(points != before);
            }
    std::cout << scenarios << " scenarios, " << points << " allocations failed\n";
    BOOST_TEST(scenarios >= 40u);
    BOOST_TEST(points >= 2'000u);
}

BOOST_AUTO_TEST_SUITE_END()
