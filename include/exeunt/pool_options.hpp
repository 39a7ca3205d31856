#ifndef EXEUNT_POOL_OPTIONS_HPP
#define EXEUNT_POOL_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace exeunt {

/// How many resources a pool has, and for how long.
struct pool_options
{
    using duration = std::chrono::steady_clock::duration;

    /// So many resources there are at most, whatever they are doing. At least one.
    std::size_t max_size = 8;

    /// So many may wait for one to come back at most; more are refused.
    /** Those for whom there is room, so that one is opened, do not count: with 0 nobody waits but for that. */
    std::size_t max_waiters = static_cast<std::size_t>(-1);

    /// So long one waits for a resource at most; then `async_acquire` fails with `timed_out`.
    duration wait_timeout = duration::max();

    /// What nobody has needed for this long is closed.
    duration idle_timeout = duration::max();

    /// What has been open for this long is closed when it comes back, without being recycled, or while it
    /// is idle.
    duration max_lifetime = duration::max();
};

/// What has happened to a pool since it was made.
/** When nothing is on its way, `leased` is how many are out, `returned` and `discarded` together. */
struct pool_counts
{
    /// Resources that were opened.
    std::uint64_t opened = 0;
    /// Resources that could not be opened.
    std::uint64_t failed = 0;
    /// Leases that were handed out.
    std::uint64_t leased = 0;
    /// Resources that came back and could be used again, those that were closed all the same among them.
    std::uint64_t returned = 0;
    /// Resources that came back and were destroyed without being closed.
    std::uint64_t discarded = 0;
    /// Resources that were closed because they were too old, or nobody had needed them for too long.
    std::uint64_t expired = 0;
    /// Resources that were closed, those that had expired among them. Where nothing closes them, or closing
    /// the pool is forced, those that were destroyed instead.
    std::uint64_t closed = 0;
};

/// Thrown where a resource is asked for and the pool is being closed, or has been.
class pool_closed : public std::runtime_error
{
public:
    pool_closed()
        : std::runtime_error("the resource pool is closed")
    {
    }
};

/// Nothing is done.
struct no_function
{
};

/// What a pool does with its resources: how one is opened, made ready again, and closed.
/**
 * Made by `opened_by`; each word that is said returns a spec of another type.
 *
 * @tparam Open Called without arguments; returns an `asio::awaitable<T>` or an asynchronous operation
 * that yields a T.
 */
template <class Open, class Recycle = no_function, class Close = no_function,
    class Reusable = no_function>
class pool_spec
{
public:
    static constexpr bool recycles = !std::is_same_v<Recycle, no_function>;
    static constexpr bool closes = !std::is_same_v<Close, no_function>;
    static constexpr bool judges = !std::is_same_v<Reusable, no_function>;

    pool_spec(Open&& open_with, Recycle&& recycle_with, Close&& close_with, Reusable&& judge_with)
        : open(std::move(open_with))
        , recycle(std::move(recycle_with))
        , close(std::move(close_with))
        , reusable(std::move(judge_with))
    {
    }

    /// What makes a resource ready for the next lease: `f(T&)` or `f(T&, handler)`.
    /** Synchronous, an awaitable, or an operation; or a spec of one (`on_exit`), which may say how long it
     * takes at most. What cannot be recycled is discarded; the default observer hears of a failure. */
    template <class F>
    pool_spec<Open, std::decay_t<F>, Close, Reusable> recycled_by(F&& function) &&
    {
        static_assert(!recycles, "exeunt: a pool has one recycled_by()");
        return {std::move(open), std::decay_t<F>(std::forward<F>(function)), std::move(close),
            std::move(reusable)};
    }

    /// How a resource is closed that is not needed any more: `f(T&)` or `f(T&, handler)`.
    /** Synchronous, an awaitable, or an operation; or a spec of one (`on_exit`). Then it is destroyed. */
    template <class F>
    pool_spec<Open, Recycle, std::decay_t<F>, Reusable> closed_by(F&& function) &&
    {
        static_assert(!closes, "exeunt: a pool has one closed_by()");
        return {std::move(open), std::move(recycle), std::decay_t<F>(std::forward<F>(function)),
            std::move(reusable)};
    }

    /// Whether a resource that comes back can be used again: `bool f(T&)`; one that throws says no.
    /** Asked on the pool's executor each time a lease ends, before the resource is recycled: where the lease
     * is destroyed, and where it is an exit, after success and after a failure. Not asked where the resource
     * is discarded anyway: by `discard()`, by an exit that is forced or, after a failure, has no memory to
     * start, and where the pool has been forced to close. What cannot be used again is discarded. Without
     * this function that is what a lease gives back as an exit after a failure. */
    template <class F>
    pool_spec<Open, Recycle, Close, std::decay_t<F>> reusable_if(F&& function) &&
    {
        static_assert(!judges, "exeunt: a pool has one reusable_if()");
        return {std::move(open), std::move(recycle), std::move(close),
            std::decay_t<F>(std::forward<F>(function))};
    }

    [[no_unique_address]] Open open;
    [[no_unique_address]] Recycle recycle;
    [[no_unique_address]] Close close;
    [[no_unique_address]] Reusable reusable;
};

/// Says how a pool opens its resources, to say more about them.
template <class Open>
pool_spec<std::decay_t<Open>> opened_by(Open&& open)
{
    return {std::decay_t<Open>(std::forward<Open>(open)), {}, {}, {}};
}

} // namespace exeunt

#endif // EXEUNT_POOL_OPTIONS_HPP
