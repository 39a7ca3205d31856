#ifndef EXEUNT_DETAIL_EXIT_SHAPE_HPP
#define EXEUNT_DETAIL_EXIT_SHAPE_HPP

#include <exeunt/exit_state.hpp>
#include <exeunt/on_exit.hpp>

#include <concepts>
#include <cstddef>
#include <functional>
#include <type_traits>
#include <utility>

// Named here, not included, so that what belongs to an asynchronous stack is told apart without Asio.
namespace boost::asio {
template <typename T, typename Executor>
class awaitable;
template <typename Signature, typename Initiation, typename... InitArgs>
class deferred_async_operation;
template <typename Head, typename Tail>
class deferred_sequence;
} // namespace boost::asio

namespace exeunt::detail {

template <class T>
inline constexpr bool is_reference_wrapper = false;
template <class T>
inline constexpr bool is_reference_wrapper<std::reference_wrapper<T>> = true;

template <class T>
inline constexpr bool is_awaitable = false;
template <class T, class Executor>
inline constexpr bool is_awaitable<asio::awaitable<T, Executor>> = true;

template <class T>
inline constexpr bool is_deferred_operation = false;
template <class Signature, class Initiation, class... Args>
inline constexpr bool
    is_deferred_operation<asio::deferred_async_operation<Signature, Initiation, Args...>> = true;
template <class Head, class Tail>
inline constexpr bool is_deferred_operation<asio::deferred_sequence<Head, Tail>> = true;

// What nobody may discard: it has not begun until it is awaited or given a completion token.
template <class T>
inline constexpr bool is_unstarted_work = is_awaitable<T> || is_deferred_operation<T> || requires
{
    std::declval<T&>().await_ready();
}
|| requires
{
    std::declval<T>().operator co_await();
};

// What is said about an exit, split from what it does.
template <class Name = unnamed, exit_filter Filter = exit_filter::always, bool BestEffort = false,
    class Limits = no_limits>
struct exit_words
{
    static constexpr bool is_limited = !std::is_same_v<Limits, no_limits>;
    static constexpr bool has_on_cut = !std::is_same_v<decltype(Limits::on_cut), no_call>;
    static constexpr bool has_force = !std::is_same_v<decltype(Limits::force), no_call>;

    static constexpr bool is_named = !std::is_same_v<Name, unnamed>;
    static constexpr exit_filter filter = Filter;
    static constexpr bool is_best_effort = BestEffort;

    [[no_unique_address]] Name given_name;
    [[no_unique_address]] Limits limits;

    std::string_view name() const noexcept
    {
        if constexpr (is_named)
            return given_name;
        else
            return {};
    }
};

template <class F>
struct spec_parts
{
    using function_type = F;
    using words_type = exit_words<>;
};

template <class F, class Name, exit_filter Filter, bool BestEffort, class Limits>
struct spec_parts<exit_spec<F, Name, Filter, BestEffort, Limits>>
{
    using function_type = F;
    using words_type = exit_words<Name, Filter, BestEffort, Limits>;
};

template <class T>
inline constexpr bool is_spec = false;
template <class F, class Name, exit_filter Filter, bool BestEffort, class Limits>
inline constexpr bool is_spec<exit_spec<F, Name, Filter, BestEffort, Limits>> = true;

// The callable, release or context in a spec or by itself; and its words.
template <class Source>
using function_of = typename spec_parts<std::decay_t<Source>>::function_type;
template <class Source>
using words_of = typename spec_parts<std::decay_t<Source>>::words_type;

template <class Source>
decltype(auto) take_function(Source&& source) noexcept
{
    if constexpr (!is_spec<std::decay_t<Source>>)
        return std::forward<Source>(source);
    else
        return std::forward<Source>(source).function();
}

template <class Source>
words_of<Source> take_words(Source&& source)
{
    if constexpr (!is_spec<std::decay_t<Source>>)
        return {};
    else
        return {std::forward<Source>(source).name(), std::forward<Source>(source).limits()};
}

template <class Source>
source_location place_of(Source const& source, source_location where) noexcept
{
    if constexpr (is_spec<Source>)
        return source.where();
    else
        return where;
}

// An empty std::function or a null function pointer could never run.
template <class Source>
void require_callable(Source const& source)
{
    using F = function_of<Source>;
    auto check = [](auto const& function) {
        if constexpr (std::is_pointer_v<F> || std::is_member_pointer_v<F>) {
            if (function == nullptr)
                throw std::bad_function_call();
        } else if constexpr (std::is_constructible_v<F, std::nullptr_t>) {
            if constexpr (requires {
                              {
                                  function == nullptr
                                  } -> std::convertible_to<bool>;
                          })
                if (function == nullptr)
                    throw std::bad_function_call();
        }
    };
    if constexpr (is_spec<Source>)
        check(source.function());
    else if constexpr (!std::is_function_v<Source>)
        check(source);
}

// A context by value or by reference: what is called, whatever it is held by.
template <class C>
auto& unwrapped(C& context) noexcept
{
    if constexpr (is_reference_wrapper<C>)
        return context.get();
    else
        return context;
}

template <class C>
using unwrapped_t = std::remove_reference_t<decltype(unwrapped(std::declval<C&>()))>;

template <class C>
concept has_sync_exit = requires(unwrapped_t<C>& context, exit_state& state)
{
    context.exit(state);
};

template <class C>
concept has_sync_enter = requires(unwrapped_t<C>& context)
{
    context.enter();
};

// Whether a class has a member of this name, template or not: naming it in a class that inherits two
// of them is ambiguous.
struct names_async_exit
{
    int async_exit;
};

template <class C, class Names>
struct both_names : C, Names
{
};

template <class C>
consteval bool declares_async_exit()
{
    if constexpr (std::is_class_v<C> && !std::is_final_v<C>)
        return !requires
        {
            &both_names<C, names_async_exit>::async_exit;
        };
    else
        return false;
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_EXIT_SHAPE_HPP
