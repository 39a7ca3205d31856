#ifndef EXEUNT_DETAIL_TASK_HPP
#define EXEUNT_DETAIL_TASK_HPP

#include <exeunt/detail/async_exit.hpp>
#include <exeunt/detail/exit_shape.hpp>
#include <exeunt/exit_handler.hpp>
#include <exeunt/source_location.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/co_spawn.hpp>

#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

template <class Executor>
class scope_core;

// One child of a scope. Belongs to the scope while it waits for room, to its own handler while it runs.
template <class Executor>
class task_base
{
public:
    explicit task_base(source_location where) noexcept
        : where_(where)
    {
    }
    task_base(task_base const&) = delete;
    task_base& operator=(task_base const&) = delete;
    virtual ~task_base() = default;

    // Begins; may end, and be gone, within the call. Where it throws its handler is gone, too, or
    // will be: without memory Asio destroys the frame of a coroutine later.
    virtual void start(std::shared_ptr<scope_core<Executor>> scope) = 0;

    source_location where() const noexcept { return where_; }
    asio::cancellation_slot slot() noexcept { return signal_.slot(); }

    // Cancels it; one that has not had its first step never has it.
    void cancel(asio::cancellation_type type) noexcept
    {
        if (!has_begun) {
            dropped = true;
            return;
        }
        try {
            signal_.emit(type);
        } catch (...) {
            // A cancellation that cannot be delivered is one that the child ignores.
        }
    }

    // It has had its first step. A coroutine that is cancelled before that could be lost.
    bool has_begun = false;
    bool dropped = false;
    // It could not be started: no child any more, it belongs to its handler alone.
    bool orphaned = false;

    // Of the scope: what the child has been told, and what it has yet to be told.
    asio::cancellation_type told = asio::cancellation_type::none;
    asio::cancellation_type to_tell = asio::cancellation_type::none;

    task_base* previous = nullptr;
    task_base* next = nullptr;

private:
    source_location where_;
    asio::cancellation_signal signal_;
};

// Ends a child.
template <class Executor>
class task_handler
{
public:
    using executor_type = Executor;
    using cancellation_slot_type = asio::cancellation_slot;

    task_handler(std::shared_ptr<scope_core<Executor>> scope, task_base<Executor>& running) noexcept
        : scope_(std::move(scope))
        , executor_(scope_->executor())
        , slot_(running.slot())
        , running_(&running)
    {
    }
    task_handler(task_handler&& other) noexcept
        : scope_(std::move(other.scope_))
        , executor_(other.executor_)
        , slot_(other.slot_)
        , running_(std::exchange(other.running_, nullptr))
    {
    }
    ~task_handler()
    {
        if (running_)
            scope_->lost(*running_);
    }

    executor_type get_executor() const noexcept { return executor_; }
    Executor const& scope_executor() const noexcept { return executor_; }
    cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }

    template <class... Args>
    void operator()(Args&&... args)
    {
        auto const scope = std::move(scope_);
        slot_.clear();
        scope->ended(*std::exchange(running_, nullptr), failure_of(std::forward<Args>(args)...));
    }

private:
    std::shared_ptr<scope_core<Executor>> scope_;
    Executor executor_;
    asio::cancellation_slot slot_;
    task_base<Executor>* running_;
};

// Calls what it is given. A coroutine ends on the scope's executor: it needs no memory to say so.
class inline_executor
{
public:
    template <class Function>
    void execute(Function&& function) const
    {
        std::forward<Function>(function)();
    }

    friend bool operator==(inline_executor const&, inline_executor const&) noexcept = default;
};

// Ends a child that is a coroutine.
template <class Executor>
class coroutine_handler : public task_handler<Executor>
{
public:
    using executor_type = inline_executor;
    using task_handler<Executor>::task_handler;

    executor_type get_executor() const noexcept { return {}; }
};

// Awaited first by a coroutine: one that has not been resumed by a handler would be ended by a post, which
// takes memory where none may be.
class resume_at_once
{
public:
    template <asio::completion_token_for<void()> Token>
    auto operator()(Token&& token) const
    {
        return asio::async_initiate<Token, void()>(
            [](auto handler) { std::move(handler)(); }, token);
    }
};

// What a child may be.
enum class task_kind : unsigned char { none, awaitable, coroutine, returns_operation, operation };

template <class F, class Executor>
consteval task_kind kind_of_task()
{
    using handler = task_handler<Executor>;
    if constexpr (is_awaitable<F>) {
        return task_kind::awaitable;
    } else if constexpr (is_deferred_operation<F>) {
        return task_kind::operation;
    } else if constexpr (std::is_invocable_v<F>) {
        using result = std::decay_t<std::invoke_result_t<F>>;
        if constexpr (is_awaitable<result>)
            return task_kind::coroutine;
        else if constexpr (is_async_operation<result>())
            return task_kind::returns_operation;
        else
            return task_kind::none;
    } else if constexpr (std::is_invocable_v<F, handler>) {
        return task_kind::operation;
    } else {
        return task_kind::none;
    }
}

template <class Executor, class F>
class task final : public task_base<Executor>
{
    static constexpr task_kind kind = kind_of_task<F, Executor>();

public:
    template <class Given>
    task(Given&& function, source_location where)
        : task_base<Executor>(where)
        , function_(std::forward<Given>(function))
    {
    }

    void start(std::shared_ptr<scope_core<Executor>> scope) override
    {
        if constexpr (kind == task_kind::awaitable || kind == task_kind::coroutine) {
            // Whatever throws after this finds a handler to destroy.
            coroutine_handler<Executor> handler(std::move(scope), *this);
            if constexpr (kind == task_kind::awaitable)
                spawn(std::move(handler), std::move(function_));
            else
                spawn(std::move(handler), std::invoke(std::move(function_)));
        } else {
            this->has_begun = true;
            task_handler<Executor> handler(std::move(scope), *this);
            if constexpr (kind == task_kind::returns_operation)
                std::invoke(std::move(function_))(std::move(handler));
            else
                static_cast<void>(std::invoke(std::move(function_), std::move(handler)));
        }
    }

private:
    template <class T, class E>
    void spawn(coroutine_handler<Executor>&& handler, asio::awaitable<T, E> work)
    {
        constexpr bool runs_here = std::is_constructible_v<E, Executor const&>;
        static_assert(runs_here,
            "exeunt: this awaitable cannot run on the executor of the scope: use "
            "awaitable<T, E> with an E that is constructible from it");
        if constexpr (runs_here)
            asio::co_spawn(
                E(handler.scope_executor()), run(*this, std::move(work)), std::move(handler));
    }

    template <class T, class E>
    static asio::awaitable<void, E> run(task& self, asio::awaitable<T, E> work)
    {
        co_await resume_at_once();
        if (self.dropped)
            co_return;
        self.has_begun = true;
        co_await std::move(work);
    }

    F function_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_TASK_HPP
