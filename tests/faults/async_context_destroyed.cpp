// C91: the io_context is destroyed after each step of a scenario: nothing runs twice, nothing leaks,
// captures die newest first, no executor is used.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>

#include "support/expect.hpp"
#include "support/recording_observer.hpp"
#include "support/tracking_executor.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handler;
using exeunt::exit_state;

namespace {

// What a completion handler holds: it must go last, and with it everything.
struct final_handler
{
    explicit final_handler(event_log& log)
        : mark(log, "~handler")
        , events(&log)
    {
    }

    void operator()(std::exception_ptr) { events->add("done"); }

    template <class T>
    void operator()(std::exception_ptr, T)
    {
        events->add("done");
    }

    capture_mark mark;
    event_log* events;
};

struct world
{
    default_observer_guard observer;
    event_log log;
    executor_record home;
    std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>();
    asio::any_io_executor executor = track(*context, home);
    std::unique_ptr<async_exit_stack> stack;
    int registered = 0;
    bool coroutines = true; // Asio destroys a suspended coroutine by a post of its own

    auto mark(std::string const& name) { return capture_mark(log, "~" + name); }

    // Newest: the one with the highest number. Sync ones are s1, s4, ...; the others async.
    void push_all(async_exit_stack& s)
    {
        auto const next = [this] { return std::to_string(registered++); };
        {
            std::string const name = "s" + next();
            s.push([this, name, m = mark(name)] { log("+" + name); });
        }
        if (coroutines) {
            std::string const name = "a" + next();
            s.push([this, name, m = mark(name)]() -> asio::awaitable<void> {
                log("+" + name);
                co_await asio::post(asio::use_awaitable);
                co_await asio::post(asio::use_awaitable);
            });
        }
        {
            std::string const name = "a" + next();
            s.push([this, name, m = mark(name)](exit_handler handler) {
                log("+" + name);
                asio::post(std::move(handler));
            });
        }
        {
            std::string const name = "s" + next();
            s.push([this, name, m = mark(name)](exit_state&) { log("+" + name); });
        }
        {
            std::string const name = "a" + next();
            s.push([this, name, m = mark(name)] {
                log("+" + name);
                return asio::post(*context, asio::deferred);
            });
        }
        if (coroutines) {
            std::string const name = "a" + next();
            s.push([this, name, m = mark(name)](exit_state&) -> asio::awaitable<void> {
                log("+" + name);
                co_await asio::post(asio::use_awaitable);
            });
        }
    }

    // An exit that only the destruction of the context ends: it waits for ever.
    void push_hanging(async_exit_stack& s)
    {
        std::string const name = "a" + std::to_string(registered++);
        auto& timer = s.adopt(
            std::make_unique<asio::steady_timer>(*context, asio::steady_timer::time_point::max()),
            [this, name, m = mark(name)](std::unique_ptr<asio::steady_timer>& t) {
                log("+" + name);
                return t->async_wait(asio::deferred);
            });
        (void)timer;
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
        // At most once; sync ones in any case.
        for (int number = 0; number != registered; ++number) {
            std::string const n = std::to_string(number);
            std::size_t const sync = log.count("+s" + n);
            std::size_t const async = log.count("+a" + n);
            expect(sync + async <= 1, "exit " + n + " ran twice: " + log.text());
            expect(log.count("~s" + n) + log.count("~a" + n) == 1,
                "the captures of exit " + n + " did not die once: " + log.text());
            if (log.has("~s" + n))
                expect(sync == 1, "sync exit " + n + " did not run: " + log.text());
        }
        // Newest first.
        int last = registered;
        for (std::string const& word : log.words()) {
            if (word.size() < 3 || word[0] != '~' || word == "~handler")
                continue;
            int const number = std::stoi(word.substr(2));
            expect(number < last, "captures died in another order: " + log.text());
            last = number;
        }
        expect(log.count("done") <= 1, "completed twice: " + log.text());
        expect(log.count("~handler") <= 1, "the handler died twice: " + log.text());
        expect(coroutines || home.misuses == 0,
            "an executor was used after its context: " + log.text());
        observer.clear();
    }
};

// start(world) begins; the context is destroyed after 0, 1, 2, ... steps, until a run comes to its end.
template <class Start, class End>
void destroyed_after_each_step(Start start, End end, bool coroutines = true)
{
    for (std::size_t steps = 0;; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            world w;
            w.coroutines = coroutines;
            start(w);
            bool more = true;
            for (std::size_t k = 0; k != steps && more; ++k)
                more = w.step();
            end(w);
            w.destroy_context();
            w.check();
            if (!more) {
                BOOST_TEST(steps > 1u);
                return;
            }
        }
        BOOST_REQUIRE(steps < 500u);
    }
}

} // namespace

BOOST_AUTO_TEST_SUITE(async_context_destroyed)

// C91
BOOST_AUTO_TEST_CASE(close_in_flight_whose_stack_went_first)
{
    for (bool const coroutines : {false, true})
        destroyed_after_each_step(
            [](world& w) {
                w.stack = std::make_unique<async_exit_stack>(w.executor);
                w.push_all(*w.stack);
                w.stack->async_close(final_handler(w.log));
            },
            [](world& w) { w.stack.reset(); }, coroutines);
}

// C91
BOOST_AUTO_TEST_CASE(close_that_hangs)
{
    for (bool const coroutines : {false, true})
        destroyed_after_each_step(
            [](world& w) {
                w.stack = std::make_unique<async_exit_stack>(w.executor);
                w.push_all(*w.stack);
                w.push_hanging(*w.stack);
                w.push_all(*w.stack);
                w.stack->async_close(final_handler(w.log));
            },
            [](world& w) { w.stack.reset(); }, coroutines);
}

// C91: the stack belongs to a coroutine
BOOST_AUTO_TEST_CASE(coroutine_that_owns_its_stack)
{
    destroyed_after_each_step(
        [](world& w) {
            auto const coroutine = [](world& each) -> asio::awaitable<void> {
                async_exit_stack stack(each.executor);
                each.push_all(stack);
                co_await asio::post(asio::use_awaitable);
                each.push_hanging(stack);
                each.push_all(stack);
                co_await stack.async_close(asio::use_awaitable);
            };
            asio::co_spawn(w.executor, coroutine(w), final_handler(w.log));
        },
        [](world&) {});
}

// C91
BOOST_AUTO_TEST_CASE(scope)
{
    destroyed_after_each_step(
        [](world& w) {
            exeunt::async_with(
                w.executor,
                [&w](async_exit_stack& stack) -> asio::awaitable<void> {
                    w.push_all(stack);
                    co_await asio::post(asio::use_awaitable);
                    w.push_all(stack);
                    co_await asio::post(asio::use_awaitable);
                },
                final_handler(w.log));
        },
        [](world&) {});
}

// C91: without a coroutine
BOOST_AUTO_TEST_CASE(scope_whose_body_is_an_operation)
{
    destroyed_after_each_step(
        [](world& w) {
            exeunt::async_with(
                w.executor,
                [&w](async_exit_stack& stack) {
                    w.push_all(stack);
                    return asio::post(w.executor, asio::deferred);
                },
                final_handler(w.log));
        },
        [](world&) {}, false);
}

// C91
BOOST_AUTO_TEST_CASE(scope_that_hangs_in_a_coroutine)
{
    destroyed_after_each_step(
        [](world& w) {
            auto const coroutine = [](world& each) -> asio::awaitable<void> {
                co_await exeunt::async_with(
                    [&each](async_exit_stack& stack) -> asio::awaitable<void> {
                        each.push_all(stack);
                        each.push_hanging(stack);
                        co_await asio::post(asio::use_awaitable);
                        each.push_all(stack);
                    },
                    asio::use_awaitable);
            };
            asio::co_spawn(w.executor, coroutine(w), final_handler(w.log));
        },
        [](world&) {});
}

// C91: a stack in a stack
BOOST_AUTO_TEST_CASE(nested_stacks)
{
    for (bool const coroutines : {false, true})
        destroyed_after_each_step(
            [](world& w) {
                w.stack = std::make_unique<async_exit_stack>(w.executor);
                w.push_all(*w.stack);
                async_exit_stack& child = w.stack->enter(async_exit_stack(w.executor));
                w.push_all(child);
                w.push_hanging(child);
                w.push_all(child);
                w.stack->async_close(final_handler(w.log));
            },
            [](world& w) { w.stack.reset(); }, coroutines);
}

// C91: one that is run by itself
BOOST_AUTO_TEST_CASE(run_now_in_flight)
{
    destroyed_after_each_step(
        [](world& w) {
            w.stack = std::make_unique<async_exit_stack>(w.executor);
            std::string const name = "a" + std::to_string(w.registered++);
            exeunt::exit_handle const only =
                w.stack->push([&w, name, m = w.mark(name)]() -> asio::awaitable<void> {
                    w.log("+" + name);
                    co_await asio::post(asio::use_awaitable);
                    co_await asio::post(asio::use_awaitable);
                });
            w.stack->async_run_now(only, final_handler(w.log));
        },
        [](world& w) { w.stack.reset(); });
}

// C91: an acquire in flight
BOOST_AUTO_TEST_CASE(acquire_in_flight)
{
    destroyed_after_each_step(
        [](world& w) {
            struct source
            {
                static asio::awaitable<int> get()
                {
                    co_await asio::post(asio::use_awaitable);
                    co_await asio::post(asio::use_awaitable);
                    co_return 1;
                }
            };
            w.stack = std::make_unique<async_exit_stack>(w.executor);
            w.push_all(*w.stack);
            w.stack->async_acquire(
                source::get(),
                [&w](int&) -> asio::awaitable<void> {
                    w.log("released");
                    co_return;
                },
                final_handler(w.log));
            w.stack->async_close([](std::exception_ptr) {});
        },
        [](world& w) { w.stack.reset(); });
}

BOOST_AUTO_TEST_SUITE_END()
