// The matrix of completion tokens: each operation of the library with each of them (C76). An operation is a
// class that prepares it, whose start(token) initiates it and whose finish() lets it end.
#ifndef EXEUNT_TESTS_SUPPORT_TOKEN_MATRIX_HPP
#define EXEUNT_TESTS_SUPPORT_TOKEN_MATRIX_HPP

#include "support/expect.hpp"
#include "support/fault_tools.hpp"
#include "support/tracking_executor.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/bind_allocator.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>
#if defined(EXEUNT_TEST_YIELD_CONTEXT)
#include <boost/asio/spawn.hpp>
#endif

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace support {

// What most operations have.
struct matrix_operation
{
    explicit matrix_operation(asio::io_context& of)
        : context(of)
    {
    }

    void finish() {}

    static constexpr bool has_executor = true; // of its own
    static constexpr bool makes_promise = true; // who initiates it has one as well
    static constexpr bool is_told_to_end = false; // and says so by its error

    asio::io_context& context;
};

namespace matrix {

// Runs what is given to it at once, or not at all.
class odd_executor
{
public:
    odd_executor(bool refuses, int& submits) noexcept
        : refuses_(refuses)
        , submits_(&submits)
    {
    }

    template <class Function>
    void execute(Function&& function) const
    {
        ++*submits_;
        auto mine = std::decay_t<Function>(std::forward<Function>(function));
        if (!refuses_)
            std::move(mine)();
    }

    bool operator==(odd_executor const&) const noexcept = default;

private:
    bool refuses_;
    int* submits_;
};

// Counts what is alive.
template <class T = void>
class counting_allocator
{
public:
    using value_type = T;

    counting_allocator(int& alive, int& taken) noexcept
        : alive_(&alive)
        , taken_(&taken)
    {
    }
    template <class U>
    counting_allocator(counting_allocator<U> const& other) noexcept
        : alive_(other.alive_)
        , taken_(other.taken_)
    {
    }

    template <class U>
    struct rebind
    {
        using other = counting_allocator<U>;
    };

    T* allocate(std::size_t count)
    {
        ++*alive_;
        ++*taken_;
        return std::allocator<T>().allocate(count);
    }
    void deallocate(T* memory, std::size_t count) noexcept
    {
        --*alive_;
        std::allocator<T>().deallocate(memory, count);
    }

    template <class U>
    bool operator==(counting_allocator<U> const& other) const noexcept
    {
        return alive_ == other.alive_;
    }

    int* alive_;
    int* taken_;
};

// What has come of one operation.
struct told
{
    int calls = 0;
    bool failed = false;
    bool initiating = false;
    bool called_within = false;

    auto handler()
    {
        return [this](auto error, auto&&...) {
            ++calls;
            failed = static_cast<bool>(error);
            called_within = called_within || initiating;
        };
    }

    template <class Operation, class Token>
    void start(Operation& operation, Token&& token)
    {
        initiating = true;
        operation.start(std::forward<Token>(token));
        initiating = false;
    }

    template <class Operation>
    void expect_completed(Operation&) const
    {
        BOOST_TEST(calls == 1);
        BOOST_TEST(!called_within);
        BOOST_TEST(failed == Operation::is_told_to_end);
    }
};

template <class Operation>
void finish(Operation& operation)
{
    operation.finish();
    drive(operation.context);
}

// ---- the tokens

template <class Operation>
void callback(Operation& operation)
{
    told it;
    it.start(operation, it.handler());
    finish(operation);
    it.expect_completed(operation);
}

template <class Operation>
void move_only_callback(Operation& operation)
{
    told it;
    it.start(operation,
        [f = it.handler(), owned = std::make_unique<int>(1)](
            auto error, auto&&...) mutable { f(error); });
    finish(operation);
    it.expect_completed(operation);
}

template <class Operation>
void lvalue_callback(Operation& operation)
{
    told it;
    auto handler = it.handler();
    it.start(operation, handler);
    finish(operation);
    it.expect_completed(operation);
}

template <class Operation>
void future(Operation& operation)
{
    auto result = operation.start(asio::use_future);
    finish(operation);
    // Told by a thread of Asio's.
    bool failed = false;
    try {
        result.get();
    } catch (boost::system::system_error const&) {
        failed = true;
    }
    BOOST_TEST(failed == Operation::is_told_to_end);
}

template <class Operation>
void detached(Operation& operation)
{
    operation.start(asio::detached);
    finish(operation);
    BOOST_TEST(operation.context.stopped());
}

template <class Operation>
void awaitable(Operation& operation)
{
    told it;
    auto const coroutine = [&]() -> asio::awaitable<void> {
        co_await operation.start(asio::use_awaitable);
    };
    asio::co_spawn(operation.context, coroutine, it.handler());
    drive(operation.context);
    finish(operation);
    it.expect_completed(operation);
}

template <class Operation>
void tuple(Operation& operation)
{
    told it;
    auto const coroutine = [&]() -> asio::awaitable<void> {
        auto const all = co_await operation.start(asio::as_tuple(asio::use_awaitable));
        it.handler()(std::get<0>(all));
    };
    asio::co_spawn(operation.context, coroutine, asio::detached);
    drive(operation.context);
    finish(operation);
    it.expect_completed(operation);
}

#if defined(EXEUNT_TEST_YIELD_CONTEXT)
// In a tuple, as spawn of Boost 1.81 is wrong where an exception_ptr is told.
template <class Operation>
void stackful(Operation& operation)
{
    told it;
    asio::spawn(
        operation.context,
        [&](asio::yield_context yield) {
            auto const all = operation.start(asio::as_tuple(yield));
            it.handler()(std::get<0>(all));
        },
        asio::detached);
    drive(operation.context);
    finish(operation);
    it.expect_completed(operation);
}
#endif

template <class Operation>
void deferred(Operation& operation)
{
    told it;
    auto begin = operation.start(asio::deferred);
    drive(operation.context);
    BOOST_TEST(it.calls == 0);
    std::move(begin)(asio::bind_executor(operation.context, it.handler()));
    finish(operation);
    it.expect_completed(operation);
}

template <class Operation>
void bound_to_an_allocator(Operation& operation)
{
    told it;
    int alive = 0;
    int taken = 0;
    int alive_when_called = -1;
    it.start(operation,
        asio::bind_allocator(counting_allocator<>(alive, taken),
            [&, f = it.handler()](auto error, auto&&...) mutable {
                alive_when_called = alive;
                f(error);
            }));
    finish(operation);
    it.expect_completed(operation);
    BOOST_TEST(alive_when_called == 0);
    BOOST_TEST(taken > 0);
}

template <class Operation>
void bound_to_a_slot(Operation& operation)
{
    told it;
    asio::cancellation_signal signal;
    it.start(operation, asio::bind_cancellation_slot(signal.slot(), it.handler()));
    finish(operation);
    it.expect_completed(operation);
    BOOST_TEST(!signal.slot().has_handler());
}

template <class Operation>
void bound_to_an_executor_that_counts(Operation& operation)
{
    told it;
    executor_record record;
    bool there = false;
    it.start(operation,
        asio::bind_executor(
            track(operation.context, record), [&, f = it.handler()](auto error, auto&&...) mutable {
                there = record.running_here();
                f(error);
            }));
    finish(operation);
    it.expect_completed(operation);
    BOOST_TEST(there);
    BOOST_TEST(record.works == 0);
}

template <class Operation>
void bound_to_another_context(Operation& operation)
{
    told it;
    asio::io_context other;
    it.start(operation, asio::bind_executor(other, it.handler()));
    finish(operation);
    BOOST_TEST(it.calls == 0);
    drive(other);
    it.expect_completed(operation);
}

template <class Operation>
void bound_to_an_executor_that_runs_inline(Operation& operation)
{
    told it;
    int submits = 0;
    it.start(operation, asio::bind_executor(odd_executor(false, submits), it.handler()));
    finish(operation);
    it.expect_completed(operation);
    BOOST_TEST(submits > 0);
}

template <class Operation>
void bound_to_an_executor_that_refuses(Operation& operation)
{
    told it;
    int submits = 0;
    auto held = std::make_shared<int>(1);
    std::weak_ptr<int> const watch = held;
    it.start(operation,
        asio::bind_executor(odd_executor(true, submits),
            [f = it.handler(), h = std::move(held)](auto error, auto&&...) mutable { f(error); }));
    finish(operation);
    BOOST_TEST(it.calls == 0);
    BOOST_TEST(submits > 0);
    BOOST_TEST(watch.expired());
    BOOST_TEST(operation.context.stopped());
}

template <class Operation>
void any_handler(Operation& operation)
{
    told it;
    using handler = asio::any_completion_handler<typename Operation::signature>;
    it.start(operation, handler(asio::bind_executor(operation.context, it.handler())));
    finish(operation);
    it.expect_completed(operation);
}

template <class Operation>
void promise(Operation& operation)
{
    told it;
    auto promised = operation.start(asio::experimental::use_promise);
    finish(operation);
    std::move(promised)(it.handler());
    drive(operation.context);
    it.expect_completed(operation);
}

} // namespace matrix

// How many more tokens there are where Boost.Context is.
#if defined(EXEUNT_TEST_YIELD_CONTEXT)
inline constexpr std::size_t stackful_tokens = 1;
#else
inline constexpr std::size_t stackful_tokens = 0;
#endif

// Tries one operation with every token; returns with how many.
template <class Operation>
std::size_t try_every_token(char const* name)
{
    std::size_t tried = 0;
    auto const with = [&](char const* token, auto use) {
        BOOST_TEST_CONTEXT(name << " with " << token)
        {
            counting_observer const silent;
            asio::io_context context;
            Operation operation(context);
            use(operation);
            ++tried;
        }
    };
    using namespace matrix;
    with("a callback", callback<Operation>);
    with("a move-only callback", move_only_callback<Operation>);
    with("a callback that is an lvalue", lvalue_callback<Operation>);
    with("use_future", future<Operation>);
    with("detached", detached<Operation>);
    with("use_awaitable", awaitable<Operation>);
    with("as_tuple", tuple<Operation>);
#if defined(EXEUNT_TEST_YIELD_CONTEXT)
    with("yield_context", stackful<Operation>);
#endif
    with("deferred", deferred<Operation>);
    with("bind_allocator", bound_to_an_allocator<Operation>);
    with("bind_cancellation_slot", bound_to_a_slot<Operation>);
    with("an executor that counts", bound_to_an_executor_that_counts<Operation>);
    with("any_completion_handler", any_handler<Operation>);
    if constexpr (Operation::has_executor) {
        with("an executor of another context", bound_to_another_context<Operation>);
        with("an executor that runs inline", bound_to_an_executor_that_runs_inline<Operation>);
        with("an executor that refuses", bound_to_an_executor_that_refuses<Operation>);
        if constexpr (Operation::makes_promise)
            with("use_promise", promise<Operation>);
    }
    return tried;
}

template <class Token>
inline constexpr bool is_bound_to_an_executor = false;
template <class Token, class Executor>
inline constexpr bool is_bound_to_an_executor<asio::executor_binder<Token, Executor>> = true;

// `token` with an executor, for what has none of its own.
template <class Token>
decltype(auto) with_executor(asio::io_context& context, Token&& token)
{
    if constexpr (is_bound_to_an_executor<std::decay_t<Token>>)
        return std::forward<Token>(token);
    else
        return asio::bind_executor(context, std::forward<Token>(token));
}

} // namespace support

#endif
