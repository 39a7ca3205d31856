#ifndef EXEUNT_DETAIL_CLOSE_OPERATION_HPP
#define EXEUNT_DETAIL_CLOSE_OPERATION_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/detail/async_exit.hpp>
#include <exeunt/detail/deadline.hpp>
#include <exeunt/detail/exit_runner.hpp>
#include <exeunt/detail/observation.hpp>
#include <exeunt/detail/operation.hpp>
#include <exeunt/detail/stack_core.hpp>
#include <exeunt/detail/unwinding.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <memory>
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

inline std::exception_ptr make_error(stop_reason reason) noexcept
{
    return make_error(reason == stop_reason::timed_out
            ? boost::system::error_code(asio::error::timed_out)
            : boost::system::error_code(asio::error::operation_aborted));
}

// Runs the exits of a core, one at a time, on behalf of an operation.
template <class Executor>
class unwind_base : public exit_runner<Executor>,
                    public operation_base,
                    public deadline_owner,
                    public active_unwinding
{
public:
    void force(stop_reason reason) override { react(decisions_.force(reason), true); }

    bool is_around(exit_state& state) const noexcept override
    {
        return seen_.is_around(exit_state_access::observed_by(state));
    }

    void hurry() override { react(decisions_.terminal(options_.grace, now())); }

    void limit_to_grace() override { react(decisions_.cancel_before(options_.grace, now())); }

    void wait_ended() override
    {
        if (std::exchange(ends_waiting_, false))
            return deadline_settled();
        auto const time = now();
        auto const tell = [&] {
            seen_.exit_slow(
                *exit_.running, core_->list.size(), depth_, *core_->running_since, time);
        };
        if (!decisions_.slow(time) || this->outlasts(tell, false))
            react(decisions_.elapsed(time));
    }

    void wait_lost() override
    {
        if (std::exchange(ends_waiting_, false))
            this->job_lost();
    }

protected:
    unwind_base(Executor const& executor, core_ptr core, close_options const& options)
        : exit_runner<Executor>(executor)
        , core_(std::move(core))
        , options_(options)
    {
    }

    ~unwind_base()
    {
        if (deadline_)
            deadline_->detach();
    }

    unwinding::time_point now() const { return deadline<Executor>::now(this->executor()); }

    // From here on time counts. `forced`: the unwinding has been forced before it began.
    void begin_unwinding(bool cancelled, stop_reason forced)
    {
        bool const timed =
            options_.timeout != unwinding::unlimited || cancelled || decisions_.is_cancelled();
        auto const time = timed ? now() : unwinding::time_point();
        if (cancelled)
            static_cast<void>(decisions_.cancel_before(options_.grace, time));
        decisions_.begin(options_.timeout, options_.grace, time);
        if (forced != stop_reason::none)
            static_cast<void>(decisions_.force(forced));
    }

    // Why the unwinding around this one is forced, if it is.
    stop_reason forced_around() const noexcept
    {
        return around_ ? exit_state_access::forced_by(*around_) : stop_reason::none;
    }

    // Why this one is forced before it begins.
    stop_reason forced_before() const noexcept
    {
        return core_->forced ? stop_reason::cancelled : forced_around();
    }

    // The exits see this state from here on.
    void begin_observing(std::size_t exits)
    {
        depth_ = exit_state_access::depth(*state_);
        seen_.begin(options_, *state_, exits, true, &read_clock_of<Executor>,
            std::addressof(this->executor()));
        show_forced();
    }

    // Each terminal of the operation's slot that has not been told yet.
    void hurry_on(unsigned terminals)
    {
        bool cut = false;
        for (; terminals_ < terminals; ++terminals_)
            cut = decisions_.terminal(options_.grace, now()) || cut;
        react(cut);
    }

    void leave_context() noexcept
    {
        if (deadline_)
            std::exchange(deadline_, nullptr)->detach();
    }

    // Carries out what has been decided. May end the operation, unless `later`.
    void react(bool cut, bool later = false)
    {
        if (!this->outlasts([&] { cut = still_cuts(cut); }, later))
            return;
        arm();
        // A close that waits for an exit which is run by itself: that one is what has to hurry.
        if (decisions_.is_forced() && core_ && core_->active && core_->active != this
            && core_->phase == stack_core::state::under_way)
            return core_->active->force(decisions_.forced_by());
        if (cut)
            this->cut([this] { before_cut(); }, later);
    }

    // Makes the exits see that the unwinding is forced.
    void show_forced() noexcept
    {
        if (!state_ || !decisions_.is_forced() || std::exchange(shows_forced_, true))
            return;
        // A state that is shared is forced by its owner, for all that are nested in it.
        exit_state_access::force(*state_, own_state_ ? decisions_.forced_by() : stop_reason::none);
        seen_.forced();
    }

    // The same, before the exit is cut if it has to be. Returns whether it still has to be: it may end as its
    // observer is told.
    bool still_cuts(bool cut) noexcept
    {
        show_forced();
        if (!cut || !this->job_is_done())
            return cut;
        decisions_.spare();
        return false;
    }

    // Returns whether no wait for a deadline is under way; else deadline_settled() follows.
    bool settle_deadline()
    {
        if (!deadline_ || !deadline_->waits())
            return true;
        ends_waiting_ = true;
        deadline_->stop();
        return false;
    }

    virtual void deadline_settled() = 0;

    // Runs one registered exit. False: it has not ended; job_ended() or job_lost() follows.
    bool run_exit(entry& e) { return run_exit_here(e); }

    // The same in the loop that runs all.
    EXEUNT_EACH_EXIT bool run_exit_here(entry& e)
    {
        auto& core = *core_;
        if (!e.table->async) {
            inside_exit inside(core);
            core.running = &e;
            run_sync_exit(core.list, e, *state_, seen_);
            core.running = nullptr;
            return true;
        }
        if (!exit_state_access::wants(*state_, e.table->filter)) {
            core.list.forget(e);
            return true;
        }
        if (around_ || decisions_.has_deadline())
            look_at_time();
        core.list.begin(e, exit_);
        core.running = &e;
        core.inside_exit = true;
        seen_.exit_began(e, core.list.size());
        if (decisions_.is_forced() && e.table->force) {
            force_exit(e);
            return true;
        }
        if (!this->run_job([&] { table_of(e).start(e, *this, *state_); }))
            return false;
        core.inside_exit = false;
        // The driver may have ended it, and others after it.
        if (runs_exit())
            end_exit_here();
        return true;
    }

    // Its force runs alone.
    EXEUNT_RARE void force_exit(entry& e) noexcept
    {
        static_cast<void>(decisions_.next(facts_of(e)));
        settle(e, decisions_.force_alone());
        core_->inside_exit = false;
        forget_running();
    }

    static async_exit_table<Executor> const& table_of(entry& e) noexcept
    {
        return *static_cast<async_exit_table<Executor> const*>(e.table);
    }

    // Whether the newest exit can be started by a driver of this kind, without more ado.
    bool is_chained_next(void const* kind) const noexcept
    {
        entry* const e = core_->list.newest();
        return e && e->table->async && table_of(*e).driver == kind
            && e->table->filter == exit_filter::always && !decisions_.is_forced()
            && !decisions_.has_deadline() && !around_ && !seen_.follows();
    }

    // False: it has ended already.
    bool start_chained_exit() noexcept
    {
        auto& core = *core_;
        entry& e = *core.list.newest();
        core.list.begin(e, exit_);
        core.running = &e;
        core.inside_exit = true;
        return this->start_chained([&] { table_of(e).start(e, *this, *state_); });
    }

    // What has come of the time since the exit before, here and in the unwinding around this one.
    EXEUNT_RARE void look_at_time() noexcept
    {
        if (auto const reason = forced_around(); reason != stop_reason::none)
            static_cast<void>(decisions_.force(reason));
        if (decisions_.has_deadline())
            static_cast<void>(decisions_.elapsed(now()));
        show_forced();
    }

    static unwinding::exit_facts facts_of(entry& e) noexcept
    {
        return {true, e.table->force != nullptr, e.table->filter == exit_filter::only_on_success,
            e.table->within ? e.table->within(e) : unwinding::unlimited};
    }

    // The running exit has ended: its failure is recorded, what it holds is destroyed.
    void end_exit() noexcept { end_exit_here(); }

    EXEUNT_EACH_EXIT void end_exit_here() noexcept
    {
        if (!this->take_success() || cut_failure_)
            fail_exit();
        else if (is_timed_)
            static_cast<void>(decisions_.end(unwinding::ending::succeeded));
        forget_running();
    }

    // It has not succeeded, or could not be told of its cut.
    EXEUNT_RARE void fail_exit() noexcept
    {
        entry& e = *exit_.running;
        if (!is_timed_)
            decisions_.look_at(facts_of(e));
        std::exception_ptr failures[2];
        std::size_t count = 0;
        this->take_failures([&](std::exception_ptr const& error) { failures[count++] = error; });
        if (e.table->absorb)
            count = absorb(e, failures);
        auto const how = count == 0 ? unwinding::ending::succeeded
            : is_cancelled(failures[0]) && (count == 1 || is_cancelled(failures[1]))
            ? unwinding::ending::cancelled
            : unwinding::ending::failed;
        auto verdict = decisions_.end(how);
        verdict.force = verdict.force || (cut_failure_ && e.table->force);
        for (auto& failure : failures) {
            if (verdict.keep_failure)
                record(e, failure);
            else if (how == unwinding::ending::failed)
                seen_.exit_failed(failure);
            failure = nullptr;
        }
        settle(e, verdict);
    }

    // What is left of failures that are the concern of the exit alone: that it was cut, if it was.
    std::size_t absorb(entry& e, std::exception_ptr (&failures)[2]) const noexcept
    {
        for (auto& failure : failures)
            if (failure)
                e.table->absorb(e, std::exchange(failure, nullptr));
        if (decisions_.cut_by() == stop_reason::none)
            return 0;
        failures[0] = make_error(asio::error::operation_aborted);
        return 1;
    }

    // Runs the force of an exit that did not succeed, and records what is its failure besides its own.
    EXEUNT_RARE void settle(entry& e, unwinding::verdict verdict) noexcept
    {
        record(e, std::exchange(cut_failure_, nullptr));
        if (verdict.failure != stop_reason::none)
            record(e, make_error(verdict.failure));
        if (!verdict.force)
            return;
        inside_exit inside(*core_);
        seen_.exit_forced();
        try {
            e.table->force(e);
        } catch (...) {
            record(e, std::current_exception());
        }
    }

    void record(entry& e, std::exception_ptr const& error) noexcept
    {
        if (error)
            record_failure(e, error, core_->list.size(), *state_, seen_);
    }

    EXEUNT_EACH_EXIT void forget_running() noexcept
    {
        entry& e = *exit_.running;
        if (exit_state_access::has_replacement(*state_))
            exit_state_access::name_replacement(*state_, e.name(), e.where());
        e.destroy();
        core_->list.end(exit_);
        core_->running = nullptr;
        if (core_->running_since) {
            core_->running_since.reset();
            is_timed_ = false;
            decisions_.rest();
            exit_state_access::set_cut_for_time(*state_, false);
        }
        seen_.exit_ended();
    }

    // The failure of a job that is no exit; several become one.
    std::exception_ptr job_failure() noexcept
    {
        exit_state state;
        this->take_failures([&](std::exception_ptr const& error) {
            exit_state_access::add(state, error, {}, source_location());
        });
        return outcome_of(state, options_.primary_only, observer_of(options_));
    }

    // What comes out of the unwinding, which has ended.
    std::exception_ptr take_outcome() noexcept
    {
        auto error = outcome_of(*state_, options_.primary_only, seen_.observer());
        seen_.end(*state_, error);
        return error;
    }

    // Nothing can be awaited any more: what is left runs synchronously or is given up.
    void abandon_all() noexcept
    {
        auto& state = *state_;
        give_up_state();
        core_->phase = stack_core::state::under_way;
        inside_exit inside(*core_);
        abandon_exits(core_->list, exit_.running ? &exit_ : nullptr, state, seen_);
        core_->running = nullptr;
        core_->active = nullptr;
        core_->closing = nullptr;
        core_->phase = stack_core::state::closed;
        core_->busy = false;
    }

    // What follows the exit that runs is lost, if not the end of that, too.
    void abandon_exit() noexcept
    {
        give_up_state();
        if (runs_exit())
            abandon_running(core_->list, exit_, *state_, seen_);
        core_->running = nullptr;
        report_unreceived(*state_, seen_.observer());
        seen_.end(*state_, nullptr);
    }

    // What follows is done where nothing can be awaited, and the outcome is not known.
    void give_up_state() noexcept
    {
        if (runs_exit() && this->job_had_ended())
            end_exit();
        exit_state_access::set_unknown(*state_);
        exit_state_access::force(*state_, stop_reason::cancelled);
        if (runs_exit())
            record(*exit_.running, std::exchange(cut_failure_, nullptr));
    }

    static void discard_all(waiter_list& waiters)
    {
        while (auto* waiter = waiters.pop_front())
            waiter->discard();
    }

    bool job_waits() noexcept override
    {
        if (!core_ || !runs_exit())
            return false;
        core_->inside_exit = false;
        auto const since = now();
        core_->running_since = since;
        auto* const table = exit_.running->table;
        if (!table->within && !decisions_.is_forced() && !decisions_.has_deadline()
            && seen_.report_after() == unwinding::unlimited)
        {
            decisions_.wait_untimed();
            return false;
        }
        return wait_timed(since);
    }

    EXEUNT_RARE bool wait_timed(unwinding::time_point since) noexcept
    {
        is_timed_ = true;
        static_cast<void>(decisions_.next(facts_of(*exit_.running)));
        bool const cut = still_cuts(decisions_.wait(since, seen_.report_after()));
        arm();
        if (cut)
            before_cut();
        return cut;
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
    unwinding decisions_;
    std::size_t depth_ = 0;
    // The state that the exits see: one of this operation, or that of the stack around this one.
    std::optional<exit_state> own_state_;
    exit_state* state_ = nullptr;
    // That of the unwinding around this one.
    exit_state* around_ = nullptr;
    running_exit exit_;
    observation seen_;
    bool shows_forced_ = false;

private:
    void arm() noexcept
    {
        auto const until = decisions_.deadline();
        if (!until || ends_waiting_)
            return;
        try {
            if (!deadline_)
                deadline_ = std::allocate_shared<deadline<Executor>>(
                    block_allocator<deadline<Executor>>(), this->executor(), this);
            deadline_->wait_until(*until);
        } catch (...) {
            // There is no memory for it: it is tried again with the next exit that is waited for.
        }
    }

    void before_cut() noexcept
    {
        if (!runs_exit())
            return;
        exit_state_access::set_cut_for_time(*state_, decisions_.cut_by() == stop_reason::timed_out);
        seen_.exit_cut();
        entry& e = *exit_.running;
        if (!e.table->on_cut)
            return;
        inside_exit inside(*core_);
        try {
            e.table->on_cut(e);
        } catch (...) {
            cut_failure_ = std::current_exception();
        }
    }

    // The exit that runs may be cut by itself, or by time.
    bool is_timed_ = false;
    // All has been done, but a wait for a deadline is under way.
    bool ends_waiting_ = false;
    unsigned terminals_ = 0;
    std::shared_ptr<deadline<Executor>> deadline_;
    std::exception_ptr cut_failure_;
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
        this->around_ = outer;
    }

    void wake() override {}
    void take_turn() override { unwind(); }
    void discard() override { abandon(); }

protected:
    ~close_base() = default;

    static constexpr bool has_body() noexcept { return false; }

    void prepare() noexcept
    {
        this->core_->phase = stack_core::state::under_way;
        this->core_->closing = this;
    }

    void roll_back() noexcept
    {
        this->core_->phase = stack_core::state::open;
        this->core_->closing = nullptr;
    }

    void start()
    {
        auto& core = *this->core_;
        auto const& cause = cause_ ? cause_ : core.cause;
        this->begin_unwinding(cause && is_cancelled(cause), this->forced_before());
        if (core.busy) {
            core.closer = this;
            return this->react(false);
        }
        core.busy = true;
        unwind();
    }

    // The first step was lost, or the running exit.
    void abandon()
    {
        if (auto core = this->core_) {
            begin_state();
            this->abandon_all();
            if (this->state_ != outer_)
                report_unreceived(*this->state_, this->seen_.observer());
            end_state(nullptr);
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
        this->core_->active = this;
        if (this->core_->forced)
            static_cast<void>(this->decisions_.force(stop_reason::cancelled));
        begin_state();
        run();
    }

    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        if (outer_)
            // Who runs it as an exit has counted: it is told once, when it is cut.
            return this->react(this->decisions_.force(exit_state_access::cut_reason(*outer_)));
        this->hurry_on(terminals);
    }

    void deadline_settled() override { run(); }

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
        if (outer_) {
            exit_state_access::enter_nested(*outer_);
            core.depth = exit_state_access::depth(*outer_);
        }
        if (outer_ && !core.cause) {
            this->state_ = outer_;
        } else {
            bool const reported = cause_ != nullptr;
            auto cause = reported ? std::move(cause_) : std::exchange(core.cause, nullptr);
            this->state_ = &this->own_state_.emplace(std::move(cause));
            if (!reported)
                exit_state_access::leave_cause_unreported(*this->state_);
            if (outer_)
                exit_state_access::nest(*this->state_, *outer_);
        }
        this->begin_observing(core.list.size());
    }

    void end_state(std::exception_ptr const& error) noexcept
    {
        this->seen_.end(*this->state_, error);
        if (!outer_)
            return;
        exit_state_access::leave_nested(*outer_);
        if (this->state_ == outer_ && this->shows_forced_)
            exit_state_access::leave_forced(*outer_);
    }

    void run()
    {
        while (entry* e = next()) {
            if (!this->run_exit_here(*e))
                return;
            answer_request();
        }
        if (this->settle_deadline())
            end();
    }

    bool start_next_coroutine(void const* kind) noexcept override
    {
        while (this->runs_exit()) {
            this->core_->inside_exit = false;
            this->end_exit_here();
            if (is_chained_next(kind) && this->start_chained_exit())
                return true;
        }
        return false;
    }

    bool is_chained_next(void const* kind) const noexcept
    {
        auto const& core = *this->core_;
        return core.requests.empty() && core.answering.empty()
            && unwind_base<Executor>::is_chained_next(kind);
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
        core->active = nullptr;
        core->closing = nullptr;
        this->end_driver();
        while (auto* waiter = core->requests.pop_front())
            waiter->wake();
        while (auto* waiter = core->joined.pop_front())
            waiter->wake();
        complete_close(outcome(), core->is_turning());
    }

    // What comes out; null where the exits see the state of the unwinding around this one.
    std::exception_ptr outcome() noexcept
    {
        bool const shared = this->state_ == outer_;
        auto error = shared
            ? nullptr
            : outcome_of(*this->state_, this->options_.primary_only, this->seen_.observer());
        end_state(error);
        if (outer_)
            exit_state_access::add(*outer_, std::exchange(error, nullptr), {}, source_location());
        return error;
    }

    std::exception_ptr cause_;
    std::exception_ptr error_;
    exit_state* outer_;
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
        if (this->core_->busy || this->core_->phase == stack_core::state::under_way) {
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
        if (waits_in) {
            std::exchange(waits_in, nullptr)->remove(*this);
            error_ = make_error(asio::error::operation_aborted);
            return this->finish();
        }
        this->hurry_on(terminals);
    }

    void deadline_settled() override { end(); }

    void job_ended() override
    {
        this->end_exit();
        end();
    }

    // The exit can never end. What is left stays with the stack, but nothing that waits can come.
    void job_lost() override
    {
        auto core = this->core_;
        this->abandon_exit();
        core->active = nullptr;
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
        this->core_->active = this;
        this->state_ = &this->own_state_.emplace(this->core_->cause);
        exit_state_access::leave_cause_unreported(*this->state_);
        this->begin_unwinding(false, this->forced_before());
        this->begin_observing(1);
        if (this->run_exit(*e))
            end();
    }

    void end()
    {
        if (!this->settle_deadline())
            return;
        auto core = this->core_;
        core->active = nullptr;
        this->end_driver();
        if (this->state_)
            error_ = this->take_outcome();
        core->busy = false;
        bool const others = core->closer || !core->requests.empty();
        this->finish(others || core->is_turning());
        if (others)
            core->turn_over();
    }

    std::exception_ptr error_;
};

// Waits for the end of a close that is under way, if there is one; completes with a given result.
// `Rest` are values that come with the result, value-initialised.
template <class Executor, class... Rest>
class join_base : public handler_memory,
                  public kept_executor<Executor>,
                  public operation_base,
                  public stack_waiter
{
public:
    using executor_type = Executor;

    // Without a core there is nothing to wait for. `outer`: the state of the unwinding that this wait is a
    // part of.
    join_base(Executor const& executor, core_ptr core, std::exception_ptr result,
        exit_state* outer = nullptr)
        : kept_executor<Executor>(executor)
        , core_(std::move(core))
        , result_(std::move(result))
        , outer_(outer)
    {
    }

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
        if (!core_ || core_->phase != stack_core::state::under_way)
            return this->finish();
        waits_ = true;
        core_->joined.push_back(*this);
        if (outer_ && outer_->forced())
            force_joined(exit_state_access::forced_by(*outer_));
    }

    void abandon() { this->lose(); }

    std::tuple<std::exception_ptr, Rest...> results() { return {std::move(result_), Rest()...}; }

    void cancelled(asio::cancellation_type, unsigned /*terminals*/) override
    {
        if (!waits_)
            return;
        // A nested stack is forced with what is around it, and waited for.
        if (outer_ && force_joined(exit_state_access::cut_reason(*outer_)))
            return;
        waits_ = false;
        core_->joined.remove(*this);
        result_ = make_error(asio::error::operation_aborted);
        this->finish();
    }

private:
    // False: what it waits for waits for it.
    bool force_joined(stop_reason reason)
    {
        auto* active = core_->active;
        if (active && active->is_around(*outer_))
            return false;
        core_->forced = true;
        if (active)
            active->force(reason);
        return true;
    }

    core_ptr core_;
    std::exception_ptr result_;
    exit_state* outer_;
    bool waits_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_CLOSE_OPERATION_HPP
