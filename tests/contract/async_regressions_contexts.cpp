// The asynchronous stack between two execution contexts, one of which goes before the other: what has been
// given back by then, and what becomes of whoever waits.
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/tracking_executor.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;
using namespace std::chrono_literals;

namespace {

// Outlives both contexts.
struct home_record
{
    executor_record home;
};

// A stack on a context of its own; handlers are called on the other one.
struct contexts_fixture : home_record, async_fixture
{
    asio::cancellation_signal signal;
    std::optional<asio::io_context> own;
    std::optional<async_exit_stack> of_own;

    template <class Result>
    auto elsewhere(Result& to)
    {
        return asio::bind_cancellation_slot(
            signal.slot(), asio::bind_executor(context.get_executor(), into(to)));
    }

    // Does everything that there is to do on the context of the stack, and ends that; only then is the
    // handler called. Until then a cancellation may be emitted, which has nowhere to go.
    template <class Begin>
    void outlive_context(outcome& to, Begin begin, where_t where = where_t::current())
    {
        for (bool const on_strand : {false, true}) {
            own.emplace();
            to.calls = 0;
            if (on_strand)
                of_own.emplace(asio::make_strand(track(*own, home)));
            else
                of_own.emplace(track(*own, home));
            begin();
            support::drive(*own);
            of_own.reset();
            to.expect_pending(where);
            expect(home.copies == 0,
                std::to_string(home.copies) + " copies of the executor are still held", where);
            own.reset();
            signal.emit(asio::cancellation_type::terminal);
            drive();
            to.expect_success(where);
        }
    }
};

// An exit that takes a step on its executor.
struct hop
{
    void operator()(exit_handler handler) const { asio::post(std::move(handler)); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_regressions_contexts, contexts_fixture)

// ---- the context of the stack goes before the handler is called

BOOST_AUTO_TEST_CASE(close_that_has_ended_holds_nothing_of_its_context)
{
    outlive_context(result, [&] {
        of_own->push(hop());
        of_own->async_close(elsewhere(result));
    });
}

BOOST_AUTO_TEST_CASE(close_with_time_limits_that_has_ended_holds_nothing_of_its_context)
{
    outlive_context(result, [&] {
        of_own->options().timeout = 1h;
        of_own->push(exeunt::on_exit(hop()).within(1min));
        of_own->async_close(elsewhere(result));
    });
}

BOOST_AUTO_TEST_CASE(close_of_a_closed_stack_holds_nothing_of_its_context)
{
    outlive_context(result, [&] {
        of_own->async_close([](std::exception_ptr) {});
        support::drive(*own);
        of_own->async_close(elsewhere(result));
    });
}

BOOST_AUTO_TEST_CASE(close_that_has_joined_another_holds_nothing_of_its_context)
{
    outlive_context(result, [&] {
        of_own->push(hop());
        of_own->async_close([](std::exception_ptr) {});
        of_own->async_close(elsewhere(result));
    });
}

BOOST_AUTO_TEST_CASE(run_now_that_has_ended_holds_nothing_of_its_context)
{
    outlive_context(result, [&] {
        auto const handle = of_own->push(hop());
        of_own->async_run_now(handle, elsewhere(result));
    });
}

BOOST_AUTO_TEST_CASE(acquire_that_has_ended_holds_nothing_of_its_context)
{
    outcome_of<int*> acquired;
    outlive_context(acquired, [&] {
        of_own->async_acquire(
            asio::post(*own, asio::append(asio::deferred, 7)), [](int&) {}, elsewhere(acquired));
    });
}

BOOST_AUTO_TEST_CASE(scope_that_has_ended_holds_nothing_of_its_context)
{
    outlive_context(result, [&] {
        exeunt::async_with(
            of_own->get_executor(), exeunt::close_options{.timeout = 1h},
            [](async_exit_stack& s, exit_handler handler) {
                s.push(hop());
                hop()(std::move(handler));
            },
            elsewhere(result));
    });
}

// ---- the context of a nested stack goes before that of its parent

namespace {

struct nested_contexts_fixture : contexts_fixture
{
    int given_back = 0; // by the exits of the nested stack, or by their forces
    int older = 0;

    void nest(bool awaited)
    {
        own.emplace();
        of_own.emplace(*own, exeunt::close_options{.timeout = 1h});
        for (int k = 0; k != 2; ++k)
            of_own->push(exeunt::on_exit([this](exit_handler handler) {
                asio::post(*own, [this, h = std::move(handler)]() mutable {
                    ++given_back;
                    std::move(h)();
                });
            })
                             .within(1h)
                             .or_force([this] { ++given_back; }));
        stack = async_exit_stack(context, {.timeout = 1h, .report_after = 1h});
        stack.push([this] { ++older; });
        if (awaited)
            stack.push([this](exit_state& state) -> asio::awaitable<void> {
                co_await of_own->async_exit(state, asio::use_awaitable);
            });
        else
            stack.push(std::ref(*of_own));
    }

    // Returns whether the parent's close has completed.
    bool close_and_end_after(int steps)
    {
        given_back = older = 0;
        result = {};
        auto alive = std::make_shared<int>(0);
        std::weak_ptr<int> const handler_alive = alive;
        stack.async_close([done = into(result), kept = std::move(alive)](
                              std::exception_ptr error) { done(error); });
        for (int k = 0; k != steps; ++k) {
            context.restart();
            context.poll_one();
            own->restart();
            own->poll_one();
        }
        of_own.reset();
        own.reset();
        drive();
        BOOST_TEST(given_back == 2);
        BOOST_TEST(older == 1);
        BOOST_TEST(result.calls <= 1);
        BOOST_TEST(handler_alive.expired());
        observer.clear();
        return result.done();
    }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(nested_stack_whose_context_is_destroyed_at_any_step_gives_everything_back,
    nested_contexts_fixture)
{
    for (bool const awaited : {false, true})
        for (int steps = 1; steps != 20; ++steps)
            BOOST_TEST_CONTEXT((awaited ? "awaited, " : "") << steps << " steps")
            {
                nest(awaited);
                close_and_end_after(steps);
            }
    result.expect_success();
}

BOOST_AUTO_TEST_SUITE_END()
