// bad_alloc at every allocation of what a scope and its children do: no leak, no child outlives a join, each
// failure is received or told, nothing that waits hangs (C93).
#include "support/scope_faults.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

using namespace support;
using namespace support::scope_faults;
using namespace std::chrono_literals;
using exeunt::async_exit_stack;

namespace {

int failures_in(world::wait const& which)
{
    allocation_pause const pause;
    return static_cast<int>(failures_of(which.error).size());
}

// Those that it lists, and those of which it only says how many they are.
int failures_told_by(world::wait const& which)
{
    allocation_pause const pause;
    if (!which.error)
        return 0;
    try {
        std::rethrow_exception(which.error);
    } catch (exeunt::exit_errors const& all) {
        return static_cast<int>(all.failures().size() + all.dropped());
    } catch (...) {
        return 1;
    }
}

// A world, the plan around what `run` does in it, and its end, where memory is back.
template <class Run, class End>
void at_every_allocation(Run run, End end, where_t where = where_t::current())
{
    std::size_t const allocations = faults::at_every_allocation(
        [&](std::size_t k, bool& hit) {
            tally counts;
            {
                std::optional<world> w;
                {
                    allocation_pause const pause;
                    w.emplace(counts);
                }
                {
                    faults::plan plan(k);
                    run(*w);
                    w->drive();
                    plan.stop();
                    hit = plan.hit();
                }
                end(*w);
                w->scope.reset();
                w->context.reset();
            }
            expect(counts.lives == 0, std::to_string(counts.lives) + " captures leaked", where);
        },
        where);
    BOOST_TEST_MESSAGE(allocations << " allocations");
    expect(allocations > 5, "the scenario allocates nothing", where);
}

} // namespace

BOOST_AUTO_TEST_SUITE(task_scope_bad_alloc)

BOOST_AUTO_TEST_CASE(children_of_each_kind_and_a_join)
{
    at_every_allocation(
        [](world& w) {
            {
                allocation_pause const pause;
                w.scope.emplace(*w.context, exeunt::task_scope_options{.cancel_on_failure = false});
            }
            w.spawn_each();
            w.begin_join(w.other);
        },
        [](world& w) {
            w.expect_came(w.other);
            w.begin_join(w.join);
            w.drive();
            w.expect_came(w.join);
            w.check_each(failures_in(w.join));
        });
}

// ... and operations that wait for room, which are refused or start their child.
BOOST_AUTO_TEST_CASE(children_that_wait_for_room)
{
    at_every_allocation(
        [](world& w) {
            {
                allocation_pause const pause;
                w.scope.emplace(
                    *w.context, exeunt::task_scope_options{.limit = 1, .cancel_on_failure = false});
            }
            w.spawn_each();
            w.begin(w.other,
                [&](auto handler) { w.scope->async_spawn(w.coroutine(), std::move(handler)); });
            w.begin_join(w.join);
        },
        [](world& w) {
            w.drive();
            w.expect_came(w.other);
            if (!w.other.threw && !w.other.error)
                ++w.counts.spawned;
            w.begin_join(w.join = {});
            w.drive();
            w.expect_came(w.join);
            w.check_each(failures_in(w.join));
        });
}

BOOST_AUTO_TEST_CASE(child_that_fails_cancels_its_siblings)
{
    at_every_allocation(
        [](world& w) {
            {
                allocation_pause const pause;
                w.scope.emplace(*w.context);
            }
            w.spawn(w.listener());
            w.spawn(w.failing());
            w.spawn(w.listener());
            w.begin(w.other, [&](auto handler) { w.scope->async_wait(std::move(handler)); });
            w.begin_join(w.join);
        },
        [](world& w) {
            // The failing one may be the one that was refused.
            w.scope->cancel();
            w.drive();
            w.expect_came(w.other);
            w.expect_came(w.join);
            w.begin_join(w.join = {});
            w.drive();
            w.expect_came(w.join);
            w.check(failures_in(w.join));
            if (!w.other.threw && w.counts.failed != 0)
                expect(w.other.error != nullptr, "async_wait has missed the failure");
        });
}

// One of two, if there is no memory to report both; how many they were when there is memory again.
BOOST_AUTO_TEST_CASE(two_failures_that_a_join_reports)
{
    at_every_allocation(
        [](world& w) {
            {
                allocation_pause const pause;
                w.scope.emplace(*w.context, exeunt::task_scope_options{.cancel_on_failure = false});
            }
            w.spawn(w.failing());
            w.spawn([&w, l = life(w.counts)](auto handler) {
                ++w.counts.failed;
                std::move(handler)(failure("another one"));
            });
            w.begin_join(w.join);
        },
        [](world& w) {
            w.expect_came(w.join);
            w.begin_join(w.other);
            w.drive();
            w.expect_came(w.other);
            expect(w.join.threw || w.join.error != nullptr, "nobody is told of a failure");
            expect(failures_told_by(w.other) >= w.counts.failed,
                "a failure is forgotten when there is memory");
            w.check(w.counts.failed);
        });
}

// Not on the executor.
BOOST_AUTO_TEST_CASE(children_that_are_cancelled)
{
    at_every_allocation(
        [](world& w) {
            {
                allocation_pause const pause;
                w.scope.emplace(*w.context);
            }
            w.spawn(w.listener());
            w.spawn(w.listener());
            w.begin_join(w.join);
            w.drive();
            w.scope->cancel();
        },
        [](world& w) {
            w.expect_came(w.join);
            expect(w.counts.cancelled == w.counts.spawned, "a child has not been told");
            w.check(failures_in(w.join));
        });
}

// Who waits is lost with it; who comes later is told.
BOOST_AUTO_TEST_CASE(child_whose_handler_is_dropped)
{
    std::shared_ptr<void> handler;
    at_every_allocation(
        [&](world& w) {
            {
                allocation_pause const pause;
                w.scope.emplace(*w.context);
            }
            w.spawn([&, l = life(w.counts)](auto given) {
                allocation_pause const pause;
                handler = std::make_shared<decltype(given)>(std::move(given));
            });
            w.spawn(w.coroutine());
            w.drive();
            handler.reset();
        },
        [](world& w) {
            w.begin_join(w.join);
            w.drive();
            w.expect_came(w.join);
            auto const lost = w.counts.spawned - w.ends();
            expect(lost == 0 || w.join.error, "a child is lost untold");
            expect(w.scope->empty(), "a child is left");
        });
}

namespace {

// As an exit of a stack, that is ended in this way, with memory.
template <class End>
void as_an_exit(End end, where_t where = where_t::current())
{
    std::optional<async_exit_stack> stack;
    at_every_allocation(
        [&](world& w) {
            task_scope* scope = nullptr;
            {
                allocation_pause const pause;
                stack.emplace(*w.context);
                scope = &stack->enter(task_scope(*w.context, {.drain = 3s}));
            }
            w.spawn(*scope, w.listener());
            w.spawn(*scope, w.coroutine());
            w.spawn(*scope, w.failing());
            w.spawn(*scope, w.operation_that_posts());
            w.begin_last(w.join, [&](auto handler) { stack->async_close(std::move(handler)); });
        },
        [&](world& w) {
            end(w, *stack);
            w.drive();
            if (w.join.threw)
                w.begin_last(
                    w.join = {}, [&](auto handler) { stack->async_close(std::move(handler)); });
            w.drive();
            w.clock.advance(3s);
            w.drive();
            w.expect_came(w.join, where);
            w.check(failures_in(w.join), where);
            stack.reset();
        },
        where);
}

} // namespace

BOOST_AUTO_TEST_CASE(scope_that_is_an_exit)
{
    as_an_exit([](world&, async_exit_stack&) {});
}

BOOST_AUTO_TEST_CASE(scope_that_is_an_exit_and_is_forced)
{
    as_an_exit([](world&, async_exit_stack& stack) { stack.force(); });
}

// Its children end as they are told, when it has drained, and leave Asio no memory that can be used again.
BOOST_AUTO_TEST_CASE(scope_that_is_an_exit_and_drains)
{
    std::optional<async_exit_stack> stack;
    int runs = 0;
    int for_ever = 0;
    at_every_allocation(
        [&](world& w) {
            ++runs;
            {
                allocation_pause const pause;
                stack.emplace(*w.context);
                w.scope.emplace(*w.context, exeunt::task_scope_options{.drain = 3s});
                stack->push(std::ref(*w.scope));
            }
            w.spawn([&w, l = life(w.counts)](auto handler) {
                allocation_pause const nothing_fails;
                auto slot = asio::get_associated_cancellation_slot(handler);
                auto kept = std::make_shared<decltype(handler)>(std::move(handler));
                slot.assign([&w, kept](asio::cancellation_type types) {
                    if ((types & asio::cancellation_type::terminal)
                        == asio::cancellation_type::none)
                        return;
                    {
                        allocation_pause const pause;
                        for (int k = 0; k != 8; ++k)
                            asio::post(*w.context, [] {});
                    }
                    ++w.counts.cancelled;
                    auto const last = kept;
                    std::move (*last)();
                });
            });
            w.begin_last(w.join, [&](auto handler) { stack->async_close(std::move(handler)); });
            w.drive();
            try {
                w.clock.advance(3s);
            } catch (std::bad_alloc const&) {
            }
        },
        [&](world& w) {
            if (w.join.threw)
                w.begin_last(
                    w.join = {}, [&](auto handler) { stack->async_close(std::move(handler)); });
            w.clock.advance({});
            w.drive();
            // Without memory to wait for the end of the drain it waits until it is cut.
            for_ever += w.join.calls == 0 ? 1 : 0;
            stack->force();
            w.drive();
            w.expect_came(w.join);
            // It may not have begun to end.
            w.scope->cancel();
            w.drive();
            w.check(failures_in(w.join));
            stack.reset();
        });
    BOOST_TEST(for_ever < runs / 2);
}

// It ends when it is cancelled, with memory at the latest.
BOOST_AUTO_TEST_CASE(until_cancelled)
{
    asio::cancellation_signal signal;
    at_every_allocation(
        [&](world& w) {
            w.begin(w.join, [&](auto handler) {
                exeunt::until_cancelled(asio::bind_executor(*w.context,
                    asio::bind_cancellation_slot(
                        signal.slot(), [h = std::move(handler)](boost::system::error_code) mutable {
                            h(nullptr);
                        })));
            });
            w.drive();
            try {
                signal.emit(asio::cancellation_type::total);
            } catch (std::bad_alloc const&) {
            }
        },
        [&](world& w) {
            signal.emit(asio::cancellation_type::total);
            w.drive();
            w.expect_came(w.join);
            w.check(0);
        });
}

BOOST_AUTO_TEST_SUITE_END()
