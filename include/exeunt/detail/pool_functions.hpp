#ifndef EXEUNT_DETAIL_POOL_FUNCTIONS_HPP
#define EXEUNT_DETAIL_POOL_FUNCTIONS_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/detail/acquire_operation.hpp>
#include <exeunt/detail/exit_shape.hpp>
#include <exeunt/detail/pooled.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/pool_options.hpp>

#include <functional>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

template <class T>
inline constexpr bool is_pool_spec = false;
template <class... F>
inline constexpr bool is_pool_spec<pool_spec<F...>> = true;

// What the user does with resources.
template <class T, class Executor>
class pool_functions
{
public:
    using pooled_type = pooled<T, Executor>;

    pool_functions(bool can_recycle, bool is_plain, bool can_close, bool can_judge) noexcept
        : recycles(can_recycle)
        , recycles_plainly(is_plain)
        , closes(can_close)
        , judges(can_judge)
    {
    }
    pool_functions(pool_functions const&) = delete;
    pool_functions& operator=(pool_functions const&) = delete;
    virtual ~pool_functions() = default;

    virtual void open(pooled_type& resource) = 0;
    virtual void recycle(pooled_type& resource) = 0;
    // The same as a job of another runner, if that is all there is to it.
    virtual void recycle_on(exit_runner<Executor>& runner, T& value) = 0;
    // `around`: the state of the unwinding that this is a part of, if there is one.
    virtual void close(pooled_type& resource, exit_state const* around) = 0;
    // Whether the resource can be used again, whatever has happened.
    virtual bool is_reusable(T& value) noexcept = 0;

    bool const recycles;
    // By a function about which nothing else is said.
    bool const recycles_plainly;
    bool const closes;
    bool const judges;
};

// A function for resources, bound to one of them.
template <class F, class T>
class bound_to_value
{
public:
    bound_to_value(F& function, T& value) noexcept
        : function_(&function)
        , value_(&value)
    {
    }

    template <class... Args>
        requires(std::is_invocable_v<F&, T&, Args...>)
    decltype(auto) operator()(Args&&... args) const
    {
        return std::invoke(*function_, *value_, std::forward<Args>(args)...);
    }
    // What on_cut and or_force take may do without the value.
    void operator()() const requires(std::is_invocable_v<F&> && !std::is_invocable_v<F&, T&>)
    {
        std::invoke(*function_);
    }

private:
    F* function_;
    T* value_;
};

template <class T>
no_call bind_to_value(no_call&, T&) noexcept
{
    return {};
}
template <class F, class T>
bound_to_value<F, T> bind_to_value(F& function, T& value) noexcept
{
    return {function, value};
}

// The force of recycling: what needed it is not used again.
template <class F, class T, class Executor>
class recycling_force
{
public:
    recycling_force(F function, pooled<T, Executor>& resource) noexcept
        : function_(function)
        , resource_(&resource)
    {
    }

    void operator()() const
    {
        resource_->discarded = true;
        function_();
    }

private:
    F function_;
    pooled<T, Executor>* resource_;
};

template <class T, class Executor, class F>
void start_on(exit_runner<Executor>& runner, T& value, F& function)
{
    if constexpr (std::is_invocable_v<F&, T&>) {
        using result = std::decay_t<std::invoke_result_t<F&, T&>>;
        if constexpr (kind_of_result<result, Executor>() == call_kind::sync)
            std::invoke(function, value), runner.make_handler()();
        else
            start_result(runner, std::invoke(function, value));
    } else {
        std::invoke(function, value, runner.make_handler());
    }
}

// How a resource is recycled or closed: a function, or a spec of one.
template <class Given>
class pool_job
{
    using function_type = function_of<Given>;
    using words_type = words_of<Given>;
    static_assert(words_type::filter == exit_filter::always,
        "exeunt: what a pool does with its resources depends on no outcome: it has no filter");

public:
    template <class Source>
    explicit pool_job(Source&& source)
        : where_(place_of(source, source_location()))
        , words_(take_words(std::forward<Source>(source)))
        , function_(take_function(std::forward<Source>(source)))
    {
    }

    static constexpr bool is_plain = !is_spec<Given>;

    template <class Executor, class T>
    void recycle_on(exit_runner<Executor>& runner, T& value)
    {
        start_on(runner, value, function_);
    }

    template <class T, class Executor>
    void recycle(pooled<T, Executor>& resource)
    {
        if constexpr (is_plain) {
            recycle_on(resource, *resource.value);
        } else {
            auto const force = [&](auto bound) {
                return recycling_force<decltype(bound), T, Executor>(bound, resource);
            };
            // The pool itself tells the observer of what recycling fails with, which it has to know.
            start_lane<false>(resource, nullptr, force);
        }
    }

    template <class T, class Executor>
    void close(pooled<T, Executor>& resource, [[maybe_unused]] exit_state const* around)
    {
        if constexpr (is_plain)
            start_on(resource, *resource.value, function_);
        else
            start_lane<words_type::is_best_effort>(
                resource, around, [](auto bound) { return bound; });
    }

private:
    // As the exit of a stack of its own, which knows how to do all that is said about one.
    template <bool BestEffort, class T, class Executor, class Force>
    void start_lane(
        pooled<T, Executor>& resource, exit_state const* around, Force const& force_of_bound)
    {
        using name_type = decltype(words_type::given_name);
        auto limits = bound_limits(*resource.value, force_of_bound);
        basic_async_exit_stack<Executor> lane(resource.executor());
        lane.push(
            exit_spec<bound_to_value<function_type, T>, name_type, exit_filter::always, BestEffort,
                decltype(limits)>(bound_to_value<function_type, T>(function_, *resource.value),
                name_type(words_.given_name), std::move(limits), where_));
        lane.async_exit(resource.begin_lane(around), resource.make_handler());
    }

    template <class T, class Force>
    auto bound_limits(T& value, Force const& force_of_bound)
    {
        if constexpr (!words_type::is_limited) {
            return no_limits();
        } else {
            auto& said = words_.limits;
            auto on_cut = bind_to_value(said.on_cut, value);
            if constexpr (words_type::has_force) {
                auto force = force_of_bound(bind_to_value(said.force, value));
                return exit_limits<decltype(on_cut), decltype(force)>{said.within, on_cut, force};
            } else {
                return exit_limits<decltype(on_cut), no_call>{said.within, on_cut, {}};
            }
        }
    }

    source_location where_;
    [[no_unique_address]] words_type words_;
    [[no_unique_address]] function_type function_;
};

template <class F, class T>
consteval bool opens_resource()
{
    if constexpr (std::is_invocable_v<F&>) {
        using result = std::decay_t<std::invoke_result_t<F&>>;
        if constexpr (is_awaitable<result>)
            return std::is_same_v<yielded_by<result>, T>;
        else if constexpr (is_async_operation<result>())
            return std::is_constructible_v<T, yielded_by<result>>;
    }
    return false;
}

// Recycles or closes one.
template <class F, class T, class Handler>
inline constexpr bool serves_resource =
    std::is_same_v<F,
        no_function> || std::is_invocable_v<F&, T&> || std::is_invocable_v<F&, T&, Handler>;

template <class F, class T>
consteval bool judges_resource()
{
    if constexpr (std::is_invocable_v<F&, T&>)
        return std::is_constructible_v<bool, std::invoke_result_t<F&, T&>>;
    return std::is_same_v<F, no_function>;
}

template <class T, class Executor, class Spec>
class given_pool_functions final : public pool_functions<T, Executor>
{
    using base = pool_functions<T, Executor>;
    using pooled_type = pooled<T, Executor>;
    using handler = decltype(std::declval<pooled_type&>().make_handler());
    using recycle_type = pool_job<decltype(Spec::recycle)>;

    static_assert(opens_resource<decltype(Spec::open), T>(),
        "exeunt: this opens no resource: pass a function without arguments that returns an "
        "asio::awaitable<T>, or an asynchronous operation that yields a T");
    static_assert(serves_resource<function_of<decltype(Spec::recycle)>, T, handler>,
        "exeunt: this recycles no resource: pass a function that takes a T&, or a T& and a "
        "handler");
    static_assert(serves_resource<function_of<decltype(Spec::close)>, T, handler>,
        "exeunt: this closes no resource: pass a function that takes a T&, or a T& and a handler");
    static_assert(judges_resource<decltype(Spec::reusable), T>(),
        "exeunt: this judges no resource: pass a function that takes a T& and returns a bool");

public:
    template <class Given>
    explicit given_pool_functions(Given&& spec)
        : base(Spec::recycles, recycle_type::is_plain, Spec::closes, Spec::judges)
        , spec_(std::forward<Given>(spec))
        , recycle_(std::move(spec_.recycle))
        , close_(std::move(spec_.close))
    {
    }

    void open(pooled_type& resource) override
    {
        start_keeping(resource, std::invoke(spec_.open), resource.value);
    }
    void recycle([[maybe_unused]] pooled_type& resource) override
    {
        if constexpr (Spec::recycles)
            recycle_.recycle(resource);
    }
    void recycle_on(
        [[maybe_unused]] exit_runner<Executor>& runner, [[maybe_unused]] T& value) override
    {
        if constexpr (Spec::recycles && recycle_type::is_plain)
            recycle_.recycle_on(runner, value);
    }
    void close(
        [[maybe_unused]] pooled_type& resource, [[maybe_unused]] exit_state const* around) override
    {
        if constexpr (Spec::closes)
            close_.close(resource, around);
    }
    bool is_reusable([[maybe_unused]] T& value) noexcept override
    {
        try {
            if constexpr (Spec::judges)
                return static_cast<bool>(std::invoke(spec_.reusable, value));
        } catch (...) {
            // It says no.
        }
        return false;
    }

private:
    Spec spec_;
    [[no_unique_address]] recycle_type recycle_;
    [[no_unique_address]] pool_job<decltype(Spec::close)> close_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_POOL_FUNCTIONS_HPP
