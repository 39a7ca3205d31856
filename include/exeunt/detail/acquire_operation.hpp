#ifndef EXEUNT_DETAIL_ACQUIRE_OPERATION_HPP
#define EXEUNT_DETAIL_ACQUIRE_OPERATION_HPP

#include <exeunt/detail/close_operation.hpp>
#include <exeunt/detail/default_token.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace exeunt::detail {

// The value of an asynchronous operation: what it completes with after an error_code or exception_ptr.
template <class... Values>
struct yielded_values
{
    using type = std::tuple<Values...>;
};
template <>
struct yielded_values<>
{
    using type = void;
};
template <class T>
struct yielded_values<T>
{
    using type = std::decay_t<T>;
};

template <class Signature>
struct yielded_by_signature;
template <class R>
struct yielded_by_signature<R()> : yielded_values<>
{
};
template <class R, class First, class... Rest>
struct yielded_by_signature<R(First, Rest...)>
    : std::conditional_t<
          std::is_same_v<std::decay_t<First>,
              boost::system::error_code> || std::is_same_v<std::decay_t<First>, std::exception_ptr>,
          yielded_values<Rest...>, yielded_values<First, Rest...>>
{
};

template <class Operation>
struct yielded_by_operation : yielded_by_signature<asio::completion_signature_of_t<Operation>>
{
};
template <class T, class E>
struct yielded_by_operation<asio::awaitable<T, E>>
{
    using type = T;
};

template <class Operation>
using yielded_by = typename yielded_by_operation<Operation>::type;

// g++ warns of the frame of a coroutine whose T is in an unnamed namespace.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wsubobject-linkage"
#endif
template <class T, class E>
asio::awaitable<void, E> keep_result(asio::awaitable<T, E> job, std::optional<T>& into)
{
    into.emplace(co_await std::move(job));
}
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

// The exit handler of an operation that yields a value: keeps the value where the operation is told.
template <class Executor, class T>
class keeping_handler
{
public:
    using executor_type = Executor;
    using allocator_type = exit_allocator<void>;
    using cancellation_slot_type = asio::cancellation_slot;

    keeping_handler(basic_exit_handler<Executor> handler, std::optional<T>& into) noexcept
        : handler_(std::move(handler))
        , into_(&into)
    {
    }

    executor_type get_executor() const noexcept { return handler_.get_executor(); }
    allocator_type get_allocator() const noexcept { return handler_.get_allocator(); }
    cancellation_slot_type get_cancellation_slot() const noexcept
    {
        return handler_.get_cancellation_slot();
    }

    template <class First, class... Rest>
    void operator()(First&& first, Rest&&... rest)
    {
        using type = std::decay_t<First>;
        constexpr bool is_error =
            std::is_same_v<type,
                boost::system::error_code> || std::is_same_v<type, std::exception_ptr>;
        // Also by way of a conversion, from nullptr for instance.
        constexpr bool becomes_error =
            !std::is_constructible_v<T, First,
                Rest...> && (std::is_convertible_v<First, boost::system::error_code> || std::is_convertible_v<First, std::exception_ptr>);
        constexpr bool has_error = is_error || becomes_error;
        std::exception_ptr error;
        try {
            if constexpr (!has_error)
                into_->emplace(std::forward<First>(first), std::forward<Rest>(rest)...);
            else if (!(error = failure_of(std::forward<First>(first))))
                into_->emplace(std::forward<Rest>(rest)...);
        } catch (...) {
            error = std::current_exception();
        }
        std::move(handler_)(std::move(error));
    }

private:
    basic_exit_handler<Executor> handler_;
    std::optional<T>* into_;
};

template <class Executor, class T>
inline constexpr bool is_exit_handler_on<keeping_handler<Executor, T>, Executor> = true;

// Starts an operation or an awaitable, and keeps what it yields.
template <class Executor, class T, class Operation>
void start_keeping(exit_runner<Executor>& runner, Operation&& operation, std::optional<T>& into)
{
    if constexpr (is_awaitable<std::decay_t<Operation>>)
        runner.await(keep_result(std::move(operation), into));
    else
        static_cast<void>(std::forward<Operation>(operation)(
            keeping_handler<Executor, T>(runner.make_handler(), into)));
}

template <class Operation>
using acquire_signature = void(std::exception_ptr, yielded_by<std::decay_t<Operation>>*);

inline std::exception_ptr make_stack_closed() noexcept
{
    try {
        return std::make_exception_ptr(stack_closed());
    } catch (...) {
        return std::current_exception();
    }
}

// Awaits something, then registers an exit for it, in a slot that was reserved before.
template <class Executor, class Payload>
class register_base : public unwind_base<Executor>
{
public:
    using executor_type = Executor;

protected:
    register_base(Executor const& executor, core_ptr core, close_options const& options,
        exit_table const& table, source_location where)
        : unwind_base<Executor>(executor, std::move(core), options)
        , table_(table)
        , where_(where)
    {
        this->core_->reserve(reservation_, stored<Payload>::slot_class);
        try {
            box_ = stored<Payload>::allocate_box();
        } catch (...) {
            return_slot();
            throw;
        }
    }

    ~register_base()
    {
        if (!reservation_.slot)
            return;
        return_slot();
        if (box_)
            stored<Payload>::deallocate_box(box_);
    }

    static constexpr bool has_body() noexcept { return true; }
    void prepare() noexcept {}
    void roll_back() noexcept {}

    // Ends the operation with the exit registered; or, if the stack is closed, runs the exit first.
    template <class... Args>
    void register_exit(Args&&... args)
    {
        auto& core = *this->core_;
        entry& e = core.take(reservation_);
        stored<Payload>::construct_with(box_, e, std::forward<Args>(args)...);
        core.list.adopt(e, table_, where_);
        if (core.phase != stack_core::state::closed) {
            exit_registered(e);
            if (core.active)
                core.active->registered();
            return end();
        }
        this->body_has_ended();
        releasing_ = true;
        this->state_ = &this->own_state_.emplace(make_stack_closed());
        this->begin_unwinding(cancelled_, this->forced_before());
        this->begin_observing(1);
        if (this->run_exit(e))
            end_release();
    }

    // The exit is registered: what the caller is given is known now.
    virtual void exit_registered(entry& e) noexcept = 0;
    // What was awaited has ended, successfully or with an error.
    virtual void awaited() = 0;

    void fail(std::exception_ptr error)
    {
        error_ = std::move(error);
        end();
    }

    void job_ended() override
    {
        if (!releasing_)
            return awaited();
        this->end_exit();
        end_release();
    }

    void job_lost() override { abandon(); }

    void abandon()
    {
        if (this->runs_exit()) {
            // stack_closed is of no interest to anybody but the caller, who is gone.
            exit_state_access::leave_cause_unreported(*this->state_);
            this->abandon_exit();
        }
        this->end_driver();
        this->lose();
    }

    void cancelled(asio::cancellation_type types, unsigned terminals) override
    {
        bool const cancels = types != asio::cancellation_type::none;
        cancelled_ = cancelled_ || cancels;
        if (!releasing_)
            return cancels ? this->emit(types) : void();
        if (cancels)
            this->limit_to_grace();
        this->hurry_on(terminals);
    }

    void deadline_settled() override { end_release(); }

    std::exception_ptr error_;

private:
    void return_slot() noexcept
    {
        auto const slot_class = reservation_.slot_class;
        this->core_->list.return_slot(this->core_->take(reservation_), slot_class);
    }

    void end_release()
    {
        if (!this->settle_deadline())
            return;
        error_ = this->take_outcome();
        end();
    }

    void end()
    {
        this->end_driver();
        this->finish();
    }

    exit_table const& table_;
    source_location where_;
    slot_reservation reservation_;
    void* box_ = nullptr;
    bool releasing_ = false;
    bool cancelled_ = false;
};

// What becomes of a value that an acquire yields: its payload and the table of that.
template <class Executor, class T, class Source>
struct acquired_with_release
{
    using traits = adopted_traits<Executor, T, Source>;
    using payload = typename traits::payload;
    static constexpr bool makes = makes_exit<function_of<Source>, T>();
    static_assert(!makes || std::is_nothrow_invocable_v<function_of<Source>, T&>,
        "exeunt: what is acquired must not be lost on the way: what makes its exit must be "
        "noexcept");

    static exit_table const& table() noexcept { return table_of<traits, Executor>(); }
};

// `Source` says more about it.
template <class Executor, class T, class Source>
struct acquired_by_itself
{
    using words = words_of<Source>;
    static constexpr bool async = is_async_context<T, Executor>();
    using payload = std::conditional_t<async, async_context_exit<T, words>,
        std::conditional_t<has_sync_exit<T>, context_exit<T, words>, owned_value<T, words>>>;

    static exit_table const& table() noexcept
    {
        if constexpr (async)
            return async_table<payload, Executor>;
        else
            return sync_table<payload>;
    }
};

template <class Source>
inline constexpr bool is_own_exit = std::is_same_v<function_of<Source>, own_exit_t>;

template <class Executor, class Operation, class Source>
struct acquire_traits
{
    using value_type = yielded_by<Operation>;
    static_assert(!std::is_void_v<value_type>,
        "exeunt: what is acquired is the value that the operation yields: this one yields none");
    static_assert(std::is_nothrow_move_constructible_v<
                      value_type> && std::is_nothrow_move_constructible_v<Source>,
        "exeunt: what is acquired, and its release, are moved into the stack and must not be lost "
        "on "
        "the way: make them nothrow move constructible, for instance by a std::unique_ptr");
    using kept = typename std::conditional_t<is_own_exit<Source>,
        std::type_identity<acquired_by_itself<Executor, value_type, Source>>,
        std::type_identity<acquired_with_release<Executor, value_type, Source>>>::type;
    using payload = typename kept::payload;
};

// Awaits an operation that yields a resource, and registers the resource with its release.
template <class Executor, class Operation, class Source>
class acquire_base
    : public register_base<Executor, typename acquire_traits<Executor, Operation, Source>::payload>
{
    using traits = acquire_traits<Executor, Operation, Source>;
    using value_type = typename traits::value_type;
    using base = register_base<Executor, typename traits::payload>;

public:
    acquire_base(Executor const& executor, core_ptr core, close_options const& options,
        source_location where, Operation&& operation, Source&& release)
        : base(executor, std::move(core), options, traits::kept::table(), where)
        , operation_(std::move(operation))
        , release_(std::move(release))
    {
    }

protected:
    ~acquire_base() = default;

    void start()
    {
        if (this->run_job([this] { start_keeping(*this, std::move(*operation_), value_); }))
            awaited();
    }

    std::tuple<std::exception_ptr, value_type*> results() noexcept
    {
        return {std::move(this->error_), acquired_};
    }

private:
    void awaited() override
    {
        operation_.reset();
        if (auto error = this->job_failure())
            return this->fail(std::move(error));
        if constexpr (is_own_exit<Source>)
            this->register_exit(take_words(std::move(release_)), std::move(*value_));
        else
            this->register_exit(std::move(*value_), std::move(release_));
    }

    void exit_registered(entry& e) noexcept override
    {
        acquired_ = static_cast<value_type*>(e.table->value(e));
    }

    std::optional<Operation> operation_;
    [[no_unique_address]] Source release_;
    std::optional<value_type> value_;
    value_type* acquired_ = nullptr;
};

// What async_enter of a context yields.
template <class C, class Executor>
consteval auto entered_type()
{
    if constexpr (is_async_stack<C>)
        return std::type_identity<void>();
    else if constexpr (requires(C & context) { context.async_enter(asio::deferred); })
        return std::type_identity<
            yielded_by<std::decay_t<decltype(std::declval<C&>().async_enter(asio::deferred))>>>();
    else if constexpr (requires(C & context) { context.async_enter(); })
        return std::type_identity<
            yielded_by<std::decay_t<decltype(std::declval<C&>().async_enter())>>>();
    else
        return std::type_identity<void>();
}

template <class C, class Executor>
using entered_by = typename decltype(entered_type<C, Executor>())::type;

template <class R>
struct enter_signature
{
    using type = void(std::exception_ptr, R);
};
template <>
struct enter_signature<void>
{
    using type = void(std::exception_ptr);
};

template <class Context, class Executor>
using enter_signature_t =
    typename enter_signature<entered_by<unwrapped_t<function_of<Context>>, Executor>>::type;

template <class Context, class Executor>
using enter_token =
    std::conditional_t<std::is_void_v<entered_by<unwrapped_t<function_of<Context>>, Executor>>,
        default_token<Executor>, default_value_token<Executor>>;

// An owned context is kept where it is: it is entered before it is registered.
template <class F>
struct kept_context
{
    using type = std::unique_ptr<F>;
};
template <class C>
struct kept_context<std::reference_wrapper<C>>
{
    using type = std::reference_wrapper<C>;
};

template <class Source>
auto keep_context(Source&& source)
{
    using F = function_of<Source>;
    if constexpr (is_reference_wrapper<F>)
        return F(take_function(std::forward<Source>(source)));
    else
        return std::make_unique<F>(take_function(std::forward<Source>(source)));
}

// Awaits async_enter of a context, and registers its async_exit.
template <class Executor, class F, class Words>
class enter_base
    : public register_base<Executor, async_context_exit<typename kept_context<F>::type, Words>>
{
    using held_type = typename kept_context<F>::type;
    using context_type = unwrapped_t<F>;
    using payload = async_context_exit<held_type, Words>;
    using base = register_base<Executor, payload>;
    using result_type = entered_by<context_type, Executor>;
    using kept_result =
        std::conditional_t<std::is_void_v<result_type>, std::monostate, result_type>;

public:
    enter_base(Executor const& executor, core_ptr core, close_options const& options,
        source_location where, held_type&& held, Words&& words)
        : base(executor, std::move(core), options, async_table<payload, Executor>, where)
        , words_(std::move(words))
        , held_(std::move(held))
    {
    }

protected:
    ~enter_base() = default;

    void start()
    {
        if (this->run_job([&] { start_entering(context_in(held_)); }))
            awaited();
    }

    auto results() noexcept
    {
        if constexpr (std::is_void_v<result_type>)
            return std::tuple<std::exception_ptr>(std::move(this->error_));
        else
            return std::tuple<std::exception_ptr, result_type>(std::move(this->error_),
                result_ && !this->error_ ? result_type(std::move(*result_)) : result_type());
    }

private:
    void start_entering(context_type& context)
    {
        if constexpr (!std::is_void_v<result_type>) {
            if constexpr (requires { context.async_enter(asio::deferred); })
                start_keeping(*this, context.async_enter(asio::deferred), result_);
            else
                start_keeping(*this, context.async_enter(), result_);
        } else if constexpr (!is_entered_async<context_type, Executor>) {
            this->make_handler()();
        } else if constexpr (requires { context.async_enter(this->make_handler()); }) {
            static_cast<void>(context.async_enter(this->make_handler()));
        } else {
            start_result(*this, context.async_enter());
        }
    }

    void awaited() override
    {
        if (auto error = this->job_failure())
            return this->fail(std::move(error));
        this->register_exit(std::move(words_), std::move(held_));
    }

    void exit_registered(entry&) noexcept override {}

    [[no_unique_address]] Words words_;
    held_type held_;
    std::optional<kept_result> result_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_ACQUIRE_OPERATION_HPP
