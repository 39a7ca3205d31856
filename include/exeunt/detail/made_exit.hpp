#ifndef EXEUNT_DETAIL_MADE_EXIT_HPP
#define EXEUNT_DETAIL_MADE_EXIT_HPP

#include <exeunt/detail/exit_shape.hpp>
#include <exeunt/on_exit.hpp>

#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

// A release may also be a function that says, when a value is registered, what the exit of that value
// is: it returns a spec. Where it stands in a spec itself, what that one says comes first.

template <class F, class T>
consteval bool makes_exit()
{
    if constexpr (std::is_invocable_v<F, T&>)
        return is_spec<std::decay_t<std::invoke_result_t<F, T&>>>;
    else
        return false;
}

// `outer`, unless it is an Unsaid.
template <class Unsaid, class Outer, class Inner>
auto said_first(Outer&& outer, Inner&& inner)
{
    if constexpr (std::is_same_v<Outer, Unsaid>)
        return std::move(inner);
    else
        return std::move(outer);
}

template <class Outer, class Inner>
auto limits_said_first(Outer&& outer, Inner&& inner)
{
    if constexpr (std::is_same_v<Outer, no_limits> || std::is_same_v<Inner, no_limits>) {
        return said_first<no_limits>(std::move(outer), std::move(inner));
    } else {
        auto on_cut = said_first<no_call>(std::move(outer.on_cut), std::move(inner.on_cut));
        auto force = said_first<no_call>(std::move(outer.force), std::move(inner.force));
        return exit_limits<decltype(on_cut), decltype(force)>{
            outer.within != no_limits::within ? outer.within : inner.within, std::move(on_cut),
            std::move(force)};
    }
}

// The spec that a maker, or a spec of one, makes for a value.
template <class Source, class T>
auto make_spec(Source&& source, T& value)
{
    if constexpr (!is_spec<std::decay_t<Source>>) {
        return std::invoke(std::forward<Source>(source), value);
    } else {
        using outer_type = std::decay_t<Source>;
        auto outer = outer_type(std::forward<Source>(source));
        auto inner = std::invoke(std::move(outer).function(), value);
        using inner_type = decltype(inner);
        constexpr bool one_filter =
            outer_type::filter == exit_filter::always || inner_type::filter == exit_filter::always;
        static_assert(one_filter,
            "exeunt: an exit has one filter, and the one that is made here has it already");
        auto function = std::move(inner).function();
        auto name = said_first<unnamed>(std::move(outer).name(), std::move(inner).name());
        auto limits = limits_said_first(std::move(outer).limits(), std::move(inner).limits());
        return exit_spec < decltype(function), decltype(name),
               outer_type::filter == exit_filter::always ? inner_type::filter : outer_type::filter,
               outer_type::is_best_effort || inner_type::is_best_effort,
               decltype(limits)
                   > (std::move(function), std::move(name), std::move(limits), outer.where());
    }
}

template <class Source, class T>
using made_spec = decltype(make_spec(std::declval<Source>(), std::declval<T&>()));

template <class T>
struct held_value
{
    template <class Given>
    explicit held_value(Given&& given)
        : held(std::forward<Given>(given))
    {
    }

    T held;
};

// A value and the exit that was made for it, a Payload.
template <class T, class Payload>
struct made_exit : held_value<T>, Payload
{
    template <class Given, class Source>
    made_exit(Given&& given, Source&& source)
        : held_value<T>(std::forward<Given>(given))
        , Payload(make_spec(std::forward<Source>(source), this->held))
    {
    }

    void* value() noexcept { return std::addressof(this->held); }
    T& subject() noexcept { return this->held; }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_MADE_EXIT_HPP
