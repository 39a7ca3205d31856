#ifndef EXEUNT_DETAIL_SYNC_EXIT_HPP
#define EXEUNT_DETAIL_SYNC_EXIT_HPP

#include <exeunt/detail/entry.hpp>
#include <exeunt/detail/exit_shape.hpp>
#include <exeunt/detail/exit_state_access.hpp>

#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

// The payloads of synchronous exits: each has run(exit_state&) and says whether that looks at the
// state. They serve both stacks.

template <class F>
concept runs_blindly = std::is_invocable_v<F>;
template <class F>
concept runs_with_state = !runs_blindly<F> && std::is_invocable_v<F, exit_state&>;

// f() or f(exit_state&).
template <class F, class Words>
struct callable_exit : Words
{
    template <class Source>
    explicit callable_exit(Source&& source)
        : Words(take_words(std::forward<Source>(source)))
        , function(take_function(std::forward<Source>(source)))
    {
    }

    static constexpr bool sees_state = !runs_blindly<F>;

    void run(exit_state& state)
    {
        if constexpr (sees_state)
            static_cast<void>(std::invoke(std::move(function), state));
        else
            static_cast<void>(std::invoke(std::move(function)));
    }

    [[no_unique_address]] F function;
};

// f(args...), captured at registration.
template <class F, class Words, class... Args>
struct callback_exit : Words
{
    template <class Source, class... Given>
    explicit callback_exit(Source&& source, Given&&... given)
        : Words(take_words(std::forward<Source>(source)))
        , function(take_function(std::forward<Source>(source)))
        , arguments(std::forward<Given>(given)...)
    {
    }

    static constexpr bool sees_state = false;

    void run(exit_state&)
    {
        static_cast<void>(std::apply(std::move(function), std::move(arguments)));
    }

    [[no_unique_address]] F function;
    [[no_unique_address]] std::tuple<Args...> arguments;
};

// A value whose destructor is the exit.
template <class T, class Words = exit_words<>>
struct owned_value : Words
{
    template <class... Args>
    explicit owned_value(Words&& words, Args&&... args)
        : Words(std::move(words))
        , held(std::forward<Args>(args)...)
    {
    }

    static constexpr bool sees_state = false;

    void run(exit_state&) noexcept {}
    void* value() noexcept { return const_cast<std::remove_cv_t<T>*>(std::addressof(held)); }

    T held;
};

// A value and the release that is called with it.
template <class T, class Release, class Words>
struct adopted_value : Words
{
    template <class Given, class Source>
    adopted_value(Given&& given, Source&& source)
        : Words(take_words(std::forward<Source>(source)))
        , release(take_function(std::forward<Source>(source)))
        , held(std::forward<Given>(given))
    {
    }

    static constexpr bool sees_state = !std::is_invocable_v<Release, T&>;

    void run(exit_state& state)
    {
        if constexpr (sees_state)
            static_cast<void>(std::invoke(std::move(release), held, state));
        else
            static_cast<void>(std::invoke(std::move(release), held));
    }

    void* value() noexcept { return std::addressof(held); }

    [[no_unique_address]] Release release;
    T held;
};

// A context, owned or by std::ref: its exit(exit_state&).
template <class Context, class Words>
struct context_exit : Words
{
    template <class Source>
    explicit context_exit(Source&& source)
        : Words(take_words(std::forward<Source>(source)))
        , held(take_function(std::forward<Source>(source)))
    {
    }

    context_exit(Words&& words, Context&& given) noexcept
        : Words(std::move(words))
        , held(std::move(given))
    {
    }

    static constexpr bool sees_state = true;

    auto& context() noexcept { return unwrapped(held); }
    void run(exit_state& state) { static_cast<void>(context().exit(state)); }
    void* value() noexcept { return std::addressof(context()); }

    Context held;
};

template <class Payload>
void run_exit(entry& e, exit_state& state)
{
    using storage = stored<Payload>;
    if constexpr (Payload::filter != exit_filter::always) {
        if (!exit_state_access::wants(state, Payload::filter))
            return storage::destroy(e);
    }
    storage::get(e).run(state);
    if constexpr (Payload::sees_state) {
        if (exit_state_access::has_replacement(state))
            exit_state_access::name_replacement(state, e.name(), e.where());
    }
    storage::destroy(e);
}

template <class Words>
consteval bool check_sync_words()
{
    static_assert(!Words::is_limited,
        "exeunt: within, on_cut and or_force are for asynchronous exits: nothing can cut this one");
    return true;
}

template <class Payload>
    requires(check_sync_words<Payload>())
inline constexpr exit_table sync_table{
    &run_exit<Payload>,
    destroy_of<Payload>(),
    value_of<Payload>(),
    name_of<Payload>(),
    stored<Payload>::slot_class,
    Payload::filter,
    Payload::is_best_effort,
    false,
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_SYNC_EXIT_HPP
