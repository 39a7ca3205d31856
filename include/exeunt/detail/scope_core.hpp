#ifndef EXEUNT_DETAIL_SCOPE_CORE_HPP
#define EXEUNT_DETAIL_SCOPE_CORE_HPP

#include <exeunt/detail/exit_state_access.hpp>
#include <exeunt/detail/node_list.hpp>
#include <exeunt/detail/run_exits.hpp>
#include <exeunt/detail/task.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_state.hpp>

#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <utility>
#include <vector>

namespace exeunt::detail {

// An operation that waits for something to become true of a scope.
class scope_waiter
{
public:
    // Something has changed: it ends if that is what it waits for. Never completes within the call.
    virtual void look() = 0;
    // A child can never end.
    virtual void scope_lost() = 0;

    scope_waiter* previous = nullptr;
    scope_waiter* next = nullptr;

protected:
    scope_waiter() = default;
    scope_waiter(scope_waiter const&) = delete;
    scope_waiter& operator=(scope_waiter const&) = delete;
    ~scope_waiter() = default;
};

// What a scope, its children and the operations on it share.
template <class Executor>
class scope_core : public std::enable_shared_from_this<scope_core<Executor>>
{
public:
    using task_type = task_base<Executor>;
    enum class state : unsigned char { open, closing, closed };

    scope_core(Executor const& executor, std::size_t limit, bool cancel_on_failure)
        : executor_(executor)
        , limit_(limit)
        , cancel_on_failure_(cancel_on_failure)
    {
    }

    // Children that run at this time keep this alive; those that wait for room are forgotten.
    ~scope_core()
    {
        while (auto* waits = queue_.pop_front())
            delete waits;
    }

    Executor const& executor() const noexcept { return executor_; }
    std::size_t running() const noexcept { return running_.size(); }
    std::size_t queued() const noexcept { return queue_.size(); }
    bool is_idle() const noexcept { return running_.empty() && queue_.empty(); }
    bool has_room() const noexcept { return queue_.empty() && running_.size() < limit_; }
    bool is_closed() const noexcept { return phase_ == state::closed; }
    std::exception_ptr const& first_failure() const noexcept { return first_failure_; }

    void close() noexcept { phase_ = state::closing; }
    void set_closed() noexcept { phase_ = state::closed; }

    // What the children have failed with; the same object until another one fails.
    std::exception_ptr failures() noexcept
    {
        auto const all = failures_.failures();
        if (all.size() <= 1)
            return failures_.error();
        if (!report_) {
            try {
                report_ =
                    std::make_exception_ptr(exit_errors(std::vector(all.begin(), all.end())));
            } catch (...) {
                return failures_.error();
            }
        }
        return report_;
    }

    // What every child has been told, and is told from its begin.
    asio::cancellation_type level() const noexcept { return level_; }

    // Starts a child now, or when there is room.
    void add(std::unique_ptr<task_type> child)
    {
        if (has_room())
            return start(std::move(child));
        queue_.push_back(*child.release());
    }

    void start(std::unique_ptr<task_type> child)
    {
        auto& started = *child.release();
        running_.push_back(started);
        starting here{&started, false, starting_};
        starting_ = &here;
        try {
            started.start(this->shared_from_this());
        } catch (...) {
            starting_ = here.outer;
            if (here.child)
                remove(started);
            throw;
        }
        starting_ = here.outer;
        if (!here.child)
            return;
        if (here.lost)
            return ended(started, broken_promise());
        // While closing all are told, also those that come late.
        if (level_ != asio::cancellation_type::none)
            started.cancel(level_);
    }

    void ended(task_type& child, std::exception_ptr error)
    {
        note_failure(child.where(), error);
        forget(child);
        bool const fails = error && !is_cancelled(error) && !first_failure_;
        if (fails)
            first_failure_ = error;
        if (fails && cancel_on_failure_)
            cancel(asio::cancellation_type::terminal);
        start_queued();
        notify();
    }

    // The handler of a child was destroyed.
    void lost(task_type& child) noexcept
    {
        for (auto* each = starting_; each; each = each->outer)
            if (each->child == &child) {
                each->lost = true;
                return;
            }
        note_failure(child.where(), broken_promise());
        forget(child);
        auto const alive = this->shared_from_this();
        while (auto* waiter = waiters_.pop_front())
            waiter->scope_lost();
    }

    // Tells all children; those that wait for room do not begin any more.
    void cancel(asio::cancellation_type type)
    {
        auto const alive = this->shared_from_this();
        while (auto* waits = queue_.pop_front())
            delete waits;
        // Each goes to the end when its turn has come: whatever ends meanwhile is no longer there.
        for (auto count = running_.size(); count != 0 && !running_.empty(); --count) {
            auto& child = *running_.pop_front();
            running_.push_back(child);
            child.cancel(type);
        }
        notify();
    }

    // From here on every child is told this, also one that comes later.
    void stop(asio::cancellation_type type)
    {
        level_ = level_ | type;
        cancel(type);
    }

    void wait(scope_waiter& waiter) noexcept { waiters_.push_back(waiter); }
    void stop_waiting(scope_waiter& waiter) noexcept { waiters_.remove(waiter); }

private:
    // A child that is being started: it may end within that.
    struct starting
    {
        task_type* child;
        bool lost;
        starting* outer;
    };

    static std::exception_ptr broken_promise() noexcept
    {
        try {
            return std::make_exception_ptr(std::future_error(std::future_errc::broken_promise));
        } catch (...) {
            return std::current_exception();
        }
    }

    void note_failure(source_location where, std::exception_ptr const& error) noexcept
    {
        if (!error || is_cancelled(error))
            return;
        exit_state_access::add(failures_, error, {}, where);
        report_ = nullptr;
    }

    void forget(task_type& child) noexcept
    {
        for (auto* each = starting_; each; each = each->outer)
            if (each->child == &child)
                each->child = nullptr;
        remove(child);
    }

    void remove(task_type& child) noexcept
    {
        running_.remove(child);
        delete &child;
    }

    // A loop: a child may end within the call that starts it.
    void start_queued()
    {
        if (std::exchange(starts_queued_, true))
            return;
        while (!queue_.empty() && running_.size() < limit_) {
            std::unique_ptr<task_type> next(queue_.pop_front());
            auto const where = next->where();
            try {
                start(std::move(next));
            } catch (...) {
                note_failure(where, std::current_exception());
            }
        }
        starts_queued_ = false;
    }

    // Each waiter looks once, in the order in which they came; a waiter that ends takes itself out.
    void notify()
    {
        for (auto count = waiters_.size(); count != 0 && !waiters_.empty(); --count) {
            auto& waiter = *waiters_.pop_front();
            waiters_.push_back(waiter);
            waiter.look();
        }
    }

    Executor executor_;
    std::size_t limit_;
    bool cancel_on_failure_;
    state phase_ = state::open;
    asio::cancellation_type level_ = asio::cancellation_type::none;
    node_list<task_type> running_;
    node_list<task_type> queue_;
    node_list<scope_waiter> waiters_;
    starting* starting_ = nullptr;
    bool starts_queued_ = false;
    std::exception_ptr first_failure_;
    exit_state failures_;
    std::exception_ptr report_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_SCOPE_CORE_HPP
