#ifndef EXEUNT_DETAIL_EXIT_RUNNER_HPP
#define EXEUNT_DETAIL_EXIT_RUNNER_HPP

#include <exeunt/detail/dispatch_on.hpp>
#include <exeunt/detail/handover.hpp>
#include <exeunt/detail/parked_coroutine.hpp>
#include <exeunt/exit_handler.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <new>
#include <optional>
#include <utility>

namespace exeunt::detail {

// Tells drivers of coroutines apart by the executor type of what they await.
template <class E>
inline constexpr char driver_kind = 0;

// Runs one asynchronous job after the other: exits, and the body of a scope.
//
// A job is started by a function that takes a handler (make_handler) or gives an awaitable (await),
// or throws. It ends when the handler is called, the coroutine is done, or when nobody can do either
// any more. One coroutine, spawned when the first awaitable comes, awaits all of them: it parks
// between two jobs.
//
// A job that ends while it is being started does not recurse: the starter goes on; where coroutines follow
// each other, the driver does that for it, without parking. Who comes second,
// the starter or the completion, is decided by an atomic exchange, so that a job may be completed on any
// thread. Everything else, cancellation and deadlines among it, happens on the executor.
template <class Executor>
class exit_runner : public executor_target<Executor>
{
public:
    using executor_type = Executor;

    basic_exit_handler<Executor> make_handler() noexcept
    {
        owed_ = true;
        is_coroutine_ = false;
        return exit_handler_access::make<Executor>(*this);
    }

    // Awaits `job` in the driver coroutine.
    template <class E>
    void await(asio::awaitable<void, E>&& job);

    // The driver has ended a job, or begins.
    template <class Handler>
    void coroutine_parked(Handler&& handler)
    {
        driver_.park(std::forward<Handler>(handler));
        if (job_.has_value())
            return begin_awaiting();
        if (driver_result_)
            result_ = std::exchange(driver_result_, nullptr);
        // Within the starter this is the right executor.
        auto expected = progress::starting;
        if (!progress_.compare_exchange_strong(
                expected, progress::ended, std::memory_order_acq_rel, std::memory_order_acquire))
            return_to_executor();
    }

    // Tells the job that runs to stop, as soon as it has begun. Nothing comes of that within the call.
    void stop_job()
    {
        stopped_ = true;
        cut([] {}, true);
    }

    void succeed() final
    {
        if (progress_.exchange(progress::ended, std::memory_order_acq_rel) == progress::waiting)
            job_ended();
    }

    void complete(std::exception_ptr error) final
    {
        result_ = std::move(error);
        if (progress_.exchange(progress::ended, std::memory_order_acq_rel) == progress::waiting)
            job_ended();
    }

    void drop() final
    {
        dropped_ = true;
        if (progress_.exchange(progress::ended, std::memory_order_acq_rel) == progress::waiting)
            job_lost();
    }

protected:
    explicit exit_runner(Executor const& executor)
        : executor_target<Executor>(executor)
    {
    }

    ~exit_runner()
    {
        if (unbegun_)
            unbegun_->disarm();
    }

    // Called when a job that has not ended within run_job has ended.
    virtual void job_ended() = 0;
    // Called when such a job can never end.
    virtual void job_lost() = 0;
    // Called when a coroutine has ended within the call that started it: may end that job and start the
    // next, if that is one for a driver of this kind, by start_chained. Returns whether it has.
    virtual bool start_next_coroutine(void const* /*kind*/) noexcept { return false; }
    // Called before a job is waited for; returns whether it has to be cut at once.
    virtual bool job_waits() noexcept { return false; }

    // Whether a job that is lost had ended: only what was to follow is lost.
    bool job_had_ended() const noexcept { return had_ended_; }

    // Runs start(); returns whether the job has ended already.
    template <class Start>
    EXEUNT_EACH_EXIT bool run_job(Start&& start) noexcept
    {
        dropped_ = false;
        had_ended_ = false;
        owed_ = false;
        stopped_ = false;
        pending_types_ = asio::cancellation_type::none;
        progress_.store(progress::starting, std::memory_order_relaxed);
        try {
            std::forward<Start>(start)();
        } catch (...) {
            thrown_ = std::current_exception();
            // What it has begun before it threw is waited for.
            if (!owed_)
                return true;
        }
        return progress_.load(std::memory_order_acquire) == progress::ended || wait_for_job();
    }

private:
    bool wait_for_job() noexcept
    {
        bool const cuts = job_waits() || stopped_;
        if (cuts && progress_.load(std::memory_order_acquire) != progress::ended)
            deliver_or_keep(asio::cancellation_type::terminal);
        return progress_.exchange(progress::waiting, std::memory_order_acq_rel) == progress::ended;
    }

protected:
    // Starts a coroutine that the driver goes on with. False: it has ended already, by throwing.
    template <class Start>
    bool start_chained(Start&& start) noexcept
    {
        dropped_ = false;
        had_ended_ = false;
        owed_ = false;
        stopped_ = false;
        pending_types_ = asio::cancellation_type::none;
        try {
            std::forward<Start>(start)();
        } catch (...) {
            thrown_ = std::current_exception();
        }
        return owed_;
    }

    // After a job has ended: whether it has succeeded. Then it is forgotten; else take_failures follows.
    bool take_success() noexcept
    {
        if (auto slot = this->slot(); slot.has_handler())
            slot.clear();
        return !result_ && !thrown_ && !dropped_;
    }

    // After a job has ended: calls fail(exception_ptr) with each failure of it, and forgets the job.
    template <class Fail>
    void take_failures(Fail&& fail) noexcept
    {
        this->slot().clear();
        if (thrown_)
            fail(std::exchange(thrown_, nullptr));
        else if (dropped_ && !had_ended_)
            fail(broken_promise());
        if (result_)
            fail(std::exchange(result_, nullptr));
    }

    // Emits to the job that is waited for, if it has not ended meanwhile.
    void emit(asio::cancellation_type type)
    {
        if (!hold())
            return keep_if_held(type);
        deliver_or_keep(type);
        release(false);
    }

    // Cuts the job that is waited for, if it has not ended meanwhile: calls before(), then emits. What
    // comes after the job may be done within the call, unless `later`.
    template <class Before>
    void cut(Before&& before, bool later)
    {
        if (!hold()) {
            // What holds it delivers this, too.
            if (progress_.load(std::memory_order_acquire) != progress::held)
                return;
            std::forward<Before>(before)();
            return keep_if_held(asio::cancellation_type::terminal);
        }
        std::forward<Before>(before)();
        if (progress_.load(std::memory_order_acquire) == progress::held)
            deliver_or_keep(asio::cancellation_type::terminal);
        release(later);
    }

    // Whether the job has ended, also where what comes after it has yet to follow.
    bool job_is_done() const noexcept
    {
        return progress_.load(std::memory_order_acquire) == progress::ended;
    }

    // Calls tell(), within which the job that is waited for may end: what comes after it follows that call, and
    // then may be done already, unless `later`. Returns false where that has come, or will.
    template <class Tell>
    bool outlasts(Tell&& tell, bool later)
    {
        bool const held = hold();
        std::forward<Tell>(tell)();
        return !held || release(later);
    }

    // Lets the driver coroutine end; its frames are gone afterwards.
    void end_driver() noexcept
    {
        if (!driver_.is_parked())
            return;
        try {
            driver_.resume();
        } catch (...) {
            // Asio could not report the end of the coroutine: nobody waits for that.
        }
        driver_kind_ = nullptr;
    }

private:
    static std::exception_ptr broken_promise() noexcept
    {
        try {
            return std::make_exception_ptr(std::future_error(std::future_errc::broken_promise));
        } catch (...) {
            return std::current_exception();
        }
    }

    enum class progress : unsigned char { starting, waiting, held, ended };

    // Given to a job for as long as it runs: tells when the frame is destroyed instead.
    class running_job
    {
    public:
        explicit running_job(exit_runner* runner) noexcept
            : runner_(runner)
        {
        }
        running_job(running_job const&) = delete;
        running_job& operator=(running_job const&) = delete;
        ~running_job()
        {
            if (runner_)
                runner_->drop();
        }
        void ended(std::exception_ptr error) noexcept
        {
            auto* const runner = std::exchange(runner_, nullptr);
            if (error)
                runner->driver_result_ = std::move(error);
        }

    private:
        exit_runner* runner_;
    };

    // An awaitable whose executor type is not known here.
    class awaitable_job
    {
    public:
        awaitable_job() = default;
        awaitable_job(awaitable_job const&) = delete;
        awaitable_job& operator=(awaitable_job const&) = delete;
        ~awaitable_job() { reset(); }

        bool has_value() const noexcept { return destroy_ != nullptr; }

        template <class E>
        void emplace(asio::awaitable<void, E>&& job) noexcept
        {
            using type = asio::awaitable<void, E>;
            static_assert(sizeof(type) <= sizeof storage_);
            ::new (static_cast<void*>(storage_)) type(std::move(job));
            destroy_ = [](void* storage) noexcept {
                std::destroy_at(std::launder(static_cast<type*>(storage)));
            };
        }

        template <class E>
        asio::awaitable<void, E> take() noexcept
        {
            auto* stored = std::launder(
                reinterpret_cast<asio::awaitable<void, E>*>(static_cast<void*>(storage_)));
            asio::awaitable<void, E> job(std::move(*stored));
            reset();
            return job;
        }

        void reset() noexcept
        {
            if (destroy_)
                std::exchange(destroy_, nullptr)(storage_);
        }

    private:
        alignas(void*) std::byte storage_[2 * sizeof(void*)];
        void (*destroy_)(void*) noexcept = nullptr;
    };

    // Lies in the frame of the driver until that begins: tells when the frame is destroyed instead. Asio
    // may destroy the frame later than it reports that it could not start it: then it is disarmed.
    class unbegun_driver
    {
    public:
        explicit unbegun_driver(exit_runner* runner) noexcept
            : runner_(runner)
        {
            runner_->unbegun_ = this;
        }
        unbegun_driver(unbegun_driver&& other) noexcept
            : runner_(std::exchange(other.runner_, nullptr))
        {
            if (runner_)
                runner_->unbegun_ = this;
        }
        ~unbegun_driver()
        {
            if (runner_)
                begin()->drop();
        }
        exit_runner* begin() noexcept
        {
            runner_->unbegun_ = nullptr;
            return std::exchange(runner_, nullptr);
        }
        void disarm() noexcept { runner_ = nullptr; }

    private:
        exit_runner* runner_;
    };

    template <class E>
    static asio::awaitable<void, E> drive(unbegun_driver unbegun);

    // For as long as await() resumes the driver: what runs on this thread meanwhile runs within that call.
    class resuming
    {
    public:
        explicit resuming(exit_runner& runner) noexcept
            : runner_(runner)
        {
            runner_.starter_.store(this_thread(), std::memory_order_relaxed);
        }
        resuming(resuming const&) = delete;
        resuming& operator=(resuming const&) = delete;
        ~resuming() { runner_.starter_.store(nullptr, std::memory_order_relaxed); }

        static void const* this_thread() noexcept { return &here_; }

    private:
        static constinit inline thread_local char here_ = 0;
        exit_runner& runner_;
    };

    // The driver has ended a job. Whether there is another one for it, without parking.
    bool chain(void const* kind) noexcept
    {
        if (starter_.load(std::memory_order_relaxed) != resuming::this_thread())
            return false;
        if (driver_result_)
            result_ = std::exchange(driver_result_, nullptr);
        chains_ = true;
        bool const started = start_next_coroutine(kind);
        chains_ = false;
        return started;
    }

    // The driver was not started within await(), and begins now.
    void begin_awaiting()
    {
        bool const held = hold();
        driver_.resume();
        if (held)
            release(false);
    }

    void deliver_or_keep(asio::cancellation_type type) noexcept
    {
        if (job_.has_value())
            // A coroutine must not be cancelled before its first step: that would lose it.
            pending_types_ = pending_types_ | type;
        else
            deliver(type);
    }

    void keep_if_held(asio::cancellation_type type) noexcept
    {
        if (progress_.load(std::memory_order_acquire) == progress::held)
            pending_types_ = pending_types_ | type;
    }

    void deliver(asio::cancellation_type type) noexcept
    {
        telling const here(this->executor());
        try {
            (is_coroutine_ ? driver_signal_ : this->signal_).emit(type);
        } catch (...) {
            // A cancellation that cannot be delivered is one that the job ignores.
        }
    }

    // A coroutine may have ended on an executor of its own choice: what comes next runs on the right one.
    void return_to_executor()
    {
        handover here(this);
        try {
            dispatch_on(this->executor(), coroutine_end(this));
        } catch (...) {
            // Either what came next has thrown; or there is no memory to go there, and it goes on here.
            if (!here.came_back())
                throw;
            return complete(std::exchange(result_, nullptr));
        }
        if (here.came_back())
            lose_end();
    }

    class coroutine_end
    {
    public:
        explicit coroutine_end(exit_runner* runner) noexcept
            : runner_(runner)
        {
        }
        coroutine_end(coroutine_end&& other) noexcept
            : runner_(std::exchange(other.runner_, nullptr))
        {
        }
        ~coroutine_end()
        {
            if (!runner_ || handover::take_back(runner_))
                return;
            runner_->lose_end();
        }
        void operator()()
        {
            auto* runner = std::exchange(runner_, nullptr);
            handover::taken(runner);
            if (!std::exchange(runner->goes_on_later_, false))
                runner->complete(std::exchange(runner->result_, nullptr));
            else if (runner->dropped_)
                runner->job_lost();
            else
                runner->job_ended();
        }

    private:
        exit_runner* runner_;
    };

    // The step that follows the end of a job has been lost.
    void lose_end()
    {
        had_ended_ = !dropped_;
        if (goes_on_later_)
            job_lost();
        else
            drop();
    }

    // While a job is held its completion does not go on by itself: nothing of this is destroyed.
    bool hold() noexcept
    {
        auto expected = progress::waiting;
        return progress_.compare_exchange_strong(
            expected, progress::held, std::memory_order_acq_rel, std::memory_order_acquire);
    }

    // Returns whether the job has not ended meanwhile.
    bool release(bool later)
    {
        while (pending_types_ != asio::cancellation_type::none && !job_.has_value()
            && progress_.load(std::memory_order_acquire) == progress::held)
            deliver(std::exchange(pending_types_, asio::cancellation_type::none));
        if (progress_.exchange(progress::waiting, std::memory_order_acq_rel) != progress::ended)
            return true;
        // Nothing may cut it any more.
        progress_.store(progress::ended, std::memory_order_release);
        if (later)
            go_on_later();
        else if (dropped_)
            job_lost();
        else
            job_ended();
        return false;
    }

    void go_on_later()
    {
        goes_on_later_ = true;
        handover here(this);
        try {
            asio::post(this->executor(), coroutine_end(this));
            if (!here.came_back())
                return;
        } catch (...) {
            // There is no memory to go on later.
            if (!here.came_back())
                throw;
        }
        goes_on_later_ = false;
        if (dropped_)
            job_lost();
        else
            job_ended();
    }

    std::atomic<progress> progress_{progress::ended};
    // Somebody has been given the means to complete the job.
    bool owed_ = false;
    // It has been told to stop by somebody else than what runs it.
    bool stopped_ = false;
    bool dropped_ = false;
    bool had_ended_ = false;
    bool goes_on_later_ = false;
    bool is_coroutine_ = false;
    // What is awaited now is for the driver, which asks for it.
    bool chains_ = false;
    // The thread that is within await().
    std::atomic<void const*> starter_{nullptr};
    std::exception_ptr result_;
    std::exception_ptr thrown_;

    unbegun_driver* unbegun_ = nullptr;
    awaitable_job job_;
    parked_coroutine driver_;
    void const* driver_kind_ = nullptr;
    std::exception_ptr driver_result_;
    asio::cancellation_signal driver_signal_;
    asio::cancellation_type pending_types_ = asio::cancellation_type::none;
};

template <class Executor>
template <class E>
void exit_runner<Executor>::await(asio::awaitable<void, E>&& job)
{
    if (!chains_ && driver_kind_ != &driver_kind<E>)
        end_driver();
    job_.emplace(std::move(job));
    owed_ = true;
    is_coroutine_ = true;
    if (chains_)
        return;
    resuming const here(*this);
    if (driver_.is_parked())
        return driver_.resume();
    try {
        asio::co_spawn(E(this->executor()), drive<E>(unbegun_driver(this)),
            driver_ended(driver_signal_.slot()));
        driver_kind_ = &driver_kind<E>;
    } catch (...) {
        if (unbegun_)
            std::exchange(unbegun_, nullptr)->disarm();
        job_.reset();
        owed_ = false;
        throw;
    }
}

template <class Executor>
template <class E>
asio::awaitable<void, E> exit_runner<Executor>::drive(unbegun_driver unbegun)
{
    auto* runner = unbegun.begin();

    // Begins parked: from then on no end of it needs a post, which could fail or throw.
    co_await park_operation<exit_runner>(runner);
    while (runner->job_.has_value()) {
        std::exception_ptr error;
        {
            running_job running(runner);
            try {
                // A job leaves its filter and its flags behind.
                co_await asio::this_coro::reset_cancellation_state();
                co_await asio::this_coro::throw_if_cancelled(true);
                co_await runner->job_.template take<E>();
            } catch (...) {
                error = std::current_exception();
            }
            running.ended(std::move(error));
        }
        if (runner->chain(&driver_kind<E>))
            continue;
        co_await asio::this_coro::throw_if_cancelled(false);
        co_await park_operation<exit_runner>(runner);
    }
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_EXIT_RUNNER_HPP
