#ifndef EXEUNT_EXIT_GROUP_HPP
#define EXEUNT_EXIT_GROUP_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/detail/group_operation.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/async_result.hpp>

#include <cstddef>
#include <exception>
#include <type_traits>
#include <utility>
#include <vector>

namespace exeunt {

/// How a group unwinds.
struct group_options
{
    /// So many exits run at the same time, at most; at least one.
    std::size_t limit = static_cast<std::size_t>(-1);
};

/// Exits that do not depend on each other: they unwind concurrently.
/**
 * 1. A group is open when it is made. Exits are registered with it as with a stack.
 * 2. It is an exit of a stack: `stack.push_group({.limit = 8})` makes one that the stack owns. At its
 *    turn it starts its exits, newest first, so many at a time, and has ended when all have.
 * 3. What its exits fail with is in flight in the stack then, all of it, each with its name.
 * 4. Each exit sees in its `exit_state` what was in flight when the group began, and the cause. If one
 *    suppresses or replaces that, it is so for the stack, and for the exits that begin later. Failures
 *    of others in the group it does not see. What two have put in place of the same stays, both.
 * 5. What is registered while the group unwinds runs, too. Once closed, registering throws
 *    `stack_closed`.
 * 6. Destroyed without being closed, it gives up what it holds as a stack does.
 *
 * An exit that comes and goes, as that of a server's session does, is registered and dismissed in
 * constant time, and leaves memory as it was.
 *
 * It is cut and forced with its stack; limits of its own exits are theirs.
 *
 * @par Caution
 * What an exit touches must outlive it, as with a stack. It runs at the same time as others of its
 * group, on one executor.
 *
 * @par Thread safety
 * That of a stack.
 */
template <class Executor = asio::any_io_executor>
class basic_exit_group : private basic_async_exit_stack<Executor>
{
    using base = basic_async_exit_stack<Executor>;

public:
    using executor_type = Executor;

    /// Makes an open, empty group; does not allocate.
    explicit basic_exit_group(Executor const& executor, group_options options = {})
        : base(executor)
        , limit_(options.limit == 0 ? 1 : options.limit)
    {
    }

    /// Makes an open, empty group on the executor of an execution context.
    template <class ExecutionContext>
        requires(std::is_convertible_v<ExecutionContext&, asio::execution_context&>&&
                std::is_constructible_v<Executor, typename ExecutionContext::executor_type>)
    explicit basic_exit_group(ExecutionContext& context, group_options options = {})
        : basic_exit_group(context.get_executor(), options)
    {
    }

    /// Takes over all exits of `other`, which is open and empty then.
    basic_exit_group(basic_exit_group&& other) noexcept = default;
    basic_exit_group& operator=(basic_exit_group&& other) noexcept = default;
    ~basic_exit_group() = default;

    // What is not said here is as in basic_async_exit_stack.
    using base::dismiss;
    using base::empty;
    using base::force;
    using base::get_executor;
    using base::handle_of;
    using base::is_open;
    using base::reserve;
    using base::size;

    using base::async_acquire;
    using base::async_enter;

    /// Registers an exit, synchronous or asynchronous by its shape.
    template <class F>
    exit_handle push(F&& f, source_location where = source_location::current())
    {
        return registered(base::push(std::forward<F>(f), where));
    }

    /// Registers an asynchronous exit; a synchronous one does not compile.
    template <class F>
    exit_handle push_async_exit(F&& f, source_location where = source_location::current())
    {
        return registered(base::push_async_exit(std::forward<F>(f), where));
    }

    /// Registers `f(args...)`, which is synchronous.
    template <class F, class Arg, class... Args>
    exit_handle callback(F&& f, Arg&& arg, Args&&... args)
    {
        return registered(base::callback(
            std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...));
    }

    /// Registers `f()`, which is synchronous, with the place of the call.
    template <class F>
    exit_handle callback(F&& f, source_location where = source_location::current())
    {
        return registered(base::callback(std::forward<F>(f), where));
    }

    /// Registers `f(args...)`, which is asynchronous.
    template <class F, class Arg, class... Args>
    exit_handle push_async_callback(F&& f, Arg&& arg, Args&&... args)
    {
        return registered(base::push_async_callback(
            std::forward<F>(f), std::forward<Arg>(arg), std::forward<Args>(args)...));
    }

    /// Registers an asynchronous `f()` or `f(handler)`, with the place of the call.
    template <class F>
    exit_handle push_async_callback(F&& f, source_location where = source_location::current())
    {
        return registered(base::push_async_callback(std::forward<F>(f), where));
    }

    /// Constructs a T that the group owns: its destructor is the exit.
    template <class T, class... Args>
    T& emplace(Args&&... args)
    {
        return registered(base::template emplace<T>(std::forward<Args>(args)...));
    }

    /// Registers a value with its release, which may be asynchronous.
    template <class T, class Release>
    std::decay_t<T>& adopt(
        T&& value, Release&& release, source_location where = source_location::current())
    {
        return registered(
            base::adopt(std::forward<T>(value), std::forward<Release>(release), where));
    }

    /// Enters a context and registers its `async_exit`, else its `exit`; one without either is owned.
    template <class Context>
    decltype(auto) enter(Context&& context, source_location where = source_location::current())
    {
        if constexpr (std::is_void_v<decltype(base::enter(std::forward<Context>(context), where))>)
        {
            base::enter(std::forward<Context>(context), where);
            registered(true);
        } else {
            return registered(base::enter(std::forward<Context>(context), where));
        }
    }

    /// What has not begun, newest first. What runs is shown by observers.
    std::vector<exit_view> pending() const { return base::pending(); }

    /// Unwinds as a part of another unwinding: as an exit of a stack.
    /**
     * Its failures are in flight in `state`; completes without error. While the group unwinds already
     * this waits for the end. An exit that waits for its own group before it has suspended gets
     * `resource_deadlock_would_occur`; later it waits until it is cut.
     *
     * @par Completion signature
     * `void(std::exception_ptr)`
     *
     * @par Executor
     * Exits run on the group's executor, the handler on its associated executor, by default the same, and
     * never within the call. Both are given work as long as the operation lasts.
     *
     * @par Allocation
     * The operation's state, and that of each exit that runs, come from the handler's associated
     * allocator, and are freed before the handler is called.
     *
     * @par Cancellation
     * `terminal` forces: the exits that run are cut, the others are forced. Who runs it as an exit has
     * counted. `partial` and `total` are not offered: an unwinding is stopping already.
     *
     * @par Deadlines
     * Those of the unwinding around it, and those of its exits.
     *
     * @par Lifetimes
     * `state` must stay valid until the operation has completed. The group may be moved or destroyed.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_exit(exit_state& state, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_exit(this), token, &state);
    }

    /// Unwinds by itself; completes with what is in flight at the end.
    /**
     * As a stack with these options does whose only exit is this group. Closing that is under way
     * already is joined, whatever the options say, and a closed group completes at once, both without
     * error. A close that has joined is detached by `terminal`.
     *
     * @par Lifetimes
     * The group may be moved or destroyed meanwhile.
     */
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(close_options options, Token&& token = Token())
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            initiate_close(this), token, options);
    }

    /// Unwinds by itself, with default options.
    template <asio::completion_token_for<void(std::exception_ptr)> Token =
                  detail::default_token<Executor>>
    decltype(auto) async_close(Token&& token = Token())
    {
        return async_close(close_options(), std::forward<Token>(token));
    }

private:
    class initiation
    {
    public:
        using executor_type = Executor;

        explicit initiation(basic_exit_group* group) noexcept
            : group_(group)
        {
        }

        executor_type get_executor() const noexcept { return group_->get_executor(); }

    protected:
        basic_exit_group* group_;
    };

    class initiate_exit : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, exit_state* state) const
        {
            this->group_->unwind(std::forward<Handler>(handler), *state);
        }
    };

    class initiate_close : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, close_options const& options) const
        {
            this->group_->close_alone(std::forward<Handler>(handler), options);
        }
    };

    template <class Handler>
    void unwind(Handler&& handler, exit_state& state)
    {
        if (!this->is_open())
            return join(std::forward<Handler>(handler), &state);
        static_cast<void>(this->core());
        this->template initiate<detail::group_base<Executor>>(std::forward<Handler>(handler),
            get_executor(), this->core_, close_options(), limit_, state);
    }

    // Where the close begins within the call, exits may destroy this object.
    template <class Handler>
    void close_alone(Handler&& handler, close_options const& options)
    {
        if (!this->is_open())
            return join(std::forward<Handler>(handler), nullptr);
        static_cast<void>(this->core());
        auto const core = this->core_;
        base around(get_executor(), options);
        auto const exit = around.push(detail::group_exit<Executor>(*this, limit_));
        core->phase = detail::stack_core::state::under_way;
        try {
            around.async_close(std::forward<Handler>(handler));
        } catch (...) {
            if (around.is_open()) {
                core->phase = detail::stack_core::state::open;
                around.dismiss(exit);
            }
            throw;
        }
    }

    // What is under way, or has ended.
    template <class Handler>
    void join(Handler&& handler, exit_state* outer)
    {
        if (is_inside_exit())
            return this->refuse(std::forward<Handler>(handler));
        this->close(std::forward<Handler>(handler), nullptr, outer);
    }

    // Whoever asks would wait for itself.
    bool is_inside_exit() const noexcept
    {
        auto const* active = this->core_ ? this->core_->active : nullptr;
        return active && active->is_inside_exit();
    }

    template <class Result>
    Result&& registered(Result&& result)
    {
        if (auto* active = this->core_->active)
            active->registered();
        return std::forward<Result>(result);
    }
    exit_handle registered(exit_handle handle)
    {
        return static_cast<exit_handle&&>(registered<exit_handle&>(handle));
    }

    std::size_t limit_;
};

/// The group for every executor.
using exit_group = basic_exit_group<>;

namespace detail {
template <class Executor>
inline constexpr bool is_async_stack<basic_exit_group<Executor>> = true;
} // namespace detail

} // namespace exeunt

#endif // EXEUNT_EXIT_GROUP_HPP
