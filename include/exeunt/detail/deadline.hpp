#ifndef EXEUNT_DETAIL_DEADLINE_HPP
#define EXEUNT_DETAIL_DEADLINE_HPP

#include <exeunt/detail/handover.hpp>
#include <exeunt/detail/manual_time.hpp>

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <utility>

namespace exeunt::detail {

// Who has deadlines.
class deadline_owner
{
public:
    // A wait has ended: the deadline may have been reached, or the wait was stopped.
    virtual void wait_ended() = 0;
    // The execution context is being destroyed: no wait can end any more.
    virtual void wait_lost() = 0;

protected:
    ~deadline_owner() = default;
};

// Waits for the deadlines of an operation, one wait at a time. Outlives the operation where that is
// lost while it waits.
template <class Executor>
class deadline : public std::enable_shared_from_this<deadline<Executor>>
{
public:
    using time_point = std::chrono::steady_clock::time_point;

    deadline(Executor const& executor, deadline_owner* owner)
        : executor_(executor)
        , owner_(owner)
        , manual_(manual_time::of(executor))
    {
        if (!manual_)
            timer_.emplace(executor);
    }

    static time_point now(Executor const& executor)
    {
        auto* manual = manual_time::of(executor);
        return manual ? manual->now() : std::chrono::steady_clock::now();
    }

    bool waits() const noexcept { return until_.has_value(); }

    // Sees to it that the owner is told when this time has come. A wait for an earlier time is left as it
    // is: the owner asks again then.
    void wait_until(time_point until)
    {
        if (until_) {
            if (until < *until_)
                stop();
            return;
        }
        // Where there is no memory for it the caller hears of that, and nobody else.
        handover const here(this);
        if (manual_) {
            auto waiting = std::make_unique<manual_waiter>(this->shared_from_this());
            manual_->wait(until, std::move(waiting), waiter_);
            until_ = until;
            return;
        }
        timer_->expires_at(until);
        timer_->async_wait(wait_handler(this->shared_from_this()));
        until_ = until;
    }

    // Ends the wait soon: the owner is told.
    void stop()
    {
        if (!until_)
            return;
        if (auto const waiter = std::exchange(waiter_, 0))
            manual_->call_off(waiter);
        else if (timer_)
            timer_->cancel();
    }

    // The owner is going away.
    void detach() noexcept
    {
        owner_ = nullptr;
        try {
            if (auto const waiter = std::exchange(waiter_, 0))
                manual_->forget(waiter);
            else if (timer_ && until_)
                timer_->cancel();
        } catch (...) {
            // The wait ends at its time, and finds nobody to tell.
        }
    }

private:
    class wait_handler
    {
    public:
        using allocator_type = asio::recycling_allocator<void>;

        explicit wait_handler(std::shared_ptr<deadline> waiting) noexcept
            : waiting_(std::move(waiting))
        {
        }
        wait_handler(wait_handler&&) noexcept = default;
        ~wait_handler()
        {
            if (waiting_ && !handover::take_back(waiting_.get()))
                waiting_->lost();
        }
        allocator_type get_allocator() const noexcept { return {}; }
        void operator()(boost::system::error_code = {})
        {
            std::exchange(waiting_, nullptr)->ended();
        }

    private:
        std::shared_ptr<deadline> waiting_;
    };

    class manual_waiter final : public manual_time::waiter
    {
    public:
        explicit manual_waiter(std::shared_ptr<deadline> waiting) noexcept
            : waiting_(std::move(waiting))
        {
        }
        ~manual_waiter() override
        {
            if (waiting_ && !handover::take_back(waiting_.get()))
                waiting_->lost();
        }
        bool reached() noexcept override
        {
            handover here(waiting_.get());
            try {
                asio::post(waiting_->executor_, wait_handler(waiting_));
            } catch (...) {
            }
            if (here.came_back())
                return false;
            waiting_.reset();
            return true;
        }

    private:
        std::shared_ptr<deadline> waiting_;
    };

    void ended()
    {
        waiter_ = 0;
        until_.reset();
        if (owner_)
            owner_->wait_ended();
    }

    void lost()
    {
        waiter_ = 0;
        until_.reset();
        if (owner_)
            owner_->wait_lost();
    }

    using timer = asio::basic_waitable_timer<std::chrono::steady_clock,
        asio::wait_traits<std::chrono::steady_clock>, Executor>;

    Executor executor_;
    deadline_owner* owner_;
    manual_time* manual_;
    std::uint64_t waiter_ = 0;
    std::optional<timer> timer_;
    // When the wait that is under way ends; empty if there is none.
    std::optional<time_point> until_;
};

// What time it is for the deadlines on an executor.
template <class Executor>
std::chrono::steady_clock::time_point read_clock_of(void const* executor)
{
    return deadline<Executor>::now(*static_cast<Executor const*>(executor));
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_DEADLINE_HPP
