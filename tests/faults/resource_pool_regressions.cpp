// What pools got wrong without memory.
#include "support/faults.hpp"
#include "support/pool_world.hpp"

#include <cstddef>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

// Lets each allocation of `act` fail, after what `prepare` has done.
template <class Prepare, class Act, class Check>
void fail_each_allocation(Prepare prepare, Act act, Check check)
{
    std::size_t const allocations = faults::at_every_allocation([&](std::size_t k, bool& hit) {
        std::optional<pool_world> world;
        {
            allocation_pause const pause;
            world.emplace(job_style::operations);
            prepare(*world);
            world->drive();
        }
        {
            faults::plan plan(k);
            act(*world);
            world->drive();
            plan.stop();
            hit = plan.hit();
        }
        check(*world);
        world->finish();
        world->check_finished();
    });
    BOOST_TEST(allocations > 1u);
}

// Keeps the handler of a job until it is dropped.
struct dropped_job
{
    std::shared_ptr<void> handler;

    template <class Handler>
    void keep(Handler&& given)
    {
        handler = std::make_shared<std::decay_t<Handler>>(std::move(given));
    }
    void drop(pool_world& w)
    {
        expect(handler != nullptr, "the job has not begun");
        handler.reset();
        w.drive();
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(resource_pool_regressions)

BOOST_AUTO_TEST_CASE(acquire_that_has_no_memory_to_wait_fails)
{
    fail_each_allocation([](pool_world& w) { w.make({.max_size = 1}), w.acquire(0); },
        [](pool_world& w) { w.acquire(1); }, [](pool_world&) {});
}

BOOST_AUTO_TEST_CASE(lease_whose_exit_cannot_be_started_is_not_lost)
{
    fail_each_allocation([](pool_world& w) { w.make(), w.acquire_owned(0); },
        [](pool_world& w) { w.close_stack(); },
        [](pool_world& w) {
            if (!w.stack_closed.threw)
                expect(w.pool->size() == w.pool->idle(), "the lease is still out");
        });
}

BOOST_AUTO_TEST_CASE(lease_whose_exit_cannot_be_started_is_not_used_again_after_a_failure)
{
    fail_each_allocation([](pool_world& w) { w.make(), w.acquire_owned(0); },
        [](pool_world& w) { w.close_stack(failure("body")); },
        [](pool_world& w) { expect(w.pool->idle() == 0, "it can be leased again"); });
}

BOOST_AUTO_TEST_CASE(lease_that_is_dropped_without_memory_goes_back_all_the_same)
{
    fail_each_allocation(
        [](pool_world& w) {
            w.make({.max_size = 1}), w.acquire(0);
            w.drive();
            w.acquire(1);
        },
        [](pool_world& w) { w.drop(0); },
        [](pool_world& w) { expect(w.requests[1].calls == 1, "who waits has been forgotten"); });
}

BOOST_AUTO_TEST_CASE(close_that_waits_for_a_lease_that_is_dropped_without_memory_ends)
{
    fail_each_allocation(
        [](pool_world& w) {
            w.make(), w.acquire(0);
            w.drive();
            w.close_pool();
        },
        [](pool_world& w) { w.drop(0); },
        [](pool_world& w) { expect(w.pool_closed.calls == 1, "the close waits for ever"); });
}

// Asio gives the memory of an operation that cannot begin back after its handler: by way of a resource that
// has gone with that.
BOOST_AUTO_TEST_CASE(recycling_that_cannot_go_on_is_lost_with_its_resource)
{
    fail_each_allocation(
        [](pool_world& w) {
            w.pool.emplace(*w.context, exeunt::opened_by([&w] {
                return w.open_by_operation();
            }).recycled_by([&w](connection&, auto handler) {
                auto next = [&w, h = std::move(handler)]() mutable {
                    w.never->expires_at(asio::steady_timer::time_point::min());
                    w.never->async_wait(std::move(h));
                };
                allocation_pause const pause;
                asio::post(*w.context, std::move(next));
            }));
            w.acquire(0);
        },
        [](pool_world& w) { w.drop(0); }, [](pool_world& w) { w.run_threw = 0; });
}

BOOST_AUTO_TEST_CASE(opening_that_is_dropped_fails_the_acquire)
{
    pool_world w(job_style::operations);
    dropped_job job;
    w.pool.emplace(*w.context, [&job] {
        return asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, connection)>(
            [&job](auto handler) { job.keep(std::move(handler)); }, asio::deferred);
    });
    w.acquire(0);
    w.drive();
    job.drop(w);
    w.requests[0].expect_called();
    BOOST_TEST(is_broken_promise(w.requests[0].error));
    w.finish();
    w.check_finished();
}

BOOST_AUTO_TEST_CASE(opening_that_is_dropped_without_memory_is_told_to_who_waits)
{
    std::optional<dropped_job> job;
    fail_each_allocation(
        [&](pool_world& w) {
            job.emplace();
            w.pool.emplace(*w.context, [&] {
                return asio::async_initiate<asio::deferred_t const,
                    void(std::exception_ptr, connection)>(
                    [&](auto handler) { job->keep(std::move(handler)); }, asio::deferred);
            });
            w.acquire(0);
        },
        [&](pool_world& w) { job->drop(w); },
        [](pool_world& w) {
            expect(w.pool->counts().failed == 1, "it has not failed");
            expect(w.requests[0].calls == 0 || w.requests[0].error, "it has been served");
        });
}

// Started elsewhere: it does not begin within the call.
BOOST_AUTO_TEST_CASE(lease_whose_exit_cannot_be_handed_over_goes_back)
{
    exeunt::exit_state state;
    fail_each_allocation([](pool_world& w) { w.make(), w.acquire(0); },
        [&](pool_world& w) {
            w.owned[0].ask([&] { w.requests[0].lease.async_exit(state, answer_to(w.owned[0])); });
        },
        [](pool_world& w) {
            w.requests[0].lease = {};
            w.drive();
            w.owned[0].expect_called();
            expect(w.pool->size() == w.pool->idle(), "the lease is still out");
        });
}

BOOST_AUTO_TEST_CASE(recycling_that_is_dropped_makes_room_and_keeps_no_close_waiting)
{
    for (bool const closes : {false, true}) {
        pool_world w(job_style::operations);
        dropped_job job;
        w.pool.emplace(*w.context, exeunt::opened_by([&w] {
            return w.open_by_operation();
        }).recycled_by([&job](connection&, auto handler) { job.keep(std::move(handler)); }),
            exeunt::pool_options{.max_size = 1});
        w.acquire(0);
        w.drive();
        w.drop(0);
        w.drive();
        if (closes)
            w.close_pool();
        else
            w.acquire(1);
        w.drive();
        job.drop(w);
        if (closes)
            w.pool_closed.expect_called();
        else
            w.requests[1].expect_called();
        w.requests[1].lease.discard();
        w.finish();
        w.check_finished();
    }
}

BOOST_AUTO_TEST_SUITE_END()
