#ifndef EXEUNT_DETAIL_WAITING_OPERATION_HPP
#define EXEUNT_DETAIL_WAITING_OPERATION_HPP

#include <exeunt/detail/deadline.hpp>
#include <exeunt/detail/operation.hpp>

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <exception>
#include <memory>
#include <utility>

namespace exeunt::detail {

// An operation that waits until it is woken, cancelled, or its execution context is destroyed. What it
// waits with is registered with that context, so that it cannot be forgotten there.
template <class Executor>
class waiting_base : public handler_memory,
                     public kept_executor<Executor>,
                     public operation_base,
                     public deadline_owner
{
public:
    using executor_type = Executor;
    using time_point = std::chrono::steady_clock::time_point;

protected:
    explicit waiting_base(Executor const& executor)
        : kept_executor<Executor>(executor)
    {
    }
    ~waiting_base() { stop_waiting(); }

    void prepare() noexcept {}
    void roll_back() noexcept {}
    void leave_context() noexcept { stop_waiting(); }

    // Waits; time_is_up() follows if that comes first.
    void wait_until(time_point until)
    {
        if (!deadline_)
            deadline_ = std::allocate_shared<deadline<Executor>>(
                block_allocator<deadline<Executor>>(), this->executor(), this);
        deadline_->wait_until(until);
    }
    void wait() { wait_until(time_point::max()); }
    void wait_for(std::chrono::steady_clock::duration time)
    {
        // The clock is not asked where there is no limit.
        if (time == time.max())
            return wait();
        auto const begin = now();
        wait_until(time > time_point::max() - begin ? time_point::max()
                                                    : begin + std::max(time, time.zero()));
    }

    void stop_waiting() noexcept
    {
        if (auto const waiting = std::exchange(deadline_, nullptr))
            waiting->detach();
    }

    time_point now() const { return deadline<Executor>::now(this->executor()); }

    // Ends the operation, never within the call.
    void wake()
    {
        stop_waiting();
        this->finish(true);
    }

    // The time has come that was waited for.
    virtual void time_is_up() {}
    // The execution context is being destroyed.
    virtual void context_lost() = 0;

private:
    void wait_ended() override { time_is_up(); }
    void wait_lost() override
    {
        deadline_ = nullptr;
        context_lost();
    }

    std::shared_ptr<deadline<Executor>> deadline_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_WAITING_OPERATION_HPP
