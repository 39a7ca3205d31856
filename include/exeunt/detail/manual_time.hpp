#ifndef EXEUNT_DETAIL_MANUAL_TIME_HPP
#define EXEUNT_DETAIL_MANUAL_TIME_HPP

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace exeunt::detail {

namespace asio = boost::asio;

// The time of an execution context whose deadlines are advanced by hand: for tests.
class manual_time : public asio::execution_context::service
{
public:
    using key_type = manual_time;
    using time_point = std::chrono::steady_clock::time_point;
    using duration = std::chrono::steady_clock::duration;
    static inline asio::execution_context::id id;

    // Waits for a time. Destroyed uncalled where the context ends first.
    class waiter
    {
    public:
        virtual ~waiter() = default;
        // False where there was no memory to say so: to be called again.
        virtual bool reached() noexcept = 0;
    };

    explicit manual_time(asio::execution_context& context)
        : asio::execution_context::service(context)
    {
        in_use_.store(true, std::memory_order_relaxed);
    }

    // The manual time of an executor's context; null if that goes by the real one.
    template <class Executor>
    static manual_time* of(Executor const& executor)
    {
        if (!in_use_.load(std::memory_order_relaxed))
            return nullptr;
        if constexpr (asio::can_query<Executor const&, asio::execution::context_t>::value) {
            asio::execution_context& context = asio::query(executor, asio::execution::context);
            if (asio::has_service<manual_time>(context))
                return &asio::use_service<manual_time>(context);
        }
        return nullptr;
    }

    time_point now() const
    {
        std::lock_guard const lock(mutex_);
        return now_;
    }

    // `name` stands for the wait in what follows: an address may be used again.
    void wait(time_point until, std::unique_ptr<waiter> waiting, std::uint64_t& name)
    {
        waits one;
        one.push_back({until, 0, std::move(waiting)});
        {
            std::lock_guard const lock(mutex_);
            one.front().name = name = ++last_name_;
            if (now_ < until)
                return waiting_.splice(waiting_.end(), one);
        }
        reach(one);
        put_back(one);
    }

    // A waiter that is called off is reached at once, or, without memory, when the time advances.
    void call_off(std::uint64_t waiting) noexcept
    {
        waits one = take(waiting);
        if (one.empty())
            return;
        one.front().until = time_point::min();
        reach(one);
        put_back(one);
    }

    // A waiter that is forgotten is destroyed uncalled.
    void forget(std::uint64_t waiting) noexcept { static_cast<void>(take(waiting)); }

    void advance(duration time)
    {
        {
            std::lock_guard const lock(mutex_);
            now_ += time;
        }
        waits refused;
        // One by one: what is reached may begin other waits, or forget some.
        for (waits due = take_due(); !due.empty(); due = take_due()) {
            reach(due);
            refused.splice(refused.end(), due);
        }
        if (refused.empty())
            return;
        put_back(refused);
        throw std::bad_alloc();
    }

private:
    struct entry
    {
        time_point until;
        std::uint64_t name;
        std::unique_ptr<waiter> waiting;
    };

    // Its nodes go from one to another without memory.
    using waits = std::list<entry>;

    // Leaves in the list what has to be called again.
    static void reach(waits& one) noexcept
    {
        if (one.front().waiting->reached())
            one.clear();
    }

    void put_back(waits& refused) noexcept
    {
        std::lock_guard const lock(mutex_);
        waiting_.splice(waiting_.end(), refused);
    }

    waits take(std::uint64_t waiting) noexcept
    {
        std::lock_guard const lock(mutex_);
        return take(std::find_if(waiting_.begin(), waiting_.end(),
            [waiting](entry const& each) { return each.name == waiting; }));
    }

    // The wait that ends first of those whose time has come.
    waits take_due() noexcept
    {
        std::lock_guard const lock(mutex_);
        auto const first = std::min_element(waiting_.begin(), waiting_.end(),
            [](entry const& a, entry const& b) { return a.until < b.until; });
        bool const none = first == waiting_.end() || now_ < first->until;
        return take(none ? waiting_.end() : first);
    }

    waits take(waits::iterator of) noexcept
    {
        waits taken;
        if (of != waiting_.end())
            taken.splice(taken.end(), waiting_, of);
        return taken;
    }

    void shutdown() override { waits const gone = std::move(waiting_); }

    // No context is looked at as long as no test has asked for it.
    static inline std::atomic<bool> in_use_{false};

    mutable std::mutex mutex_;
    time_point now_ = std::chrono::steady_clock::now();
    waits waiting_;
    std::uint64_t last_name_ = 0;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_MANUAL_TIME_HPP
