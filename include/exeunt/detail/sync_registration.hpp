#ifndef EXEUNT_DETAIL_SYNC_REGISTRATION_HPP
#define EXEUNT_DETAIL_SYNC_REGISTRATION_HPP

#include <exeunt/detail/exit_list.hpp>
#include <exeunt/detail/made_exit.hpp>
#include <exeunt/detail/sync_exit.hpp>

#include <type_traits>
#include <utility>

namespace exeunt::detail {

// What is given to a synchronous stack, checked and made an entry. Each returns one that is not linked
// yet, so that nothing is registered where something throws.

template <class F, class... Args>
consteval bool check_sync_result()
{
    using result = std::decay_t<std::invoke_result_t<F, Args...>>;
    static_assert(!is_unstarted_work<result>,
        "exeunt: this exit is asynchronous, what it returns would be discarded: use an "
        "async_exit_stack, and there push_async_callback or push");
    return !is_unstarted_work<result>;
}

template <class F>
consteval bool check_sync_callable()
{
    if constexpr (is_deferred_operation<F> || is_awaitable<F>) {
        static_assert(!is_deferred_operation<F> && !is_awaitable<F>,
            "exeunt: this is an asynchronous operation: use an async_exit_stack");
        return false;
    } else if constexpr (runs_blindly<F>) {
        return check_sync_result<F>();
    } else if constexpr (std::is_invocable_v<F, exit_state&>) {
        return check_sync_result<F, exit_state&>();
    } else {
        static_assert(std::is_invocable_v<F, exit_state&>,
            "exeunt: this is no exit: pass a callable f() or f(exit_state&), or a context with "
            "exit(exit_state&)");
        return false;
    }
}

template <class Source>
consteval bool check_context()
{
    if constexpr (is_spec<std::decay_t<Source>> || is_reference_wrapper<std::decay_t<Source>>) {
        return true;
    } else {
        static_assert(!std::is_lvalue_reference_v<Source>,
            "exeunt: a context is passed by std::ref(context), or by std::move(context) if the "
            "stack "
            "shall own it");
        return !std::is_lvalue_reference_v<Source>;
    }
}

template <class Source>
entry& make_sync_context(exit_list& list, Source&& source, source_location where)
{
    using payload = context_exit<function_of<Source>, words_of<Source>>;
    return list.create<payload>(
        sync_table<payload>, place_of(source, where), std::forward<Source>(source));
}

template <class Source>
entry& make_sync_callable(exit_list& list, Source&& source, source_location where)
{
    using payload = callable_exit<function_of<Source>, words_of<Source>>;
    require_callable(source);
    return list.create<payload>(
        sync_table<payload>, place_of(source, where), std::forward<Source>(source));
}

template <class Source>
entry& make_sync_push(exit_list& list, Source&& source, source_location where)
{
    using F = function_of<Source>;
    if constexpr (has_sync_exit<F>) {
        if constexpr (check_context<Source>()
            && check_sync_result<decltype([](unwrapped_t<F>& context, exit_state& state) {
                   return context.exit(state);
               }),
                unwrapped_t<F>&, exit_state&>())
            return make_sync_context(list, std::forward<Source>(source), where);
    } else if constexpr (declares_async_exit<unwrapped_t<F>>()) {
        static_assert(!declares_async_exit<unwrapped_t<F>>(),
            "exeunt: this context is asynchronous: use an async_exit_stack");
    } else if constexpr (check_sync_callable<F>()) {
        return make_sync_callable(list, std::forward<Source>(source), where);
    }
}

template <class Source, class... Args>
entry& make_callback(exit_list& list, Source&& source, source_location where, Args&&... args)
{
    using F = function_of<Source>;
    constexpr bool callable = std::is_invocable_v<F, std::decay_t<Args>...>;
    static_assert(callable,
        "exeunt: callback(f, args...) calls f with the captured arguments as rvalues, which this f "
        "does not take");
    if constexpr (callable) {
        if constexpr (check_sync_result<F, std::decay_t<Args>...>()) {
            using payload = callback_exit<F, words_of<Source>, std::decay_t<Args>...>;
            require_callable(source);
            return list.create<payload>(sync_table<payload>, place_of(source, where),
                std::forward<Source>(source), std::forward<Args>(args)...);
        }
    }
}

template <class T, class... Args>
entry& make_value(exit_list& list, Args&&... args)
{
    using payload = owned_value<T>;
    return list.create<payload>(
        sync_table<payload>, source_location(), exit_words<>(), std::forward<Args>(args)...);
}

// A value whose exit is what `source` makes of it.
template <class T, class Source>
entry& make_sync_made(exit_list& list, T&& value, Source&& source, source_location where)
{
    using V = std::decay_t<T>;
    using spec = made_spec<Source, V>;
    if constexpr (check_sync_callable<function_of<spec>>()) {
        using payload = made_exit<V, callable_exit<function_of<spec>, words_of<spec>>>;
        return list.create<payload>(sync_table<payload>, place_of(source, where),
            std::forward<T>(value), std::forward<Source>(source));
    }
}

template <class F, class V>
consteval bool check_sync_release()
{
    if constexpr (std::is_invocable_v<F, V&>) {
        return check_sync_result<F, V&>();
    } else {
        static_assert(std::is_invocable_v<F, V&, exit_state&>,
            "exeunt: this is no release: pass a callable release(T&) or release(T&, exit_state&)");
        if constexpr (std::is_invocable_v<F, V&, exit_state&>)
            return check_sync_result<F, V&, exit_state&>();
        else
            return false;
    }
}

template <class T, class Source>
entry& make_sync_adopted(exit_list& list, T&& value, Source&& source, source_location where)
{
    using F = function_of<Source>;
    using V = std::decay_t<T>;
    require_callable(source);
    if constexpr (makes_exit<F, V>()) {
        return make_sync_made(list, std::forward<T>(value), std::forward<Source>(source), where);
    } else if constexpr (check_sync_release<F, V>()) {
        using payload = adopted_value<V, F, words_of<Source>>;
        return list.create<payload>(sync_table<payload>, place_of(source, where),
            std::forward<T>(value), std::forward<Source>(source));
    }
}

// Takes an entry that is not linked back where something throws.
class unlinked_entry
{
public:
    unlinked_entry(exit_list& list, entry& e) noexcept
        : list_(list)
        , entry_(&e)
    {
    }
    unlinked_entry(unlinked_entry const&) = delete;
    unlinked_entry& operator=(unlinked_entry const&) = delete;
    ~unlinked_entry()
    {
        if (entry_)
            list_.discard(*entry_);
    }

    void link() noexcept { list_.link(*std::exchange(entry_, nullptr)); }

private:
    exit_list& list_;
    entry* entry_;
};

template <class Source>
decltype(auto) enter_sync(exit_list& list, Source&& source, source_location where)
{
    using F = function_of<Source>;
    using C = unwrapped_t<F>;
    static_assert(has_sync_exit<F> || !declares_async_exit<C>(),
        "exeunt: this context is asynchronous: use async_enter of an async_exit_stack");
    static_assert(has_sync_exit<F> || !is_reference_wrapper<F>,
        "exeunt: what is entered by std::ref needs exit(exit_state&); a plain object is owned: "
        "std::move it into the stack");
    static_assert(check_context<Source>());
    if constexpr (has_sync_exit<F>) {
        auto& e = make_sync_context(list, std::forward<Source>(source), where);
        unlinked_entry guard(list, e);
        C& context = *static_cast<C*>(e.table->value(e));
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
        using owned = owned_value<F, words_of<Source>>;
        auto& e = list.create<owned>(sync_table<owned>, place_of(source, where),
            take_words(std::forward<Source>(source)), take_function(std::forward<Source>(source)));
        list.link(e);
        return static_cast<C&>(stored<owned>::get(e).held);
    }
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_SYNC_REGISTRATION_HPP
