// bad_alloc at every allocation of a list of scenarios: no leak, no lost exit, the close completes or
// reports (C18, C25, C93).
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>

#include "support/fault_tools.hpp"
#include "support/faults.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handle;
using exeunt::exit_handler;
using exeunt::exit_state;

namespace {

constexpr int kinds = 8;

// One run of a scenario.
struct world
{
    counting_observer observer;
    int registered = 0;
    int ran[kinds] = {};
    int destroyed = 0; // captures
    int made = 0;
    int calls = 0;
    bool start_threw = false;
    int run_threw = 0;
    std::exception_ptr error;
    std::unique_ptr<asio::io_context> context = make_context();

    static std::unique_ptr<asio::io_context> make_context()
    {
        allocation_pause const pause;
        auto made_context = std::make_unique<asio::io_context>();
        // What Asio allocates once and for all.
        asio::post(*made_context, [] {});
        made_context->poll();
        return made_context;
    }

    // Counts the lives of what is captured.
    struct life
    {
        explicit life(world& w) noexcept
            : of(&w)
        {
            ++of->made;
        }

        life(life const& other) noexcept
            : of(other.of)
        {
            ++of->made;
        }

        life& operator=(life const&) = delete;
        ~life() { ++of->destroyed; }

        world* of;
    };

    // Registers one exit of each kind, as many as can be.
    template <class Stack>
    void push_all(Stack& stack)
    {
        life const l(*this);
        try_push([&] { stack.push([this, l] { ++ran[0]; }); });
        try_push([&] {
            stack.push([this, l]() -> asio::awaitable<void> {
                ++ran[1];
                co_return;
            });
        });
        try_push([&] {
            stack.push([this, l](exit_handler handler) {
                ++ran[2];
                std::move(handler)();
            });
        });
        try_push([&] {
            stack.push([this, l](exit_state&, auto handler) {
                ++ran[3];
                asio::post(std::move(handler));
            });
        });
        try_push([&] {
            stack.push([this, l] {
                ++ran[4];
                return asio::post(*context, asio::deferred);
            });
        });
        try_push([&] {
            stack.push([this, l](exit_state&) -> asio::awaitable<void> {
                ++ran[5];
                co_await hop();
            });
        });
        try_push([&] { stack.adopt(life(l), [this](life&) { ++ran[6]; }); });
        try_push([&] { stack.callback([this](life const&, int) { ++ran[7]; }, l, 5); });
    }

    template <class Push>
    void try_push(Push push)
    {
        try {
            push();
            ++registered;
        } catch (std::bad_alloc const&) {
        }
    }

    auto handler()
    {
        return [this](std::exception_ptr e) {
            ++calls;
            error = std::move(e);
        };
    }

    // Runs all there is; bad_alloc that comes out of run() is counted.
    void drive()
    {
        for (int attempts = 0; attempts != 10; ++attempts) {
            try {
                context->restart();
                context->poll();
                return;
            } catch (std::bad_alloc const&) {
                ++run_threw;
            }
        }
    }

    int total_ran() const
    {
        int total = 0;
        for (int each : ran)
            total += each;
        return total;
    }

    // Every exit that was registered has run, or its failure is in the report; none ran twice.
    void check_closed(where_t where = where_t::current())
    {
        allocation_pause const pause;
        for (int each : ran)
            expect(each <= 1, "an exit ran twice", where);
        expect(run_threw == 0, "bad_alloc came out of run()", where);
        if (start_threw) {
            expect(calls == 0, "threw while starting and completed as well", where);
            expect(total_ran() + observer.abandoned == registered,
                std::to_string(registered) + " exits registered, " + std::to_string(total_ran())
                    + " ran, " + std::to_string(observer.abandoned) + " abandoned",
                where);
        } else {
            expect(calls == 1, "completed " + std::to_string(calls) + " times", where);
            std::size_t failed = failures_of(error).size();
            try {
                if (error)
                    std::rethrow_exception(error);
            } catch (exeunt::exit_errors const& all) {
                failed += all.dropped();
            } catch (...) {
            }
            expect(total_ran() + static_cast<int>(failed) >= registered,
                std::to_string(registered) + " exits registered, " + std::to_string(total_ran())
                    + " ran, " + std::to_string(failed) + " failures",
                where);
            expect(observer.abandoned == 0, "an exit was abandoned", where);
        }
    }

    void check_lives(where_t where = where_t::current())
    {
        allocation_pause const pause;
        expect(made == destroyed, "captures leaked", where);
    }
};

// A world, the plan around what `run` does in it, and its end.
template <class Run, class Check>
void run_scenario(std::size_t k, bool& hit, Run run, Check check)
{
    int made = 0;
    int destroyed = 0;
    {
        std::optional<world> w;
        {
            allocation_pause const pause;
            w.emplace();
        }
        {
            faults::plan plan(k);
            run(*w);
            plan.stop();
            hit = plan.hit();
        }
        w->drive(); // memory is back
        check(*w);
        w->error = nullptr;
        w->context.reset();
        made = w->made;
        destroyed = w->destroyed;
    }
    expect(made == destroyed, "captures leaked");
}

} // namespace

BOOST_AUTO_TEST_SUITE(async_bad_alloc)

// C93, C18
BOOST_AUTO_TEST_CASE(register_and_close)
{
    std::size_t const allocations = faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                std::optional<async_exit_stack> stack;
                {
                    allocation_pause const pause;
                    stack.emplace(*w.context);
                }
                w.push_all(*stack);
                expect(stack->size() == static_cast<std::size_t>(w.registered),
                    "a failed registration has left something");
                try {
                    stack->async_close(w.handler());
                } catch (std::bad_alloc const&) {
                    w.start_threw = true;
                }
                w.drive();
                stack.reset();
            },
            [](world& w) { w.check_closed(); });
    });
    BOOST_TEST_MESSAGE(allocations << " allocations");
    BOOST_TEST(allocations > 5u);
}

// C93: what could not be started can be started again
BOOST_AUTO_TEST_CASE(close_that_could_not_start_leaves_the_stack_as_it_was)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                std::optional<async_exit_stack> stack;
                {
                    allocation_pause const pause;
                    stack.emplace(*w.context);
                    w.push_all(*stack);
                }
                try {
                    stack->async_close(w.handler());
                } catch (std::bad_alloc const&) {
                    allocation_pause const pause;
                    expect(stack->size() == static_cast<std::size_t>(kinds),
                        "a close that did not start has lost exits");
                    expect(stack->is_open(), "a close that did not start has closed the stack");
                    stack->async_close(w.handler());
                }
                w.drive();
            },
            [](world& w) { w.check_closed(); });
    });
}

// C93
BOOST_AUTO_TEST_CASE(close_with_failing_exits_and_a_cause)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                std::optional<async_exit_stack> stack;
                std::exception_ptr cause;
                std::exception_ptr first;
                std::exception_ptr second;
                {
                    allocation_pause const pause;
                    stack.emplace(*w.context);
                    cause = failure("cause");
                    first = failure("first");
                    second = failure("second");
                }
                w.try_push([&] {
                    stack->push([&w, second] {
                        ++w.ran[0];
                        std::rethrow_exception(second);
                    });
                });
                w.try_push([&] {
                    stack->push([&w, first]() -> asio::awaitable<void> {
                        ++w.ran[1];
                        std::rethrow_exception(first);
                        co_return;
                    });
                });
                try {
                    stack->async_close(cause, w.handler());
                } catch (std::bad_alloc const&) {
                    w.start_threw = true;
                }
                w.drive();
                stack.reset();
                allocation_pause const pause;
                if (w.calls == 1)
                    expect(exeunt::primary(w.error) == cause,
                        "the primary failure is " + describe(exeunt::primary(w.error)));
            },
            [](world& w) {
                if (!w.start_threw)
                    w.check_closed();
            });
    });
}

// C93
BOOST_AUTO_TEST_CASE(joined_closes)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        int joined = 0;
        bool joined_threw = false;
        run_scenario(
            k, hit,
            [&](world& w) {
                std::optional<async_exit_stack> stack;
                {
                    allocation_pause const pause;
                    stack.emplace(*w.context);
                    w.push_all(*stack);
                }
                try {
                    stack->async_close(w.handler());
                } catch (std::bad_alloc const&) {
                    w.start_threw = true;
                }
                if (!w.start_threw) {
                    try {
                        stack->async_close([&](std::exception_ptr) { ++joined; });
                    } catch (std::bad_alloc const&) {
                        joined_threw = true;
                    }
                }
                w.drive();
                stack.reset();
            },
            [&](world& w) {
                w.check_closed();
                if (!w.start_threw)
                    expect(joined == (joined_threw ? 0 : 1), "the joined close was lost");
            });
    });
}

// C93
BOOST_AUTO_TEST_CASE(scope)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                auto const body = [&w](async_exit_stack& s) -> asio::awaitable<void> {
                    w.push_all(s);
                    co_await hop();
                };
                try {
                    exeunt::async_with(*w.context, body, w.handler());
                } catch (std::bad_alloc const&) {
                    w.start_threw = true;
                }
                w.drive();
            },
            [](world& w) { w.check_closed(); });
    });
}

// C93
BOOST_AUTO_TEST_CASE(run_now)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                std::optional<async_exit_stack> stack;
                exit_handle handle;
                {
                    allocation_pause const pause;
                    stack.emplace(*w.context);
                    handle = stack->push([&w]() -> asio::awaitable<void> {
                        ++w.ran[0];
                        co_await hop();
                    });
                    ++w.registered;
                }
                try {
                    stack->async_run_now(handle, w.handler());
                } catch (std::bad_alloc const&) {
                    w.start_threw = true;
                }
                w.drive();
                stack.reset();
            },
            [](world& w) { w.check_closed(); });
    });
}

namespace {

// What is obtained must be given back.
struct resource
{
    int* given_back = nullptr;
};

asio::awaitable<resource> obtain(int& obtained, int& given_back)
{
    co_await hop();
    ++obtained;
    co_return resource{&given_back};
}

} // namespace

// C25, C93
BOOST_AUTO_TEST_CASE(acquire)
{
    enum class kind { sync, async, large };
    for (auto const release : {kind::sync, kind::async, kind::large}) {
        faults::at_every_allocation([&](std::size_t k, bool& hit) {
            int obtained = 0;
            int given_back = 0;
            int acquired = 0;
            int completed = 0;
            bool acquire_threw = false;
            run_scenario(
                k, hit,
                [&](world& w) {
                    std::optional<async_exit_stack> stack;
                    {
                        allocation_pause const pause;
                        stack.emplace(*w.context);
                    }
                    auto const done = [&](std::exception_ptr error, resource* r) {
                        ++completed;
                        acquired += !error && r ? 1 : 0;
                    };
                    try {
                        if (release == kind::large)
                            stack->async_acquire(
                                obtain(obtained, given_back),
                                [room = std::array<char, 2048>()](resource& r) {
                                    static_cast<void>(room);
                                    ++*r.given_back;
                                },
                                done);
                        else if (release == kind::async)
                            stack->async_acquire(
                                obtain(obtained, given_back),
                                [](resource& r) -> asio::awaitable<void> {
                                    ++*r.given_back;
                                    co_return;
                                },
                                done);
                        else
                            stack->async_acquire(
                                obtain(obtained, given_back), [](resource& r) { ++*r.given_back; },
                                done);
                    } catch (std::bad_alloc const&) {
                        acquire_threw = true;
                    }
                    w.drive();
                    allocation_pause const pause;
                    expect(completed == (acquire_threw ? 0 : 1),
                        "the acquire completed " + std::to_string(completed) + " times");
                    expect(acquired == obtained, "obtained, but not registered");
                    expect(stack->size() == static_cast<std::size_t>(acquired),
                        "completed without an error, but not registered");
                    stack->async_close(w.handler());
                    w.drive();
                },
                [&](world& w) {
                    expect(w.run_threw == 0, "bad_alloc came out of run()");
                    expect(obtained == given_back,
                        "obtained " + std::to_string(obtained) + ", given back "
                            + std::to_string(given_back));
                });
        });
    }
}

// C93
BOOST_AUTO_TEST_CASE(nested_stacks)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                std::optional<async_exit_stack> parent;
                {
                    allocation_pause const pause;
                    parent.emplace(*w.context);
                    async_exit_stack& child = parent->enter(async_exit_stack(*w.context));
                    w.push_all(child);
                }
                try {
                    parent->async_close(w.handler());
                } catch (std::bad_alloc const&) {
                    w.start_threw = true;
                }
                w.drive();
                parent.reset();
            },
            [](world& w) {
                allocation_pause const pause;
                for (int each : w.ran)
                    expect(each <= 1, "an exit ran twice");
                expect(w.run_threw == 0, "bad_alloc came out of run()");
                expect(w.calls == (w.start_threw ? 0 : 1), "the close was lost");
                // Run, failed, or abandoned with the child whose close could not be started.
                std::size_t const failed = failures_of(w.error).size();
                expect(
                    w.total_ran() + w.observer.abandoned + static_cast<int>(failed) >= w.registered,
                    "exits were lost");
            });
    });
}

// C93: destroying and moving need no memory
BOOST_AUTO_TEST_CASE(destroy_move_dismiss_and_pop_all)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        run_scenario(
            k, hit,
            [](world& w) {
                std::optional<async_exit_stack> stack;
                exit_handle handle;
                {
                    allocation_pause const pause;
                    stack.emplace(*w.context);
                    handle = stack->push([] {});
                    w.push_all(*stack);
                }
                stack->dismiss(handle);
                try {
                    async_exit_stack owner = stack->pop_all();
                    async_exit_stack moved = std::move(owner);
                } catch (std::bad_alloc const&) {
                    allocation_pause const pause;
                    expect(stack->size() == static_cast<std::size_t>(w.registered),
                        "pop_all has lost exits");
                }
                stack.reset();
            },
            [](world& w) {
                allocation_pause const pause;
                expect(w.total_ran() + w.observer.abandoned == w.registered,
                    std::to_string(w.total_ran()) + " ran, " + std::to_string(w.observer.abandoned)
                        + " abandoned");
            });
    });
}

BOOST_AUTO_TEST_SUITE_END()
