#ifndef EXEUNT_ASYNC_EXIT_STACK_HPP
#define EXEUNT_ASYNC_EXIT_STACK_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/config.hpp>
#include <exeunt/detail/default_token.hpp>
#include <exeunt/detail/stack_base.hpp>
#include <exeunt/exit_handler.hpp>
#include <exeunt/exit_stack.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

namespace exeunt {

namespace detail {
template <class Executor, class Body>
class with_base;
template <class Executor>
class group_base;
} // namespace detail

struct group_options;
template <class Executor>
class basic_exit_group;

/// A stack of exits, synchronous and asynchronous, that run one after the other, newest first.
/**
 * 1. A stack is open when it is made, and bound to an executor. While it is open, exits are
 *    registered, of all kinds and in one order. An idle stack holds no work.
 * 2. `async_close` unwinds: every exit runs, newest first, each after the one before it has ended,
 *    whatever those before it failed with. All of them run on the stack's executor. `is_open()` is
 *    false from the call on. What is registered meanwhile runs next.
 * 3. A second `async_close` meanwhile joins the first: it completes when that does, without error.
 * 4. What is in flight at the end comes out: one failure as it is, several as `exit_errors`.
 * 5. Then the stack is closed: registering throws `stack_closed`, closing completes at once. Assign
 *    a fresh one to begin again.
 * 6. A stack that is destroyed without being closed cannot await anything: synchronous exits run,
 *    asynchronous ones are destroyed unrun and reported to the observer by name. So it is with an
 *    unwinding whose `io_context` is destroyed. Nothing is posted, nothing terminates.
 *
 * @par Caution
 * What an exit touches must outlive it: let the stack own it (`emplace`, `adopt`, `enter`, or an
 * acquire), or declare it outside of the coroutine that closes. Locals of the body of an
 * `async_with` are gone before the first exit runs. What is being registered must not hand over or
 * move the stack from its constructor or `enter`.
 *
 * @par Lifetimes
 * While an operation is in flight the stack may be moved or destroyed: the operation keeps what it
 * needs. Neither a stack nor a handler of an exit may outlive the execution context.
 *
 * @par Exception safety
 * Registering gives the strong guarantee: where it throws, nothing is registered and the callable
 * has not been moved from.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: unsafe; while anything is in flight, use a stack on its
 * executor alone, which must not run two functions at once (a strand, or one thread). Initiating
 * functions may be called elsewhere, if nothing is in flight.
 *
 * @tparam Executor An Asio executor. The default fits every one; a concrete type costs less.
 */
template <class Executor = asio::any_io_executor>
class basic_async_exit_stack : private detail::stack_base<Executor>
{
public:
    using executor_type = Executor;

    /// The stack for another executor type.
    template <class Other>
    struct rebind_executor
    {
        using other = basic_async_exit_stack<Other>;
    };

    /// Makes a closed stack, to be assigned to.
    basic_async_exit_stack() = default;

    /// Makes an open, empty stack; does not allocate.
    explicit basic_async_exit_stack(Executor const& executor, close_options const& options = {})
        : base(executor, options)
    {
    }

    /// Makes an open, empty stack on the executor of an execution context.
    template <class ExecutionContext>
        requires(std::is_convertible_v<ExecutionContext&, asio::execution_context&>&&
                std::is_constructible_v<Executor, typename ExecutionContext::executor_type>)
    explicit basic_async_exit_stack(ExecutionContext& context, close_options const& options = {})
        : base(context.get_executor(), options)
    {
    }

    /// Takes over all exits of `other`, and what is in flight on it; that one is open and empty then.
    basic_async_exit_stack(basic_async_exit_stack&& other) noexcept = default;

    /// Takes over a stack of another executor type; `other` is open and empty then.
    /**
     * Exits are bound to the executor type that they were registered for: throws
     * `std::invalid_argument` if `other` holds any, and leaves it as it is.
     */
    template <class Other>
        requires(
            !std::is_same_v<Other, Executor> && std::is_constructible_v<Executor, Other const&>)
    explicit basic_async_exit_stack(basic_async_exit_stack<Other>&& other)
        : base(static_cast<detail::stack_base<Other>&&>(other))
    {
    }

    /// Takes over all of `other`, then abandons what this stack held, as the destructor does.
    basic_async_exit_stack& operator=(basic_async_exit_stack&& other) noexcept = default;

    /// Abandons what has not been closed.
    ~basic_async_exit_stack() = default;

    /// The executor that all exits run on.
    executor_type get_executor() const noexcept { return this->executor_; }

    /// How this stack closes; read when closing is initiated.
    close_options& options() noexcept { return this->options_; }
    close_options const& options() const noexcept { return this->options_; }

    /// Registers an exit, synchronous or asynchronous by its shape.
    /**
     * Takes a callable, a context (by `std::ref`, or as an rvalue that the stack owns; it is not
     * entered), or a spec of one. A callable may be, tried in this order:
     *
     * - `f()`: its result tells. An `asio::awaitable<void>` is awaited, an asynchronous operation is
     *   started; anything else makes the exit a synchronous one, and is ignored.
     * - `f(handler)`: an asynchronous operation itself, or a function that completes the handler, a
     *   `basic_exit_handler<Executor>`.
     * - `f(exit_state&)`: as `f()`.
     * - `f(exit_state&, handler)`: as `f(handler)`.
     *
     * It is called once, as an rvalue; what it holds is destroyed when the exit has ended, before the
     * next older one starts.
     *
     * Throws `stack_closed` if the stack is closed, `std::bad_function_call` if `f` is an empty
     * `std::function` or a null pointer, `std::bad_alloc`, and what moving or copying `f` throws.
     *
     * @par Caution
     * What the exit refers to must live until it has ended.
     */
    template <class F>
    exit_handle push(F&& f, source_location where = source_location::current())
    {
        auto& list = this->registrable();
        return list.link(detail::make_push<Executor>(list, std::forward<F>(f), where));
    }

    /// Registers an asynchronous exit; a synchronous one does not compile. Else as `push`.
    template <class F>
    exit_handle push_async_exit(F&& f, source_location where = source_location::current())
    {
        auto& list = this->registrable();
        return list.link(detail::make_async_exit<Executor>(list, std::forward<F>(f), where));
    }

    /// Registers `f(args...)`; callable and arguments are captured now, and passed on as rvalues.
    /** The exit sees nothing of the unwinding; it must be synchronous. Throws as `push` does. */
    template <class F, class Arg, class... Args>
    exit_handle callback(F&& f, Arg&& arg, Args&&... args)
    {
        auto& list = this->registrable();
        return list.link(detail::make_callback(list, std::forward<F>(f), source_location(),
            std::forward<Arg>(arg), std::forward<Args>(args)...));
    }

    /// Registers `f()`, with the place of the call.
    template <class F>
    exit_handle callback(F&& f, source_location where = source_location::current())
    {
        auto& list = this->registrable();
        return list.link(detail::make_callback(list, std::forward<F>(f), where));
    }

    /// Registers `f(args...)` that returns an awaitable or an operation, or `f(args..., handler)`.
    /** Callable and arguments are captured now, and passed on as rvalues. Throws as `push` does. */
    template <class F, class Arg, class... Args>
    exit_handle push_async_callback(F&& f, Arg&& arg, Args&&... args)
    {
        auto& list = this->registrable();
        return list.link(detail::make_async_callback<Executor>(list, std::forward<F>(f),
            source_location(), std::forward<Arg>(arg), std::forward<Args>(args)...));
    }

    /// Registers an asynchronous `f()` or `f(handler)`, with the place of the call.
    template <class F>
    exit_handle push_async_callback(F&& f, source_location where = source_location::current())
    {
        auto& list = this->registrable();
        return list.link(detail::make_async_callback<Executor>(list, std::forward<F>(f), where));
    }

    /// Constructs a T that the stack owns: its destructor is the exit. T may be immovable.
    template <class T, class... Args>
    T& emplace(Args&&... args)
    {
        auto& list = this->registrable();
        auto& e = detail::make_value<T>(list, std::forward<Args>(args)...);
        list.link(e);
        return detail::stored<detail::owned_value<T>>::get(e).held;
    }

    /// Registers a value with its release, which may be asynchronous.
    /**
     * The release is `release(T&[, exit_state&][, handler])`, of the shapes that `push` takes. The
     * stack owns the value, which is destroyed after its release. Throws as `push` does.
     */
    template <class T, class Release>
    std::decay_t<T>& adopt(
        T&& value, Release&& release, source_location where = source_location::current())
    {
        auto& list = this->registrable();
        auto& e = detail::make_adopted<Executor>(
            list, std::forward<T>(value), std::forward<Release>(release), where);
        list.link(e);
        return *static_cast<std::decay_t<T>*>(e.table->value(e));
    }

    /// Enters a context and registers its `async_exit`, else its `exit`; one without either is owned.
    /**
     * Calls `enter()` if the context has it, and returns its result; else returns the object. Takes
     * rvalues, which the stack owns, and `std::ref(context)`, which it does not. Where `enter()`
     * throws nothing is registered. A context with an `async_enter` is given to `async_enter`.
     */
    template <class Context>
    decltype(auto) enter(Context&& context, source_location where = source_location::current())
    {
        return detail::enter_any<Executor>(
            this->registrable(), std::forward<Context>(context), where);
    }

    /// Registers a group: an exit whose own exits unwind concurrently. Needs `<exeunt/exit_group.hpp>`.
    /** Returns the group, which the stack owns. */
    template <class Options = group_options>
    basic_exit_group<Executor>& push_group(
        Options options = {}, source_location where = source_location::current())
    {
        return enter(basic_exit_group<Executor>(get_executor(), options), where);
    }

    /// Forgets an exit without running it; what it holds is destroyed at once.
    /** Returns whether it was there and had not been started. Constant time. */
    bool dismiss(exit_handle handle) noexcept
    {
        // What the exit holds may own this stack.
        auto const core = this->core_;
        auto* e = core ? core->list.find(handle) : nullptr;
        if (e)
            core->list.forget(*e);
        return e != nullptr;
    }

    /// The exit that owns this value; a handle that names nothing if there is none.
    /** Linear in the number of exits that are newer than it. */
    exit_handle handle_of(void const* value) const noexcept
    {
        auto* e = this->core_ ? this->core_->list.owner_of(value) : nullptr;
        return e ? this->core_->list.handle(*e) : exit_handle();
    }

    /// Hands all exits that have not started over to a new stack; runs nothing. Strong guarantee.
    /** The new stack has the same executor and options. Acquires in flight stay with this one. */
    basic_async_exit_stack pop_all()
    {
        basic_async_exit_stack other(this->executor_, this->options_);
        if (this->core_ && !this->core_->list.empty()) {
            other.core_ = this->make_core();
            this->core_->hand_over(other.core_->list);
        }
        return other;
    }

    /// Reports a failure that the body returns by value: the exits see it as the cause.
    /** It does not come out of the close. Null takes it back. */
    void fail(std::exception_ptr error) { this->core().cause = std::move(error); }

    /// Forces the unwinding that is under way, or as soon as there is one.
    /**
     * The exit that runs is cut: its `on_cut` is called, then `terminal` is emitted on its slot; it is
     * waited for. Of the rest synchronous exits run as ever, an asynchronous one with a force runs
     * that alone, one without is started and cut at its first suspension. No effect on a closed stack.
     */
    void force() { base::force(); }

    /// Whether no exit is registered.
    bool empty() const noexcept { return size() == 0; }
    /// How many exits are registered and have not started.
    std::size_t size() const noexcept { return this->core_ ? this->core_->list.size() : 0; }
    /// Whether closing has not begun.
    bool is_open() const noexcept { return base::is_open(); }
    /// Lets this many exits of up to `small_capture` bytes be registered without allocating.
    void reserve(std::size_t exits) { this->core().list.reserve(exits); }

    /// What has not ended, newest first; the exit that runs stands in front, and says since when.
    std::vector<exit_view> pending() const
    {
        if (!this->core_)
            return {};
        auto* running = this->core_->running;
        if (running && !this->core_->list.runs(*running))
            running = nullptr;
        return detail::pending_exits(
            this->core_->list, running, this->core_->running_since, this->core_->depth);
    }

    /// Unwinds: runs every exit, newest first, then completes with what is left in flight.
    /**
     * Each exit starts when the newer one has ended. An exit that fails, in whatever way, does not
     * keep the older ones from running. Closing that is under way already is joined; a closed stack
     * completes at once; both without error.
     *
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Executor
     * Exits run on the stack's executor; if this is called there, the first starts within the call.
     * The handler runs on its associated executor, by default the stack's, and never within the call,
     * unless there is no memory to queue it. Both are given work as long as the operation lasts.
     *
     * @par Allocation
     * The operation's state comes from the handler's associated allocator, which exits are given as
     * well; all of that is freed before the handler is called. Frames of coroutines are Asio's.
     *
     * @par Cancellation
     * No exit is ever skipped. `terminal`: the first one cuts nothing, and makes sure that
     * `close_options::grace` is running; the second one forces the unwinding, as `force()` does.
     * `partial` and `total` are not offered: an unwinding is stopping already. A close that has joined
     * is detached by `terminal`, and completes with `operation_aborted`. Emit on the handler's
     * executor.
     *
     * @par Deadlines
     * The unwinding is forced when `close_options::timeout` is over, counted from here, or
     * `close_options::grace`, counted from the first `terminal`; from here if the cause is a
     * cancellation. Exits that are cut for that reason and have no force fail with `timed_out`. Exits
     * that ignore their slot are waited for nevertheless.
     *
     * @par Errors
     * One failure comes out as it is, several as `exit_errors`; cancellations alone as the first of
     * them. An exit that closes its own stack before it has suspended gets
     * `resource_deadlock_would_occur`.
     *
     * @par Lifetimes
     * The stack may be moved or destroyed meanwhile.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            typename base::initiate_close(self()), token, std::exception_ptr());
    }

    /// Unwinds as after a failure of the body: `cause` comes out unless an exit suppresses it.
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(std::exception_ptr cause, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            typename base::initiate_close(self()), token, std::move(cause));
    }

    /// Unwinds as after a failure with this code, which is a `system_error` then; none if it is clear.
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(boost::system::error_code cause, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            typename base::initiate_close(self()), token,
            cause ? detail::make_error(cause) : std::exception_ptr());
    }

    /// Unwinds as a part of another unwinding, so that a stack can be an exit of a stack.
    /**
     * The exits see the state of that unwinding, and their failures are in flight there: it completes
     * without error. Signature, executors and allocation are those of `async_close`.
     *
     * @par Cancellation
     * `terminal` forces it at once: who runs it as an exit has counted, and tells it when it is cut.
     * It inherits what is left of that unwinding's time in this way, and is forced from its begin if
     * that is forced already; its own options may bound it further.
     *
     * @par Lifetimes
     * `state` must stay valid until the operation has completed.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_exit(exit_state& state, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            typename base::initiate_exit(self()), token, &state);
    }

    /// Runs one exit now and forgets it; completes with its failure.
    /**
     * Waits while another exit is run in this way. While the stack is closing, that exit runs next,
     * and the close reports its failure; if it is running already, this waits for its end. A handle
     * that names nothing completes without error.
     *
     * Signature, executors, allocation and errors are those of `async_close`.
     *
     * @par Cancellation
     * `terminal` while it waits detaches it, with `operation_aborted`. While the exit runs the first
     * one cuts nothing, and the second cuts it. Time limits are those of `async_close`.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_run_now(exit_handle handle, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            typename base::initiate_run_now(self()), token, handle);
    }

    /// Awaits an operation that yields a resource, and registers that with its release in one step.
    /**
     * `operation` is an asynchronous operation or an `asio::awaitable<T>`. What it yields is moved
     * into the stack, and is released by `release(T&[, exit_state&][, handler])`, of the shapes that
     * `push` takes, or a spec of one; or by its own exit (`own_exit`). The memory for it is reserved
     * before the operation starts, so that what has been acquired cannot be lost; for the same reason T
     * and the release must be nothrow move constructible.
     *
     * While closing, the release is registered and runs next. If the stack has been closed or
     * destroyed meanwhile, the resource is released at once, and this completes with `stack_closed`.
     * If the operation fails nothing is registered.
     *
     * @par Completion signature
     * `void(std::exception_ptr, T*)`; the pointer is valid until the release has ended.
     *
     * @par Executor
     * Operation and release run on the stack's executor; the handler as with `async_close`.
     *
     * @par Cancellation
     * All types are passed on to the operation. One that succeeds nevertheless is registered.
     *
     * @par Errors
     * That of the operation; `stack_closed`.
     */
    template <class Operation, class Release,
        asio::completion_token_for<detail::acquire_signature<Operation>> Token =
            detail::default_value_token<Executor>>
        requires(!asio::completion_token_for<Release, detail::acquire_signature<Operation>>)
    decltype(auto) async_acquire(Operation&& operation, Release&& release, Token&& token = Token(),
        source_location where = source_location::current())
    {
        using signature = detail::acquire_signature<Operation>;
        typename base::initiate_acquire const initiate(self(), where);
        using result = decltype(asio::async_initiate<Token, signature>(
            initiate, token, std::forward<Operation>(operation), std::forward<Release>(release)));
        static_assert(detail::survives_co_await<result, Release>(),
            "exeunt: g++ 12 destroys this release twice when it is a temporary in the operand of "
            "co_await: capture by reference, or name it and pass std::ref(release), or the spec "
            "that you have named");
        return asio::async_initiate<Token, signature>(
            initiate, token, std::forward<Operation>(operation), std::forward<Release>(release));
    }

    /// Awaits an operation that yields a resource, and registers the resource's own exit.
    /** That is its `async_exit`, else its `exit`, else its destructor: `own_exit`. */
    template <class Operation,
        asio::completion_token_for<detail::acquire_signature<Operation>> Token =
            detail::default_value_token<Executor>>
    decltype(auto) async_acquire(Operation&& operation, Token&& token = Token(),
        source_location where = source_location::current())
    {
        return asio::async_initiate<Token, detail::acquire_signature<Operation>>(
            typename base::initiate_acquire(self(), where), token,
            std::forward<Operation>(operation), own_exit_t());
    }

    /// Awaits `async_enter` of a context, and registers its `async_exit`.
    /**
     * `async_enter(token)`, or `async_enter()` that returns an `asio::awaitable<R>`; a context
     * without either is just registered. Takes rvalues, which the stack owns, and
     * `std::ref(context)`, which it does not. If entering fails nothing is registered.
     *
     * @par Completion signature
     * `void(std::exception_ptr, R)`, or `void(std::exception_ptr)` where entering yields nothing.
     *
     * Executors, cancellation, errors and what happens when the stack closes meanwhile are those of
     * `async_acquire`.
     */
    template <class Context,
        asio::completion_token_for<detail::enter_signature_t<Context, Executor>> Token =
            detail::enter_token<Context, Executor>>
    decltype(auto) async_enter(Context&& context, Token&& token = Token(),
        source_location where = source_location::current())
    {
        static_assert(detail::check_context<Context>());
        static_assert(
            detail::is_async_context<detail::unwrapped_t<detail::function_of<Context>>, Executor>(),
            "exeunt: async_enter takes a context with async_exit: use enter for another one");
        using signature = detail::enter_signature_t<Context, Executor>;
        typename base::initiate_enter const initiate(self(), where);
        using result = decltype(asio::async_initiate<Token, signature>(
            initiate, token, std::forward<Context>(context)));
        static_assert(detail::survives_co_await<result, Context>(),
            "exeunt: g++ 12 destroys this context twice when it is a temporary in the operand of "
            "co_await: name the context and pass std::ref(context)");
        return asio::async_initiate<Token, signature>(
            initiate, token, std::forward<Context>(context));
    }

private:
    template <class, class>
    friend class detail::with_base;
    template <class>
    friend class detail::group_base;
    template <class>
    friend class basic_exit_group;
    template <class>
    friend class basic_async_exit_stack;

    using base = detail::stack_base<Executor>;

    base* self() noexcept { return this; }
};

/// The stack for every executor.
using async_exit_stack = basic_async_exit_stack<>;

} // namespace exeunt

#endif // EXEUNT_ASYNC_EXIT_STACK_HPP
