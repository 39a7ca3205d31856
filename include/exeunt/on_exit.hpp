#ifndef EXEUNT_ON_EXIT_HPP
#define EXEUNT_ON_EXIT_HPP

#include <exeunt/source_location.hpp>

#include <chrono>
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

/// Nothing is called.
struct no_call
{
};

/// An exit that takes as long as its unwinding lets it.
struct no_limits
{
    static constexpr std::chrono::steady_clock::duration within =
        std::chrono::steady_clock::duration::max();
    [[no_unique_address]] no_call on_cut;
    [[no_unique_address]] no_call force;
};

/// What is said about the time of an asynchronous exit.
template <class OnCut = no_call, class Force = no_call>
struct exit_limits
{
    std::chrono::steady_clock::duration within = std::chrono::steady_clock::duration::max();
    [[no_unique_address]] OnCut on_cut;
    [[no_unique_address]] Force force;
};

/// An exit as a value: a callable, a release or a context with what is said about it.
/**
 * Made by `on_exit`; may stand wherever an exit is registered. Each word that is said returns a spec
 * of another type, so that what is not used costs nothing.
 *
 * @tparam F The callable, release or context, as it was given.
 * @tparam Name `unnamed` or `std::string`.
 * @tparam Limits `no_limits` or `exit_limits`.
 */
template <class F, class Name = unnamed, exit_filter Filter = exit_filter::always,
    bool BestEffort = false, class Limits = no_limits>
class exit_spec
{
public:
    using function_type = F;
    using name_type = Name;
    using limits_type = Limits;
    static constexpr exit_filter filter = Filter;
    static constexpr bool is_best_effort = BestEffort;

    exit_spec(F&& function, Name&& name, Limits&& limits, source_location where)
        : function_(std::move(function))
        , name_(std::move(name))
        , limits_(std::move(limits))
        , where_(where)
    {
    }

    /// Names the exit, in errors, in reports and in `pending()`.
    exit_spec<F, std::string, Filter, BestEffort, Limits> named(std::string name) &&
    {
        return {std::move(function_), std::move(name), std::move(limits_), where_};
    }

    /// The exit, asynchronous, is cut when it has been waited for this long.
    /**
     * Its failure is `timed_out` then, unless it fails with an error of its own that is no
     * cancellation, or a force makes good.
     */
    auto within(std::chrono::steady_clock::duration time) &&
    {
        return std::move(*this).limited(time, std::move(limits_.on_cut), std::move(limits_.force));
    }

    /// Calls `function()`, or `function(T&)` where the exit belongs to a value, just before the cut.
    /** For operations that ignore their cancellation slot. What it throws is the exit's failure. */
    template <class G>
    auto on_cut(G&& function) &&
    {
        static_assert(
            std::is_same_v<decltype(Limits::on_cut), no_call>, "exeunt: an exit has one on_cut()");
        return std::move(*this).limited(
            limits_.within, std::forward<G>(function), std::move(limits_.force));
    }

    /// The last resort of an asynchronous exit: `function()`, or `function(T&)` for that of a value.
    /**
     * Synchronous. Called once if the exit does not succeed: it was cut, or it failed, or could not
     * run. Where it was cut, or never started, there is no failure then, but for an
     * `only_on_success()` exit; where it failed by itself, that stays. What the force throws is the
     * exit's failure.
     */
    template <class G>
    auto or_force(G&& function) &&
    {
        static_assert(
            std::is_same_v<decltype(Limits::force), no_call>, "exeunt: an exit has one or_force()");
        return std::move(*this).limited(
            limits_.within, std::move(limits_.on_cut), std::forward<G>(function));
    }

    /// The exit runs only if a failure is in flight at its turn, and where the outcome is unknown.
    exit_spec<F, Name, exit_filter::only_on_failure, BestEffort, Limits> only_on_failure() &&
    {
        static_assert(Filter == exit_filter::always,
            "exeunt: an exit has one filter: either only_on_failure() or only_on_success()");
        return {std::move(function_), std::move(name_), std::move(limits_), where_};
    }

    /// The exit runs only if nothing is in flight at its turn, and never where that is unknown.
    exit_spec<F, Name, exit_filter::only_on_success, BestEffort, Limits> only_on_success() &&
    {
        static_assert(Filter == exit_filter::always,
            "exeunt: an exit has one filter: either only_on_failure() or only_on_success()");
        return {std::move(function_), std::move(name_), std::move(limits_), where_};
    }

    /// The exit's own failure goes to the observer alone; nothing is in flight because of it.
    exit_spec<F, Name, Filter, true, Limits> best_effort() &&
    {
        return {std::move(function_), std::move(name_), std::move(limits_), where_};
    }

    F const& function() const& noexcept { return function_; }
    F&& function() && noexcept { return std::move(function_); }
    Name const& name() const& noexcept { return name_; }
    Name&& name() && noexcept { return std::move(name_); }
    Limits const& limits() const& noexcept { return limits_; }
    Limits&& limits() && noexcept { return std::move(limits_); }
    source_location where() const noexcept { return where_; }

private:
    template <class OnCut, class Force>
    exit_spec<F, Name, Filter, BestEffort, exit_limits<std::decay_t<OnCut>, std::decay_t<Force>>>
    limited(std::chrono::steady_clock::duration within, OnCut&& on_cut, Force&& force) &&
    {
        return {std::move(function_), std::move(name_),
            {within, std::forward<OnCut>(on_cut), std::forward<Force>(force)}, where_};
    }

    F function_;
    [[no_unique_address]] Name name_;
    [[no_unique_address]] Limits limits_;
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
    return {std::decay_t<F>(std::forward<F>(function)), unnamed{}, no_limits{}, where};
}

/// The type of `own_exit`.
struct own_exit_t
{
};

/// Stands for the exit that what is acquired has by itself, to say more about it.
/**
 * @code
 * auto const reset = exeunt::on_exit(exeunt::own_exit).named("reset").within(2s);
 * auto& upstream = *co_await stack.async_acquire(pool.async_acquire(asio::deferred), reset);
 * @endcode
 */
inline constexpr own_exit_t own_exit;

} // namespace exeunt

#endif // EXEUNT_ON_EXIT_HPP
