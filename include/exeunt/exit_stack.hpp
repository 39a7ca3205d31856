#ifndef EXEUNT_EXIT_STACK_HPP
#define EXEUNT_EXIT_STACK_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/config.hpp>
#include <exeunt/detail/exit_list.hpp>
#include <exeunt/detail/run_exits.hpp>
#include <exeunt/detail/sync_registration.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_handle.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_state.hpp>
#include <exeunt/on_exit.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

namespace exeunt {

/// After `reserve(n)`, n exits whose callables have at most this many bytes do not allocate.
/** In bytes; for callables whose alignment is not above a pointer's. */
inline constexpr std::size_t small_capture = detail::exit_list::small_capture;

/// A synchronous stack of exits: what was acquired is given back in reverse order, once.
/**
 * 1. A stack is open when it is made. While it is open, exits are registered: callables, values with
 *    a release, contexts, plain RAII objects. References to values stay valid, through moves and
 *    `pop_all`, until their exit has ended.
 * 2. `close` unwinds: every exit runs, newest first, whatever those before it threw. `is_open()` is
 *    false from here on. An exit registered by an exit runs next.
 * 3. What is in flight at the end is thrown: one failure as it is, several as `exit_errors`.
 * 4. A closed stack stays closed; closing it again does nothing. Assign a fresh one to begin again.
 * 5. The destructor unwinds what was not closed, with an unknown outcome: exits that are
 *    `only_on_failure` run, those that are `only_on_success` do not. Failures go to the observer;
 *    nothing terminates.
 *
 * @par Caution
 * What an exit touches must outlive it: let the stack own it (`emplace`, `adopt`, `enter`), or
 * declare it before the stack. The stack's destructor runs its exits when younger locals are gone.
 * What is being registered must not hand over or move the stack from its constructor or `enter`.
 *
 * @par Exception safety
 * Registering gives the strong guarantee: where it throws, nothing is registered and the callable
 * has not been moved from.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: unsafe. An exit may move the stack that runs it; neither
 * an exit nor the destructor of what it holds may destroy the stack or assign to it.
 */
class exit_stack
{
public:
    /// Makes an open, empty stack; does not allocate.
    exit_stack() noexcept = default;

    /// Makes an open, empty stack with these options.
    explicit exit_stack(close_options options) noexcept
        : options_(options)
    {
    }

    /// Takes over all exits of `other`, which is open and empty afterwards.
    exit_stack(exit_stack&& other) noexcept
        : list_(std::move(other.list_))
        , cause_(std::exchange(other.cause_, nullptr))
        , options_(other.options_)
        , state_(other.hand_over_state())
    {
    }

    /// Unwinds what this stack holds, as the destructor does, then takes over all of `other`.
    exit_stack& operator=(exit_stack&& other) noexcept
    {
        if (this != &other) {
            unwind_unclosed();
            list_.take(other.list_);
            cause_ = std::exchange(other.cause_, nullptr);
            options_ = other.options_;
            state_ = other.hand_over_state();
        }
        return *this;
    }

    /// Unwinds what has not been closed; failures go to the observer.
    ~exit_stack()
    {
        if (!list_.empty())
            unwind_unclosed();
    }

    /// Registers an exit: a callable `f()` or `f(exit_state&)`, a context, or a spec of one.
    /**
     * A context is registered without being entered, by `std::ref(context)` or as an rvalue.
     * Whatever an exit returns is ignored; a suppressing exit says `state.suppress()`.
     *
     * Throws `stack_closed` if the stack is closed, `std::bad_function_call` if `f` is an empty
     * `std::function` or a null pointer, `std::bad_alloc`, and what moving or copying `f` throws.
     */
    template <class F>
    exit_handle push(F&& f, source_location where = source_location::current())
    {
        require_registrable();
        return list_.link(detail::make_sync_push(list_, std::forward<F>(f), where));
    }

    /// Registers `f(args...)`; callable and arguments are captured now, and passed on as rvalues.
    /** The exit sees nothing of the unwinding. Throws as `push` does. */
    template <class F, class Arg, class... Args>
    exit_handle callback(F&& f, Arg&& arg, Args&&... args)
    {
        require_registrable();
        return list_.link(detail::make_callback(list_, std::forward<F>(f), source_location(),
            std::forward<Arg>(arg), std::forward<Args>(args)...));
    }

    /// Registers `f()`, with the place of the call.
    template <class F>
    exit_handle callback(F&& f, source_location where = source_location::current())
    {
        require_registrable();
        return list_.link(detail::make_callback(list_, std::forward<F>(f), where));
    }

    /// Constructs a T that the stack owns: its destructor is the exit. T may be immovable.
    template <class T, class... Args>
    T& emplace(Args&&... args)
    {
        require_registrable();
        auto& e = detail::make_value<T>(list_, std::forward<Args>(args)...);
        list_.link(e);
        return detail::stored<detail::owned_value<T>>::get(e).held;
    }

    /// Registers a value with its release: `release(T&)` or `release(T&, exit_state&)`.
    /** The stack owns the value, which is destroyed after its release. Throws as `push` does. */
    template <class T, class Release>
    std::decay_t<T>& adopt(
        T&& value, Release&& release, source_location where = source_location::current())
    {
        require_registrable();
        auto& e = detail::make_sync_adopted(
            list_, std::forward<T>(value), std::forward<Release>(release), where);
        list_.link(e);
        return *static_cast<std::decay_t<T>*>(e.table->value(e));
    }

    /// Enters a context and registers its `exit(exit_state&)`; an object without one is owned.
    /**
     * Calls `enter()` if the context has both, and returns its result; else returns the object.
     * Takes rvalues, which the stack owns, and `std::ref(context)`, which it does not. Where
     * `enter()` throws nothing is registered.
     */
    template <class Context>
    decltype(auto) enter(Context&& context, source_location where = source_location::current())
    {
        require_registrable();
        return detail::enter_sync(list_, std::forward<Context>(context), where);
    }

    /// Forgets an exit without running it; what it holds is destroyed at once.
    /** Returns whether it was there. Constant time. */
    bool dismiss(exit_handle handle) noexcept
    {
        auto* e = list_.find(handle);
        if (e)
            list_.forget(*e);
        return e != nullptr;
    }

    /// Runs one exit now and forgets it; throws its failure. Returns whether it was there.
    bool run_now(exit_handle handle);

    /// The exit that owns this emplaced, adopted or entered value; one that names nothing else.
    /** Linear in the number of exits that are newer than it. */
    exit_handle handle_of(void const* value) const noexcept
    {
        auto* e = list_.owner_of(value);
        return e ? list_.handle(*e) : exit_handle();
    }

    /// Hands all exits over to a stack of the same options; runs nothing. This one stays as it is.
    exit_stack pop_all()
    {
        exit_stack other(options_);
        other.list_.take(list_);
        return other;
    }

    /// Reports a failure that the body returns by value: the exits see it as the cause.
    /** It is not thrown by `close`. Null takes it back. */
    void fail(std::exception_ptr error) noexcept { cause_ = std::move(error); }

    /// Unwinds; throws what is left in flight. Does nothing if the stack is not open.
    void close() { close(nullptr); }

    /// Unwinds as after a failure of the body: rethrows `cause` unless an exit suppresses it.
    void close(std::exception_ptr cause);

    /// Unwinds as a part of another unwinding; what fails is in flight there. Never throws.
    void exit(exit_state& state);

    /// Whether no exit is registered.
    bool empty() const noexcept { return list_.empty(); }
    /// How many exits are registered.
    std::size_t size() const noexcept { return list_.size(); }
    /// Whether closing has not begun.
    bool is_open() const noexcept { return state_ == state::open; }
    /// Lets this many exits of up to `small_capture` bytes be registered without allocating.
    void reserve(std::size_t exits) { list_.reserve(exits); }

    /// What has not run, newest first; while closing, the exit that runs stands in front.
    std::vector<exit_view> pending() const;

private:
    enum class state : unsigned char { open, under_way, closed };

    void require_registrable() const
    {
        if (state_ == state::closed)
            throw stack_closed();
    }

    // One that is closing goes on with what is registered with it from now on.
    state hand_over_state() noexcept
    {
        return state_ == state::under_way ? state::open : std::exchange(state_, state::open);
    }

    // What becomes of what is in flight at the end.
    enum class ending : unsigned char { reported, nested, unclosed };

    std::exception_ptr unwind(exit_state& outcome, ending how) noexcept;
    EXEUNT_RARE void unwind_unclosed() noexcept;

    detail::exit_list list_;
    std::exception_ptr cause_;
    close_options options_;
    // How many stacks it is nested in while it closes.
    std::size_t depth_ = 0;
    state state_ = state::open;
};

/// Runs `body(stack)`, then unwinds the stack with the body's outcome; returns the decayed result.
/**
 * Throws what is left in flight. Where an exit suppresses the body's failure the result is a
 * value-initialised one.
 *
 * @code
 * auto size = exeunt::with([&](exeunt::exit_stack& stack) {
 *     auto& file = stack.adopt(open_file(name), close_file);
 *     return size_of(file);
 * });
 * @endcode
 */
template <class Body>
auto with(close_options options, Body&& body)
{
    using result_type = std::decay_t<std::invoke_result_t<Body, exit_stack&>>;
    static_assert(!detail::is_unstarted_work<result_type>,
        "exeunt: this body is asynchronous: use async_with");
    exit_stack stack(options);
    std::exception_ptr cause;
    if constexpr (std::is_void_v<result_type>) {
        try {
            std::invoke(std::forward<Body>(body), stack);
        } catch (...) {
            cause = std::current_exception();
        }
        stack.close(std::move(cause));
    } else {
        static_assert(std::is_default_constructible_v<result_type>,
            "exeunt: an exit may suppress the body's failure, which leaves no result but a default "
            "one: let the body return a std::optional");
        std::optional<result_type> result;
        try {
            result.emplace(std::invoke(std::forward<Body>(body), stack));
        } catch (...) {
            cause = std::current_exception();
        }
        stack.close(std::move(cause));
        return result ? result_type(std::move(*result)) : result_type();
    }
}

/// Runs `body(stack)` with default options.
template <class Body>
auto with(Body&& body)
{
    return with(close_options(), std::forward<Body>(body));
}

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/exit_stack.ipp>
#endif

#endif // EXEUNT_EXIT_STACK_HPP
