#ifndef EXEUNT_RESOURCE_POOL_HPP
#define EXEUNT_RESOURCE_POOL_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/detail/default_token.hpp>
#include <exeunt/detail/pool_operation.hpp>
#include <exeunt/exit_state.hpp>
#include <exeunt/pool_options.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/require.hpp>
#include <boost/asio/system_executor.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <type_traits>
#include <utility>

namespace exeunt {

template <class T, class Executor>
class basic_resource_pool;

/// The right to use one resource of a pool. Move-only.
/**
 * Goes back in one of these ways, whichever comes first:
 *
 * - Given to a stack (`stack.async_acquire(pool.async_acquire(asio::deferred))`), it is an exit: after
 *   success the resource is recycled and goes back to the pool; after a failure it is discarded, unless the
 *   pool has a `reusable_if`; where the unwinding is forced it is discarded.
 * - Destroyed, it goes back and is recycled in the background. The pool sets memory aside for that; where
 *   that does not do either, it goes back with whatever happens in the pool next.
 * - By `discard()` the resource is destroyed, without being closed.
 *
 * In the first two cases `reusable_if` is asked, whatever has happened: what cannot be used again is
 * discarded. What can, but is older than `max_lifetime`, is closed in the background and not recycled.
 *
 * @par Lifetimes
 * May outlive the pool, not the execution context.
 *
 * @par Thread safety
 * Distinct objects: safe, also those of one pool. Shared objects: unsafe.
 */
template <class T, class Executor = asio::any_io_executor>
class basic_lease
{
    using core_type = detail::pool_core<T, Executor>;
    using pooled_type = detail::pooled<T, Executor>;

public:
    using executor_type = Executor;

    /// Makes an empty lease.
    basic_lease() noexcept = default;

    basic_lease(basic_lease&& other) noexcept
        : pool_(std::move(other.pool_))
        , resource_(std::exchange(other.resource_, nullptr))
    {
    }

    basic_lease& operator=(basic_lease&& other) noexcept
    {
        basic_lease taken(std::move(other));
        std::swap(pool_, taken.pool_);
        std::swap(resource_, taken.resource_);
        return *this;
    }

    ~basic_lease() { give_back(); }

    /// Whether there is a resource.
    explicit operator bool() const noexcept { return resource_ != nullptr; }

    T& operator*() const noexcept { return *resource_->value; }
    T* operator->() const noexcept { return std::addressof(*resource_->value); }

    /// Ends the lease and destroys the resource, without closing it: nobody shall use it any more.
    /** Does nothing to an empty lease. */
    void discard() noexcept
    {
        if (resource_)
            resource_->discarded = true;
        give_back();
    }

    /// The last resort of the lease as an exit: discards.
    void force() noexcept { discard(); }

    /// Gives the resource back as an exit; the lease is empty then.
    /**
     * Completes when it has been recycled, or, by way of the handler's executor alone, if the lease is
     * empty; never within the call. A resource that cannot be recycled is discarded, which is no
     * failure of whoever had it.
     *
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Executor
     * The pool's, also for recycling; the handler on its associated executor. Where that is the executor of
     * the stack as well, recycling is the exit's own job: no operation comes in between.
     *
     * @par Cancellation
     * `terminal` cuts the recycling; the resource is discarded, and this fails with `operation_aborted`. In
     * a stack that is no failure: the lease has a force.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_exit(exit_state& state, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_exit(), token, this, &state);
    }

private:
    friend struct detail::exit_on_runner;
    template <class, class>
    friend class basic_resource_pool;
    template <class, class, class>
    friend class detail::pool_acquire_base;
    template <class, class, class>
    friend class detail::lease_exit_base;

    basic_lease(std::shared_ptr<core_type> pool, pooled_type& resource) noexcept
        : pool_(std::move(pool))
        , resource_(&resource)
    {
    }

    void give_back() noexcept
    {
        auto const pool = std::move(pool_);
        if (auto* returned = std::exchange(resource_, nullptr))
            pool->give_back(*returned);
    }

    // As the exit of a stack, which owns this, and destroys it when it has ended.
    void exit_on(detail::exit_runner<Executor>& runner, exit_state& state)
    {
        if (!resource_ || !pool_->lets_exits_recycle() || !(pool_->executor() == runner.executor()))
            return static_cast<void>(async_exit(state, runner.make_handler()));
        bool const fit = !state.forced() && pool_->is_fit(*resource_, state.failed());
        if (fit && pool_->needs_recycling(*resource_))
            return pool_->recycle_on(runner, *resource_);
        auto const pool = pool_;
        pool->give_back_at_once(*release(), fit);
        runner.make_handler()();
    }

    void absorb(std::exception_ptr const& error) noexcept
    {
        if (resource_)
            core_type::absorb(*resource_, error);
    }

    // The resource, whose lease has ended then.
    pooled_type* release() noexcept
    {
        pool_.reset();
        return std::exchange(resource_, nullptr);
    }

    class initiate_exit
    {
    public:
        initiate_exit() noexcept = default;

        template <class Handler>
        void operator()(Handler&& handler, basic_lease* lease, exit_state* state) const
        {
            lease->exit(std::forward<Handler>(handler), *state);
        }
    };

    template <class Handler>
    void exit(Handler&& handler, exit_state& state)
    {
        if (!resource_)
            return exit_empty(std::forward<Handler>(handler));
        auto const executor = pool_->executor();
        detail::initiate_operation<detail::lease_exit_base<T, Executor, basic_lease>>(
            std::forward<Handler>(handler), std::move(*this), executor, state);
    }

    // There is no executor but the handler's. An exit may end within the call.
    template <class Handler>
    static void exit_empty(Handler&& handler)
    {
        using handler_type = std::decay_t<Handler>;
        using handler_executor = asio::associated_executor_t<handler_type>;
        if constexpr (detail::is_exit_handler<handler_type>)
            std::forward<Handler>(handler)(std::exception_ptr());
        else if constexpr (asio::can_require<handler_executor,
                               asio::execution::blocking_t::never_t>::value)
            asio::post(asio::append(std::forward<Handler>(handler), std::exception_ptr()));
        else
            asio::post(asio::system_executor(),
                asio::append(std::forward<Handler>(handler), std::exception_ptr()));
    }

    std::shared_ptr<core_type> pool_;
    pooled_type* resource_ = nullptr;
};

/// Resources, such as connections, that are opened when they are needed and used again and again.
/**
 * 1. `async_acquire` yields a lease: of an idle resource, the one used last; else of a new one, as long as
 *    there are fewer than `max_size`; else of the next one that comes back. Who waits longest is first.
 * 2. A lease that ends gives its resource back: it is recycled, if the pool has been told how, and goes to
 *    the next who waits, or is idle. What is no good any more is discarded, and room is made for another.
 * 3. What has been idle, or open, for too long is closed.
 * 4. The pool is a context: registered with a stack, its exit refuses whoever still waits, waits for the
 *    leases that are out, and closes all resources at the same time. Forced, it does not wait for leases:
 *    what is out is destroyed when it comes back.
 * 5. Then it is closed: `async_acquire` completes with `pool_closed`.
 *
 * A lease that is handed over in the moment its waiter is cancelled is not lost: the waiter has it, and
 * gives it back.
 *
 * @code
 * auto& pool = stack.enter(exeunt::resource_pool<connection>(stack.get_executor(),
 *     exeunt::opened_by([&] { return connect(server); })
 *         .recycled_by([](connection& used) { return used.reset(); })
 *         .closed_by([](connection& unwanted) { return unwanted.quit(); }),
 *     {.max_size = 8}));
 * auto& upstream = *co_await stack.async_acquire(pool.async_acquire(asio::deferred));
 * @endcode
 *
 * @par Caution
 * While resources are idle that can expire, a timer of the pool runs, and so does the execution context.
 *
 * @par Lifetimes
 * A pool may be moved. It may be destroyed while leases are out; what they give back is destroyed then.
 * What the functions of its spec refer to must outlive all of that.
 *
 * @par Thread safety
 * Distinct objects: safe. The initiating functions may be called from any thread at any time, and leases
 * be used and destroyed there, if the pool's executor does not run two functions at once (a strand, or
 * one thread). All else is used on that executor.
 *
 * @tparam T The resource. Nothrow move constructible.
 */
template <class T, class Executor = asio::any_io_executor>
class basic_resource_pool
{
    using core_type = detail::pool_core<T, Executor>;

public:
    using executor_type = Executor;
    using lease = basic_lease<T, Executor>;

    /// Makes an empty pool, whose resources are opened as `spec` says: an `opened_by(...)`, or what opens.
    template <class Spec>
    basic_resource_pool(Executor const& executor, Spec&& spec, pool_options const& options = {})
        : core_(std::make_shared<core_type>(
            executor, options, make_functions(std::forward<Spec>(spec))))
    {
    }

    /// Makes an empty pool on the executor of an execution context.
    template <class ExecutionContext, class Spec>
        requires(std::is_convertible_v<ExecutionContext&, asio::execution_context&>&&
                std::is_constructible_v<Executor, typename ExecutionContext::executor_type>)
    basic_resource_pool(ExecutionContext& context, Spec&& spec, pool_options const& options = {})
        : basic_resource_pool(Executor(context.get_executor()), std::forward<Spec>(spec), options)
    {
    }

    /// Takes over `other`, which may only be destroyed or assigned to then.
    basic_resource_pool(basic_resource_pool&& other) noexcept = default;
    basic_resource_pool& operator=(basic_resource_pool&& other) noexcept = default;
    ~basic_resource_pool() = default;

    /// The executor that resources are opened, recycled and closed on.
    executor_type get_executor() const noexcept { return core_->executor(); }

    /// What has happened so far.
    pool_counts counts() const noexcept { return core_->counts(); }
    /// How many resources there are, whatever they are doing.
    std::size_t size() const noexcept { return core_->size(); }
    /// How many of them are idle.
    std::size_t idle() const noexcept { return core_->idle(); }
    /// How many wait for one.
    std::size_t waiting() const noexcept { return core_->waiting(); }

    /// Gets a lease.
    /**
     * @par Completion signature
     * `void(std::exception_ptr, lease)`
     *
     * @par Executor
     * The handler runs on its associated executor, by default the pool's, never within the call; but that of
     * an exit, and of `async_acquire` of a stack, is called at once where an idle resource is had at once.
     *
     * @par Cancellation
     * All types end the wait. What is being opened goes to the next who waits, or is idle.
     *
     * @par Errors
     * What opening a resource fails with: told to who waits longest, unless another one is on its way for
     * it. `pool_closed`; `operation_aborted`; `resource_unavailable_try_again` if `max_waiters` wait
     * for one to come back; `timed_out` after `wait_timeout`.
     */
    template <asio::completion_token_for<void(std::exception_ptr, lease)> Token =
                  detail::default_value_token<Executor>>
    decltype(auto) async_acquire(Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr, lease)>(
            initiate_acquire(core_), token);
    }

    /// Closes the pool, as an exit; completes with what closing resources fails with.
    /**
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Cancellation
     * `terminal`, which says that the exit is cut, forces: whatever is under way is cut and waited for,
     * leases are not.
     *
     * @par Lifetimes
     * `state` must stay valid until the operation has completed. The pool may be moved or destroyed.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_exit(exit_state& state, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_exit(core_), token, &state);
    }

    /// Closes the pool by itself, as a stack with these options does whose only exit is this pool.
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(close_options options, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_close(this), token, options);
    }

    /// Closes the pool by itself, with default options.
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(Token&& token = Token())
    {
        return async_close(close_options(), std::forward<Token>(token));
    }

private:
    template <class Spec>
    static std::unique_ptr<detail::pool_functions<T, Executor>> make_functions(Spec&& spec)
    {
        static_assert(std::is_nothrow_move_constructible_v<T>,
            "exeunt: what a pool holds must not be lost on the way: make it nothrow move "
            "constructible, for instance by a std::unique_ptr");
        using given = std::decay_t<Spec>;
        if constexpr (detail::is_pool_spec<given>)
            return std::make_unique<detail::given_pool_functions<T, Executor, given>>(
                std::forward<Spec>(spec));
        else
            return make_functions(opened_by(std::forward<Spec>(spec)));
    }

    class initiation
    {
    public:
        using executor_type = Executor;

        explicit initiation(std::shared_ptr<core_type> const& pool) noexcept
            : pool_(pool)
        {
        }

        executor_type get_executor() const noexcept { return pool_->executor(); }

    protected:
        std::shared_ptr<core_type> pool_;
    };

    class initiate_acquire : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler) const
        {
            using handler_type = std::decay_t<Handler>;
            using base = detail::pool_acquire_base<T, Executor, basic_lease<T, Executor>>;
            // An exit, and what a stack acquires, may end within the call.
            if constexpr (detail::is_exit_handler_on<handler_type, Executor>)
                if (auto* ready = take_here(handler.get_executor()))
                    return std::forward<Handler>(handler)(
                        std::exception_ptr(), lease(this->pool_, *ready));
            detail::initiate_operation<base>(std::forward<Handler>(handler), this->pool_);
        }

    private:
        // One that can be had at once, if this is the pool's executor, and the handler's.
        auto* take_here(Executor const& executor) const
        {
            bool const is_here = executor == this->pool_->executor() && detail::runs_here(executor);
            return is_here ? this->pool_->take_idle() : nullptr;
        }
    };

    class initiate_exit : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, exit_state* state) const
        {
            detail::initiate_operation<detail::pool_close_base<T, Executor>>(
                std::forward<Handler>(handler), this->pool_, *state);
        }
    };

    class initiate_close
    {
    public:
        using executor_type = Executor;

        explicit initiate_close(basic_resource_pool* pool) noexcept
            : pool_(pool)
        {
        }

        executor_type get_executor() const noexcept { return pool_->get_executor(); }

        template <class Handler>
        void operator()(Handler&& handler, close_options const& options) const
        {
            basic_async_exit_stack<Executor> around(pool_->get_executor(), options);
            around.push(closing_pool(pool_->core_));
            around.async_close(std::forward<Handler>(handler));
        }

    private:
        basic_resource_pool* pool_;
    };

    // The pool as an exit that does not need the object.
    class closing_pool
    {
    public:
        explicit closing_pool(std::shared_ptr<core_type> pool) noexcept
            : pool_(std::move(pool))
        {
        }

        template <class Handler>
        void async_exit(exit_state& state, Handler&& handler)
        {
            detail::initiate_operation<detail::pool_close_base<T, Executor>>(
                std::forward<Handler>(handler), pool_, state);
        }

    private:
        std::shared_ptr<core_type> pool_;
    };

    std::shared_ptr<core_type> core_;
};

/// The pool for every executor.
template <class T>
using resource_pool = basic_resource_pool<T>;

/// The lease of such a pool.
template <class T>
using lease = basic_lease<T>;

} // namespace exeunt

#endif // EXEUNT_RESOURCE_POOL_HPP
