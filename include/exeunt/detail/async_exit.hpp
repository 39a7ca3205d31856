#ifndef EXEUNT_DETAIL_ASYNC_EXIT_HPP
#define EXEUNT_DETAIL_ASYNC_EXIT_HPP

#include <exeunt/detail/exit_list.hpp>
#include <exeunt/detail/exit_runner.hpp>
#include <exeunt/detail/made_exit.hpp>
#include <exeunt/detail/sync_registration.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>

#include <functional>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

namespace exeunt {

template <class Executor>
class basic_async_exit_stack;

namespace detail {

// How a callable wants to be called, tried in this order. A generic lambda is never instantiated with
// what it was not written for: `auto&` takes no handler, and what takes a handler is not asked further.
enum class call_form : unsigned char { none, plain, with_handler, with_state, with_both };

template <class F, class Handler, class... Args>
consteval call_form form_of()
{
    if constexpr (is_deferred_operation<F>)
        return sizeof...(Args) == 0 ? call_form::with_handler : call_form::none;
    else if constexpr (std::is_invocable_v<F, Args...>)
        return call_form::plain;
    else if constexpr (std::is_invocable_v<F, Args..., Handler>)
        return call_form::with_handler;
    else if constexpr (std::is_invocable_v<F, Args..., exit_state&>)
        return call_form::with_state;
    else if constexpr (std::is_invocable_v<F, Args..., exit_state&, Handler>)
        return call_form::with_both;
    else
        return call_form::none;
}

// What comes of the call.
enum class call_kind : unsigned char { none, sync, coroutine, operation };

template <class T>
struct awaitable_traits;
template <class T, class E>
struct awaitable_traits<asio::awaitable<T, E>>
{
    using value_type = T;
    using executor_type = E;
};

template <class T>
consteval bool is_async_operation()
{
    if constexpr (is_deferred_operation<T>)
        return true;
    else if constexpr (std::is_class_v<T>)
        return asio::is_async_operation<T>::value;
    else
        return false;
}

template <class Result, class Executor>
consteval call_kind kind_of_result()
{
    if constexpr (is_awaitable<Result>) {
        constexpr bool runs_here =
            std::is_constructible_v<typename awaitable_traits<Result>::executor_type,
                Executor const&>;
        static_assert(runs_here,
            "exeunt: this awaitable cannot run on the executor of the stack: use "
            "awaitable<void, E> with an E that is constructible from it");
        return runs_here ? call_kind::coroutine : call_kind::none;
    } else if constexpr (is_async_operation<Result>()) {
        return call_kind::operation;
    } else {
        static_assert(!is_unstarted_work<Result>,
            "exeunt: this exit returns a coroutine that Asio cannot await: return "
            "asio::awaitable<void> or an asynchronous operation");
        return is_unstarted_work<Result> ? call_kind::none : call_kind::sync;
    }
}

template <class F, class Executor, class... Args>
consteval call_kind kind_of()
{
    constexpr auto form = form_of<F, basic_exit_handler<Executor>, Args...>();
    if constexpr (form == call_form::none)
        return call_kind::none;
    else if constexpr (form == call_form::plain)
        return kind_of_result<std::decay_t<std::invoke_result_t<F, Args...>>, Executor>();
    else if constexpr (form == call_form::with_state)
        return kind_of_result<std::decay_t<std::invoke_result_t<F, Args..., exit_state&>>,
            Executor>();
    else
        return call_kind::operation;
}

template <class T, class E>
asio::awaitable<void, E> discard_result(asio::awaitable<T, E> job)
{
    static_cast<void>(co_await std::move(job));
}

// Hands what an exit returned to the runner.
template <class Executor, class Result>
void start_result(exit_runner<Executor>& runner, Result&& result)
{
    using type = std::decay_t<Result>;
    if constexpr (!is_awaitable<type>)
        std::move(result)(runner.make_handler());
    else if constexpr (std::is_void_v<typename awaitable_traits<type>::value_type>)
        runner.await(std::move(result));
    else
        runner.await(discard_result(std::move(result)));
}

// Starts an asynchronous callable, as an rvalue.
template <class Executor, class F, class... Args>
void start_call(exit_runner<Executor>& runner, exit_state& state, F& function, Args&... args)
{
    constexpr auto form = form_of<F, basic_exit_handler<Executor>, Args&...>();
    if constexpr (form == call_form::plain)
        start_result(runner, std::invoke(std::move(function), args...));
    else if constexpr (form == call_form::with_state)
        start_result(runner, std::invoke(std::move(function), args..., state));
    else if constexpr (form == call_form::with_handler)
        static_cast<void>(std::invoke(std::move(function), args..., runner.make_handler()));
    else
        static_cast<void>(std::invoke(std::move(function), args..., state, runner.make_handler()));
}

// The driver that awaits what a callable returns; null if that is no coroutine.
template <class F, class Executor, class... Args>
consteval void const* driver_of_call() noexcept
{
    if constexpr (kind_of<F, Executor, Args...>() != call_kind::coroutine)
        return nullptr;
    else if constexpr (form_of<F, basic_exit_handler<Executor>, Args...>() == call_form::plain)
        return &driver_kind<typename awaitable_traits<
            std::decay_t<std::invoke_result_t<F, Args...>>>::executor_type>;
    else
        return &driver_kind<typename awaitable_traits<
            std::decay_t<std::invoke_result_t<F, Args..., exit_state&>>>::executor_type>;
}

// The payloads of asynchronous exits: each has start(runner, state).

template <class F, class Words>
struct async_callable_exit : Words
{
    template <class Source>
    explicit async_callable_exit(Source&& source)
        : Words(take_words(std::forward<Source>(source)))
        , function(take_function(std::forward<Source>(source)))
    {
    }

    template <class Executor>
    void start(exit_runner<Executor>& runner, exit_state& state)
    {
        start_call(runner, state, function);
    }
    template <class Executor>
    static consteval void const* driver() noexcept
    {
        return driver_of_call<F, Executor>();
    }

    [[no_unique_address]] F function;
};

template <class F, class Words, class... Args>
struct async_callback_exit : Words
{
    template <class Source, class... Given>
    explicit async_callback_exit(Source&& source, Given&&... given)
        : Words(take_words(std::forward<Source>(source)))
        , function(take_function(std::forward<Source>(source)))
        , arguments(std::forward<Given>(given)...)
    {
    }

    template <class Executor>
    void start(exit_runner<Executor>& runner, exit_state&)
    {
        if constexpr (std::is_invocable_v<F, Args...>)
            start_result(runner, std::apply(std::move(function), std::move(arguments)));
        else
            std::apply(
                [&](Args&... args) {
                    static_cast<void>(std::invoke(
                        std::move(function), std::move(args)..., runner.make_handler()));
                },
                arguments);
    }

    [[no_unique_address]] F function;
    [[no_unique_address]] std::tuple<Args...> arguments;
};

template <class T, class Release, class Words>
struct async_adopted_value : Words
{
    template <class Given, class Source>
    async_adopted_value(Given&& given, Source&& source)
        : Words(take_words(std::forward<Source>(source)))
        , release(take_function(std::forward<Source>(source)))
        , held(std::forward<Given>(given))
    {
    }

    template <class Executor>
    void start(exit_runner<Executor>& runner, exit_state& state)
    {
        start_call(runner, state, release, held);
    }
    template <class Executor>
    static consteval void const* driver() noexcept
    {
        return driver_of_call<Release, Executor, T&>();
    }

    void* value() noexcept { return std::addressof(held); }
    T& subject() noexcept { return held; }

    [[no_unique_address]] Release release;
    T held;
};

// What a context is held by: itself, std::ref, or std::unique_ptr where it must not move.
template <class C>
auto& context_in(C& held) noexcept
{
    return unwrapped(held);
}
template <class C>
C& context_in(std::unique_ptr<C>& held) noexcept
{
    return *held;
}

template <class Context, class Executor>
concept exits_with_handler = requires(
    Context& context, exit_state& state, basic_exit_handler<Executor> handler)
{
    context.async_exit(state, std::move(handler));
};

template <class Context, class Executor>
concept exits_by_coroutine =
    !exits_with_handler<Context, Executor> && requires(Context & context, exit_state& state)
{
    context.async_exit(state);
};

// A stack has an async_enter too, which enters something else.
template <class C>
inline constexpr bool is_async_stack = false;
template <class Executor>
inline constexpr bool is_async_stack<basic_async_exit_stack<Executor>> = true;

template <class Context, class Executor>
concept is_entered_async = !is_async_stack<Context>
    && (requires(Context& context) { context.async_enter(asio::deferred); }
        || requires(Context& context, basic_exit_handler<Executor> handler) {
               context.async_enter(std::move(handler));
           } || requires(Context& context) { context.async_enter(); });

// What a context of the library does, which belongs to the stack, as the exit that it is: it starts on the
// runner itself, and what it fails with is its own concern.
struct exit_on_runner
{
    template <class Context, class Executor>
    static auto start(Context& context, exit_runner<Executor>& runner, exit_state& state)
        -> decltype(context.exit_on(runner, state))
    {
        return context.exit_on(runner, state);
    }
    template <class Context>
    static consteval bool absorbs() noexcept
    {
        return requires(Context & context, std::exception_ptr const& error)
        {
            context.absorb(error);
        };
    }
    template <class Context>
    static void absorb(Context& context, std::exception_ptr const& error) noexcept
    {
        context.absorb(error);
    }
};

template <class Held, class Executor>
concept exits_on_runner = requires(Held& held, exit_runner<Executor>& runner, exit_state& state)
{
    exit_on_runner::start(held, runner, state);
};

template <class Held, class Words>
struct async_context_exit : Words
{
    static constexpr bool is_context = true;

    template <class Source>
    explicit async_context_exit(Source&& source)
        : Words(take_words(std::forward<Source>(source)))
        , held(take_function(std::forward<Source>(source)))
    {
    }
    async_context_exit(Words&& words, Held&& given) noexcept
        : Words(std::move(words))
        , held(std::move(given))
    {
    }

    template <class Executor>
    void start(exit_runner<Executor>& runner, exit_state& state)
    {
        auto& context = context_in(held);
        if constexpr (exits_on_runner<Held, Executor>)
            exit_on_runner::start(context, runner, state);
        else if constexpr (exits_with_handler<std::remove_reference_t<decltype(context)>, Executor>)
            static_cast<void>(context.async_exit(state, runner.make_handler()));
        else
            start_result(runner, context.async_exit(state));
    }

    void absorb(std::exception_ptr const& error) noexcept requires(exit_on_runner::absorbs<Held>())
    {
        exit_on_runner::absorb(held, error);
    }

    void* value() noexcept { return std::addressof(context_in(held)); }
    auto& subject() noexcept { return context_in(held); }

    Held held;
};

template <class Executor>
struct async_exit_table : exit_table
{
    void (*start)(entry&, exit_runner<Executor>&, exit_state&);
    // What awaits it, if it is known to be a coroutine.
    void const* driver;
};

template <class Payload, class Executor>
consteval void const* driver_of() noexcept
{
    if constexpr (requires { Payload::template driver<Executor>(); })
        return Payload::template driver<Executor>();
    else
        return nullptr;
}

template <class Payload, class Executor>
void start_exit(entry& e, exit_runner<Executor>& runner, exit_state& state)
{
    stored<Payload>::get(e).start(runner, state);
}

// What is called when an exit does not have its time: f(), or f(T&) where the exit belongs to a value.
template <class F, class Payload>
void call_with_subject(F& function, Payload& payload)
{
    constexpr bool plain = std::is_invocable_v<F>;
    constexpr bool with_subject = [] {
        if constexpr (requires { payload.subject(); })
            return std::is_invocable_v<F, decltype(payload.subject())>;
        else
            return false;
    }();
    static_assert(plain || with_subject,
        "exeunt: on_cut and or_force take a callable f(), or f(T&) where the exit belongs to a T");
    if constexpr (plain) {
        static_assert(!is_unstarted_work<std::decay_t<std::invoke_result_t<F>>>,
            "exeunt: on_cut and or_force are synchronous: what this one returns would be "
            "discarded");
        static_cast<void>(std::invoke(std::move(function)));
    } else if constexpr (with_subject) {
        static_assert(
            !is_unstarted_work<std::decay_t<std::invoke_result_t<F, decltype(payload.subject())>>>,
            "exeunt: on_cut and or_force are synchronous: what this one returns would be "
            "discarded");
        static_cast<void>(std::invoke(std::move(function), payload.subject()));
    }
}

// A stack is forced by what its exits see: it has to run them.
template <class Payload>
concept has_own_force = requires(Payload& payload)
{
    payload.subject();
    requires Payload::is_context;
    requires !is_async_stack<std::remove_reference_t<decltype(payload.subject())>>;
    payload.subject().force();
};

template <class Payload>
consteval auto force_of() noexcept -> void (*)(entry&)
{
    if constexpr (Payload::has_force)
        return [](entry& e) {
            auto& payload = stored<Payload>::get(e);
            call_with_subject(payload.limits.force, payload);
        };
    else if constexpr (has_own_force<Payload>)
        return [](entry& e) { static_cast<void>(stored<Payload>::get(e).subject().force()); };
    else
        return nullptr;
}

template <class Payload>
consteval auto on_cut_of() noexcept -> void (*)(entry&)
{
    if constexpr (Payload::has_on_cut)
        return [](entry& e) {
            auto& payload = stored<Payload>::get(e);
            call_with_subject(payload.limits.on_cut, payload);
        };
    else
        return nullptr;
}

template <class Payload>
consteval auto within_of() noexcept -> std::chrono::steady_clock::duration (*)(entry&) noexcept
{
    if constexpr (Payload::is_limited)
        return [](entry& e) noexcept { return stored<Payload>::get(e).limits.within; };
    else
        return nullptr;
}

template <class Payload>
consteval auto absorb_of() noexcept -> void (*)(entry&, std::exception_ptr const&) noexcept
{
    if constexpr (requires(Payload & payload, std::exception_ptr const& e) { payload.absorb(e); })
        return [](entry& e, std::exception_ptr const& error) noexcept {
            stored<Payload>::get(e).absorb(error);
        };
    else
        return nullptr;
}

template <class Payload, class Executor>
inline constexpr async_exit_table<Executor> async_table{
    {
        nullptr,
        destroy_of<Payload>(),
        value_of<Payload>(),
        name_of<Payload>(),
        stored<Payload>::slot_class,
        Payload::filter,
        Payload::is_best_effort,
        true,
        force_of<Payload>(),
        on_cut_of<Payload>(),
        within_of<Payload>(),
        absorb_of<Payload>(),
    },
    &start_exit<Payload, Executor>,
    driver_of<Payload, Executor>(),
};

// What is given to an asynchronous stack, checked and made an entry.

template <class Payload, class Executor, class Source>
entry& make_async(exit_list& list, Source&& source, source_location where)
{
    return list.create<Payload>(
        async_table<Payload, Executor>, place_of(source, where), std::forward<Source>(source));
}

template <class C, class Executor>
consteval bool is_async_context()
{
    if constexpr (std::is_class_v<C>) {
        if constexpr (declares_async_exit<C>()) {
            constexpr bool fits =
                exits_with_handler<C, Executor> || exits_by_coroutine<C, Executor>;
            static_assert(fits,
                "exeunt: async_exit of a context takes (exit_state&, completion token), or "
                "(exit_state&) and returns asio::awaitable<void>");
            return fits;
        } else if constexpr (std::is_final_v<C>) {
            return exits_with_handler<C, Executor> || exits_by_coroutine<C, Executor>;
        }
    }
    return false;
}

template <class Executor, class Source>
entry& make_push(exit_list& list, Source&& source, source_location where)
{
    using F = function_of<Source>;
    if constexpr (is_async_context<unwrapped_t<F>, Executor>()) {
        static_assert(check_context<Source>());
        return make_async<async_context_exit<F, words_of<Source>>, Executor>(
            list, std::forward<Source>(source), where);
    } else if constexpr (has_sync_exit<F>) {
        return make_sync_push(list, std::forward<Source>(source), where);
    } else {
        constexpr auto kind = kind_of<F, Executor>();
        static_assert(kind != call_kind::none,
            "exeunt: this is no exit: pass a callable f(), f(exit_state&), f(handler) or "
            "f(exit_state&, handler), or a context with exit or async_exit");
        if constexpr (kind == call_kind::sync) {
            return make_sync_callable(list, std::forward<Source>(source), where);
        } else if constexpr (kind != call_kind::none) {
            require_callable(source);
            return make_async<async_callable_exit<F, words_of<Source>>, Executor>(
                list, std::forward<Source>(source), where);
        }
    }
}

template <class Executor, class Source>
entry& make_async_exit(exit_list& list, Source&& source, source_location where)
{
    using F = function_of<Source>;
    constexpr bool async = [] {
        if constexpr (is_async_context<unwrapped_t<F>, Executor>())
            return true;
        else if constexpr (has_sync_exit<F>)
            return false;
        else
            return kind_of<F, Executor>() != call_kind::sync;
    }();
    static_assert(async, "exeunt: this exit is synchronous: use push");
    if constexpr (async)
        return make_push<Executor>(list, std::forward<Source>(source), where);
}

template <class Executor, class Source, class... Args>
entry& make_async_callback(exit_list& list, Source&& source, source_location where, Args&&... args)
{
    using F = function_of<Source>;
    using handler = basic_exit_handler<Executor>;
    constexpr auto kind = [] {
        if constexpr (is_deferred_operation<F>)
            return sizeof...(Args) == 0 ? call_kind::operation : call_kind::none;
        else if constexpr (std::is_invocable_v<F, std::decay_t<Args>...>)
            return kind_of_result<std::decay_t<std::invoke_result_t<F, std::decay_t<Args>...>>,
                Executor>();
        else if constexpr (std::is_invocable_v<F, std::decay_t<Args>..., handler>)
            return call_kind::operation;
        else
            return call_kind::none;
    }();
    static_assert(kind != call_kind::sync, "exeunt: this callable is synchronous: use callback");
    static_assert(kind != call_kind::none,
        "exeunt: push_async_callback(f, args...) calls f with the captured arguments as rvalues, "
        "and "
        "then the handler if it takes one: this f takes neither");
    if constexpr (kind == call_kind::coroutine || kind == call_kind::operation) {
        using payload = async_callback_exit<F, words_of<Source>, std::decay_t<Args>...>;
        require_callable(source);
        return list.create<payload>(async_table<payload, Executor>, place_of(source, where),
            std::forward<Source>(source), std::forward<Args>(args)...);
    }
}

// What a value that is registered with its release, or a function that makes one, becomes.
template <class Executor, class V, class Source>
struct adopted_traits
{
    using F = function_of<Source>;
    static constexpr auto kind = kind_of<F, Executor, V&>();
    static_assert(kind != call_kind::none,
        "exeunt: this is no release: pass a callable release(T&), release(T&, handler), "
        "release(T&, exit_state&) or release(T&, exit_state&, handler)");
    using payload = std::conditional_t<kind == call_kind::sync,
        adopted_value<V, F, words_of<Source>>, async_adopted_value<V, F, words_of<Source>>>;
};

template <class Executor, class V, class Source>
    requires(makes_exit<function_of<Source>, V>())
struct adopted_traits<Executor, V, Source>
{
    using spec = made_spec<Source, V>;
    using F = function_of<spec>;
    static constexpr auto kind = kind_of<F, Executor>();
    static_assert(kind != call_kind::none,
        "exeunt: what this release makes is no exit: let it return a spec of a callable f(), "
        "f(exit_state&), f(handler) or f(exit_state&, handler)");
    using payload = made_exit<V,
        std::conditional_t<kind == call_kind::sync, callable_exit<F, words_of<spec>>,
            async_callable_exit<F, words_of<spec>>>>;
};

template <class Traits, class Executor>
exit_table const& table_of() noexcept
{
    using payload = typename Traits::payload;
    if constexpr (Traits::kind == call_kind::sync)
        return sync_table<payload>;
    else
        return async_table<payload, Executor>;
}

template <class Executor, class T, class Source>
entry& make_adopted(exit_list& list, T&& value, Source&& source, source_location where)
{
    using V = std::decay_t<T>;
    using traits = adopted_traits<Executor, V, std::decay_t<Source>>;
    if constexpr (traits::kind != call_kind::none) {
        require_callable(source);
        return list.create<typename traits::payload>(table_of<traits, Executor>(),
            place_of(source, where), std::forward<T>(value), std::forward<Source>(source));
    }
}

// An owned or referenced context that is entered without awaiting: its exit may be asynchronous.
template <class Executor, class Source>
decltype(auto) enter_any(exit_list& list, Source&& source, source_location where)
{
    using F = function_of<Source>;
    using C = unwrapped_t<F>;
    if constexpr (is_async_context<C, Executor>()) {
        static_assert(check_context<Source>());
        static_assert(!is_entered_async<C, Executor>,
            "exeunt: this context is entered asynchronously: use async_enter");
        using payload = async_context_exit<F, words_of<Source>>;
        auto& e = make_async<payload, Executor>(list, std::forward<Source>(source), where);
        unlinked_entry guard(list, e);
        C& context = context_in(stored<payload>::get(e).held);
        if constexpr (!has_sync_enter<F>) {
            guard.link();
            return static_cast<C&>(context);
        } else if constexpr (std::is_void_v<decltype(context.enter())>) {
            context.enter();
            guard.link();
        } else {
            decltype(auto) result = context.enter();
            guard.link();
            return result;
        }
    } else {
        return enter_sync(list, std::forward<Source>(source), where);
    }
}

} // namespace detail

} // namespace exeunt

#endif // EXEUNT_DETAIL_ASYNC_EXIT_HPP
