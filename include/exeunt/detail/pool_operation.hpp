#ifndef EXEUNT_DETAIL_POOL_OPERATION_HPP
#define EXEUNT_DETAIL_POOL_OPERATION_HPP

#include <exeunt/detail/pool_core.hpp>
#include <exeunt/detail/waiting_operation.hpp>
#include <exeunt/exit_state.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/errc.hpp>

#include <exception>
#include <memory>
#include <tuple>
#include <utility>

namespace exeunt::detail {

// Gets a lease.
template <class T, class Executor, class Lease>
class pool_acquire_base : public waiting_base<Executor>, public pool_waiter<T, Executor>
{
    using core_type = pool_core<T, Executor>;

public:
    explicit pool_acquire_base(std::shared_ptr<core_type> pool)
        : waiting_base<Executor>(pool->executor())
        , pool_(std::move(pool))
    {
    }

    void give(pooled<T, Executor>& resource) override
    {
        waits_ = false; // it has been taken out
        lease_ = Lease(pool_, resource);
        this->wake();
    }

    void refuse(std::exception_ptr error) override
    {
        waits_ = false;
        error_ = std::move(error);
        this->wake();
    }

protected:
    ~pool_acquire_base() { leave(); }

    static constexpr bool has_body() noexcept { return true; }

    void start()
    {
        if (is_cancelled_)
            return fail(make_error(asio::error::operation_aborted));
        if (pool_->is_closing())
            return fail(make_pool_closed());
        if (auto* ready = pool_->take_idle()) {
            lease_ = Lease(pool_, *ready);
            return this->finish();
        }
        if (pool_->is_full())
            return fail(make_error(boost::system::errc::make_error_code(
                boost::system::errc::resource_unavailable_try_again)));
        try {
            this->wait_for(pool_->wait_timeout());
        } catch (...) {
            return fail(std::current_exception());
        }
        waits_ = true;
        pool_->wait(*this);
    }

    void time_is_up() override
    {
        if (waits_)
            give_up(asio::error::timed_out);
    }

    void abandon() { this->lose(); }

    std::tuple<std::exception_ptr, Lease> results() noexcept
    {
        return {std::move(error_), std::move(lease_)};
    }

    void cancelled(asio::cancellation_type types, unsigned) override
    {
        if (types == asio::cancellation_type::none)
            return;
        // It may come before the first step.
        is_cancelled_ = true;
        if (waits_)
            give_up(asio::error::operation_aborted);
    }

    void context_lost() override
    {
        leave();
        this->lose();
    }

private:
    void give_up(boost::system::error_code why)
    {
        leave();
        this->stop_waiting();
        fail(make_error(why));
    }

    void fail(std::exception_ptr error)
    {
        error_ = std::move(error);
        this->finish();
    }

    void leave() noexcept
    {
        if (std::exchange(waits_, false))
            pool_->stop_waiting(*this);
    }

    std::shared_ptr<core_type> pool_;
    std::exception_ptr error_;
    Lease lease_;
    bool waits_ = false;
    bool is_cancelled_ = false;
};

// Gives a lease back, as an exit.
template <class T, class Executor, class Lease>
class lease_exit_base : public handler_memory,
                        public kept_executor<Executor>,
                        public operation_base,
                        public pooled_waiter
{
public:
    using executor_type = Executor;

    // Takes the lease over, unless there is no memory for the operation: then it stays where it is.
    lease_exit_base(Lease&& lease, Executor const& executor, exit_state& state)
        : kept_executor<Executor>(executor)
        , lease_(std::move(lease))
        , pool_(lease_.pool_)
        , state_(&state)
        , is_doubtful_(state.failed() || state.forced())
    {
    }

    void job_done(bool kept) override
    {
        recycled_ = nullptr;
        // Not to be mistaken for one that was recycled.
        if (is_cut_ && !kept)
            error_ = make_error(asio::error::operation_aborted);
        this->finish();
    }
    void job_lost() override
    {
        recycled_ = nullptr;
        this->lose();
    }

protected:
    // What has not been started gives the lease back all the same.
    ~lease_exit_base()
    {
        if (is_doubtful_)
            lease_.discard();
    }

    static constexpr bool has_body() noexcept { return false; }
    void prepare() noexcept {}
    void roll_back() noexcept {}

    void start()
    {
        auto* const returned = lease_.release();
        bool const fit = !state_->forced() && pool_->is_fit(*returned, state_->failed());
        if (!pool_->give_back_from_exit(*returned, fit, *this))
            return this->finish();
        recycled_ = returned;
        if (is_cut_)
            pool_->stop_job(*recycled_);
    }

    void abandon() { this->lose(); }

    std::tuple<std::exception_ptr> results() noexcept { return {std::move(error_)}; }

    // There is no body: it is told of terminals alone, also before the first step.
    void cancelled(asio::cancellation_type, unsigned) override
    {
        is_cut_ = true;
        if (recycled_)
            pool_->stop_job(*recycled_);
    }

private:
    Lease lease_;
    std::shared_ptr<pool_core<T, Executor>> pool_;
    pooled<T, Executor>* recycled_ = nullptr;
    exit_state* state_;
    std::exception_ptr error_;
    bool is_cut_ = false;
    // Not to be used again without asking, which is done on the executor alone.
    bool is_doubtful_;
};

// Closes a pool, as an exit.
template <class T, class Executor>
class pool_close_base : public waiting_base<Executor>, public pool_closer
{
    using core_type = pool_core<T, Executor>;

public:
    pool_close_base(std::shared_ptr<core_type> pool, exit_state& state)
        : waiting_base<Executor>(pool->executor())
        , pool_(std::move(pool))
        , state_(&state)
    {
    }

    void drained() override
    {
        waits_ = false;
        // start() sees for itself.
        if (starting_)
            return;
        error_ = pool_->take_failures();
        this->wake();
    }

protected:
    ~pool_close_base() { leave(); }

    static constexpr bool has_body() noexcept { return false; }

    void start()
    {
        starting_ = true;
        waits_ = true;
        pool_->close(*this, *state_);
        if (state_->forced())
            pool_->force();
        starting_ = false;
        if (!pool_->is_drained()) {
            try {
                return this->wait();
            } catch (...) {
                return; // without memory: what comes back wakes it all the same
            }
        }
        leave();
        error_ = pool_->take_failures();
        this->finish();
    }

    void abandon() { this->lose(); }

    std::tuple<std::exception_ptr> results() noexcept { return {std::move(error_)}; }

    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        if (terminals != 0)
            pool_->force();
    }

    void context_lost() override
    {
        leave();
        this->lose();
    }

private:
    void leave() noexcept
    {
        if (std::exchange(waits_, false))
            pool_->stop_closing(*this);
    }

    std::shared_ptr<core_type> pool_;
    exit_state* state_;
    std::exception_ptr error_;
    bool waits_ = false;
    bool starting_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_POOL_OPERATION_HPP
