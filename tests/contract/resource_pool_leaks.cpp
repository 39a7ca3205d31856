// What other pools were reported to leak: the situations, and that nothing is lost in them here.
#include <exeunt/async_with.hpp>
#include <exeunt/resource_pool.hpp>

#include "support/pool_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>

#include <cstddef>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

struct leak_fixture : pool_fixture
{
    leak_fixture()
    {
        opening.posted();
        recycling.posted();
        closing.posted();
    }

    // A session as it is written: takes a connection, asks it something, gives it back.
    asio::awaitable<void> session(int queries = 2)
    {
        co_await exeunt::async_with([&](async_exit_stack& s) -> asio::awaitable<void> {
            auto* mine =
                co_await s.async_acquire(pool->async_acquire(asio::deferred), asio::use_awaitable);
            for (int i = 0; i != queries; ++i)
                co_await asio::post(asio::use_awaitable);
            log("asked:" + std::to_string((*mine)->number()));
        });
    }

    void spawn_cancellable()
    {
        result = {};
        asio::co_spawn(
            context, session(), asio::bind_cancellation_slot(signal.slot(), into(result)));
    }

    // Every place of the pool can still be had, and every resource that is not idle is gone.
    void expect_whole(std::size_t places, where_t where = where_t::current())
    {
        expect_balanced(where);
        std::vector<acquired> all(places);
        for (auto& each : all)
            acquire(each);
        drive();
        for (auto& each : all)
            each.result.expect_success(where);
        all.clear();
        drive();
        std::size_t alive = 0;
        for (int number = 0; number != next_number; ++number)
            alive += log.count("gone:" + std::to_string(number)) == 0 ? 1u : 0u;
        expect(alive == pool->size() && pool->idle() == pool->size(),
            std::to_string(alive) + " are alive, " + std::to_string(pool->size()) + " in the pool, "
                + std::to_string(pool->idle()) + " of them idle",
            where);
        BOOST_TEST(pool->waiting() == 0u);
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(resource_pool_leaks, leak_fixture)

// sqlalchemy#6652: cancelled while, or just before, what it took is given back
BOOST_AUTO_TEST_CASE(session_that_is_cancelled_at_every_step_gives_its_connection_back)
{
    for (std::size_t steps = 0; steps != 30; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            make({.max_size = 1});
            next_number = 0;
            log.clear();
            spawn_cancellable();
            context.restart();
            for (std::size_t k = 0; k != steps; ++k)
                context.poll_one();
            signal.emit(terminal);
            drive();
            result.expect_once();
            expect_whole(1);
        }
    }
}

// sqlalchemy#12077: cancelled again and again, so that nothing that gives back is left in peace
BOOST_AUTO_TEST_CASE(session_that_is_cancelled_at_all_steps_gives_its_connection_back)
{
    for (std::size_t from = 0; from != 20; ++from) {
        BOOST_TEST_CONTEXT("from step " << from)
        {
            make({.max_size = 1});
            next_number = 0;
            log.clear();
            spawn_cancellable();
            context.restart();
            for (std::size_t k = 0; k != from; ++k)
                context.poll_one();
            for (std::size_t k = 0; k != 1000 && !result.done(); ++k) {
                signal.emit(terminal);
                context.poll_one();
            }
            drive();
            result.expect_once();
            expect_whole(1);
        }
    }
}

// asyncpg#464: cancelled while the connection is being opened
BOOST_AUTO_TEST_CASE(connection_whose_opening_is_not_waited_for_any_more_is_not_lost)
{
    for (bool const works : {true, false}) {
        make({.max_size = 1});
        next_number = 0;
        log.clear();
        opening = script("opening");
        spawn_cancellable();
        drive();
        signal.emit(terminal);
        drive();
        result.expect_code(asio::error::operation_aborted);
        opening.answer(works ? std::exception_ptr() : failure("no route"));
        drive();
        BOOST_TEST(pool->idle() == (works ? 1u : 0u));
        opening.posted();
        expect_whole(1);
    }
}

// httpcore#642: cancelled in the queue, while many want the same few places
BOOST_AUTO_TEST_CASE(sessions_that_are_cancelled_under_contention_leave_all_places_free)
{
    unsigned const seed = 642;
    BOOST_TEST_MESSAGE("seed " << seed);
    std::mt19937 random(seed);
    make({.max_size = 3});
    for (int round = 0; round != 200; ++round) {
        std::vector<std::unique_ptr<asio::cancellation_signal>> signals;
        std::vector<std::unique_ptr<outcome>> outcomes;
        for (int i = 0; i != 12; ++i) {
            signals.push_back(std::make_unique<asio::cancellation_signal>());
            outcomes.push_back(std::make_unique<outcome>());
            asio::co_spawn(context, session(static_cast<int>(random() % 4)),
                asio::bind_cancellation_slot(signals.back()->slot(), into(*outcomes.back())));
        }
        context.restart();
        context.poll_one();
        while (context.poll_one() != 0)
            if (random() % 3 == 0)
                signals[random() % signals.size()]->emit(terminal);
        drive();
        for (auto const& each : outcomes)
            each->expect_once();
        expect_balanced();
    }
    expect_whole(3);
}

// cats-effect#4489: a deadline that ends the wait in the moment in which it has been successful
BOOST_AUTO_TEST_CASE(acquire_that_races_with_its_deadline_loses_no_connection)
{
    using namespace asio::experimental::awaitable_operators;
    for (std::size_t steps = 0; steps != 20; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            make({.max_size = 1});
            next_number = 0;
            log.clear();
            auto held = acquired_now();
            auto deadline = script("deadline");
            auto const race = [&]() -> asio::awaitable<void> {
                co_await (session() || deadline.async_operation(asio::use_awaitable));
            };
            result = {};
            asio::co_spawn(context, race, into(result));
            drive();
            held.lease = {};
            context.restart();
            for (std::size_t k = 0; k != steps; ++k)
                context.poll_one();
            asio::dispatch(context, [&] {
                if (deadline.running())
                    deadline.answer();
            });
            drive();
            result.expect_once();
            expect_whole(1);
        }
    }
}

// The lease itself, not a stack, is what the coroutine holds.
BOOST_AUTO_TEST_CASE(lease_in_a_coroutine_that_is_cancelled_at_every_step_goes_back)
{
    auto const hold = [&]() -> asio::awaitable<void> {
        auto mine = co_await pool->async_acquire(asio::use_awaitable);
        co_await asio::post(asio::use_awaitable);
        log("asked:" + std::to_string(mine->number()));
    };
    for (std::size_t steps = 0; steps != 12; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            make({.max_size = 1});
            next_number = 0;
            log.clear();
            result = {};
            asio::co_spawn(
                context, hold, asio::bind_cancellation_slot(signal.slot(), into(result)));
            context.restart();
            context.poll_one(); // one that has not begun would be lost by Asio
            for (std::size_t k = 0; k != steps; ++k)
                context.poll_one();
            signal.emit(terminal);
            drive();
            result.expect_once();
            expect_whole(1);
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
