#ifndef EXEUNT_ON_EXIT_HPP
#define EXEUNT_ON_EXIT_HPP

#include <exeunt/source_location.hpp>

#include <string>
#include <type_traits>
#include <utility>

namespace exeunt {

/// The name of an exit that has none.
struct unnamed
{
};

/// When an exit runs, decided by what is in flight at its turn.
enum class exit_filter : unsigned char {
    always,
    only_on_failure,
    only_on_success,
};

/// An exit as a value: a callable, a release or a context with what is said about it.
/**
 * Made by `on_exit`; may stand wherever an exit is registered. Each word that is said returns a spec
 * of another type, so that what is not used costs nothing.
 *
 * @tparam F The callable, release or context, as it was given.
 * @tparam Name `unnamed` or `std::string`.
 */
template <class F, class Name = unnamed, exit_filter Filter = exit_filter::always,
    bool BestEffort = false>
class exit_spec
{
public:
    using function_type = F;
    using name_type = Name;
    static constexpr exit_filter filter = Filter;
    static constexpr bool is_best_effort = BestEffort;

    exit_spec(F&& function, Name&& name, source_location where)
        : function_(std::move(function))
        , name_(std::move(name))
        , where_(where)
    {
    }

    /// Names the exit, in errors, in reports and in `pending()`.
    exit_spec<F, std::string, Filter, BestEffort> named(std::string name) &&
    {
        return {std::move(function_), std::move(name), where_};
    }

    /// The exit runs only if a failure is in flight at its turn, and where the outcome is unknown.
    exit_spec<F, Name, exit_filter::only_on_failure, BestEffort> only_on_failure() &&
    {
        static_assert(Filter == exit_filter::always,
            "exeunt: an exit has one filter: either only_on_failure() or only_on_success()");
        return {std::move(function_), std::move(name_), where_};
    }

    /// The exit runs only if nothing is in flight at its turn, and never where that is unknown.
    exit_spec<F, Name, exit_filter::only_on_success, BestEffort> only_on_success() &&
    {
        static_assert(Filter == exit_filter::always,
            "exeunt: an exit has one filter: either only_on_failure() or only_on_success()");
        return {std::move(function_), std::move(name_), where_};
    }

    /// The exit's own failure goes to the observer alone; nothing is in flight because of it.
    exit_spec<F, Name, Filter, true> best_effort() &&
    {
        return {std::move(function_), std::move(name_), where_};
    }

    F const& function() const& noexcept { return function_; }
    F&& function() && noexcept { return std::move(function_); }
    Name const& name() const& noexcept { return name_; }
    Name&& name() && noexcept { return std::move(name_); }
    source_location where() const noexcept { return where_; }

private:
    F function_;
    [[no_unique_address]] Name name_;
    source_location where_;
};

/// Makes a spec of a callable, a release or a context, to say more about the exit.
/**
 * @code
 * stack.push(exeunt::on_exit([&] { file.remove(); }).named("remove draft").only_on_failure());
 * @endcode
 *
 * Records the place of the call. Throws what moving or copying `function` throws.
 */
template <class F>
exit_spec<std::decay_t<F>> on_exit(F&& function, source_location where = source_location::current())
{
    return {std::decay_t<F>(std::forward<F>(function)), unnamed{}, where};
}

} // namespace exeunt

#endif // EXEUNT_ON_EXIT_HPP
