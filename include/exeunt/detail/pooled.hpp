#ifndef EXEUNT_DETAIL_POOLED_HPP
#define EXEUNT_DETAIL_POOLED_HPP

#include <exeunt/detail/acquire_operation.hpp>
#include <exeunt/detail/exit_runner.hpp>
#include <exeunt/pool_options.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

template <class T, class Executor>
class pool_core;

// What a pooled resource is doing.
enum class pooled_state : unsigned char { opening, idle, leased, recycling, closing };

// Who waits for the end of a job on a resource.
class pooled_waiter
{
public:
    virtual void job_done() = 0;
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
    std::exception_ptr take_failure() noexcept
    {
        this->end_driver();
        std::exception_ptr first;
        this->take_failures([&](std::exception_ptr const& error) {
            if (!first)
                first = error;
        });
        return first;
    }

    // Tells the job to stop; it is waited for. Nothing comes of that within the call.
    void stop()
    {
        this->cut([] {}, true);
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
    // Comes back to be destroyed.
    bool discarded = false;
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

    void job_ended() override { pool_->job_ended(*this); }
    void job_lost() override { pool_->job_lost(*this); }

    void release() noexcept
    {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    pool_core<T, Executor>* pool_;
    std::atomic<std::size_t> references_{1};
};

template <class T>
inline constexpr bool is_pool_spec = false;
template <class... F>
inline constexpr bool is_pool_spec<pool_spec<F...>> = true;

// What the user does with resources.
template <class T, class Executor>
class pool_functions
{
public:
    using pooled_type = pooled<T, Executor>;

    pool_functions(bool can_recycle, bool can_close, bool can_judge) noexcept
        : recycles(can_recycle)
        , closes(can_close)
        , judges(can_judge)
    {
    }
    pool_functions(pool_functions const&) = delete;
    pool_functions& operator=(pool_functions const&) = delete;
    virtual ~pool_functions() = default;

    virtual void open(pooled_type& resource) = 0;
    virtual void recycle(pooled_type& resource) = 0;
    virtual void close(pooled_type& resource) = 0;
    // Whether the resource can be used again, whatever has happened.
    virtual bool is_reusable(T& value) noexcept = 0;

    bool const recycles;
    bool const closes;
    bool const judges;
};

template <class T, class Executor, class F>
void start_on(pooled<T, Executor>& resource, F& function)
{
    if constexpr (std::is_invocable_v<F&, T&>) {
        using result = std::decay_t<std::invoke_result_t<F&, T&>>;
        if constexpr (kind_of_result<result, Executor>() == call_kind::sync)
            std::invoke(function, *resource.value), resource.make_handler()();
        else
            start_result(resource, std::invoke(function, *resource.value));
    } else {
        std::invoke(function, *resource.value, resource.make_handler());
    }
}

template <class T, class Executor, class Spec>
class given_pool_functions final : public pool_functions<T, Executor>
{
    using base = pool_functions<T, Executor>;
    using pooled_type = pooled<T, Executor>;

public:
    template <class Given>
    explicit given_pool_functions(Given&& spec)
        : base(Spec::recycles, Spec::closes, Spec::judges)
        , spec_(std::forward<Given>(spec))
    {
    }

    void open(pooled_type& resource) override
    {
        start_keeping(resource, std::invoke(spec_.open), resource.value);
    }
    void recycle([[maybe_unused]] pooled_type& resource) override
    {
        if constexpr (Spec::recycles)
            start_on(resource, spec_.recycle);
    }
    void close([[maybe_unused]] pooled_type& resource) override
    {
        if constexpr (Spec::closes)
            start_on(resource, spec_.close);
    }
    bool is_reusable([[maybe_unused]] T& value) noexcept override
    {
        if constexpr (Spec::judges) {
            try {
                return static_cast<bool>(std::invoke(spec_.reusable, value));
            } catch (...) {
                return false;
            }
        } else {
            return true;
        }
    }

private:
    Spec spec_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_POOLED_HPP
