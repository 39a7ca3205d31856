#ifndef EXEUNT_DETAIL_POOLED_HPP
#define EXEUNT_DETAIL_POOLED_HPP

#include <exeunt/detail/exit_runner.hpp>
#include <exeunt/detail/exit_state_access.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_state.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>

namespace exeunt::detail {

template <class T, class Executor>
class pool_core;

// What a pooled resource is doing.
enum class pooled_state : unsigned char { opening, idle, leased, recycling, ending };

// Who waits for the end of a job on a resource.
class pooled_waiter
{
public:
    // `kept`: whether the resource is good for the next one.
    virtual void job_done(bool kept) = 0;
    virtual void job_lost() = 0;

protected:
    ~pooled_waiter() = default;
};

// One resource of a pool, and what is being done with it: one job at a time.
template <class T, class Executor>
class pooled final : public exit_runner<Executor>
{
public:
    using time_point = std::chrono::steady_clock::time_point;

    explicit pooled(pool_core<T, Executor>& pool)
        : exit_runner<Executor>(pool.executor())
        , pool_(&pool)
    {
    }

    // Runs start(*this). Returns whether the job has ended within the call; else the pool is told.
    template <class Start>
    bool run(Start&& start) noexcept
    {
        return this->run_job([&] { std::forward<Start>(start)(*this); });
    }

    // What the job has failed with, the first of several. Nothing is left of it then: a coroutine that
    // waits for the next job would keep the execution context running.
    exit_failure take_failure() noexcept
    {
        this->end_driver();
        exit_failure first;
        this->take_failures([&](std::exception_ptr const& error) {
            if (!first.error)
                first.error = error;
        });
        if (!first.error && lane_ && lane_->failed())
            take_first(first, lane_->failures().front());
        lane_.reset();
        return first;
    }

    // The state of a job that is the exit of a stack of its own, a part of the unwinding that `around`
    // belongs to, if it is a part of one.
    exit_state& begin_lane(exit_state const* around) noexcept
    {
        lane_.emplace();
        if (around)
            exit_state_access::nest(*lane_, *around);
        if (around && around->forced())
            exit_state_access::force(*lane_, stop_reason::cancelled);
        return *lane_;
    }

    // The resource is gone. Memory of a job may outlive it where the job was dropped: then that is the last.
    void destroy() noexcept
    {
        value.reset();
        release();
    }

    void* allocate(std::size_t size, std::size_t alignment) override
    {
        void* const memory = ::operator new(size, std::align_val_t(alignment));
        references_.fetch_add(1, std::memory_order_relaxed);
        return memory;
    }
    void deallocate(void* memory, std::size_t, std::size_t alignment) noexcept override
    {
        ::operator delete(memory, std::align_val_t(alignment));
        release();
    }

    std::optional<T> value;
    pooled_state state = pooled_state::opening;
    // Is to be destroyed, and not to be used again.
    bool discarded = false;
    // The exit that gives it back has found that it is fit, and recycles it as this runner's job.
    bool recycled = false;
    exit_runner<Executor>* recycler = nullptr;
    // Of the pool, which tells all that are busy something: this one has yet to be told.
    bool is_due = false;
    time_point opened{};
    time_point idle_since{};
    pooled_waiter* waiter = nullptr;
    // In a list of the pool.
    pooled* previous = nullptr;
    pooled* next = nullptr;
    // Among those that have come back.
    pooled* next_returned = nullptr;

private:
    ~pooled() = default;

    static void take_first(exit_failure& into, exit_failure const& failure) noexcept
    {
        into.error = failure.error;
        into.where = failure.where;
        try {
            into.name = failure.name;
        } catch (...) {
            // The failure is worth more than its name.
        }
    }

    void job_ended() override { pool_->job_ended(*this); }
    void job_lost() override { pool_->job_lost(*this); }

    void release() noexcept
    {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    pool_core<T, Executor>* pool_;
    std::atomic<std::size_t> references_{1};
    std::optional<exit_state> lane_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_POOLED_HPP
