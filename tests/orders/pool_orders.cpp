// A pool: waiters that come and are cancelled, leases that come back, and the close, in any order.
#include <exeunt/resource_pool.hpp>
#include <exeunt/task_scope.hpp>

#include "support/counted_resource.hpp"
#include "support/orders.hpp"

#include <deque>
#include <optional>

using namespace support;

namespace {

using stack_type = order_world::stack_type;

using pool_type = exeunt::basic_resource_pool<counted_resource, ordering_executor>;

struct pool_in
{
    explicit pool_in(order_world& w, exeunt::pool_options options = {}, int that_fails = -1)
        : world(w)
        , fails(that_fails)
        , pool(std::in_place, w.context, exeunt::opened_by([this] {
            return open();
        }).recycled_by([](counted_resource&) {
              return order_world::hop();
          }).closed_by([this](counted_resource&) -> asio::awaitable<void> {
            ++closing;
            co_await order_world::hop();
        }),
              options)
    {
    }

    asio::awaitable<counted_resource> open()
    {
        bool const bad = opened++ == fails;
        co_await order_world::hop();
        if (bad)
            throw test_error("opening");
        co_return counted_resource(alive);
    }

    // What comes is kept until it is given back, at once or later.
    template <class Then>
    void acquire(Then then, asio::cancellation_signal* signal = nullptr)
    {
        auto& answer = world.answer();
        auto taking = [this, then, h = world.into(answer)](
                          std::exception_ptr error, pool_type::lease lease) mutable {
            bool const given(lease);
            world.check(given == (error == nullptr), "a lease, or an error");
            out += given ? 1 : 0;
            if (given)
                then(std::move(lease));
            std::move(h)(error);
        };
        if (signal)
            pool->async_acquire(asio::bind_cancellation_slot(signal->slot(), std::move(taking)));
        else
            pool->async_acquire(std::move(taking));
    }

    // Gives back what it is given, later.
    auto returning()
    {
        return [this](pool_type::lease lease) {
            auto const kept = std::make_shared<pool_type::lease>(std::move(lease));
            world.later([kept] { *kept = {}; });
        };
    }

    auto discarding()
    {
        return [this](pool_type::lease lease) {
            auto const kept = std::make_shared<pool_type::lease>(std::move(lease));
            world.later([kept] { kept->discard(); });
        };
    }

    void check_balance()
    {
        auto const counts = pool->counts();
        world.check(counts.leased == counts.returned + counts.discarded, "out is not in");
        world.check(counts.leased == out, "leases were handed out and did not arrive");
        world.check(pool->waiting() == 0, "somebody waits");
        world.check(alive == static_cast<int>(pool->size()), "resources are left or lost");
        world.check(pool->idle() == pool->size(), "a resource is neither idle nor out");
    }

    order_world& world;
    int alive = 0;
    int opened = 0;
    int closing = 0;
    int fails = -1;
    std::uint64_t out = 0;
    std::optional<pool_type> pool;
};

} // namespace

BOOST_AUTO_TEST_SUITE(pool_orders)

BOOST_AUTO_TEST_CASE(a_resource_goes_from_one_waiter_to_the_next)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 1});
        for (int k = 0; k != 3; ++k)
            world.later([&] { p.acquire(p.returning()); });
        world.run();
        p.check_balance();
        world.check(p.out == 3 && p.opened == 1, "not all who waited had it");
    });
}

BOOST_AUTO_TEST_CASE(a_waiter_that_is_cancelled_keeps_nothing)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 1});
        asio::cancellation_signal signal;
        p.acquire(p.returning());
        world.later([&] { p.acquire(p.returning(), &signal); });
        world.later([&] { signal.emit(asio::cancellation_type::total); });
        p.acquire(p.returning());
        world.run();
        p.check_balance();
        world.check(p.out >= 2, "somebody else has nothing");
    });
}

// Before it begins, too.
BOOST_AUTO_TEST_CASE(an_acquire_that_is_cancelled_at_once_ends)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 1});
        std::optional<pool_type::lease> held;
        p.acquire([&](pool_type::lease lease) { held = std::move(lease); });
        world.run();
        asio::cancellation_signal signal;
        auto& answer = world.answer();
        p.pool->async_acquire(asio::bind_cancellation_slot(
            signal.slot(), [h = world.into(answer)](std::exception_ptr error, auto) mutable {
                std::move(h)(error);
            }));
        signal.emit(asio::cancellation_type::partial);
        world.run();
        world.check(exeunt::is_cancelled(answer.error), "it waits, or is served");
        held.reset();
        world.run();
        p.check_balance();
    });
}

BOOST_AUTO_TEST_CASE(a_lease_whose_exit_is_cut_at_once_is_discarded)
{
    run_orders(+[](order_world& world) {
        int alive = 0;
        pool_type pool(world.context, exeunt::opened_by([&]() -> asio::awaitable<counted_resource> {
            co_return counted_resource(alive);
        }).recycled_by([](counted_resource&) {
            return exeunt::until_cancelled(asio::use_awaitable);
        }));
        pool_type::lease lease;
        pool.async_acquire(
            [&](std::exception_ptr, pool_type::lease given) { lease = std::move(given); });
        world.run();
        exeunt::exit_state state;
        asio::cancellation_signal signal;
        auto& answer = world.answer();
        lease.async_exit(state, world.into(answer, signal));
        signal.emit(asio::cancellation_type::terminal);
        world.run();
        world.check(exeunt::is_cancelled(answer.error), "it is not told that it was cut");
        world.check(alive == 0 && pool.size() == 0, "what was not recycled is left");
    });
}

BOOST_AUTO_TEST_CASE(room_is_made_for_what_is_discarded)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 1});
        p.acquire(p.discarding());
        for (int k = 0; k != 2; ++k)
            world.later([&] { p.acquire(p.returning()); });
        world.run();
        p.check_balance();
        world.check(p.out == 3, "not all who waited had one");
    });
}

BOOST_AUTO_TEST_CASE(who_waits_is_told_of_a_resource_that_cannot_be_opened)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 2}, 1);
        for (int k = 0; k != 3; ++k)
            world.later([&] { p.acquire(p.returning()); });
        world.run();
        p.check_balance();
        world.check(p.out >= 2, "more than one has failed");
    });
}

BOOST_AUTO_TEST_CASE(a_pool_that_closes_waits_for_what_is_out)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 1});
        for (int k = 0; k != 2; ++k)
            world.later([&] { p.acquire(p.returning()); });
        auto& closed = world.answer();
        world.later([&] { p.pool->async_close(world.into(closed)); });
        world.run();
        p.check_balance();
        world.check(p.pool->size() == 0 && p.alive == 0, "resources are left");
        world.check(!closed.error, "a close has failed");
    });
}

BOOST_AUTO_TEST_CASE(a_pool_that_is_forced_to_close_does_not_wait)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 2});
        std::deque<pool_type::lease> kept;
        asio::cancellation_signal signal;
        auto const keep = [&](pool_type::lease lease) { kept.push_back(std::move(lease)); };
        p.acquire(keep);
        world.later([&] { p.acquire(keep); });
        world.later([&] {
            p.pool->async_close(world.into(world.answer(), signal));
            world.later([&] {
                for (int k = 0; k != 2; ++k)
                    signal.emit(asio::cancellation_type::terminal);
            });
        });
        world.run();
        kept.clear();
        world.run();
        p.check_balance();
        world.check(p.alive == 0, "resources are left");
    });
}

BOOST_AUTO_TEST_CASE(a_lease_that_is_an_exit_comes_back_whatever_happens_to_its_stack)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 1});
        std::optional<stack_type> stack(std::in_place, world.context);
        asio::cancellation_signal signal;
        auto& acquired = world.answer();
        world.push(*stack, does::hops);
        auto const lease = [&]() -> asio::awaitable<pool_type::lease> {
            auto acquired_lease = co_await p.pool->async_acquire(
                asio::bind_executor(world.context.get_executor(), asio::use_awaitable));
            ++p.out;
            co_return acquired_lease;
        };
        stack->async_acquire(lease(), world.into(acquired));
        p.acquire(p.returning());
        world.later([&] { stack->async_close(world.into(world.answer(), signal)); });
        world.later([&] {
            world.may_cut = true;
            stack->force();
        });
        world.run();
        p.check_balance();
    });
}

BOOST_AUTO_TEST_CASE(a_pool_may_be_destroyed_while_leases_are_out)
{
    run_orders(+[](order_world& world) {
        pool_in p(world, {.max_size = 2});
        for (int k = 0; k != 2; ++k)
            p.acquire(p.returning());
        world.later([&] { p.pool.reset(); });
        world.run();
        world.check(p.alive == 0, "resources are left");
    });
}

BOOST_AUTO_TEST_SUITE_END()
