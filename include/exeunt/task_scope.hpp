#ifndef EXEUNT_TASK_SCOPE_HPP
#define EXEUNT_TASK_SCOPE_HPP

#include <exeunt/detail/default_token.hpp>
#include <exeunt/detail/scope_operation.hpp>
#include <exeunt/detail/until_cancelled_operation.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_state.hpp>
#include <exeunt/source_location.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/execution_context.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace exeunt {

/// How a scope treats its children.
struct task_scope_options
{
    /// So many run at the same time, at most; at least one.
    std::size_t limit = static_cast<std::size_t>(-1);

    /// A child that fails cancels the others.
    bool cancel_on_failure = true;

    /// How long children that have been told to stop at the next good moment (`total`) have for that,
    /// when the scope ends as an exit. Then they are cut (`terminal`).
    std::chrono::steady_clock::duration drain = std::chrono::steady_clock::duration::max();
};

/// Children, coroutines or other operations, that do not outlive the scope.
/**
 * 1. A scope is open when it is made. `spawn` starts a child.
 * 2. A child that has ended leaves nothing behind, but for its failure. The first failure cancels the
 *    others, unless the options say otherwise. A child that ends with a cancellation has not failed.
 * 3. The scope is a context: registered with a stack, its exit tells all children to stop at the next good
 *    moment (`total`), and waits for all of them. Those that have not ended after `drain` are cut
 *    (`terminal`). After a failure, or where the unwinding is forced, they are cut at once.
 * 4. What children have failed with comes out of that, all of it.
 * 5. While the scope ends, children may still spawn others, which are told the same. Then it is closed:
 *    `spawn` throws `stack_closed`.
 *
 * A coroutine hears of `total` if it has said so (`reset_cancellation_state(enable_total_cancellation())`).
 *
 * @code
 * auto& sessions = stack.enter(exeunt::task_scope(stack.get_executor(), {.limit = 500}));
 * sessions.spawn(serve(std::move(socket)));
 * @endcode
 *
 * @par Caution
 * What children use is registered with the stack before the scope, so that it outlives them.
 *
 * @par Lifetimes
 * A scope may be moved. Destroy it when its children have ended, or with its execution context: a
 * destructor cannot wait. Children that run then go on as if nothing had happened. The default observer
 * hears of each failure that nobody has received, and can receive any more, when the last child has
 * ended. It is not told that children run: they are not lost, and may end well.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: unsafe; use a scope on its executor, which must not run two
 * functions at once.
 */
template <class Executor = asio::any_io_executor>
class basic_task_scope
{
    using core_type = detail::scope_core<Executor>;

public:
    using executor_type = Executor;

    /// Makes an open scope without children.
    explicit basic_task_scope(Executor const& executor, task_scope_options options = {})
        : core_(std::make_shared<core_type>(
            executor, options.limit == 0 ? 1 : options.limit, options.cancel_on_failure))
        , drain_(options.drain)
    {
    }

    /// Makes an open scope on the executor of an execution context.
    template <class ExecutionContext>
        requires(std::is_convertible_v<ExecutionContext&, asio::execution_context&>&&
                std::is_constructible_v<Executor, typename ExecutionContext::executor_type>)
    explicit basic_task_scope(ExecutionContext& context, task_scope_options options = {})
        : basic_task_scope(context.get_executor(), options)
    {
    }

    /// Takes over `other`, which may only be destroyed or assigned to then.
    basic_task_scope(basic_task_scope&& other) noexcept = default;
    basic_task_scope& operator=(basic_task_scope&& other) noexcept = default;
    ~basic_task_scope() = default;

    /// The executor that children run on.
    executor_type get_executor() const noexcept { return core_->executor(); }

    /// Starts a child; if the limit has been reached, when there is room.
    /**
     * `child` is a function without arguments that returns an `asio::awaitable` or an asynchronous
     * operation, one of these itself, or a function that takes a completion handler. What it yields is
     * ignored. It is started within the call if that is made on the executor, and destroyed when it has
     * ended.
     *
     * Throws `stack_closed` if the scope is closed, `std::bad_alloc`, and what starting it throws: then
     * there is no child. If its handler has been handed on, and is called, nothing comes of that; the
     * default observer hears of a failure.
     */
    template <class Child>
    void spawn(Child&& child, source_location where = source_location::current())
    {
        if (core_->is_closed())
            throw stack_closed();
        core_->add(make_child(std::forward<Child>(child), where));
    }

    /// Waits for room, then starts a child there.
    /**
     * Who waits longest is first; children that `spawn` has accepted come before.
     *
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Cancellation
     * All types: the child is not started. When the scope is cancelled meanwhile, be it by the failure of
     * a child, or is told to stop, it completes with `operation_aborted` as well.
     *
     * @par Errors
     * `operation_aborted`; `stack_closed`; what starting the child throws.
     */
    template <class Child,
        asio::completion_token_for<void(std::exception_ptr)> Token =
            detail::default_token<Executor>>
    decltype(auto) async_spawn(
        Child&& child, Token&& token = Token(), source_location where = source_location::current())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_spawn(this, where), token, std::forward<Child>(child));
    }

    /// Cancels all children that run; those that wait for room, in `async_spawn` too, do not begin.
    /** Those that come later do. Children hear of it on the executor: within the call, if that is made there. */
    void cancel(asio::cancellation_type type = asio::cancellation_type::terminal)
    {
        core_->cancel_on_executor(type);
    }

    /// How many children run.
    std::size_t size() const noexcept { return core_->running(); }
    /// How many wait for room.
    std::size_t queued() const noexcept { return core_->queued(); }
    /// Whether no child runs or waits for room.
    bool empty() const noexcept { return core_->is_idle(); }

    /// Waits until the last child has ended, or the first one fails: completes with that failure.
    /**
     * What a body waits for while children do the input and output. At once if there are no children.
     *
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Cancellation
     * All types end the wait, with `operation_aborted`; the children go on.
     *
     * @par Errors
     * The first failure of a child, the same object that comes out of the scope's end.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_wait(Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate<detail::scope_wait_base<Executor>>(this), token);
    }

    /// Waits until the last child has ended; completes with all that children have failed with.
    /** As `async_wait` otherwise. */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_join(Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate<detail::scope_join_base<Executor>>(this), token);
    }

    /// Stops the children and waits for all of them: the scope as an exit. Completes with their failures.
    /**
     * `total` first, `terminal` after `drain`; after a failure, or forced, `terminal` at once.
     *
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Cancellation
     * `terminal`, which says that the exit is cut, is passed on to the children, which are waited for.
     *
     * @par Lifetimes
     * `state` must stay valid until the operation has completed. The scope may be moved or destroyed.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_exit(exit_state& state, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_exit(this), token, &state);
    }

private:
    template <class Child>
    static auto make_child(Child&& child, source_location where)
    {
        using F = std::decay_t<Child>;
        static_assert(detail::kind_of_task<F, Executor>() != detail::task_kind::none,
            "exeunt: this is no child of a scope: pass an awaitable, an asynchronous operation, a "
            "function that returns one of these, or one that takes a completion handler");
        std::unique_ptr<detail::task_base<Executor>> made;
        if constexpr (detail::kind_of_task<F, Executor>() != detail::task_kind::none)
            made = std::make_unique<detail::task<Executor, F>>(std::forward<Child>(child), where);
        return made;
    }

    class initiation
    {
    public:
        using executor_type = Executor;

        explicit initiation(basic_task_scope* scope) noexcept
            : scope_(scope)
        {
        }

        executor_type get_executor() const noexcept { return scope_->get_executor(); }

    protected:
        basic_task_scope* scope_;
    };

    template <class Operation>
    class initiate : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler) const
        {
            detail::initiate_operation<Operation>(
                std::forward<Handler>(handler), this->scope_->core_);
        }
    };

    class initiate_spawn : public initiation
    {
    public:
        initiate_spawn(basic_task_scope* scope, source_location where) noexcept
            : initiation(scope)
            , where_(where)
        {
        }

        template <class Handler, class Child>
        void operator()(Handler&& handler, Child&& child) const
        {
            detail::initiate_operation<detail::scope_spawn_base<Executor>>(
                std::forward<Handler>(handler), this->scope_->core_,
                make_child(std::forward<Child>(child), where_));
        }

    private:
        source_location where_;
    };

    class initiate_exit : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, exit_state* state) const
        {
            detail::initiate_operation<detail::scope_exit_base<Executor>>(
                std::forward<Handler>(handler), this->scope_->core_, *state, this->scope_->drain_);
        }
    };

    std::shared_ptr<core_type> core_;
    std::chrono::steady_clock::duration drain_;
};

/// The scope for every executor.
using task_scope = basic_task_scope<>;

/// An operation that ends when it is cancelled, for bodies of servers that only wait.
/**
 * @par Completion signature
 * `void(error_code)`: always `operation_aborted`.
 *
 * @par Executor
 * That of the handler, which is given work meanwhile.
 *
 * @par Cancellation
 * All types end it. What cannot be cancelled never ends.
 */
template <asio::completion_token_for<void(boost::system::error_code)> Token = asio::deferred_t>
decltype(auto) until_cancelled(Token&& token = Token())
{
    return asio::async_initiate<Token, void(boost::system::error_code)>(
        detail::initiate_until_cancelled(), token);
}

} // namespace exeunt

#endif // EXEUNT_TASK_SCOPE_HPP
