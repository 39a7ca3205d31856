// One entry for a fuzzer: bytes are a program of operations on stacks, scopes, a group and a pool, and say
// in which order the handlers run that are ready. Whatever they are: no exit runs twice, or before its
// turn, and each handler is called, or destroyed where its context is, exactly once.
#define BOOST_TEST_NO_MAIN
#define BOOST_TEST_ALTERNATIVE_INIT_API
#include <exeunt/async_with.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/resource_pool.hpp>
#include <exeunt/task_scope.hpp>

#include "support/counted_resource.hpp"
#include "support/order_world.hpp"

#include <boost/asio/bind_executor.hpp>
#include <boost/test/included/unit_test.hpp>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <optional>
#include <span>

using namespace support;

namespace {

[[noreturn]] void stop(char const* what)
{
    std::fprintf(stderr, "fuzz: %s\n", what);
    std::abort();
}

class input
{
public:
    explicit input(std::span<std::uint8_t const> bytes) noexcept
        : bytes_(bytes)
    {
    }

    bool empty() const noexcept { return bytes_.empty(); }

    // 0 when there is nothing left.
    std::size_t pick(std::size_t below) noexcept
    {
        if (bytes_.empty())
            return 0;
        auto const byte = bytes_.front();
        bytes_ = bytes_.subspan(1);
        return byte % below;
    }

private:
    std::span<std::uint8_t const> bytes_;
};

class program
{
    using stack_type = order_world::stack_type;
    using group_type = exeunt::basic_exit_group<ordering_executor>;
    using scope_type = exeunt::basic_task_scope<ordering_executor>;
    using pool_type = exeunt::basic_resource_pool<counted_resource, ordering_executor>;

    // A stack with the exits that it has.
    struct owner
    {
        stack_type stack;
        order_world::lane* in;
        std::vector<order_world::exit*> exits;
    };

public:
    explicit program(std::span<std::uint8_t const> bytes)
        : bytes_(bytes)
    {
        choices_.follow([this](std::size_t of) { return bytes_.pick(of); });
        world_.emplace(choices_);
        world_->wrong = stop;
        world_->may_cut = true;
        world_->when_begun = [this] {
            if (bytes_.pick(8) == 7)
                act();
        };
        make_objects();
    }

    void run()
    {
        while (!bytes_.empty()) {
            if (bytes_.pick(2) == 0)
                act();
            else
                world_->context.step();
        }
        if (cuts_off_)
            return end_at_once();
        for (int k = 0; k != 4; ++k)
            end_politely();
        check_end();
        end_at_once();
    }

private:
    void make_objects()
    {
        auto& context = world_->context;
        std::size_t const limits[] = {1, 2, static_cast<std::size_t>(-1)};
        auto const limit = [&] { return limits[bytes_.pick(3)]; };
        cuts_off_ = bytes_.pick(4) == 3;
        scope_limit_ = limit();
        scope_.emplace(context,
            exeunt::task_scope_options{.limit = scope_limit_,
                .cancel_on_failure = bytes_.pick(2) == 0,
                .drain = bytes_.pick(2) == 0 ? std::chrono::steady_clock::duration::max()
                                             : std::chrono::seconds(1)});
        auto const group_limit = limit();
        group_.emplace(context, exeunt::group_options{.limit = group_limit});
        group_lane_ = &world_->new_group(group_limit);
        child_lane_ = &world_->new_group(static_cast<std::size_t>(-1));
        pool_.emplace(context, exeunt::opened_by([this] {
            return open();
        }).recycled_by([](counted_resource&) {
              return order_world::hop();
          }).closed_by([](counted_resource&) { return order_world::hop(); }),
            exeunt::pool_options{.max_size = 1 + bytes_.pick(2)});
        add_stack();
    }

    owner& add_stack()
    {
        exeunt::close_options options;
        if (bytes_.pick(3) == 1)
            options.timeout = std::chrono::seconds(1);
        return owners_.emplace_back(
            owner{stack_type(world_->context, options), &world_->new_lane(), {}});
    }

    owner& any_stack()
    {
        auto place = owners_.begin();
        std::advance(place, static_cast<std::ptrdiff_t>(bytes_.pick(owners_.size())));
        return *place;
    }

    does any_shape()
    {
        constexpr std::array all{does::sync, does::sync_fails, does::hops, does::hops_fails,
            does::operation, does::hangs, does::hangs_forced, does::races};
        return all[bytes_.pick(all.size())];
    }

    asio::cancellation_signal& new_signal() { return signals_.emplace_back(); }

    auto any_handler() { return world_->into(world_->answer(), new_signal()); }

    // ---- what is done

    void act()
    {
        if (depth_ == 8)
            return;
        ++depth_;
        act(bytes_.pick(20));
        --depth_;
    }

    void act(std::size_t what)
    {
        switch (what) {
        case 0:
        case 1: push(any_stack()); break;
        case 2: any_stack().stack.async_close(any_handler()); break;
        case 3: run_or_dismiss(any_stack(), true); break;
        case 4: run_or_dismiss(any_stack(), false); break;
        case 5: hand_over(any_stack()); break;
        case 6: any_stack().stack.force(); break;
        case 7: emit(); break;
        case 8: acquire(any_stack()); break;
        case 9: nest(any_stack()); break;
        case 10: enter_scope(); break;
        case 11: spawn(); break;
        case 12: use_scope(); break;
        case 13: use_group(); break;
        case 14: lease(); break;
        case 15: end_lease(); break;
        case 16: use_pool(any_stack()); break;
        case 17: world_->clock.advance(std::chrono::seconds(bytes_.pick(12))); break;
        case 18: world_->later([this] { act(); }); break;
        case 19:
            if (owners_.size() < 4)
                add_stack();
            break;
        }
    }

    void push(owner& to) { to.exits.push_back(&world_->push(to.stack, any_shape(), *to.in)); }

    void run_or_dismiss(owner& of, bool run)
    {
        if (of.exits.empty())
            return;
        auto& one = *of.exits[bytes_.pick(of.exits.size())];
        if (!run)
            return world_->dismiss(of.stack, one);
        one.out_of_turn = true;
        of.stack.async_run_now(one.handle, any_handler());
    }

    void hand_over(owner& from)
    {
        if (owners_.size() >= 4)
            return;
        auto& lane = world_->new_lane();
        owners_.emplace_back(owner{from.stack.pop_all(), &lane, from.exits});
        world_->move(*from.in, lane);
    }

    void emit()
    {
        if (signals_.empty())
            return;
        constexpr std::array types{asio::cancellation_type::terminal,
            asio::cancellation_type::partial, asio::cancellation_type::total};
        auto place = signals_.begin();
        std::advance(place, static_cast<std::ptrdiff_t>(bytes_.pick(signals_.size())));
        place->emit(types[bytes_.pick(types.size())]);
    }

    void acquire(owner& by)
    {
        bool const fails = bytes_.pick(4) == 3;
        // What comes when the stack is closed is released for itself.
        auto& release = world_->expect_one("release", world_->new_lane());
        // If it does not come to that.
        release.registered = false;
        auto obtain = [](bool bad, order_world::exit& mine) -> asio::awaitable<int> {
            co_await order_world::hop();
            if (bad)
                throw test_error("acquire");
            mine.registered = true;
            co_return 7;
        };
        by.stack.async_acquire(
            obtain(fails, release),
            [this, &release](int&) {
                world_->begin(release);
                world_->end(release);
            },
            any_handler());
    }

    void nest(owner& in)
    {
        if (!in.stack.is_open())
            return;
        auto& lane = world_->new_lane();
        if (bytes_.pick(3) == 0) {
            auto& group = in.stack.push_group({.limit = 2});
            lane = {false, 2};
            for (auto count = bytes_.pick(4); count != 0; --count)
                world_->push(group, any_shape(), lane);
        } else {
            auto& stack = in.stack.enter(stack_type(world_->context));
            for (auto count = bytes_.pick(4); count != 0; --count)
                world_->push(stack, any_shape(), lane);
        }
    }

    void enter_scope()
    {
        exeunt::async_with(
            world_->context,
            [this, pushes = bytes_.pick(3), hops = bytes_.pick(3), ending = bytes_.pick(5),
                &lane = world_->new_lane()](stack_type& stack) -> asio::awaitable<int> {
                for (auto count = pushes; count != 0; --count)
                    world_->push(stack, any_shape(), lane);
                if (ending == 3)
                    stack.async_close(world_->any_handler());
                for (auto count = hops; count != 0; --count)
                    co_await order_world::hop();
                if (ending == 4)
                    throw test_error("body");
                co_return 7;
            },
            any_handler());
    }

    void spawn()
    {
        auto& mine = world_->expect_one("child", *child_lane_);
        children_.push_back(&mine);
        auto child = [this, &mine, waits = bytes_.pick(2) == 0,
                         fails = bytes_.pick(4) == 3]() -> asio::awaitable<void> {
            order_world::turn const now(*world_, mine);
            if (waits)
                co_await exeunt::until_cancelled(asio::use_awaitable);
            co_await order_world::hop();
            if (fails)
                throw test_error("child");
        };
        if (bytes_.pick(3) == 0)
            return scope_->async_spawn(child, any_handler());
        try {
            scope_->spawn(child);
        } catch (exeunt::stack_closed const&) {
        }
    }

    void use_scope()
    {
        switch (bytes_.pick(4)) {
        case 0: scope_->cancel(); break;
        case 1: scope_->async_join(any_handler()); break;
        case 2: scope_->async_wait(any_handler()); break;
        case 3:
            if (auto& by = any_stack(); by.stack.is_open())
                by.stack.enter(std::ref(*scope_));
            break;
        }
        if (scope_->size() > scope_limit_)
            stop("more children run than may");
    }

    void use_group()
    {
        switch (bytes_.pick(4)) {
        case 0:
        case 1: group_exits_.push_back(&world_->push(*group_, any_shape(), *group_lane_)); break;
        case 2:
            if (!group_exits_.empty())
                world_->dismiss(*group_, *group_exits_[bytes_.pick(group_exits_.size())]);
            break;
        case 3: group_->async_close(any_handler()); break;
        }
    }

    asio::awaitable<counted_resource> open()
    {
        bool const bad = bytes_.pick(4) == 3;
        co_await order_world::hop();
        if (bad)
            throw test_error("open");
        co_return counted_resource(resources_);
    }

    void lease()
    {
        auto& answer = world_->answer();
        pool_->async_acquire(asio::bind_cancellation_slot(new_signal().slot(),
            [this, h = world_->into(answer)](
                std::exception_ptr error, pool_type::lease got) mutable {
                if (static_cast<bool>(error) == static_cast<bool>(got))
                    stop("a lease and an error, or neither");
                if (got)
                    leases_.push_back(std::move(got));
                std::move(h)(error);
            }));
    }

    void end_lease()
    {
        if (leases_.empty())
            return;
        auto taken = std::move(leases_.front());
        leases_.pop_front();
        if (bytes_.pick(3) == 0)
            taken.discard();
    }

    void use_pool(owner& by)
    {
        switch (bytes_.pick(3)) {
        case 0: by.stack.async_acquire(pool_->async_acquire(asio::deferred), any_handler()); break;
        case 1: pool_->async_close(any_handler()); break;
        case 2:
            if (by.stack.is_open())
                by.stack.enter(std::ref(*pool_));
            break;
        }
    }

    // ---- the end

    void settle()
    {
        for (int steps = 0; world_->context.step(); ++steps)
            if (steps == 100000)
                stop("something never ends");
    }

    // What hangs is forced; whoever waits is told.
    void end_politely()
    {
        for (auto& each : owners_) {
            each.stack.force();
            each.stack.async_close(world_->any_handler());
        }
        settle();
        scope_->cancel();
        group_->force();
        group_->async_close(world_->any_handler());
        settle();
        leases_.clear();
        pool_->async_close(world_->any_handler());
        settle();
        for (auto& each : signals_)
            for (int k = 0; k != 2; ++k)
                each.emit(asio::cancellation_type::terminal);
        settle();
        world_->clock.advance(std::chrono::seconds(30));
        settle();
    }

    void check_end()
    {
        for (auto* each : children_)
            each->dismissed = !each->began();
        world_->check_end();
        auto const counts = pool_->counts();
        if (counts.leased != counts.returned + counts.discarded)
            stop("out is not in");
        if (pool_->size() != 0 || resources_ != 0)
            stop("resources are left");
        if (!scope_->empty())
            stop("children are left");
    }

    // With whatever is in flight.
    void end_at_once()
    {
        world_->has_losses = true;
        world_->when_begun = nullptr;
        leases_.clear();
        owners_.clear();
        group_.reset();
        scope_.reset();
        pool_.reset();
        world_->end_context();
        for (auto* each : children_)
            each->dismissed = !each->began();
        world_->check_end();
        if (resources_ != 0)
            stop("resources are left");
    }

    input bytes_;
    std::list<asio::cancellation_signal> signals_;
    order_choices choices_;
    int resources_ = 0;
    std::optional<order_world> world_;
    std::optional<scope_type> scope_;
    std::optional<group_type> group_;
    std::optional<pool_type> pool_;
    std::list<owner> owners_;
    std::deque<pool_type::lease> leases_;
    order_world::lane* group_lane_ = nullptr;
    order_world::lane* child_lane_ = nullptr;
    std::vector<order_world::exit*> group_exits_;
    std::vector<order_world::exit*> children_;
    std::size_t scope_limit_ = 0;
    int depth_ = 0;
    bool cuts_off_ = false;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size)
{
    // Nobody hears what is lost: much is, on purpose.
    exeunt::set_default_observer(nullptr);
    program(std::span(data, size)).run();
    return 0;
}
