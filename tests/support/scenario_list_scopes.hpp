// Scenarios of scopes, and of what is acquired while a stack closes.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_LIST_SCOPES_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_LIST_SCOPES_HPP

#include "support/scenario_world.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <utility>

namespace support::scenarios {

// ---- acquiring

inline void close_while_acquiring(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.acquire(w.exit("r"));
    w.target = &w.close();
    w.answer_source_when([] { return true; });
}

inline void close_that_ends_before_the_acquire(scenario_world& w)
{
    auto& a = w.exit("a");
    w.push(a);
    w.acquire(w.exit("r"));
    w.target = &w.close();
    w.answer_source_when([&w] { return w.target->done(); });
}

inline void acquire_that_is_cancelled(scenario_world& w)
{
    w.push(w.exit("a"));
    w.acquire(w.exit("r"));
    w.answer_source_when([] { return true; });
    w.when([&w] { return w.target->done(); }, [&w] { w.close(); });
}

inline void acquire_that_comes_too_late(scenario_world& w)
{
    w.push(w.exit("a").posted());
    w.acquire(w.exit("r"));
    auto& closing = w.close();
    w.answer_source_when([&closing] { return closing.done(); });
}

inline void acquire_that_succeeds_as_it_is_cut(scenario_world& w)
{
    w.push(w.exit("a"));
    auto& acquiring = w.acquire(w.exit("r"));
    w.sources.back().succeeds_when_cut([] { return 5; });
    w.close();
    w.answer_source_when([&acquiring] { return acquiring.home->completed; });
}

inline void acquires_in_another_order(scenario_world& w)
{
    w.push(w.exit("a"));
    w.acquire(w.exit("r1"));
    auto& first = w.sources.back();
    w.acquire(w.exit("r2"));
    w.answer_source_when([] { return true; });
    w.when([&first] { return first.running(); },
        [&first] {
            if (first.running())
                first.answer(1);
        });
    w.target = &w.close();
}

inline void close_while_entering(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.enter(w.exit("r"));
    w.target = &w.close();
    w.answer_source_when([] { return true; });
}

inline void enter_that_comes_too_late(scenario_world& w)
{
    w.push(w.exit("a"));
    w.enter(w.exit("r"));
    auto& closing = w.close();
    w.answer_source_when([&closing] { return closing.done(); });
}

// ---- scopes, by the shape of their body

inline void scope_of_a_coroutine(scenario_world& w)
{
    w.with([&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        w.push(w.exit("a"));
        w.push_forceable(w.exit("b"));
        w.push_sync(w.exit("c"));
        co_await w.work().async_operation(asio::use_awaitable);
        w.push(w.exit("d"));
    });
}

inline void scope_of_a_function_with_a_handler(scenario_world& w)
{
    w.with([&w](async_exit_stack& s, exeunt::exit_handler handler) {
        w.enter_body(s);
        w.push_forceable(w.exit("a"));
        w.push(w.exit("b"));
        w.push(w.exit("c").posted());
        w.work().async_operation(std::move(handler));
    });
}

inline void scope_of_an_operation(scenario_world& w)
{
    w.with([&w](async_exit_stack& s) {
        w.enter_body(s);
        w.push(w.exit("a"));
        w.push_forceable(w.exit("b"));
        return w.work().async_operation(asio::deferred);
    });
}

inline void scope_of_a_plain_function(scenario_world& w)
{
    w.with([&w](async_exit_stack& s) {
        w.enter_body(s);
        w.push(w.exit("a"));
        w.push_forceable(w.exit("b"));
    });
}

inline void scope_whose_body_fails(scenario_world& w)
{
    auto& scope = w.with([&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        w.push_only_on_success_forceable(w.exit("a"));
        w.push_only_on_failure(w.exit("b"));
        w.push(w.exit("c"));
        co_await w.work().async_operation(asio::use_awaitable);
        throw test_error("body");
    });
    scope.finds_failure = true;
}

// The commit of what the body did, and its rollback.
inline void scope_with_a_commit(scenario_world& w)
{
    w.with([&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        w.push_only_on_failure(w.exit("rollback"));
        w.push_only_on_success_forceable(w.exit("commit"));
        co_await w.work().async_operation(asio::use_awaitable);
    });
}

inline void scope_that_acquires(scenario_world& w)
{
    w.outcome_is_known = false; // the body may fail by its acquire
    w.with([&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        w.push_forceable(w.exit("a"));
        w.acquire(w.exit("r"));
        w.answer_source_when([] { return true; });
        co_await w.work().async_operation(asio::use_awaitable);
        w.push(w.exit("b"));
    });
}

inline void scope_whose_body_closes_its_stack(scenario_world& w)
{
    auto& scope = w.with([&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        body_that_closes const runs(*w.target, w);
        w.push(w.exit("a"));
        w.push_forceable(w.exit("b"));
        w.push(w.exit("c"));
        w.close();
        co_await w.work().async_operation(asio::use_awaitable);
    });
    scope.ends_home = false;
}

// ---- scopes in what else there is

inline asio::awaitable<void> coroutine_with_a_scope(scenario_world& w)
{
    auto const body = [&w](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        w.target->can_be_cancelled = true;
        w.push(w.exit("a"));
        w.push_forceable(w.exit("b"));
        w.push_sync(w.exit("c"));
        co_await w.work().async_operation(asio::use_awaitable);
    };
    co_await exeunt::async_with(w.main.limits, std::ref(body), asio::use_awaitable);
}

inline void scope_in_a_coroutine(scenario_world& w)
{
    auto& spawned = w.scope("spawned");
    spawned.indirect = true;
    spawned.can_be_cancelled = false; // before it begins Asio might lose it
    w.start(spawned, [&w](auto handler) {
        asio::co_spawn(w.executor(), coroutine_with_a_scope(w), std::move(handler));
    });
}

inline asio::awaitable<void> inner_scope(scenario_world& w, tracked_stack& home)
{
    auto const body = [&w, &home](async_exit_stack& s) -> asio::awaitable<void> {
        home.stack = &s;
        w.push(w.exit(home, "i1"));
        w.push_forceable(w.exit(home, "i2"));
        co_await w.work().async_operation(asio::use_awaitable);
    };
    co_await exeunt::async_with(home.limits, std::ref(body), asio::use_awaitable);
    home.stack = nullptr;
}

inline void scope_in_the_body_of_a_scope(scenario_world& w)
{
    auto& inner = w.unowned_stack("inner");
    inner.bounded_elsewhere = true;
    w.outcome_is_known = false;
    w.with([&w, &inner](async_exit_stack& s) -> asio::awaitable<void> {
        w.enter_body(s);
        w.push(w.exit("a"));
        w.push_forceable(w.exit("b"));
        co_await inner_scope(w, inner);
        co_await w.work().async_operation(asio::use_awaitable);
    });
}

// Cut, it has its own grace.
inline void scope_in_an_exit(scenario_world& w)
{
    auto& inner = w.unowned_stack("inner");
    inner.bounded_elsewhere = true;
    w.outcome_is_known = w.ends_when_forced = false;
    w.push_forceable(w.exit("a"));
    w.main.stack->push([&w, &inner] { return inner_scope(w, inner); });
    w.push(w.exit("b"));
    w.close();
}

} // namespace support::scenarios

#endif
