// C76: every operation of a pool, of its leases and of a group with every kind of completion token, and with
// executors of handlers that count, run inline, refuse or throw.
#include <exeunt/exit_group.hpp>
#include <exeunt/resource_pool.hpp>

#include "support/pool_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/prepend.hpp>
#include <boost/asio/use_future.hpp>

#include <array>
#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

using namespace support;

namespace {

// Of a handler: what it does with what is submitted to it.
class odd_executor
{
public:
    enum class way { runs_inline, refuses, throws };

    explicit odd_executor(way how, int& submits) noexcept
        : how_(how)
        , submits_(&submits)
    {
    }

    template <class Function>
    void execute(Function&& function) const
    {
        ++*submits_;
        auto mine = std::decay_t<Function>(std::forward<Function>(function));
        if (how_ == way::runs_inline)
            std::move(mine)();
        else if (how_ == way::throws)
            throw test_error("executor");
    }

    bool operator==(odd_executor const&) const noexcept = default;

private:
    way how_;
    int* submits_;
};

// All operations, each in a world of its own.
struct tokens_fixture : pool_fixture
{
    std::optional<exit_state> state;
    lease_type mine;
    lease_type none;
    exeunt::exit_group* group = nullptr;

    tokens_fixture()
    {
        for (auto* each : {&opening, &recycling, &closing})
            each->posted();
    }

    ~tokens_fixture()
    {
        mine = {};
        drive();
        stack = async_exit_stack(context);
        observer.clear();
    }

    // A pool of one, which is out, and a stack that has a group.
    void fresh()
    {
        mine = {};
        none = {};
        drive();
        make({.max_size = 1});
        mine = acquired_now().lease;
        state.emplace();
        stack = async_exit_stack(context);
        group = &stack.push_group({.limit = 2});
        for (char const* name : {"a", "b", "c"})
            group->push(script(name).posted().awaitable());
        log.clear();
        result = {};
        observer.clear(); // of the group before
    }

    void give_back()
    {
        mine = {};
        drive();
    }

    // Calls use(name, start) for each, where start(token) initiates it: those that yield nothing.
    template <class Use>
    void for_each_void_operation(Use use)
    {
        auto const run = [&](char const* name, auto start) {
            BOOST_TEST_CONTEXT(name)
            {
                fresh();
                use(start);
            }
        };
        run("lease", [this](auto&& token) {
            return mine.async_exit(*state, std::forward<decltype(token)>(token));
        });
        run("empty lease", [this](auto&& token) {
            return none.async_exit(*state, std::forward<decltype(token)>(token));
        });
        run("exit of the pool", [this](auto&& token) {
            give_back();
            return pool->async_exit(*state, std::forward<decltype(token)>(token));
        });
        run("close of the pool", [this](auto&& token) {
            give_back();
            return pool->async_close(std::forward<decltype(token)>(token));
        });
        run("exit of the group", [this](auto&& token) {
            return group->async_exit(*state, std::forward<decltype(token)>(token));
        });
        run("close of the group", [this](auto&& token) {
            return group->async_close(std::forward<decltype(token)>(token));
        });
        run("close of a stack", [this](auto&& token) {
            return stack.async_close(std::forward<decltype(token)>(token));
        });
    }

    // Those that yield a lease.
    template <class Use>
    void for_each_acquire(Use use)
    {
        auto const acquire = [this](auto&& token) {
            return pool->async_acquire(std::forward<decltype(token)>(token));
        };
        auto const run = [&](char const* name, auto prepare) {
            BOOST_TEST_CONTEXT(name)
            {
                fresh();
                prepare();
                use(acquire);
            }
        };
        run("acquire what is idle", [this] { give_back(); });
        run("acquire what is opened", [this] { mine.discard(); });
        run("acquire what comes back", [this] { asio::post(context, [this] { mine = {}; }); });
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(resource_pool_tokens, tokens_fixture)

// C72, C75, C78
BOOST_AUTO_TEST_CASE(every_operation_completes_as_one_of_asio_does)
{
    auto const check = [&](auto start) {
        probe one(context);
        one.initiate([&](auto handler) { start(std::move(handler)); });
        one.expect_pending();
        drive();
        one.result.expect_success();
        BOOST_TEST(one.drops == 0);
        BOOST_TEST(one.executor.works == 0);
        BOOST_TEST(one.executor.submits > 0);
        BOOST_TEST(!one.slot_in_use());
    };
    for_each_void_operation(check);
    for_each_acquire(check);
}

BOOST_AUTO_TEST_CASE(acquire_that_fails_completes_as_one_of_asio_does)
{
    for (bool const is_closed : {true, false}) {
        fresh();
        if (is_closed) {
            give_back();
            close_pool();
        } else {
            mine.discard();
            opening.posted(failure("no route"));
        }
        probe one(context);
        one.initiate([&](auto handler) { pool->async_acquire(std::move(handler)); });
        drive();
        one.expect_completed();
        BOOST_TEST(static_cast<bool>(one.result.error));
    }
}

// C76
BOOST_AUTO_TEST_CASE(callbacks_may_be_move_only_or_lvalues)
{
    for_each_void_operation([&](auto start) {
        start(asio::bind_executor(
            context, [this, owned = std::make_unique<int>(1)](std::exception_ptr error) {
                into(result)(std::move(error));
            }));
        result.expect_pending();
        drive();
        result.expect_success();
    });
    for_each_void_operation([&](auto start) {
        auto handler = asio::bind_executor(context, into(result));
        start(handler);
        drive();
        result.expect_success();
    });
    for_each_acquire([&](auto start) {
        outcome_of<lease_type> got;
        start([&, owned = std::make_unique<int>(1)](std::exception_ptr error, lease_type lease) {
            into(got)(std::move(error), std::move(lease));
        });
        got.expect_pending();
        drive();
        got.expect_success();
        BOOST_TEST(static_cast<bool>(*got.value));
    });
}

// C76
BOOST_AUTO_TEST_CASE(use_future_and_detached)
{
    for_each_void_operation([&](auto start) {
        auto future = start(asio::use_future);
        drive();
        future.get(); // told by a thread of Asio's
    });
    for_each_acquire([&](auto start) {
        auto future = start(asio::use_future);
        drive();
        BOOST_TEST(static_cast<bool>(future.get()));
    });
    for_each_void_operation([&](auto start) {
        start(asio::detached);
        drive();
    });
    for_each_acquire([&](auto start) {
        start(asio::detached); // the lease goes back
        drive();
        BOOST_TEST(pool->idle() == 1u);
        expect_balanced();
    });
}

// C76
BOOST_AUTO_TEST_CASE(use_awaitable_deferred_and_as_tuple)
{
    int done = 0;
    for_each_void_operation([&](auto start) {
        auto const coroutine = [&]() -> asio::awaitable<void> {
            co_await start(asio::use_awaitable);
            ++done;
        };
        asio::co_spawn(context, coroutine, into(result));
        drive();
        result.expect_success();
    });
    for_each_void_operation([&](auto start) {
        auto const coroutine = [&]() -> asio::awaitable<void> {
            auto [error] = co_await start(asio::as_tuple(asio::use_awaitable));
            done += error ? 0 : 1;
        };
        asio::co_spawn(context, coroutine, into(result));
        drive();
        result.expect_success();
    });
    for_each_void_operation([&](auto start) {
        start(asio::deferred)(asio::bind_executor(context, into(result)));
        result.expect_pending();
        drive();
        result.expect_success();
    });
    BOOST_TEST(done == 14);
    for_each_acquire([&](auto start) {
        auto const coroutine = [&]() -> asio::awaitable<void> {
            auto lease = co_await start(asio::use_awaitable);
            done += lease ? 1 : 0;
        };
        asio::co_spawn(context, coroutine, into(result));
        drive();
        result.expect_success();
        outcome_of<lease_type> got;
        start(asio::deferred)(into(got));
        drive();
        got.expect_success();
    });
    BOOST_TEST(done == 17);
}

// C76
BOOST_AUTO_TEST_CASE(append_prepend_and_consign)
{
    for_each_void_operation([&](auto start) {
        auto kept = std::make_shared<int>(1);
        std::weak_ptr<int> const watch = kept;
        int sum = 0;
        auto handler = [&](int before, std::exception_ptr error, int after) {
            into(result)(std::move(error));
            sum = before + after;
        };
        start(asio::prepend(
            asio::append(asio::consign(asio::bind_executor(context, handler), std::move(kept)), 20),
            3));
        BOOST_TEST(!watch.expired());
        drive();
        result.expect_success();
        BOOST_TEST(sum == 23);
        BOOST_TEST(watch.expired());
    });
    for_each_acquire([&](auto start) {
        int sum = 0;
        start(asio::append(
            [&](std::exception_ptr, lease_type lease, int after) { sum = lease ? after : 0; }, 7));
        drive();
        BOOST_TEST(sum == 7);
    });
}

// C75, C76
BOOST_AUTO_TEST_CASE(bound_executor_allocator_and_slot_are_used)
{
    asio::io_context other;
    allocation_record memory;
    auto const bound = [&](auto handler) {
        return asio::bind_executor(other,
            asio::bind_allocator(counting_allocator<>(memory),
                asio::bind_cancellation_slot(signal.slot(), std::move(handler))));
    };
    auto const check = [&](auto start) {
        outcome done;
        start(bound([&](std::exception_ptr error, auto&&...) {
            into(done)(std::move(error));
            BOOST_TEST(memory.live == 0u);
        }));
        drive();
        done.expect_pending(); // its executor is another
        support::drive(other);
        done.expect_success();
    };
    for_each_void_operation(check);
    for_each_acquire(check);
    BOOST_TEST(memory.allocations > 8u);
}

// C76
BOOST_AUTO_TEST_CASE(use_promise_and_parallel_group)
{
    auto const token = asio::experimental::use_promise;
    auto const check = [&](auto promise) {
        drive();
        std::move(promise)(
            [&](std::exception_ptr error, auto&&...) { into(result)(std::move(error)); });
        drive();
        result.expect_success();
    };
    // Not the exit of a lease: the executor of a promise is that of who initiates, and a lease has none.
    fresh();
    give_back();
    check(pool->async_acquire(token));
    result = {};
    check(pool->async_close(token));
    result = {};
    check(stack.async_close(token));
    fresh();
    int done = 0;
    asio::experimental::make_parallel_group(mine.async_exit(*state, asio::deferred),
        pool->async_acquire(asio::deferred), group->async_exit(*state, asio::deferred))
        .async_wait(asio::experimental::wait_for_all(),
            [&](std::array<std::size_t, 3>, std::exception_ptr a, std::exception_ptr b,
                lease_type lease, std::exception_ptr c) { done = !a && !b && lease && !c; });
    drive();
    BOOST_TEST(done == 1);
}

// C76
BOOST_AUTO_TEST_CASE(default_token_of_the_executor_is_used)
{
    using executor = asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
    exeunt::basic_resource_pool<int, executor> numbers(
        executor(context.get_executor()), []() -> asio::awaitable<int> { co_return 5; });
    int found = 0;
    auto const coroutine = [&]() -> asio::awaitable<void> {
        {
            auto lease = co_await numbers.async_acquire();
            found = *lease;
            exit_state own;
            co_await lease.async_exit(own);
        }
        co_await numbers.async_close();
    };
    asio::co_spawn(context, coroutine, into(result));
    drive();
    result.expect_success();
    BOOST_TEST(found == 5);
    BOOST_TEST(numbers.size() == 0u);
}

// The executor of the handler has the last word.
BOOST_AUTO_TEST_CASE(executor_that_runs_inline_is_not_used_within_the_initiating_function)
{
    auto const check = [&](auto start) {
        int submits = 0;
        outcome done;
        start(asio::bind_executor(odd_executor(odd_executor::way::runs_inline, submits),
            [&](std::exception_ptr error, auto&&...) { into(done)(std::move(error)); }));
        done.expect_pending();
        drive();
        done.expect_success();
        BOOST_TEST(submits > 0);
    };
    for_each_acquire(check);
    fresh();
    check([this](auto&& token) { return mine.async_exit(*state, std::move(token)); });
    fresh();
    give_back();
    check([this](auto&& token) { return pool->async_close(std::move(token)); });
    fresh();
    check([this](auto&& token) { return stack.async_close(std::move(token)); });
}

BOOST_AUTO_TEST_CASE(executor_that_refuses_or_throws_leaves_no_handler_and_loses_no_lease)
{
    for (auto const way : {odd_executor::way::refuses, odd_executor::way::throws})
        for_each_acquire([&](auto start) {
            int submits = 0;
            auto held = std::make_shared<int>(1);
            std::weak_ptr<int> const watch = held;
            start(asio::bind_executor(odd_executor(way, submits),
                [&, h = std::move(held)](
                    std::exception_ptr error, lease_type) { into(result)(std::move(error)); }));
            // What the executor of a handler throws may come out of run().
            for (bool again = true; std::exchange(again, false);)
                try {
                    drive();
                } catch (test_error const&) {
                    again = true;
                }
            BOOST_TEST(submits > 0);
            BOOST_TEST(watch.expired());
            BOOST_TEST(pool->idle() == 1u);
            expect_balanced();
        });
}

// C79
BOOST_AUTO_TEST_CASE(slot_of_a_waiting_acquire_is_used_and_cleared)
{
    for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
             asio::cancellation_type::total})
    {
        fresh();
        probe one(context);
        one.initiate([&](auto handler) { pool->async_acquire(std::move(handler)); });
        BOOST_TEST(one.slot_in_use());
        one.emit(type);
        one.expect_pending();
        drive();
        one.expect_completed();
        one.result.expect_code(asio::error::operation_aborted);
        BOOST_TEST(!one.slot_in_use());
        one.emit(type);
    }
}

BOOST_AUTO_TEST_SUITE_END()
