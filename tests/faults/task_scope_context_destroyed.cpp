// The io_context is destroyed after each step of what a scope does (C91): children die with it, once, nothing
// ends twice, and what a child failed with is received or told.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/expect.hpp"
#include "support/recording_observer.hpp"
#include "support/tracking_executor.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
using exeunt::async_exit_stack;
using exeunt::exit_state;
using exeunt::task_scope;

namespace {

struct world
{
    // Who waits: one that completes, or is destroyed.
    auto waiter(std::string const& name)
    {
        ++waiters;
        return [this, name, mark = capture_mark(log, "~wait")](std::exception_ptr e) {
            log("done:" + name);
            if (name != "room")
                received += failures_of(e).size();
        };
    }

    auto coroutine()
    {
        return [this, mark = child()]() -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            co_await asio::post(asio::use_awaitable);
            log("end");
        };
    }

    // Ends when it is told, at a good moment.
    auto server()
    {
        return [this, mark = child()]() -> asio::awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
            boost::system::error_code code;
            co_await exeunt::until_cancelled(asio::redirect_error(asio::use_awaitable, code));
            log("end");
        };
    }

    auto deaf()
    {
        return [mark = child()]() -> asio::awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
            co_await exeunt::until_cancelled(asio::use_awaitable);
        };
    }

    auto operation()
    {
        return [this, mark = child()](auto handler) {
            asio::post(executor, [this, h = std::move(handler)]() mutable {
                log("end");
                std::move(h)();
            });
        };
    }

    auto failing()
    {
        return [this, mark = child()]() -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            ++failed;
            throw test_error("no child");
        };
    }

    capture_mark child()
    {
        ++children;
        return capture_mark(log, "~child");
    }

    bool step() { return context->poll_one() != 0; }

    void destroy_context()
    {
        home.closed = true;
        executor = asio::any_io_executor();
        context.reset();
    }

    void check()
    {
        expect(log.count("~child") == children,
            std::to_string(children) + " children, but: " + log.text());
        expect(log.count("~wait") == waiters, "who waits is left, or was twice: " + log.text());
        for (char const* name : {"done:join", "done:wait", "done:room", "done:close"})
            expect(log.count(name) <= 1, "completed twice: " + log.text());
        // Children die before whoever waits for all of them is told.
        std::size_t dead = 0;
        for (std::string const& word : log.words()) {
            dead += word == "~child" ? 1u : 0u;
            if (word == "done:join" || word == "done:close")
                expect(dead == children, "a child outlives the scope: " + log.text());
        }
        expect(failed <= received + observer.failures.size(), "a failure is lost: " + log.text());
        for (auto const& lost : observer.failures)
            expect(describe(lost.error) == "no child", "told of " + describe(lost.error));
        observer.clear();
    }

    default_observer_guard observer;
    event_log log;
    executor_record home;
    std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>();
    exeunt::manual_clock clock{*context};
    asio::any_io_executor executor = track(*context, home);
    std::optional<task_scope> scope;
    std::optional<async_exit_stack> stack;
    exit_state state;
    std::size_t children = 0;
    std::size_t waiters = 0;
    std::size_t failed = 0;
    std::size_t received = 0;
};

// start(world) begins; the context is destroyed after 0, 1, 2, ... steps, until a run comes to its end. The
// scope's object goes before that, or after it.
template <class Start>
void destroyed_after_each_step(Start start, where_t where = where_t::current())
{
    for (bool const scope_first : {true, false})
        for (std::size_t steps = 0;; ++steps) {
            bool more = true;
            BOOST_TEST_CONTEXT("after " << steps << " steps, the "
                                        << (scope_first ? "scope" : "context") << " first")
            {
                world w;
                start(w);
                for (std::size_t k = 0; k != steps && more; ++k)
                    more = w.step();
                if (scope_first)
                    w.scope.reset(), w.stack.reset();
                w.destroy_context();
                w.scope.reset(), w.stack.reset();
                w.check();
            }
            if (!more) {
                expect(steps > 2, "it has no steps", where);
                break;
            }
            BOOST_REQUIRE(steps < 500u);
        }
}

} // namespace

BOOST_AUTO_TEST_SUITE(task_scope_context_destroyed)

BOOST_AUTO_TEST_CASE(children_and_who_waits_for_them)
{
    destroyed_after_each_step([](world& w) {
        w.scope.emplace(w.executor);
        w.scope->spawn(w.coroutine());
        w.scope->spawn(w.operation());
        w.scope->spawn([&w, mark = w.child()] { return asio::post(w.executor, asio::deferred); });
        w.scope->async_wait(w.waiter("wait"));
        w.scope->async_join(w.waiter("join"));
    });
}

BOOST_AUTO_TEST_CASE(children_that_wait_for_room)
{
    destroyed_after_each_step([](world& w) {
        w.scope.emplace(w.executor, exeunt::task_scope_options{.limit = 1});
        w.scope->spawn(w.coroutine());
        w.scope->spawn(w.operation());
        w.scope->async_spawn(w.coroutine(), w.waiter("room"));
        w.scope->async_join(w.waiter("join"));
    });
}

BOOST_AUTO_TEST_CASE(child_that_fails_and_siblings)
{
    destroyed_after_each_step([](world& w) {
        w.scope.emplace(w.executor);
        w.scope->spawn(w.server());
        w.scope->spawn(w.failing());
        w.scope->spawn(w.coroutine());
        w.scope->async_wait(w.waiter("wait"));
        w.scope->async_join(w.waiter("join"));
    });
}

// Nobody receives them, or a wait one of them.
BOOST_AUTO_TEST_CASE(children_that_fail_for_nobody)
{
    for (bool const waits : {false, true})
        destroyed_after_each_step([waits](world& w) {
            w.scope.emplace(w.executor, exeunt::task_scope_options{.cancel_on_failure = false});
            w.scope->spawn(w.failing());
            w.scope->spawn(w.failing());
            w.scope->spawn(w.coroutine());
            if (waits)
                w.scope->async_wait(w.waiter("wait"));
        });
}

BOOST_AUTO_TEST_CASE(scope_that_is_an_exit)
{
    for (bool const hangs : {false, true})
        for (bool const forced : {false, true})
            destroyed_after_each_step([hangs, forced](world& w) {
                w.stack.emplace(w.executor);
                auto& children = w.stack->enter(task_scope(w.executor, {.drain = 3s}));
                children.spawn(w.server());
                children.spawn(w.coroutine());
                children.spawn(w.failing());
                if (hangs)
                    children.spawn(w.deaf());
                w.stack->async_close(w.waiter("close"));
                if (forced)
                    asio::post(*w.context, [&w] { w.clock.advance(3s); });
                // By then abandoned exits are no news.
                asio::post(*w.context, [&w] { w.observer.abandoned.clear(); });
            });
}

BOOST_AUTO_TEST_CASE(scope_in_the_body_of_a_service)
{
    destroyed_after_each_step([](world& w) {
        exeunt::async_with(
            w.executor,
            [&w](async_exit_stack& s) -> asio::awaitable<void> {
                auto& children = s.enter(task_scope(s.get_executor()));
                children.spawn(w.server());
                children.spawn(w.coroutine());
                co_await children.async_spawn(w.operation(), asio::use_awaitable);
                asio::post(w.executor, [&children] { children.cancel(); });
                co_await children.async_wait(asio::use_awaitable);
            },
            w.waiter("close"));
    });
}

// The wait itself.
BOOST_AUTO_TEST_CASE(until_cancelled)
{
    destroyed_after_each_step([](world& w) {
        auto const signal = std::make_shared<asio::cancellation_signal>();
        exeunt::until_cancelled(asio::bind_executor(w.executor,
            asio::bind_cancellation_slot(
                signal->slot(), [h = w.waiter("wait"), signal](boost::system::error_code) mutable {
                    h(nullptr);
                })));
        asio::post(w.executor, [] {});
        asio::post(w.executor, [signal] { signal->emit(asio::cancellation_type::terminal); });
    });
}

BOOST_AUTO_TEST_SUITE_END()
