#ifndef EXEUNT_DETAIL_MANUAL_TIME_HPP
#define EXEUNT_DETAIL_MANUAL_TIME_HPP

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

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
        virtual void reached() = 0;
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

    void wait(time_point until, std::unique_ptr<waiter> waiting)
    {
        {
            std::lock_guard const lock(mutex_);
            if (now_ < until)
                return waiting_.push_back({until, std::move(waiting)});
        }
        waiting->reached();
    }

    // A waiter that is called off is reached at once.
    void call_off(waiter const* waiting)
    {
        if (auto const found = take(waiting))
            found->reached();
    }

    // A waiter that is forgotten is destroyed uncalled.
    void forget(waiter const* waiting) { static_cast<void>(take(waiting)); }

    void advance(duration time)
    {
        std::vector<entry> due;
        {
            std::lock_guard const lock(mutex_);
            now_ += time;
            auto const first = std::stable_partition(waiting_.begin(), waiting_.end(),
                [this](entry const& each) { return each.until > now_; });
            std::move(first, waiting_.end(), std::back_inserter(due));
            waiting_.erase(first, waiting_.end());
        }
        std::stable_sort(due.begin(), due.end(),
            [](entry const& a, entry const& b) { return a.until < b.until; });
        for (auto& each : due)
            each.waiting->reached();
    }

private:
    struct entry
    {
        time_point until;
        std::unique_ptr<waiter> waiting;
    };

    std::unique_ptr<waiter> take(waiter const* waiting)
    {
        std::lock_guard const lock(mutex_);
        auto const found = std::find_if(waiting_.begin(), waiting_.end(),
            [waiting](entry const& each) { return each.waiting.get() == waiting; });
        if (found == waiting_.end())
            return nullptr;
        auto taken = std::move(found->waiting);
        waiting_.erase(found);
        return taken;
    }

    void shutdown() override { auto const gone = std::move(waiting_); }

    // No context is looked at as long as no test has asked for it.
    static inline std::atomic<bool> in_use_{false};

    mutable std::mutex mutex_;
    time_point now_ = std::chrono::steady_clock::now();
    std::vector<entry> waiting_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_MANUAL_TIME_HPP
