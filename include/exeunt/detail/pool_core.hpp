#ifndef EXEUNT_DETAIL_POOL_CORE_HPP
#define EXEUNT_DETAIL_POOL_CORE_HPP

#include <exeunt/detail/close_operation.hpp>
#include <exeunt/detail/deadline.hpp>
#include <exeunt/detail/memory_reserve.hpp>
#include <exeunt/detail/node_list.hpp>
#include <exeunt/detail/observation.hpp>
#include <exeunt/detail/pool_functions.hpp>
#include <exeunt/detail/pooled.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_state.hpp>
#include <exeunt/pool_options.hpp>

#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace exeunt::detail {

inline std::exception_ptr make_pool_closed() noexcept
{
    try {
        return std::make_exception_ptr(pool_closed());
    } catch (...) {
        return std::current_exception();
    }
}

inline std::exception_ptr make_broken_promise() noexcept
{
    try {
        return std::make_exception_ptr(std::future_error(std::future_errc::broken_promise));
    } catch (...) {
        return std::current_exception();
    }
}

// Who waits for a resource.
template <class T, class Executor>
class pool_waiter
{
public:
    // Neither completes within the call.
    virtual void give(pooled<T, Executor>& resource) = 0;
    virtual void refuse(std::exception_ptr error) = 0;

    pool_waiter* previous = nullptr;
    pool_waiter* next = nullptr;

protected:
    pool_waiter() = default;
    pool_waiter(pool_waiter const&) = delete;
    pool_waiter& operator=(pool_waiter const&) = delete;
    ~pool_waiter() = default;
};

// Who closes the pool.
class pool_closer
{
public:
    // All that it waits for has ended; it has been taken out. Does not complete within the call.
    virtual void drained() = 0;

    pool_closer* previous = nullptr;
    pool_closer* next = nullptr;

protected:
    pool_closer() = default;
    pool_closer(pool_closer const&) = delete;
    pool_closer& operator=(pool_closer const&) = delete;
    ~pool_closer() = default;
};

// What a pool, its leases and the operations on it share. Used on the pool's executor, but for what says
// otherwise.
template <class T, class Executor>
class pool_core final : public std::enable_shared_from_this<pool_core<T, Executor>>,
                        public deadline_owner
{
public:
    using resource = pooled<T, Executor>;
    using waiter = pool_waiter<T, Executor>;
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;

    pool_core(Executor const& executor, pool_options const& options,
        std::unique_ptr<pool_functions<T, Executor>> functions)
        : executor_(executor)
        , options_(options)
        , functions_(std::move(functions))
    {
        options_.max_size = std::max<std::size_t>(options_.max_size, 1);
    }

    // No job runs, and no lease is out: none is busy but what has come back untold.
    ~pool_core()
    {
        if (deadline_)
            deadline_->detach();
        take_back_returned([this](resource& each) { destroy(each); });
        while (auto* each = idle_.first())
            destroy(*each);
    }

    Executor const& executor() const noexcept { return executor_; }
    pool_counts const& counts() const noexcept { return counts_; }
    std::size_t idle() const noexcept { return idle_.size(); }
    std::size_t size() const noexcept { return idle_.size() + busy_.size(); }
    std::size_t waiting() const noexcept { return waiters_.size(); }
    bool is_closing() const noexcept { return closing_; }

    // ---- leases

    // One that can be had without waiting; null if there is none.
    resource* take_idle()
    {
        take_back();
        if (!waiters_.empty())
            return nullptr;
        return take_unexpired();
    }

    // Those for whom there is room, or something is being opened, do not count.
    bool is_full() const noexcept
    {
        auto const served = options_.max_size - size() + opening_;
        return waiters_.size() >= served && waiters_.size() - served >= options_.max_waiters;
    }
    duration wait_timeout() const noexcept { return options_.wait_timeout; }

    void wait(waiter& waits)
    {
        waiters_.push_back(waits);
        pump();
    }
    void stop_waiting(waiter& waits) noexcept { waiters_.remove(waits); }

    // A lease has ended. On any thread.
    void give_back(resource& returned) noexcept
    {
        // Who recycles does so on the executor, as who looks for it; others give back on any thread.
        if (returned.recycler)
            returned.recycler = nullptr;
        auto* head = returned_.load(std::memory_order_relaxed);
        do
            returned.next_returned = head;
        while (!returned_.compare_exchange_weak(
            head, &returned, std::memory_order_release, std::memory_order_relaxed));
        if (takes_back_.exchange(true, std::memory_order_acq_rel))
            return;
        if (tell() || (reserve_.spend() && tell()))
            return;
        // There is no memory to tell: the next who looks takes it back.
        takes_back_.store(false, std::memory_order_release);
    }

    // Whether a lease that ends leaves a resource that is good for anything.
    bool is_fit(resource& returned, bool after_failure) noexcept
    {
        if (returned.discarded || forced_)
            return false;
        return functions_->judges ? functions_->is_reusable(*returned.value) : !after_failure;
    }

    // Whether exits recycle what they give back: as their own job.
    bool lets_exits_recycle() const noexcept
    {
        return functions_->recycles_plainly || !functions_->recycles;
    }
    bool needs_recycling(resource const& returned) const
    {
        return functions_->recycles && !closing_ && !is_too_old(returned);
    }
    // The lease is given back when that job has ended.
    void recycle_on(exit_runner<Executor>& runner, resource& leased)
    {
        leased.recycled = true;
        leased.recycler = &runner;
        functions_->recycle_on(runner, *leased.value);
    }
    void give_back_at_once(resource& returned, bool fit)
    {
        static_cast<void>(has_to_be_recycled(returned, fit));
    }
    // It has failed: whoever had the resource got what it wanted, and only the observer hears of it.
    static void absorb(resource& returned, std::exception_ptr const& error) noexcept
    {
        returned.discarded = true;
        if (!is_cancelled(error))
            tell("recycle", {error, {}, {}});
    }

    // What has become of a resource that an exit gives back: whether it is being recycled for `waits`.
    bool give_back_from_exit(resource& returned, bool fit, pooled_waiter& waits)
    {
        if (!has_to_be_recycled(returned, fit))
            return false;
        returned.waiter = &waits;
        if (!recycle(returned))
            return true;
        returned.waiter = nullptr;
        after_recycling(returned);
        return false;
    }

    void stop_job(resource& busy) { busy.stop_job(); }

    // ---- jobs

    void job_ended(resource& done)
    {
        auto const alive = end_job();
        switch (done.state) {
        case pooled_state::opening: after_opening(done); break;
        case pooled_state::recycling: {
            auto* const waits = std::exchange(done.waiter, nullptr);
            bool const kept = after_recycling(done);
            if (waits)
                waits->job_done(kept);
            break;
        }
        default: after_closing(done); break;
        }
        take_back();
        pump();
        notify();
    }

    // It can never end: somebody has dropped it, or the execution context is being destroyed. Whoever
    // waits for what comes of it is seen to later, in a turn that does not come in the second case.
    void job_lost(resource& lost) noexcept
    {
        auto const alive = end_job();
        auto* const waits = std::exchange(lost.waiter, nullptr);
        count_lost(lost.state);
        destroy(lost);
        if (waits)
            waits->job_lost();
        try {
            asio::post(executor_, [core = this->shared_from_this()] { core->look_at_lost(); });
        } catch (...) {
            // There is no memory for it: the next who looks sees to it.
        }
    }

    // ---- closing

    // `around`: the state of the unwinding that this is a part of.
    void close(pool_closer& closer, exit_state const& around)
    {
        closers_.push_back(closer);
        bool const closes_already = std::exchange(closing_, true);
        take_back();
        if (closes_already)
            return;
        around_ = &around;
        if (deadline_)
            std::exchange(deadline_, nullptr)->detach();
        while (auto* waits = waiters_.pop_front())
            waits->refuse(make_pool_closed());
        // Each is told once, whatever comes of it.
        for_each_busy([](resource& each) {
            if (each.state == pooled_state::opening)
                each.stop_job();
        });
        while (auto* each = idle_.first())
            close(*each);
    }

    void stop_closing(pool_closer& closer) noexcept { closers_.remove(closer); }

    // From here on nothing is waited for that is not under way: what is out is destroyed when it comes back.
    void force()
    {
        bool const is_forced_already = std::exchange(forced_, true);
        take_back();
        if (is_forced_already)
            return;
        // What is idle is destroyed by who closes that now, or is about to.
        for_each_busy([](resource& each) {
            if (each.state != pooled_state::leased)
                each.stop_job();
            else if (each.recycler)
                each.recycler->stop_job();
        });
        notify();
    }

    // Of a pool that is closing: whether all that has to be waited for has ended. It stays so then.
    bool is_drained() const noexcept
    {
        return idle_.empty() && (forced_ ? busy_.size() == out_ : busy_.empty());
    }

    // What closing has failed with; told once.
    std::exception_ptr take_failures() noexcept
    {
        return std::exchange(reported_, true) ? nullptr
                                              : outcome_of(failures_, false, default_observer());
    }

private:
    // ---- resources

    // A leased one; the lease is made by who gets it.
    void lease_out(resource& given) noexcept
    {
        if (given.state == pooled_state::idle) {
            idle_.remove(given);
            busy_.push_back(given);
        }
        given.state = pooled_state::leased;
        given.discarded = false;
        given.recycled = false;
        ++out_;
        ++counts_.leased;
    }

    resource* take_unexpired()
    {
        auto const now = is_timed() ? read_clock() : time_point();
        while (auto* newest = idle_.last()) {
            if (!is_timed() || !is_expired(*newest, now)) {
                lease_out(*newest);
                disarm();
                return newest;
            }
            ++counts_.expired;
            close(*newest);
        }
        return nullptr;
    }

    void make_available(resource& ready)
    {
        if (closing_)
            return close(ready);
        // Whatever the limits are: one that was never idle does not expire, or nobody might ever be served.
        if (auto* waits = waiters_.pop_front()) {
            lease_out(ready);
            return waits->give(ready);
        }
        ready.state = pooled_state::idle;
        busy_.remove(ready);
        idle_.push_back(ready);
        if (!is_timed())
            return;
        ready.idle_since = read_clock();
        arm();
    }

    // Back from a lease that was just dropped.
    void comes_back(resource& returned)
    {
        bool const fit =
            returned.recycled ? !returned.discarded && !forced_ : is_fit(returned, false);
        if (has_to_be_recycled(returned, fit) && recycle(returned))
            after_recycling(returned);
    }

    // Takes a resource back; what need not be recycled is seen to.
    bool has_to_be_recycled(resource& returned, bool fit)
    {
        --out_;
        if (!fit) {
            discard(returned);
            return false;
        }
        ++counts_.returned;
        if (!closing_ && is_too_old(returned)) {
            ++counts_.expired;
            close(returned);
            pump();
            return false;
        }
        if (functions_->recycles && !closing_ && !returned.recycled)
            return true;
        make_available(returned);
        return false;
    }

    bool is_too_old(resource const& returned) const
    {
        return options_.max_lifetime != duration::max()
            && read_clock() - returned.opened >= options_.max_lifetime;
    }

    void discard(resource& returned)
    {
        ++counts_.discarded;
        destroy(returned);
        pump();
        notify();
    }

    void discard_idle(resource& each)
    {
        ++counts_.closed;
        destroy(each);
    }

    void destroy(resource& gone) noexcept
    {
        (gone.state == pooled_state::idle ? idle_ : busy_).remove(gone);
        gone.destroy();
    }

    // ---- jobs

    // Returns whether the job has ended within the call.
    template <class Start>
    bool run(resource& with, pooled_state state, Start&& start)
    {
        if (with.state == pooled_state::idle) {
            idle_.remove(with);
            busy_.push_back(with);
        }
        with.state = state;
        begin_job();
        if (!with.run(std::forward<Start>(start)))
            return false;
        static_cast<void>(end_job());
        return true;
    }

    // The pool lives as long as a job runs.
    void begin_job()
    {
        if (jobs_++ == 0)
            alive_ = this->shared_from_this();
    }
    std::shared_ptr<pool_core> end_job() noexcept
    {
        return --jobs_ == 0 ? std::exchange(alive_, nullptr) : nullptr;
    }

    void count_lost(pooled_state state) noexcept
    {
        switch (state) {
        case pooled_state::opening:
            --opening_;
            ++counts_.failed;
            ++lost_openings_;
            break;
        case pooled_state::recycling:
            --counts_.returned;
            ++counts_.discarded;
            break;
        default:
            ++counts_.closed;
            if (closing_)
                exit_state_access::add(failures_, make_broken_promise(), {}, {});
            else
                ++lost_closings_;
            break;
        }
    }

    void look_at_lost()
    {
        for (; lost_openings_ != 0; --lost_openings_)
            if (waiters_.size() > opening_)
                waiters_.pop_front()->refuse(make_broken_promise());
        for (; lost_closings_ != 0; --lost_closings_)
            tell("close", {make_broken_promise(), {}, {}});
        take_back();
        pump();
        notify();
    }

    void open()
    {
        auto* opened = new resource(*this);
        busy_.push_back(*opened);
        ++opening_;
        auto const start = [this](resource& each) { functions_->open(each); };
        if (run(*opened, pooled_state::opening, start))
            after_opening(*opened);
    }

    void after_opening(resource& opened)
    {
        --opening_;
        if (auto error = opened.take_failure().error) {
            destroy(opened);
            if (!closing_)
                ++counts_.failed;
            // Nobody is told who gets another one that is on its way.
            if (waiters_.size() > opening_)
                waiters_.pop_front()->refuse(std::move(error));
            return;
        }
        ++counts_.opened;
        if (options_.max_lifetime != duration::max())
            opened.opened = read_clock();
        make_available(opened);
    }

    bool recycle(resource& used)
    {
        auto const start = [this](resource& each) { functions_->recycle(each); };
        return run(used, pooled_state::recycling, start);
    }

    // It failed: whoever had it got what it wanted, and only the observer hears of it.
    // Returns whether it is good for the next one.
    bool after_recycling(resource& used)
    {
        auto const failure = used.take_failure();
        if (!failure.error && !used.discarded && !forced_) {
            make_available(used);
            return true;
        }
        if (failure.error && !is_cancelled(failure.error))
            tell("recycle", failure);
        --counts_.returned;
        discard(used);
        return false;
    }

    void close(resource& unwanted)
    {
        if (!functions_->closes || forced_) {
            discard_idle(unwanted);
            return notify();
        }
        auto const start = [this](resource& each) { functions_->close(each, around_); };
        if (run(unwanted, pooled_state::ending, start))
            after_closing(unwanted);
    }

    void after_closing(resource& closed)
    {
        ++counts_.closed;
        if (auto const failure = closed.take_failure(); failure.error) {
            // Cut: its destructor closes it.
            bool const cut = forced_ && is_cancelled(failure.error);
            if (closing_ && !cut)
                exit_state_access::add(failures_, failure.error, failure.name, failure.where);
            else if (!cut)
                tell("close", failure);
        }
        destroy(closed);
        notify();
    }

    // Nobody but the observer hears of this.
    static void tell(std::string_view what, exit_failure const& failure) noexcept
    {
        if (auto* observer = default_observer())
            observer->failure_unreceived(
                {failure.name.empty() ? what : failure.name, failure.where}, failure.error);
    }

    // ---- who waits

    bool tell() noexcept
    {
        try {
            dispatch_on(executor_, [core = this->shared_from_this()] { core->take_back(); });
            return true;
        } catch (...) {
            return false;
        }
    }

    void take_back()
    {
        takes_back_.store(false, std::memory_order_release);
        reserve_.refill();
        take_back_returned([this](resource& each) { comes_back(each); });
    }

    // In the order in which they came.
    template <class Take>
    void take_back_returned(Take&& take)
    {
        auto* newest = returned_.exchange(nullptr, std::memory_order_acquire);
        resource* oldest = nullptr;
        while (newest) {
            auto* const before = newest->next_returned;
            newest->next_returned = oldest;
            oldest = newest;
            newest = before;
        }
        for (auto* each = oldest; each;) {
            auto* const next = each->next_returned;
            take(*each);
            each = next;
        }
    }

    // Opens what is missing for those who wait: none is idle then. A loop.
    void pump()
    {
        if (closing_ || std::exchange(pumps_, true))
            return;
        while (opening_ < waiters_.size() && size() < options_.max_size) {
            try {
                open();
            } catch (...) {
                waiters_.pop_front()->refuse(std::current_exception());
            }
        }
        pumps_ = false;
        // What opens may have closed the pool.
        if (closing_)
            notify();
    }

    void notify()
    {
        if (!is_drained())
            return;
        while (auto* closer = closers_.pop_front())
            closer->drained();
    }

    // Each once, though others may go meanwhile.
    template <class Use>
    void for_each_busy(Use&& use)
    {
        for (auto* each = busy_.first(); each; each = each->next)
            each->is_due = true;
        for (auto* each = busy_.first(); each && each->is_due; each = busy_.first()) {
            busy_.remove(*each);
            busy_.push_back(*each);
            each->is_due = false;
            use(*each);
        }
    }

    // ---- time

    bool is_timed() const noexcept
    {
        return options_.idle_timeout != duration::max() || options_.max_lifetime != duration::max();
    }

    time_point read_clock() const { return deadline<Executor>::now(executor_); }

    static time_point after(time_point begin, duration time) noexcept
    {
        return time > time_point::max() - begin ? time_point::max() : begin + time;
    }

    time_point expiry_of(resource const& idle) const noexcept
    {
        auto expiry = time_point::max();
        if (options_.idle_timeout != duration::max())
            expiry = after(idle.idle_since, options_.idle_timeout);
        if (options_.max_lifetime != duration::max())
            expiry = std::min(expiry, after(idle.opened, options_.max_lifetime));
        return expiry;
    }

    bool is_expired(resource const& idle, time_point now) const noexcept
    {
        return expiry_of(idle) <= now;
    }

    resource* first_expired(time_point now) const noexcept
    {
        auto* each = idle_.first();
        while (each && !is_expired(*each, now))
            each = each->next;
        return each;
    }

    // Sees to it that what expires is closed.
    void arm() noexcept
    {
        auto earliest = time_point::max();
        for (auto* each = idle_.first(); each; each = each->next)
            earliest = std::min(earliest, expiry_of(*each));
        if (earliest == time_point::max())
            return;
        try {
            if (!deadline_)
                deadline_ = std::make_shared<deadline<Executor>>(executor_, this);
            deadline_->wait_until(earliest);
        } catch (...) {
            // There is no memory for it: it is tried again with the next one that comes back.
        }
    }

    // A wait for nothing would keep the execution context running.
    void disarm() noexcept
    {
        if (!deadline_ || !idle_.empty())
            return;
        try {
            deadline_->stop();
        } catch (...) {
            // It ends at its time.
        }
    }

    void wait_ended() override
    {
        auto const alive = this->shared_from_this();
        auto const now = read_clock();
        while (auto* each = first_expired(now)) {
            ++counts_.expired;
            close(*each);
        }
        arm();
    }
    void wait_lost() override { deadline_ = nullptr; }

    Executor executor_;
    pool_options options_;
    std::unique_ptr<pool_functions<T, Executor>> functions_;
    pool_counts counts_;
    // Those that can be leased, the one used last at the end; and all others.
    node_list<resource> idle_;
    node_list<resource> busy_;
    // Those of them that are leased or on their way back, and those that are being opened.
    std::size_t out_ = 0;
    std::size_t opening_ = 0;
    // Of which nobody has been told.
    std::size_t lost_openings_ = 0;
    std::size_t lost_closings_ = 0;
    node_list<waiter> waiters_;
    node_list<pool_closer> closers_;
    // What has come back, on any thread, the last one first; somebody will look.
    std::atomic<resource*> returned_{nullptr};
    std::atomic<bool> takes_back_{false};
    memory_reserve reserve_;
    std::size_t jobs_ = 0;
    std::shared_ptr<pool_core> alive_;
    std::shared_ptr<deadline<Executor>> deadline_;
    exit_state const* around_ = nullptr;
    exit_state failures_;
    bool reported_ = false;
    bool pumps_ = false;
    bool closing_ = false;
    bool forced_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_POOL_CORE_HPP
