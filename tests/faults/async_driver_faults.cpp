// bad_alloc where coroutines are started and ended: what Asio destroys later must not be taken for the
// end of another exit, and what is lost without memory is reported all the same (C3, C93).
#include <exeunt/async_exit_stack.hpp>

#include "support/fault_tools.hpp"
#include "support/faults.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handler;

namespace {

// A close of a stack of its own, an exit of which waits for the test.
struct world
{
    counting_observer observer;
    std::unique_ptr<asio::io_context> context = std::make_unique<asio::io_context>();
    std::optional<async_exit_stack> stack{std::in_place, *context};
    std::optional<exit_handler> waiting;
    asio::steady_timer timer{*context, asio::steady_timer::time_point::min()};
    int calls = 0;
    bool start_threw = false;
    std::exception_ptr error;

    world()
    {
        // What Asio allocates once and for all.
        asio::post(*context, [] {});
        drive();
    }

    void push_waiting()
    {
        stack->push([this](exit_handler handler) { waiting.emplace(std::move(handler)); });
    }

    void push_coroutine()
    {
        stack->push([]() -> asio::awaitable<void> { co_return; });
    }

    void close()
    {
        try {
            stack->async_close([this](std::exception_ptr e) {
                ++calls;
                error = std::move(e);
            });
        } catch (std::bad_alloc const&) {
            start_threw = true;
        }
    }

    void drive()
    {
        context->restart();
        context->poll();
    }

    // With memory.
    void answer()
    {
        if (auto handler = std::exchange(waiting, std::nullopt))
            std::move (*handler)();
        drive();
    }

    void expect_closed(where_t where = where_t::current())
    {
        expect(
            calls == (start_threw ? 0 : 1), "completed " + std::to_string(calls) + " times", where);
        expect(start_threw || observer.abandoned == 0, "an exit was abandoned", where);
    }
};

// Closes a stack with what `setup` registers, once for each allocation of the close, which then fails.
template <class Setup>
void fail_each_allocation_of_the_close(Setup setup, where_t where = where_t::current())
{
    std::size_t const allocations = faults::at_every_allocation([&](std::size_t k, bool& hit) {
        std::optional<world> w;
        {
            allocation_pause const pause;
            w.emplace();
            setup(*w);
        }
        {
            faults::plan plan(k);
            w->close();
            w->drive();
            plan.stop();
            hit = plan.hit();
        }
        w->answer();
        w->stack.reset();
        w->expect_closed(where);
    });
    BOOST_TEST_MESSAGE(allocations << " allocations");
}

} // namespace

BOOST_AUTO_TEST_SUITE(async_driver_faults)

// Asio destroys the frame of a coroutine that it could not start by a post: while the next exit runs.
BOOST_AUTO_TEST_CASE(coroutine_that_cannot_be_started_does_not_end_the_exit_that_follows)
{
    fail_each_allocation_of_the_close([](world& w) {
        w.push_waiting();
        w.push_coroutine();
    });
}

// The frame may even outlive the close.
BOOST_AUTO_TEST_CASE(coroutine_that_cannot_be_started_does_not_reach_for_a_close_that_has_ended)
{
    fail_each_allocation_of_the_close([](world& w) { w.push_coroutine(); });
}

BOOST_AUTO_TEST_CASE(coroutines_that_cannot_be_started_are_followed_by_those_that_can)
{
    fail_each_allocation_of_the_close([](world& w) {
        w.push_coroutine();
        w.push_waiting();
        w.push_coroutine();
        w.push_coroutine();
    });
}

BOOST_AUTO_TEST_CASE(handler_dropped_within_its_exit_without_memory_is_a_failure_of_the_exit)
{
    fail_each_allocation_of_the_close([](world& w) {
        w.push_waiting();
        w.stack->push([](exit_handler) {});
    });
}

BOOST_AUTO_TEST_CASE(handler_dropped_without_any_memory_is_reported_while_a_coroutine_is_parked)
{
    for (bool const on_executor : {false, true}) {
        world w;
        w.push_waiting();
        w.push_coroutine();
        w.close();
        w.drive();
        BOOST_REQUIRE(w.waiting.has_value());
        auto const drop = [&w] {
            faults::plan const no_memory(0, true);
            w.waiting.reset();
        };
        if (on_executor)
            asio::post(*w.context, drop);
        else
            drop();
        w.drive();
        BOOST_TEST(w.calls == 0);
        BOOST_TEST(w.observer.abandoned == 1);
        BOOST_TEST(w.context->stopped());
    }
}

// Asio gives back what an operation cannot use by what is left of its handler.
BOOST_AUTO_TEST_CASE(
    operation_that_cannot_begin_with_the_handler_of_its_exit_is_a_failure_of_the_exit)
{
    fail_each_allocation_of_the_close([](world& w) {
        w.stack->push([&w](exit_handler handler) { w.timer.async_wait(std::move(handler)); });
    });
}

BOOST_AUTO_TEST_CASE(nested_stack_is_cut_where_there_is_no_memory_to_queue_that)
{
    faults::at_every_allocation([](std::size_t k, bool& hit) {
        std::optional<world> w;
        {
            allocation_pause const pause;
            w.emplace();
            w->timer.expires_at(asio::steady_timer::time_point::max());
            auto& nested = w->stack->enter(async_exit_stack(*w->context));
            nested.push([&w](exit_handler handler) { w->timer.async_wait(std::move(handler)); });
            w->close();
            w->drive();
        }
        {
            faults::plan plan(k);
            w->stack->force();
            w->drive();
            plan.stop();
            hit = plan.hit();
        }
        w->drive();
        w->expect_closed();
    });
}

BOOST_AUTO_TEST_CASE(coroutine_that_ends_elsewhere_without_memory_to_come_back_goes_on_there)
{
    world w;
    asio::io_context there;
    asio::post(there, [] {});
    there.run();
    bool older = false;
    w.stack->push([&] { older = true; });
    w.stack->push([&]() -> asio::awaitable<void> {
        co_await asio::post(asio::bind_executor(there, asio::use_awaitable));
    });
    w.close();
    w.drive();
    BOOST_TEST(!older);
    {
        faults::plan const no_memory(0, true);
        there.restart();
        there.poll();
    }
    w.drive();
    BOOST_TEST(older);
    w.expect_closed();
    BOOST_CHECK(!w.error);
}

// Whoever cuts it runs on another executor: it must not be told there, and so is not told at all.
BOOST_AUTO_TEST_CASE(
    nested_stack_of_another_executor_is_left_alone_where_there_is_no_memory_to_queue_its_cut)
{
    using typed_stack = exeunt::basic_async_exit_stack<asio::io_context::executor_type>;
    asio::io_context context;
    asio::io_context elsewhere;
    asio::post(context, [] {}); // what Asio allocates once and for all
    context.run();
    auto const try_to_cut = [&](auto& outer, asio::io_context& of_nested) {
        counting_observer const observer;
        std::optional<exit_handler> waiting;
        bool told = false;
        int calls = 0;
        auto& nested = outer.enter(async_exit_stack(of_nested));
        nested.push([&](exit_handler handler) {
            auto slot = handler.get_cancellation_slot();
            waiting.emplace(std::move(handler));
            slot.assign([&](asio::cancellation_type) { told = true; });
        });
        outer.async_close([&](std::exception_ptr) { ++calls; });
        auto const drive = [&] {
            for (int turn = 0; turn != 4; ++turn) {
                context.restart();
                context.poll();
                elsewhere.restart();
                elsewhere.poll();
            }
        };
        drive();
        BOOST_REQUIRE(waiting.has_value());
        {
            faults::plan const no_memory(0, true);
            outer.force();
        }
        drive();
        BOOST_TEST(!told);
        auto ended = std::exchange(waiting, std::nullopt);
        std::move (*ended)();
        drive();
        BOOST_TEST(calls == 1);
        BOOST_TEST(observer.abandoned == 0);
    };
    async_exit_stack outer(context);
    try_to_cut(outer, elsewhere);
    typed_stack typed(context);
    try_to_cut(typed, context);
}

BOOST_AUTO_TEST_SUITE_END()
