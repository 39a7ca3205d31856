#ifndef EXEUNT_DETAIL_GROUP_OPERATION_HPP
#define EXEUNT_DETAIL_GROUP_OPERATION_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/detail/close_operation.hpp>
#include <exeunt/detail/handover.hpp>
#include <exeunt/detail/node_list.hpp>
#include <exeunt/detail/operation.hpp>
#include <exeunt/detail/run_exits.hpp>

#include <boost/asio/post.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <tuple>
#include <utility>

namespace exeunt::detail {

// Unwinds the exits of a core concurrently: each in a stack of its own, a lane, that is nested in the
// unwinding around the group. Must not be started while another operation runs exits of the core.
template <class Executor>
class group_base : public handler_memory,
                   public kept_executor<Executor>,
                   public operation_base,
                   public active_unwinding
{
public:
    using executor_type = Executor;
    using stack_type = basic_async_exit_stack<Executor>;

    group_base(Executor const& executor, core_ptr core, close_options const& options,
        std::size_t limit, exit_state& outer)
        : kept_executor<Executor>(executor)
        , core_(std::move(core))
        , options_(options)
        , limit_(limit)
        , outer_(&outer)
    {
    }

    void force(stop_reason reason) override { force_lanes(reason); }
    void hurry() override { force_lanes(stop_reason::cancelled); }
    void limit_to_grace() override {}

    bool is_around(exit_state& state) const noexcept override
    {
        return seen_.is_around(exit_state_access::observed_by(state));
    }

    bool is_inside_exit() const noexcept override
    {
        for (auto* each = running_.first(); each; each = each->next)
            if (each->stack.core().inside_exit)
                return true;
        return false;
    }

    // Exits do not run within the call that registers one.
    void registered() override
    {
        if (!starting_ && running_.size() < limit_)
            look_later();
    }

protected:
    ~group_base() = default;

    static constexpr bool has_body() noexcept { return false; }

    void prepare() noexcept { core_->phase = stack_core::state::under_way; }
    void roll_back() noexcept { core_->phase = stack_core::state::open; }

    void start()
    {
        core_->busy = true;
        core_->active = this;
        begin_state();
        start_lanes();
    }

    void abandon()
    {
        lost_ = true;
        begin_state();
        end_if_done();
    }

    std::tuple<std::exception_ptr> results() noexcept { return {nullptr}; }

    // Who runs it as an exit has counted: it is told once, when it is cut.
    void cancelled(asio::cancellation_type, unsigned terminals) override
    {
        if (terminals != 0)
            force_lanes(exit_state_access::cut_reason(*outer_));
    }

private:
    struct lane
    {
        lane(Executor const& executor, close_options const& options, exit_state const& outer,
            std::size_t round_of_it, stop_reason forced)
            : stack(executor, options)
            , round(round_of_it)
        {
            exit_state_access::show(state, outer);
            exit_state_access::nest(state, outer);
            if (forced != stop_reason::none)
                exit_state_access::force(state, forced);
        }

        stack_type stack;
        // Of what it sees.
        std::size_t round;
        exit_state state;
        bool is_forced = false;
        lane* previous = nullptr;
        lane* next = nullptr;
    };

    // Of the close of a lane.
    class lane_handler
    {
    public:
        using executor_type = Executor;
        using allocator_type = exit_allocator<void>;

        lane_handler(group_base* group, lane* ended) noexcept
            : group_(group)
            , lane_(ended)
        {
        }
        lane_handler(lane_handler&& other) noexcept
            : group_(other.group_)
            , lane_(std::exchange(other.lane_, nullptr))
        {
        }
        ~lane_handler()
        {
            if (lane_)
                group_->lane_lost(*lane_);
        }

        executor_type get_executor() const noexcept { return group_->executor(); }
        allocator_type get_allocator() const noexcept { return allocator_type(group_); }
        void operator()(std::exception_ptr) { group_->lane_ended(*std::exchange(lane_, nullptr)); }

    private:
        group_base* group_;
        lane* lane_;
    };

    // Looks for exits that have been registered, in a turn of its own.
    class look
    {
    public:
        using allocator_type = exit_allocator<void>;

        explicit look(group_base* group) noexcept
            : group_(group)
        {
        }
        look(look&& other) noexcept
            : group_(std::exchange(other.group_, nullptr))
        {
        }
        ~look()
        {
            if (group_ && !handover::take_back(group_))
                group_->look_lost();
        }
        allocator_type get_allocator() const noexcept { return allocator_type(group_); }
        void operator()()
        {
            auto* group = std::exchange(group_, nullptr);
            handover::taken(group);
            group->looks_later_ = false;
            group->start_lanes();
        }

    private:
        group_base* group_;
    };

    // Once at a time: it is what the group waits for.
    void look_later()
    {
        if (std::exchange(looks_later_, true))
            return;
        handover here(this);
        try {
            asio::post(this->executor(), look(this));
        } catch (...) {
            // There is no memory for it: the next lane that ends makes room.
        }
        looks_later_ = !here.came_back();
    }

    void look_lost()
    {
        looks_later_ = false;
        lost_ = true;
        end_if_done();
    }

    void begin_state() noexcept
    {
        exit_state_access::enter_nested(*outer_);
        core_->depth = exit_state_access::depth(*outer_);
        seen_.begin(options_, *outer_, core_->list.size(), true, &read_clock_of<Executor>,
            std::addressof(this->executor()));
        has_begun_ = true;
        if (forced_ != stop_reason::none)
            seen_.forced();
        look_at_forced();
    }

    void look_at_forced()
    {
        if (auto const reason = exit_state_access::forced_by(*outer_); reason != stop_reason::none)
            force_lanes(reason);
        else if (core_->forced)
            force_lanes(stop_reason::cancelled);
    }

    // A loop: an exit may end, or register others, within the call that starts it.
    void start_lanes()
    {
        starting_ = true;
        look_at_forced();
        while (!lost_ && running_.size() < limit_ && (stalled_ || core_->list.newest()))
            if (!start_lane() && !running_.empty())
                break;
        starting_ = false;
        end_if_done();
    }

    // False: there is no memory for it.
    bool start_lane() noexcept
    {
        lane* started = nullptr;
        try {
            started = stalled_ ? std::exchange(stalled_, nullptr) : make_lane();
            running_.push_back(*started);
            starting_lane_ = started;
            started->stack.async_exit(started->state, lane_handler(this, started));
            starting_lane_ = nullptr;
            return true;
        } catch (...) {
            starting_lane_ = nullptr;
            if (started)
                running_.remove(*started);
            // It is tried again when another one has ended; without another one it is given up.
            if (!running_.empty())
                stalled_ = started;
            else
                give_up(started, std::current_exception());
            return false;
        }
    }

    lane* make_lane()
    {
        exit_allocator<lane> memory(this);
        auto* place = memory.allocate(1);
        lane* made = nullptr;
        try {
            made = ::new (static_cast<void*>(place))
                lane(this->executor(), options_, *outer_, round_, forced_);
            made->stack.core().list.take_one(core_->list, *core_->list.newest());
            return made;
        } catch (...) {
            if (made)
                std::destroy_at(made);
            memory.deallocate(place, 1);
            throw;
        }
    }

    void destroy(lane& ended) noexcept
    {
        std::destroy_at(&ended);
        exit_allocator<lane>(this).deallocate(&ended, 1);
    }

    // One exit, be it in a lane already or not: it runs synchronously, or is reported.
    void give_up(lane* stalled, std::exception_ptr const& why) noexcept
    {
        exit_state_access::add(collected_, why, {}, source_location());
        if (stalled)
            return destroy(*stalled);
        exit_list newest;
        newest.take_one(core_->list, *core_->list.newest());
        abandon_exits(newest, nullptr, collected_, seen_);
    }

    void lane_ended(lane& ended)
    {
        absorb(ended);
        running_.remove(ended);
        destroy(ended);
        has_room_ = true;
        if (!starting_)
            start_lanes();
    }

    void lane_lost(lane& ended)
    {
        // Where the initiating function throws, its handler is gone, and the lane is not.
        if (&ended == starting_lane_)
            return;
        running_.remove(ended);
        destroy(ended);
        lost_ = true;
        has_room_ = true;
        end_if_done();
    }

    // What an exit puts in the place of what it saw stands there for the stack, and for those that begin
    // later. Another one may have seen to that before.
    void absorb(lane& ended) noexcept
    {
        bool const changes =
            outer_->failed() && ended.round == round_ && exit_state_access::is_handled(ended.state);
        if (changes) {
            exit_state_access::suppress_as(*outer_, ended.state);
            ++round_;
        }
        bool const replaces = changes && exit_state_access::is_replaced(ended.state);
        auto& target = replaces ? *outer_ : collected_;
        for (auto const& failure : exit_state_access::own_failures(ended.state))
            exit_state_access::add(target, failure.error, failure.name, failure.where);
        exit_state_access::take_dropped(collected_, ended.state);
    }

    // Goes around the slots of the lanes, which need memory to be told something.
    void force_lanes(stop_reason reason)
    {
        if (forced_ != stop_reason::none)
            return;
        forced_ = reason;
        if (!has_begun_)
            return;
        bool const starts_others = std::exchange(starting_, true);
        has_room_ = false;
        seen_.forced();
        if (stalled_)
            exit_state_access::force(stalled_->state, reason);
        // Each goes to the end when it is told: others may end meanwhile, and so may it.
        for (auto* each = running_.first(); each && !each->is_forced; each = running_.first()) {
            running_.remove(*each);
            running_.push_back(*each);
            force(*each, reason);
        }
        starting_ = starts_others;
        if (starting_ || !has_room_)
            return;
        look_later();
        if (!looks_later_ && running_.empty())
            start_lanes();
    }

    void force(lane& running, stop_reason reason)
    {
        running.is_forced = true;
        exit_state_access::force(running.state, reason);
        exit_state_access::set_cut_for_time(running.state, reason == stop_reason::timed_out);
        if (auto* unwinds = running.stack.core().active)
            unwinds->force(reason);
    }

    void end_if_done()
    {
        if (starting_ || !running_.empty() || looks_later_)
            return;
        if (lost_)
            abandon_rest();
        auto core = std::exchange(core_, {});
        core->phase = stack_core::state::closed;
        core->busy = false;
        core->active = nullptr;
        exit_state_access::absorb(*outer_, collected_);
        seen_.end(*outer_, nullptr);
        exit_state_access::leave_nested(*outer_);
        if (lost_) {
            while (auto* waiter = core->joined.pop_front())
                waiter->discard();
            return this->lose();
        }
        while (auto* waiter = core->joined.pop_front())
            waiter->wake();
        this->finish();
    }

    void abandon_rest() noexcept
    {
        exit_state_access::set_unknown(collected_);
        exit_state_access::force(collected_, stop_reason::cancelled);
        if (auto* stalled = std::exchange(stalled_, nullptr))
            destroy(*stalled);
        abandon_exits(core_->list, nullptr, collected_, seen_);
    }

    core_ptr core_;
    close_options options_;
    std::size_t limit_;
    exit_state* outer_;
    observation seen_;
    // The failures of the group, in the order of time.
    exit_state collected_;
    // How often an exit has suppressed or replaced what was in flight when the group began.
    std::size_t round_ = 0;
    // The lanes that run, in the order in which they began.
    node_list<lane> running_;
    // One that could not be started for want of memory.
    lane* stalled_ = nullptr;
    lane* starting_lane_ = nullptr;
    bool has_begun_ = false;
    bool starting_ = false;
    // A lane has ended, which nobody has seen to yet.
    bool has_room_ = false;
    bool looks_later_ = false;
    // Why it is forced, if it is.
    stop_reason forced_ = stop_reason::none;
    // A lane can never end.
    bool lost_ = false;
};

// A group that closes by itself, as an exit of the stack around it. Does not need the object, which may be
// moved or destroyed before this begins. The core is under way as soon as nothing can keep it from that.
template <class Executor>
class group_exit
{
public:
    group_exit(stack_base<Executor> const& group, std::size_t limit) noexcept
        : group_(group.executor_, group.options_)
        , limit_(limit)
    {
        group_.core_ = group.core_;
    }
    group_exit(group_exit&& other) noexcept = default;
    ~group_exit()
    {
        auto const core = group_.core_;
        if (core && core->phase == stack_core::state::under_way) {
            group_.abandon();
            while (auto* waiter = core->joined.pop_front())
                waiter->discard();
        }
        // Else it belongs to the object, which is open.
        group_.core_ = core_ptr();
    }

    template <class Handler>
    void async_exit(exit_state& state, Handler&& handler)
    {
        auto const core = std::exchange(group_.core_, core_ptr());
        try {
            initiate_operation<group_base<Executor>>(std::forward<Handler>(handler),
                group_.executor_, core, close_options(), limit_, state);
        } catch (...) {
            give_up(core);
            throw;
        }
    }

private:
    // It has not begun, for want of memory: nobody will come back to the exits.
    void give_up(core_ptr const& core)
    {
        group_.core_ = core;
        group_.abandon();
        while (auto* waiter = core->joined.pop_front())
            waiter->wake();
    }

    stack_base<Executor> group_;
    std::size_t limit_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_GROUP_OPERATION_HPP
