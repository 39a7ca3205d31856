#ifndef EXEUNT_DETAIL_CLOSE_OPERATION_HPP
#define EXEUNT_DETAIL_CLOSE_OPERATION_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/detail/async_exit.hpp>
#include <exeunt/detail/exit_runner.hpp>
#include <exeunt/detail/operation.hpp>
#include <exeunt/detail/stack_core.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <exception>
#include <optional>
#include <tuple>
#include <utility>

namespace exeunt::detail {

inline std::exception_ptr make_error(boost::system::error_code code) noexcept
{
    try {
        return std::make_exception_ptr(boost::system::system_error(code));
    } catch (...) {
        return std::current_exception();
    }
}

// Runs the exits of a core, one at a time, on behalf of an operation.
template <class Executor>
class unwind_base : public exit_runner<Executor>, public operation_base
{
protected:
    unwind_base(Executor const& executor, core_ptr core, close_options const& options)
        : exit_runner<Executor>(executor)
        , core_(std::move(core))
        , options_(options)
    {
    }

    ~unwind_base() = default;

    // Runs one registered exit. False: it has not ended; job_ended() or job_lost() follows.
    bool run_exit(entry& e)
    {
        if (!e.table->async) {
            inside_exit inside(*core_);
            core_->running = &e;
            run_sync_exit(core_->list, e, *state_, options_);
            core_->running = nullptr;
            return true;
        }
        if (!exit_state_access::wants(*state_, e.table->filter)) {
            core_->list.forget(e);
            return true;
        }
        core_->list.begin(e, exit_);
        core_->running = &e;
        core_->inside_exit = true;
        auto* table = static_cast<async_exit_table<Executor> const*>(e.table);
        if (!this->run_job([&] { table->start(e, *this, *state_); }))
            return false;
        core_->inside_exit = false;
        end_exit();
        return true;
    }

    // The running exit has ended: its failure is recorded, what it holds is destroyed.
    void end_exit() noexcept
    {
        entry& e = *exit_.running;
        this->take_failures([&](std::exception_ptr const& error) {
            record_failure(e, error, core_->list.size(), *state_, options_);
        });
        if (exit_state_access::has_replacement(*state_))
            exit_state_access::name_replacement(*state_, e.name(), e.where());
        e.table->destroy(e);
        core_->list.end(exit_);
        core_->running = nullptr;
        core_->running_since.reset();
    }

    // The failure of a job that is no exit; several become one.
    std::exception_ptr job_failure() noexcept
    {
        exit_state state;
        this->take_failures([&](std::exception_ptr const& error) {
            exit_state_access::add(state, error, {}, source_location());
        });
        return outcome_of(state, options_);
    }

    // Nothing can be awaited any more: what is left runs synchronously or is given up.
    void abandon_all() noexcept
    {
        auto& state = *state_;
        exit_state_access::set_unknown(state);
        exit_state_access::force(state);
        core_->phase = stack_core::state::closing;
        inside_exit inside(*core_);
        abandon_exits(core_->list, exit_.running ? &exit_ : nullptr, state, options_);
        core_->running = nullptr;
        core_->phase = stack_core::state::closed;
        core_->busy = false;
    }

    static void discard_all(waiter_list& waiters)
    {
        while (auto* waiter = waiters.pop_front())
            waiter->discard();
    }

    void job_waits() noexcept override
    {
        if (!core_)
            return;
        core_->running_since = std::chrono::steady_clock::now();
        core_->inside_exit = false;
    }

    bool runs_exit() const noexcept { return exit_.running != nullptr; }

    // Sets a flag for as long as code of an exit is called, which may be within that of another.
    class inside_exit
    {
    public:
        explicit inside_exit(stack_core& core) noexcept
            : core_(core)
            , before_(std::exchange(core.inside_exit, true))
        {
        }
        inside_exit(inside_exit const&) = delete;
        inside_exit& operator=(inside_exit const&) = delete;
        ~inside_exit() { core_.inside_exit = before_; }

    private:
        stack_core& core_;
        bool before_;
    };

    core_ptr core_;
    close_options options_;
    // The state that the exits see: one of this operation, or that of the stack around this one.
    std::optional<exit_state> own_state_;
    exit_state* state_ = nullptr;
    running_exit exit_;
};

// Closes a stack: runs all its exits.
template <class Executor>
class close_base : public unwind_base<Executor>, public stack_waiter
{
public:
    using executor_type = Executor;

    // `outer`: the state of the unwinding that this one is a part of.
    close_base(Executor const& executor, core_ptr core, close_options const& options,
        std::exception_ptr cause, exit_state* outer = nullptr)
        : unwind_base<Executor>(executor, std::move(core), options)
        , cause_(std::move(cause))
        , outer_(outer)
    {
    }

    void wake() override {}
    void take_turn() override { unwind(); }
    void discard() override { abandon(); }

protected:
    ~close_base() = default;

    static constexpr bool has_body() noexcept { return false; }

    void prepare() noexcept { this->core_->phase = stack_core::state::closing; }

    void roll_back() noexcept { this->core_->phase = stack_core::state::open; }

    void start()
    {
        if (this->core_->busy) {
            this->core_->closer = this;
            return;
        }
        this->core_->busy = true;
        unwind();
    }

    // The first step was lost, or the running exit.
    void abandon()
    {
        if (auto core = this->core_) {
            begin_state();
            this->abandon_all();
            if (this->state_ != outer_)
                report_unreceived(*this->state_, this->options_);
            this->discard_all(core->answering);
            this->discard_all(core->requests);
            this->discard_all(core->joined);
        }
        this->end_driver();
        this->lose();
    }

    std::tuple<std::exception_ptr> results() noexcept { return {std::move(error_)}; }

    void unwind()
    {
        begin_state();
        run();
    }

    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        // The first tells that it is urgent; each further one cuts the exit that runs.
        for (; cuts_ + 1 < terminals; ++cuts_)
            this->emit(asio::cancellation_type::terminal);
    }

    void job_ended() override
    {
        end_running();
        run();
    }

    void job_lost() override { abandon(); }

    void complete_close(std::exception_ptr error, bool posted = false)
    {
        error_ = std::move(error);
        this->finish(posted);
    }

    void set_cause(core_ptr core, std::exception_ptr cause) noexcept
    {
        this->core_ = std::move(core);
        cause_ = std::move(cause);
    }

private:
    void begin_state() noexcept
    {
        if (this->state_)
            return;
        auto& core = *this->core_;
        if (outer_ && !core.cause) {
            this->state_ = outer_;
            exit_state_access::enter_nested(*outer_);
            core.depth = exit_state_access::depth(*outer_);
            return;
        }
        bool const reported = cause_ != nullptr;
        auto cause = reported ? std::move(cause_) : std::exchange(core.cause, nullptr);
        this->state_ = &this->own_state_.emplace(std::move(cause), outer_ && outer_->forced());
        if (!reported)
            exit_state_access::leave_cause_unreported(*this->state_);
    }

    void run()
    {
        while (entry* e = next()) {
            if (!this->run_exit(*e))
                return;
            answer_request();
        }
        end();
    }

    // A wish to run one exit comes before what is newest.
    entry* next()
    {
        auto& core = *this->core_;
        while (auto* waiter = core.requests.pop_front()) {
            auto* request = static_cast<run_request*>(waiter);
            if (auto* e = core.list.find(request->wanted())) {
                request->waits_in = &core.answering;
                core.answering.push_back(*request);
                return e;
            }
            request->wake();
        }
        return core.list.newest();
    }

    void answer_request()
    {
        if (auto* request = this->core_->answering.pop_front())
            request->wake();
    }

    void end_running()
    {
        this->end_exit();
        answer_request();
    }

    void end()
    {
        auto core = std::exchange(this->core_, {});
        core->phase = stack_core::state::closed;
        core->busy = false;
        this->end_driver();
        while (auto* waiter = core->requests.pop_front())
            waiter->wake();
        while (auto* waiter = core->joined.pop_front())
            waiter->wake();
        complete_close(outcome(), core->is_turning());
    }

    std::exception_ptr outcome() noexcept
    {
        if (!outer_)
            return outcome_of(*this->state_, this->options_);
        if (this->state_ == outer_) {
            exit_state_access::leave_nested(*outer_);
        } else {
            exit_state_access::add(
                *outer_, outcome_of(*this->state_, this->options_), {}, source_location());
        }
        return nullptr;
    }

    std::exception_ptr cause_;
    std::exception_ptr error_;
    exit_state* outer_;
    unsigned cuts_ = 0;
};

// Runs one exit, when no other one runs.
template <class Executor>
class run_now_base : public unwind_base<Executor>, public run_request
{
public:
    using executor_type = Executor;

    run_now_base(
        Executor const& executor, core_ptr core, close_options const& options, exit_handle exit)
        : unwind_base<Executor>(executor, std::move(core), options)
        , run_request(exit)
    {
    }

    // A close has run the exit, or found that it is gone.
    void wake() override
    {
        waits_in = nullptr;
        this->finish(true);
    }

    void take_turn() override
    {
        waits_in = nullptr;
        run();
    }

    void discard() override { this->lose(); }

protected:
    ~run_now_base() = default;

    static constexpr bool has_body() noexcept { return false; }
    void prepare() noexcept {}
    void roll_back() noexcept {}

    void start()
    {
        if (this->core_->phase == stack_core::state::closed)
            return this->finish();
        if (this->core_->busy || this->core_->phase == stack_core::state::closing) {
            waits_in = &this->core_->requests;
            return waits_in->push_back(*this);
        }
        this->core_->busy = true;
        run();
    }

    void abandon()
    {
        this->end_driver();
        this->lose();
    }

    std::tuple<std::exception_ptr> results() noexcept { return {std::move(error_)}; }

    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        if (waits_in && terminals != 0) {
            std::exchange(waits_in, nullptr)->remove(*this);
            error_ = make_error(asio::error::operation_aborted);
            return this->finish();
        }
        for (; cuts_ + 1 < terminals; ++cuts_)
            this->emit(asio::cancellation_type::terminal);
    }

    void job_ended() override
    {
        this->end_exit();
        end();
    }

    // The exit can never end. What is left stays with the stack, but nothing that waits can come.
    void job_lost() override
    {
        auto core = this->core_;
        exit_state_access::set_unknown(*this->state_);
        exit_state_access::force(*this->state_);
        abandon_running(core->list, this->exit_, *this->state_, this->options_);
        core->running = nullptr;
        core->busy = false;
        this->discard_all(core->requests);
        if (auto* closer = std::exchange(core->closer, nullptr))
            closer->discard();
        abandon();
    }

private:
    void run()
    {
        auto* e = this->core_->list.find(this->wanted());
        if (!e)
            return end();
        this->state_ = &this->own_state_.emplace(this->core_->cause);
        exit_state_access::leave_cause_unreported(*this->state_);
        if (this->run_exit(*e))
            end();
    }

    void end()
    {
        auto core = this->core_;
        this->end_driver();
        if (this->state_)
            error_ = outcome_of(*this->state_, this->options_);
        core->busy = false;
        bool const others = core->closer || !core->requests.empty();
        this->finish(others || core->is_turning());
        if (others)
            core->turn_over();
    }

    std::exception_ptr error_;
    unsigned cuts_ = 0;
};

// Waits for the end of a close that is under way, if there is one; completes with a given result.
// `Rest` are values that come with the result, value-initialised.
template <class Executor, class... Rest>
class join_base : public handler_memory, public operation_base, public stack_waiter
{
public:
    using executor_type = Executor;

    // Without a core there is nothing to wait for.
    join_base(Executor const& executor, core_ptr core, std::exception_ptr result)
        : executor_(executor)
        , core_(std::move(core))
        , result_(std::move(result))
    {
    }

    Executor const& executor() const noexcept { return executor_; }

    void wake() override
    {
        waits_ = false;
        this->finish(true);
    }

    void take_turn() override {}
    void discard() override { this->lose(); }

protected:
    ~join_base() = default;

    static constexpr bool has_body() noexcept { return false; }
    void prepare() noexcept {}
    void roll_back() noexcept {}

    void start()
    {
        if (!core_ || core_->phase != stack_core::state::closing)
            return this->finish();
        waits_ = true;
        core_->joined.push_back(*this);
    }

    void abandon() { this->lose(); }

    std::tuple<std::exception_ptr, Rest...> results() { return {std::move(result_), Rest()...}; }

    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        if (!waits_ || terminals == 0)
            return;
        waits_ = false;
        core_->joined.remove(*this);
        result_ = make_error(asio::error::operation_aborted);
        this->finish();
    }

private:
    Executor executor_;
    core_ptr core_;
    std::exception_ptr result_;
    bool waits_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_CLOSE_OPERATION_HPP
