#ifndef EXEUNT_DETAIL_SCOPE_OPERATION_HPP
#define EXEUNT_DETAIL_SCOPE_OPERATION_HPP

#include <exeunt/detail/acquire_operation.hpp>
#include <exeunt/detail/close_operation.hpp>
#include <exeunt/detail/scope_core.hpp>
#include <exeunt/detail/waiting_operation.hpp>
#include <exeunt/exit_state.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <utility>

namespace exeunt::detail {

// An operation that waits for something to become true of a scope. Derived classes have is_done(), and
// result(), asked when it is.
template <class Executor>
class scope_operation : public waiting_base<Executor>, public scope_waiter
{
public:
    using core_ptr = std::shared_ptr<scope_core<Executor>>;

    explicit scope_operation(core_ptr scope)
        : waiting_base<Executor>(scope->executor())
        , scope_(std::move(scope))
    {
    }

    void look() override
    {
        if (!is_done())
            return;
        error_ = result();
        leave();
        this->wake();
    }

    void scope_lost() override
    {
        waits_ = false; // it has been taken out
        this->stop_waiting();
        this->lose();
    }

protected:
    ~scope_operation() { leave(); }

    static constexpr bool has_body() noexcept { return true; }

    void start()
    {
        if (is_cancelled_)
            return fail(asio::error::operation_aborted);
        if (is_done()) {
            error_ = result();
            return this->finish();
        }
        try {
            this->wait();
        } catch (...) {
            error_ = std::current_exception();
            return this->finish();
        }
        join();
    }

    void abandon() { this->lose(); }

    std::tuple<std::exception_ptr> results() noexcept
    {
        scope_->note_received(receives_);
        return {std::move(error_)};
    }

    void cancelled(asio::cancellation_type types, unsigned) override
    {
        if (types == asio::cancellation_type::none)
            return;
        // It may come before the first step.
        is_cancelled_ = true;
        if (!waits_)
            return;
        leave();
        this->stop_waiting();
        fail(asio::error::operation_aborted);
    }

    void context_lost() override
    {
        leave();
        this->lose();
    }

    void join() noexcept
    {
        waits_ = true;
        scope_->wait(*this);
    }

    void leave() noexcept
    {
        if (std::exchange(waits_, false))
            scope_->stop_waiting(*this);
    }

    virtual bool is_done() noexcept = 0;
    virtual std::exception_ptr result() = 0;

    void fail(boost::system::error_code why)
    {
        error_ = make_error(why);
        this->finish();
    }

    core_ptr scope_;
    std::exception_ptr error_;
    // How many of the failures of the scope error_ stands for.
    std::size_t receives_ = 0;
    bool waits_ = false;
    bool is_cancelled_ = false;
};

// Waits for the last child or the first failure.
template <class Executor>
class scope_wait_base : public scope_operation<Executor>
{
public:
    using scope_operation<Executor>::scope_operation;

protected:
    ~scope_wait_base() = default;

private:
    bool is_done() noexcept override
    {
        return this->scope_->first_failure() || this->scope_->is_idle();
    }
    std::exception_ptr result() override
    {
        this->receives_ = this->scope_->failures_until_first();
        return this->scope_->first_failure();
    }
};

// Waits for the last child.
template <class Executor>
class scope_join_base : public scope_operation<Executor>
{
public:
    using scope_operation<Executor>::scope_operation;

protected:
    ~scope_join_base() = default;

private:
    bool is_done() noexcept override { return this->scope_->is_idle(); }
    std::exception_ptr result() override
    {
        this->receives_ = this->scope_->failure_count();
        return this->scope_->failures();
    }
};

// Waits for room, and starts a child there.
template <class Executor>
class scope_spawn_base : public scope_operation<Executor>
{
public:
    scope_spawn_base(
        std::shared_ptr<scope_core<Executor>> scope, std::unique_ptr<task_base<Executor>> child)
        : scope_operation<Executor>(std::move(scope))
        , child_(std::move(child))
        , cancels_before_(this->scope_->cancels())
    {
    }

protected:
    ~scope_spawn_base() = default;

private:
    bool is_done() noexcept override { return is_refused() || this->scope_->has_room(); }
    std::exception_ptr result() override
    {
        if (this->scope_->is_closed())
            return make_stack_closed();
        if (is_refused())
            return make_error(asio::error::operation_aborted);
        // It is out of the list already: the child may end, or fail, at once.
        this->leave();
        try {
            this->scope_->start(std::move(child_));
            return nullptr;
        } catch (...) {
            return std::current_exception();
        }
    }

    bool is_refused() const noexcept
    {
        return this->scope_->level() != asio::cancellation_type::none
            || this->scope_->cancels() != cancels_before_;
    }

    std::unique_ptr<task_base<Executor>> child_;
    std::size_t cancels_before_;
};

// Ends a scope as an exit: stops the children and waits for them.
template <class Executor>
class scope_exit_base : public scope_operation<Executor>
{
public:
    scope_exit_base(std::shared_ptr<scope_core<Executor>> scope, exit_state& state,
        std::chrono::steady_clock::duration drain)
        : scope_operation<Executor>(std::move(scope))
        , state_(&state)
        , drain_(drain)
    {
    }

protected:
    ~scope_exit_base() = default;

    static constexpr bool has_body() noexcept { return false; }

    void start()
    {
        if (state_->forced() || (state_->failed() && !state_->cancelled()))
            stop_children(asio::cancellation_type::terminal, unwinding::unlimited);
        else
            stop_children(asio::cancellation_type::total, drain_);
    }

    void time_is_up() override
    {
        this->leave();
        stop_children(asio::cancellation_type::terminal, unwinding::unlimited);
    }

    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        if (terminals != 0)
            this->scope_->stop(asio::cancellation_type::terminal);
    }

private:
    // Not in the list of those who look when something changes: it might end, and be gone, within the call.
    void stop_children(asio::cancellation_type how, std::chrono::steady_clock::duration time)
    {
        this->scope_->stop(how);
        if (is_done()) {
            this->error_ = result();
            return this->finish();
        }
        try {
            this->wait_for(time);
        } catch (...) {
            // Without memory to wait with: the children are waited for without a limit.
        }
        this->join();
    }

    bool is_done() noexcept override { return this->scope_->is_idle(); }
    std::exception_ptr result() override
    {
        this->scope_->set_closed();
        this->receives_ = this->scope_->failure_count();
        return this->scope_->failures();
    }

    exit_state* state_;
    std::chrono::steady_clock::duration drain_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_SCOPE_OPERATION_HPP
