#ifndef EXEUNT_DETAIL_WITH_OPERATION_HPP
#define EXEUNT_DETAIL_WITH_OPERATION_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/detail/acquire_operation.hpp>

#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/is_executor.hpp>
#include <boost/asio/system_executor.hpp>

#include <exception>
#include <functional>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace exeunt::detail {

template <class T>
concept executor_type =
    asio::execution::is_executor<T>::value || asio::is_executor<std::decay_t<T>>::value;

template <class T>
concept context_type = std::is_convertible_v < std::remove_reference_t<T>
&, asio::execution_context& > ;

template <class T>
concept executor_source = executor_type<std::decay_t<T>> || context_type<T>;

template <class T>
concept is_scope_body =
    !executor_source<T> && !std::is_same_v<std::remove_cvref_t<T>, close_options>;

template <class Source>
auto executor_of(Source& source)
{
    if constexpr (context_type<Source>)
        return source.get_executor();
    else
        return source;
}

template <class Body, class Executor>
inline constexpr bool is_body_for =
    std::is_invocable_v<Body,
        basic_async_exit_stack<
            Executor>&> || std::is_invocable_v<Body, basic_async_exit_stack<Executor>&, basic_exit_handler<Executor>>;

// The executor type of the scope's stack: that of the source if the body takes such a stack.
template <class Body, class Source>
using scope_executor = std::conditional_t<
    is_body_for<Body, decltype(executor_of(std::declval<std::remove_reference_t<Source>&>()))>,
    decltype(executor_of(std::declval<std::remove_reference_t<Source>&>())), asio::any_io_executor>;

// What the body of a scope is, and what it yields.
template <class Body, class Executor>
struct body_traits
{
    using stack_type = basic_async_exit_stack<Executor>;

    static constexpr bool takes_handler = !std::is_invocable_v<Body, stack_type&>;

    static consteval auto yields()
    {
        if constexpr (takes_handler) {
            static_assert(is_body_for<Body, Executor>,
                "exeunt: this is no body: pass a callable that takes the stack by reference, "
                "body(stack) or body(stack, handler)");
            return std::type_identity<void>();
        } else {
            using result = std::decay_t<std::invoke_result_t<Body, stack_type&>>;
            if constexpr (is_awaitable<result> || is_async_operation<result>())
                return std::type_identity<yielded_by<result>>();
            else
                return std::type_identity<result>();
        }
    }

    using value_type = typename decltype(yields())::type;

    static constexpr bool yields_nothing = std::is_void_v<value_type>;
    static_assert(yields_nothing
            || std::is_default_constructible_v<
                std::conditional_t<yields_nothing, std::monostate, value_type>>,
        "exeunt: what the body yields must be default constructible, which Asio asks of results: "
        "let "
        "it yield a std::optional");
};

template <class T>
struct with_signature
{
    using type = void(std::exception_ptr, T);
};
template <>
struct with_signature<void>
{
    using type = void(std::exception_ptr);
};

template <class Body, class Executor>
using with_signature_t =
    typename with_signature<typename body_traits<Body, Executor>::value_type>::type;

template <class Body, class Executor>
using with_token = std::conditional_t<body_traits<Body, Executor>::yields_nothing,
    default_token<Executor>, default_value_token<Executor>>;

// Runs a body with a stack of its own, then closes that.
template <class Executor, class Body>
class with_base : public close_base<Executor>
{
    using traits = body_traits<Body, Executor>;
    using value_type = typename traits::value_type;
    using kept_type = std::conditional_t<traits::yields_nothing, std::monostate, value_type>;

public:
    with_base(Executor const& executor, close_options const& options, Body&& body)
        : close_base<Executor>(executor, core_ptr(), options, nullptr)
        , stack_(std::in_place, executor, options)
        , body_(std::move(body))
    {
    }

    // The end of a close that the body has begun.
    void wake() override { this->complete_close(std::move(error_), true); }

protected:
    ~with_base() = default;

    static constexpr bool has_body() noexcept { return true; }
    void prepare() noexcept {}
    void roll_back() noexcept {}

    void start()
    {
        if (this->run_job([this] { start_body(); }))
            body_ended();
    }

    void abandon()
    {
        if (in_body_ && stack_->core_ && stack_->is_open()) {
            this->options_ = stack_->options();
            this->set_cause(stack_->core_, nullptr);
        }
        close_base<Executor>::abandon();
    }

    void leave_context() noexcept
    {
        close_base<Executor>::leave_context();
        stack_.reset(); // closed, or it has never held anything
    }

    auto results()
    {
        auto [error] = close_base<Executor>::results();
        if constexpr (traits::yields_nothing)
            return std::tuple<std::exception_ptr>(std::move(error));
        else if (error || !result_)
            return std::tuple<std::exception_ptr, value_type>(std::move(error), value_type());
        else
            return std::tuple<std::exception_ptr, value_type>(nullptr, std::move(*result_));
    }

    void cancelled(asio::cancellation_type body_types, unsigned terminals) override
    {
        bool const cancels = body_types != asio::cancellation_type::none;
        if (cancels)
            this->limit_to_grace();
        if (cancels && in_body_)
            this->emit(body_types);
        if (!closed_by_body_)
            return close_base<Executor>::cancelled(body_types, terminals);
        if (cancels)
            closed_by_body_->closing->limit_to_grace();
        for (; passed_on_ < terminals && closed_by_body_->closing; ++passed_on_)
            closed_by_body_->closing->hurry();
    }

    void job_ended() override
    {
        if (in_body_)
            body_ended();
        else
            close_base<Executor>::job_ended();
    }

    void job_lost() override { abandon(); }

private:
    void start_body()
    {
        if constexpr (traits::takes_handler) {
            static_cast<void>(std::invoke(std::move(body_), *stack_, this->make_handler()));
        } else {
            using result =
                std::decay_t<std::invoke_result_t<Body, basic_async_exit_stack<Executor>&>>;
            if constexpr (is_awaitable<result> || is_async_operation<result>())
                start_async(std::invoke(std::move(body_), *stack_));
            else if constexpr (traits::yields_nothing)
                std::invoke(std::move(body_), *stack_), this->make_handler()();
            else
                result_.emplace(std::invoke(std::move(body_), *stack_)), this->make_handler()();
        }
    }

    template <class Result>
    void start_async(Result&& result)
    {
        if constexpr (traits::yields_nothing)
            start_result(*this, std::move(result));
        else
            start_keeping(*this, std::move(result), result_);
    }

    void body_ended()
    {
        in_body_ = false;
        this->body_has_ended();
        auto error = this->job_failure();
        if (error)
            result_.reset();
        auto& core = stack_->core_;
        if (!core || core->phase == stack_core::state::closed) {
            this->end_driver();
            return this->complete_close(std::move(error));
        }
        if (core->phase == stack_core::state::under_way) {
            this->end_driver();
            error_ = std::move(error);
            closed_by_body_ = core;
            core->joined.push_back(*this);
            // A stack that is being given up has nobody who closes it.
            if (this->decisions_.is_cancelled() && core->closing)
                core->closing->limit_to_grace();
            return;
        }
        this->options_ = stack_->options();
        this->set_cause(core, std::move(error));
        close_base<Executor>::prepare();
        close_base<Executor>::start();
    }

    std::optional<basic_async_exit_stack<Executor>> stack_;
    Body body_;
    std::optional<kept_type> result_;
    std::exception_ptr error_;
    // The stack that the body has begun to close, and how many terminals that close has been told of.
    core_ptr closed_by_body_;
    unsigned passed_on_ = 0;
    bool in_body_ = true;
};

template <class Executor, class Body, class Handler>
void initiate_with(
    Handler&& handler, Executor const& executor, close_options const& options, Body&& body)
{
    using body_type = std::decay_t<Body>;
    initiate_operation<with_base<Executor, body_type>>(
        std::forward<Handler>(handler), executor, options, body_type(std::forward<Body>(body)));
}

// On an executor that is given.
template <class Executor>
class initiate_with_on
{
public:
    using executor_type = Executor;

    explicit initiate_with_on(Executor const& executor)
        : executor_(executor)
    {
    }

    executor_type get_executor() const noexcept { return executor_; }

    template <class Handler, class Body>
    void operator()(Handler&& handler, close_options const& options, Body&& body) const
    {
        initiate_with(std::forward<Handler>(handler), executor_, options, std::forward<Body>(body));
    }

private:
    Executor executor_;
};

// On the handler's associated executor.
class initiate_with_here
{
public:
    initiate_with_here() noexcept = default;

    template <class Handler, class Body>
    void operator()(Handler&& handler, close_options const& options, Body&& body) const
    {
        using associated =
            std::decay_t<asio::associated_executor_t<std::decay_t<Handler>, asio::system_executor>>;
        constexpr bool has_executor = !std::is_same_v<associated, asio::system_executor>;
        static_assert(has_executor,
            "exeunt: this completion token has no executor of its own: pass an executor, "
            "async_with(executor, body, token), or bind one to the token");
        if constexpr (has_executor) {
            asio::any_io_executor const executor =
                asio::get_associated_executor(handler, asio::system_executor());
            initiate_with(
                std::forward<Handler>(handler), executor, options, std::forward<Body>(body));
        }
    }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_WITH_OPERATION_HPP
