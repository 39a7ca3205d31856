#ifndef EXEUNT_DETAIL_SCOPE_CORE_HPP
#define EXEUNT_DETAIL_SCOPE_CORE_HPP

#include <exeunt/detail/exit_state_access.hpp>
#include <exeunt/detail/node_list.hpp>
#include <exeunt/detail/run_exits.hpp>
#include <exeunt/detail/task.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_state.hpp>

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <string_view>
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

    scope_core(Executor const& executor, std::size_t limit, bool cancel_on_failure)
        : executor_(executor)
        , limit_(limit)
        , cancel_on_failure_(cancel_on_failure)
    {
    }

    // Children that run at this time keep this alive; those that wait for room are forgotten.
    ~scope_core()
    {
        drop_queue();
        tell_unreceived();
    }

    Executor const& executor() const noexcept { return executor_; }
    std::size_t running() const noexcept { return running_.size(); }
    std::size_t queued() const noexcept { return queue_.size(); }
    bool is_idle() const noexcept { return running_.empty() && queue_.empty(); }
    bool has_room() const noexcept { return queue_.empty() && running_.size() < limit_; }
    bool is_closed() const noexcept { return is_closed_; }
    std::exception_ptr const& first_failure() const noexcept { return first_failure_; }

    void set_closed() noexcept { is_closed_ = true; }

    // What the children have failed with; the same object until another one fails.
    std::exception_ptr failures() noexcept
    {
        auto const all = failures_.failures();
        auto const dropped = exit_state_access::dropped(failures_);
        if (all.size() + dropped <= 1)
            return failures_.error();
        if (!report_) {
            try {
                report_ = std::make_exception_ptr(
                    exit_errors(std::vector(all.begin(), all.end()), dropped));
            } catch (...) {
                return failures_.error();
            }
        }
        return report_;
    }

    // So many of the failures have been handed out: to whoever waited for the first, or for all.
    std::size_t failures_until_first() const noexcept { return until_first_; }
    std::size_t failure_count() const noexcept { return failures_.failures().size(); }
    void note_received(std::size_t count) noexcept { received_ = std::max(received_, count); }

    // What every child has been told, and is told from its begin.
    asio::cancellation_type level() const noexcept { return level_; }

    // How often what waits for room has been told not to begin.
    std::size_t cancels() const noexcept { return cancels_; }

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
                give_up(started, here.lost);
            throw;
        }
        starting_ = here.outer;
        if (!here.child)
            return;
        if (here.lost)
            return ended(started, broken_promise());
        // While closing all are told, also those that come late; not again what has reached it meanwhile.
        started.to_tell = level_ & ~started.told;
        tell(started);
    }

    void ended(task_type& child, std::exception_ptr error)
    {
        auto const where = child.where();
        if (child.orphaned) {
            // What starting it threw has been told, and this has not.
            delete &child;
            if (error && !is_cancelled(error))
                tell_unreceived({}, where, error);
            return;
        }
        forget(child);
        fail(where, error);
        start_queued();
        notify();
    }

    // The handler of a child was destroyed: the execution context is going, as a rule. Nothing can be
    // started there, and nobody told.
    void lost(task_type& child) noexcept
    {
        if (child.orphaned)
            return delete &child;
        for (auto* each = starting_; each; each = each->outer)
            if (each->child == &child) {
                each->lost = true;
                return;
            }
        auto const alive = this->shared_from_this();
        if (!lost_)
            lost_ = broken_promise();
        note_failure(child.where(), lost_);
        forget(child);
        // Else the next one that ends makes room.
        if (running_.empty())
            drop_queue();
        while (auto* waiter = waiters_.pop_front())
            waiter->scope_lost();
    }

    // Tells all children; those that wait for room do not begin any more.
    void cancel(asio::cancellation_type type)
    {
        auto const alive = this->shared_from_this();
        mark(type);
        tell_marked();
    }

    // From wherever it is called. co_spawn hands what is emitted elsewhere to the executor of its coroutine,
    // which may have ended by then: the scope goes there itself, and finds who is left.
    void cancel_on_executor(asio::cancellation_type type)
    {
        auto const alive = this->shared_from_this();
        mark(type);
        try {
            asio::dispatch(executor_, [alive] { alive->tell_marked(); });
        } catch (...) {
            // Without memory: late is better than never.
            tell_marked();
        }
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

    // Handlers that cannot be queued for want of memory are called within, and may throw.
    class leaves_loop
    {
    public:
        explicit leaves_loop(bool& runs) noexcept
            : runs_(runs)
        {
        }
        leaves_loop(leaves_loop const&) = delete;
        leaves_loop& operator=(leaves_loop const&) = delete;
        ~leaves_loop() { runs_ = false; }

    private:
        bool& runs_;
    };

    static std::exception_ptr broken_promise() noexcept
    {
        try {
            return std::make_exception_ptr(std::future_error(std::future_errc::broken_promise));
        } catch (...) {
            return std::current_exception();
        }
    }

    // Returns whether it is the first failure.
    bool note_failure(source_location where, std::exception_ptr const& error) noexcept
    {
        if (!error || is_cancelled(error))
            return false;
        exit_state_access::add(failures_, error, {}, where);
        report_ = nullptr;
        if (first_failure_)
            return false;
        first_failure_ = error;
        until_first_ = failure_count();
        return true;
    }

    void fail(source_location where, std::exception_ptr const& error)
    {
        if (note_failure(where, error) && cancel_on_failure_)
            cancel(asio::cancellation_type::terminal);
    }

    void mark(asio::cancellation_type type) noexcept
    {
        ++cancels_;
        drop_queue();
        for (auto* child = running_.first(); child; child = child->next) {
            child->to_tell = child->to_tell | type;
            child->dropped = child->dropped || !child->has_begun;
        }
    }

    void tell_marked()
    {
        // Each goes to the end when it is told: others may end meanwhile, begin, or be told more.
        while (!running_.empty() && running_.first()->to_tell != asio::cancellation_type::none) {
            auto& child = *running_.pop_front();
            running_.push_back(child);
            tell(child);
        }
        notify();
    }

    static void tell(task_type& child) noexcept
    {
        auto const types = std::exchange(child.to_tell, asio::cancellation_type::none);
        child.told = child.told | types;
        if (types != asio::cancellation_type::none)
            child.cancel(types);
    }

    void drop_queue() noexcept
    {
        while (auto* waits = queue_.pop_front())
            delete waits;
    }

    // Nobody can ask for what the children have failed with any more. That they were lost with their
    // context is no failure of theirs.
    void tell_unreceived() noexcept
    {
        auto const all = failures_.failures();
        for (auto const& failure : all.subspan(received_))
            if (failure.error != lost_)
                tell_unreceived(failure.name, failure.where, failure.error);
    }

    static void tell_unreceived(
        std::string_view name, source_location where, std::exception_ptr const& error) noexcept
    {
        if (auto* observer = default_observer())
            observer->failure_unreceived(
                {name.empty() ? "child of a task_scope" : name, where}, error);
    }

    void forget(task_type& child) noexcept
    {
        for (auto* each = starting_; each; each = each->outer)
            if (each->child == &child)
                each->child = nullptr;
        remove(child);
    }

    // It could not be started.
    void give_up(task_type& child, bool handler_is_gone) noexcept
    {
        if (handler_is_gone)
            return remove(child);
        running_.remove(child);
        child.orphaned = true;
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
        leaves_loop const leaves(starts_queued_);
        while (!queue_.empty() && running_.size() < limit_) {
            std::unique_ptr<task_type> next(queue_.pop_front());
            auto const where = next->where();
            try {
                start(std::move(next));
            } catch (...) {
                fail(where, std::current_exception());
            }
        }
    }

    // Each waiter looks, in the order in which they came; a waiter that ends takes itself out. A loop: a
    // child that one of them starts may end at once.
    void notify()
    {
        notify_again_ = true;
        if (std::exchange(notifies_, true))
            return;
        auto const alive = this->shared_from_this();
        leaves_loop const leaves(notifies_);
        while (std::exchange(notify_again_, false))
            for (auto count = waiters_.size(); count != 0 && !waiters_.empty(); --count) {
                auto& waiter = *waiters_.pop_front();
                waiters_.push_back(waiter);
                waiter.look();
            }
    }

    Executor executor_;
    std::size_t limit_;
    bool cancel_on_failure_;
    bool is_closed_ = false;
    asio::cancellation_type level_ = asio::cancellation_type::none;
    node_list<task_type> running_;
    node_list<task_type> queue_;
    node_list<scope_waiter> waiters_;
    starting* starting_ = nullptr;
    bool starts_queued_ = false;
    bool notifies_ = false;
    bool notify_again_ = false;
    exit_state failures_;
    std::exception_ptr first_failure_;
    std::size_t until_first_ = 0;
    std::size_t cancels_ = 0;
    std::size_t received_ = 0;
    // What stands for the children whose handlers were destroyed.
    std::exception_ptr lost_;
    std::exception_ptr report_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_SCOPE_CORE_HPP
