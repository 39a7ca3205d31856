#ifndef EXEUNT_DETAIL_MANUAL_TIME_HPP
#define EXEUNT_DETAIL_MANUAL_TIME_HPP

#include <boost/asio/execution/context.hpp>
#include <boost/asio/execution_context.hpp>
#include <boost/asio/query.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
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

    // `name` stands for the wait in what follows: an address may be used again.
    void wait(time_point until, std::unique_ptr<waiter> waiting, std::uint64_t& name)
    {
        {
            std::lock_guard const lock(mutex_);
            name = ++last_name_;
            if (now_ < until)
                return waiting_.push_back({until, name, std::move(waiting)});
        }
        waiting->reached();
    }

    // A waiter that is called off is reached at once.
    void call_off(std::uint64_t waiting)
    {
        if (auto const found = take(waiting))
            found->reached();
    }

    // A waiter that is forgotten is destroyed uncalled.
    void forget(std::uint64_t waiting) { static_cast<void>(take(waiting)); }

    void advance(duration time)
    {
        {
            std::lock_guard const lock(mutex_);
            now_ += time;
        }
        // One by one: it needs no memory, and what is reached may begin other waits.
        while (auto const due = take_due())
            due->reached();
    }

private:
    struct entry
    {
        time_point until;
        std::uint64_t name;
        std::unique_ptr<waiter> waiting;
    };

    std::unique_ptr<waiter> take(std::uint64_t waiting)
    {
        std::lock_guard const lock(mutex_);
        auto const found = std::find_if(waiting_.begin(), waiting_.end(),
            [waiting](entry const& each) { return each.name == waiting; });
        return found == waiting_.end() ? nullptr : take(found);
    }

    // The wait that ends first of those whose time has come.
    std::unique_ptr<waiter> take_due()
    {
        std::lock_guard const lock(mutex_);
        auto const first = std::min_element(waiting_.begin(), waiting_.end(),
            [](entry const& a, entry const& b) { return a.until < b.until; });
        return first == waiting_.end() || now_ < first->until ? nullptr : take(first);
    }

    std::unique_ptr<waiter> take(std::vector<entry>::iterator of)
    {
        auto taken = std::move(of->waiting);
        waiting_.erase(of);
        return taken;
    }

    void shutdown() override { auto const gone = std::move(waiting_); }

    // No context is looked at as long as no test has asked for it.
    static inline std::atomic<bool> in_use_{false};

    mutable std::mutex mutex_;
    time_point now_ = std::chrono::steady_clock::now();
    std::vector<entry> waiting_;
    std::uint64_t last_name_ = 0;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_MANUAL_TIME_HPP
