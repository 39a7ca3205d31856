// C76: every operation of a scope, and until_cancelled, with every kind of completion token, and completed as
// those of Asio are.
#include <exeunt/async_with.hpp>
#include <exeunt/task_scope.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/consign.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prepend.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <array>
#include <chrono>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

enum class operation : unsigned char { wait, join, room, end };

constexpr std::array operations{operation::wait, operation::join, operation::room, operation::end};

struct tokens_fixture : async_fixture
{
    asio::cancellation_signal signal;
    exeunt::task_scope scope{context, {.limit = 1}};
    scripted_exit child = script("a");
    exit_state state;

    // A scope with one child, for which the operations wait.
    void fresh()
    {
        scope = exeunt::task_scope(context, {.limit = 1});
        child = script("a");
        scope.spawn(child.handler_function());
        drive();
        log.clear();
        result = {};
    }

    template <class Token>
    decltype(auto) start(operation which, Token&& token)
    {
        switch (which) {
        case operation::wait: return scope.async_wait(std::forward<Token>(token));
        case operation::join: return scope.async_join(std::forward<Token>(token));
        case operation::room:
            return scope.async_spawn(next.posted().handler_function(), std::forward<Token>(token));
        default: break;
        }
        return scope.async_exit(state, std::forward<Token>(token));
    }

    // Whatever the operation waits for.
    void answer(operation which)
    {
        if (which != operation::end) // told to stop by that
            child.answer();
        drive();
        drive();
    }

    scripted_exit next = script("b");
};

template <class T>
bool is_ready(std::future<T>& future)
{
    return future.wait_for(std::chrono::seconds(0)) == std::future_status::ready;
}

// A probe that takes the error_code of until_cancelled.
class code_handler : public probe::handler
{
public:
    explicit code_handler(probe::handler&& given) noexcept
        : probe::handler(std::move(given))
    {
    }

    void operator()(boost::system::error_code failed) &&
    {
        std::move(static_cast<probe::handler&>(*this))(failure(failed));
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(task_scope_tokens, tokens_fixture)

// ---- the probe

BOOST_AUTO_TEST_CASE(operations_complete_as_those_of_asio_do)
{
    for (auto const which : operations)
        for (bool const on_executor : {false, true}) {
            fresh();
            probe completes(context);
            auto const begin = [&] {
                completes.initiate([&](auto handler) { start(which, std::move(handler)); });
            };
            if (on_executor)
                asio::post(context, begin);
            else
                begin();
            if (which != operation::end) {
                drive();
                completes.expect_pending();
            }
            answer(which);
            completes.expect_completed();
            BOOST_TEST(!completes.slot_in_use());
            BOOST_TEST(describe(completes.result.error) == "none");
        }
}

// Nothing has to be waited for: not inside the initiating function.
BOOST_AUTO_TEST_CASE(operations_that_need_not_wait_complete_later_all_the_same)
{
    for (auto const which : operations)
        for (bool const on_executor : {false, true}) {
            scope = exeunt::task_scope(context);
            probe completes(context);
            auto const begin = [&] {
                completes.initiate([&](auto handler) { start(which, std::move(handler)); });
            };
            if (on_executor)
                asio::post(context, begin);
            else
                begin();
            drive();
            completes.expect_completed();
            BOOST_TEST(!completes.slot_in_use());
        }
}

BOOST_AUTO_TEST_CASE(operations_that_are_cancelled_complete_as_those_of_asio_do)
{
    for (auto const which : {operation::wait, operation::join, operation::room})
        for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
                 asio::cancellation_type::total})
        {
            fresh();
            probe completes(context);
            completes.initiate([&](auto handler) { start(which, std::move(handler)); });
            drive();
            BOOST_TEST(completes.slot_in_use());
            completes.emit(type);
            completes.expect_pending();
            drive();
            completes.expect_completed();
            BOOST_TEST(describe(completes.result.error) == "cancelled");
            BOOST_TEST(!completes.slot_in_use());
            BOOST_TEST(child.cuts() == 0);
            child.answer();
            drive();
        }
}

BOOST_AUTO_TEST_CASE(until_cancelled_completes_as_those_of_asio_do)
{
    for (auto const type : {asio::cancellation_type::terminal, asio::cancellation_type::partial,
             asio::cancellation_type::total})
    {
        probe completes(context);
        completes.initiate([&](probe::handler handler) {
            exeunt::until_cancelled(code_handler(std::move(handler)));
        });
        drive();
        completes.expect_pending();
        BOOST_TEST(completes.executor.works > 0);
        completes.emit(type);
        completes.expect_pending();
        drive();
        completes.expect_completed();
        BOOST_TEST(describe(completes.result.error) == "cancelled");
        BOOST_TEST(!completes.slot_in_use());
    }
}

// ---- the matrix

// C76
BOOST_AUTO_TEST_CASE(callback_that_is_copyable_and_move_only_and_an_lvalue)
{
    for (auto const which : operations) {
        fresh();
        auto const handler = into(result);
        start(which, handler);
        answer(which);
        result.expect_success();

        fresh();
        start(which, [&, owned = std::make_unique<int>(1)](std::exception_ptr error) {
            BOOST_TEST(*owned == 1);
            into(result)(error);
        });
        answer(which);
        result.expect_success();
    }
}

// C76: what has been waited for is posted to its executor, which is the system's
BOOST_AUTO_TEST_CASE(use_future)
{
    for (auto const which : operations) {
        fresh();
        std::future<void> done = start(which, asio::use_future);
        answer(which);
        BOOST_CHECK_NO_THROW(done.get());
    }
    fresh();
    std::future<void> fails = scope.async_join(asio::use_future);
    child.answer(failure("no a"));
    drive();
    BOOST_CHECK_THROW(fails.get(), test_error);

    std::future<void> cancelled = exeunt::until_cancelled(asio::bind_cancellation_slot(
        signal.slot(), asio::bind_executor(context, asio::use_future)));
    drive();
    BOOST_TEST(!is_ready(cancelled));
    signal.emit(asio::cancellation_type::total);
    drive();
    BOOST_REQUIRE(is_ready(cancelled));
    BOOST_CHECK_THROW(cancelled.get(), boost::system::system_error);
}

// C76
BOOST_AUTO_TEST_CASE(use_awaitable_deferred_as_tuple_and_the_default_token)
{
    auto const spawned = [&]() -> asio::awaitable<void> { co_return; };
    auto const coroutine = [&]() -> asio::awaitable<void> {
        auto const soon = [&] {
            fresh();
            asio::post(context, [&] { child.answer(); });
        };
        soon();
        co_await scope.async_wait(asio::use_awaitable);
        soon();
        co_await scope.async_join(asio::deferred);
        soon();
        co_await scope.async_wait();
        soon();
        auto const [error] = co_await scope.async_join(asio::as_tuple(asio::use_awaitable));
        BOOST_CHECK(!error);
        soon();
        co_await scope.async_spawn(std::ref(spawned));
        co_await scope.async_exit(state);
        log("done");
    };
    asio::co_spawn(context, coroutine, into(result));
    for (int k = 0; k != 20; ++k)
        drive();
    result.expect_success();
    BOOST_TEST(log.has("done"));
}

// C76
BOOST_AUTO_TEST_CASE(deferred_operations_begin_when_they_are_started)
{
    fresh();
    auto wait = scope.async_wait(asio::deferred);
    auto join = scope.async_join(asio::deferred);
    auto room = scope.async_spawn(next.posted().handler_function(), asio::deferred);
    auto end = scope.async_exit(state, asio::deferred);
    auto until = exeunt::until_cancelled();
    drive();
    BOOST_TEST(child.running());
    outcome first, second, third, last;
    std::move(wait)(into(first));
    std::move(join)(into(second));
    std::move(room)(into(third));
    std::move(until)(asio::bind_cancellation_slot(signal.slot(),
        asio::bind_executor(
            context, [&](boost::system::error_code failed) { into(last)(failure(failed)); })));
    drive();
    first.expect_pending();
    std::move(end)(into(result));
    drive();
    first.expect_success();
    second.expect_success();
    third.expect_code(asio::error::operation_aborted); // the scope ends
    result.expect_success();
    last.expect_pending();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    last.expect_code(asio::error::operation_aborted);
}

// C76
BOOST_AUTO_TEST_CASE(detached_append_prepend_consign)
{
    for (auto const which : operations) {
        fresh();
        start(which, asio::detached);
        answer(which);
        BOOST_TEST(scope.empty());

        fresh();
        int number = 0;
        start(which, asio::append([&](std::exception_ptr, int n) { number = n; }, 3));
        answer(which);
        BOOST_TEST(number == 3);

        fresh();
        start(which, asio::prepend([&](int n, std::exception_ptr) { number = n; }, 4));
        answer(which);
        BOOST_TEST(number == 4);

        fresh();
        auto kept = std::make_shared<int>(1);
        std::weak_ptr<int> const watch = kept;
        start(which, asio::consign(into(result), std::move(kept)));
        BOOST_TEST(!watch.expired());
        answer(which);
        result.expect_success();
        BOOST_TEST(watch.expired());
    }
}

// C76: its executor is another
BOOST_AUTO_TEST_CASE(bind_executor_allocator_and_cancellation_slot)
{
    for (auto const which : operations) {
        fresh();
        asio::io_context other;
        start(which,
            asio::bind_executor(other,
                asio::bind_allocator(asio::recycling_allocator<void>(),
                    asio::bind_cancellation_slot(signal.slot(), into(result)))));
        answer(which);
        result.expect_pending();
        support::drive(other);
        result.expect_success();
    }
}

// C76: it has begun without being awaited
BOOST_AUTO_TEST_CASE(use_promise)
{
    for (auto const which : operations) {
        fresh();
        auto promise = start(which, asio::experimental::use_promise);
        answer(which);
        std::move(promise)(into(result));
        drive();
        result.expect_success();
    }
}

// C76: the one that loses is told to stop
BOOST_AUTO_TEST_CASE(parallel_group)
{
    fresh();
    auto quick = script("quick");
    bool done = false;
    asio::experimental::make_parallel_group(
        scope.async_join(asio::deferred), quick.async_operation(asio::deferred))
        .async_wait(asio::experimental::wait_for_one(),
            [&](std::array<std::size_t, 2> order, std::exception_ptr join, std::exception_ptr) {
                BOOST_TEST(order[0] == 1u);
                BOOST_TEST(describe(join) == "cancelled");
                done = true;
            });
    drive();
    quick.answer();
    drive();
    BOOST_TEST(done);
    BOOST_TEST(child.cuts() == 0);
    child.answer();
    drive();
}

// C76
BOOST_AUTO_TEST_CASE(as_default_on)
{
    using executor_type = asio::use_awaitable_t<>::executor_with_default<asio::any_io_executor>;
    auto const spawned = [&]() -> asio::awaitable<void> { co_return; };
    auto const coroutine = [&]() -> asio::awaitable<void> {
        exeunt::basic_task_scope<executor_type> typed{executor_type(context.get_executor())};
        typed.spawn(script("b").posted().awaitable());
        asio::awaitable<void> wait = typed.async_wait();
        co_await std::move(wait);
        asio::awaitable<void> room = typed.async_spawn(std::ref(spawned));
        co_await std::move(room);
        co_await typed.async_join();
        co_await typed.async_exit(state);
    };
    asio::co_spawn(context, coroutine, into(result));
    drive();
    result.expect_success();
    log.expect("+b -b");
}

BOOST_AUTO_TEST_SUITE_END()
