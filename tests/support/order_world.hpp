// A world in which things happen in an order that is chosen from outside, and the exits of a stack in it,
// which check that their turn has come.
#ifndef EXEUNT_TESTS_SUPPORT_ORDER_WORLD_HPP
#define EXEUNT_TESTS_SUPPORT_ORDER_WORLD_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "support/expect.hpp"
#include "support/ordering_executor.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace support {

// What an exit does.
enum class does {
    sync,
    sync_fails,
    hops, // a coroutine that suspends twice
    hops_fails,
    operation, // that takes one step
    hangs, // until it is cut
    hangs_forced, // and has a force
    races, // ends in a step of its own, or when it is cut
};

inline constexpr std::size_t not_asked = static_cast<std::size_t>(-1);

// What came of a completion handler.
struct order_answer
{
    std::size_t asked_at = not_asked; // in steps of the context
    int calls = 0;
    int drops = 0;
    std::exception_ptr error;

    bool done() const noexcept { return calls != 0; }
};

class order_world
{
public:
    using stack_type = exeunt::basic_async_exit_stack<ordering_executor>;
    using id = std::size_t;

    // Exits of one stack: they run one at a time, newest first.
    struct lane
    {
        // Those of a group do not.
        bool in_turn = true;
        std::size_t limit = 1;
    };

    explicit order_world(order_choices& choices)
        : owned_context_(std::in_place, choices)
        , context(*owned_context_)
    {
    }
    order_world(order_world const&) = delete;
    order_world& operator=(order_world const&) = delete;

    // ---- what happens

    // At some time from now on.
    template <class F>
    void later(F f)
    {
        asio::post(context.get_executor(), std::move(f));
    }

    void run()
    {
        while (context.step()) {
        }
    }

    // A second terminal forces.
    void emit(asio::cancellation_signal& signal)
    {
        if (++terminals_ >= 2)
            may_cut = true;
        signal.emit(asio::cancellation_type::terminal);
    }

    void advance(std::chrono::seconds time)
    {
        may_cut = true;
        clock.advance(time);
    }

    // ---- who waits

    class handler
    {
    public:
        handler(order_world& world, order_answer& into) noexcept
            : world_(&world)
            , into_(&into)
        {
            into.asked_at = world.context.steps();
        }
        handler(handler&& other) noexcept
            : world_(other.world_)
            , into_(std::exchange(other.into_, nullptr))
        {
        }
        handler& operator=(handler&&) = delete;
        ~handler()
        {
            if (into_)
                ++into_->drops;
        }

        template <class... Values>
        void operator()(std::exception_ptr error, Values const&...)
        {
            auto& answer = *std::exchange(into_, nullptr);
            world_->check(++answer.calls == 1, "a handler is called a second time");
            world_->check(world_->context.runs(), "a handler is not called on the executor");
            world_->check(world_->context.steps() != answer.asked_at,
                "a handler is called while it is given");
            answer.error = std::move(error);
        }

    private:
        order_world* world_;
        order_answer* into_;
    };

    order_answer& answer() { return answers_.emplace_back(); }
    handler into(order_answer& result) { return handler(*this, result); }
    handler any_handler() { return into(answer()); }

    auto into(order_answer& result, asio::cancellation_signal& signal)
    {
        return asio::bind_cancellation_slot(signal.slot(), into(result));
    }

    // ---- exits

    class exit
    {
    public:
        exit(std::size_t number, std::string name, lane& in, does what)
            : number_(number)
            , name_(std::move(name))
            , in_(&in)
            , what_(what)
        {
        }

        std::string const& name() const noexcept { return name_; }
        bool began() const noexcept { return began_ != 0; }
        bool ran() const noexcept { return ended_ != 0; }
        bool was_forced() const noexcept { return forced_ != 0; }

        exeunt::exit_handle handle;
        bool registered = false;
        bool dismissed = false;
        // It may begin before newer ones, or after older ones.
        bool out_of_turn = false;

        void move_to(lane& other) noexcept { in_ = &other; }

    private:
        friend class order_world;

        std::size_t number_;
        std::string name_;
        lane* in_;
        does what_;
        int began_ = 0;
        int ended_ = 0;
        int forced_ = 0;
        int alive_ = 0; // what it captures
    };

    lane& new_lane() { return lanes_.emplace_back(); }
    lane& new_group(std::size_t limit) { return lanes_.emplace_back(lane{false, limit}); }
    lane& main() { return lanes_.front(); }

    template <class Target>
    exit& push(Target& target, does what)
    {
        return push(target, what, main());
    }

    // A stack that is closed does not take it.
    template <class Target>
    exit& push(Target& target, does what, lane& in)
    {
        auto& mine =
            exits_.emplace_back(exits_.size(), "exit " + std::to_string(exits_.size()), in, what);
        try {
            // What is registered while others run may begin within the call.
            mine.registered = true;
            mine.handle = register_with(target, mine);
        } catch (exeunt::stack_closed const&) {
            mine.registered = false;
        }
        return mine;
    }

    template <class Target>
    void dismiss(Target& target, exit& one)
    {
        if (target.dismiss(one.handle))
            one.dismissed = true;
    }

    // Those that have not begun go with the stack that takes them over.
    void move(lane& from, lane& to)
    {
        for (auto& each : exits_)
            if (each.in_ == &from && !each.began_ && !each.forced_)
                each.move_to(to);
    }

    // A release, a child or a body, which is like an exit.
    exit& expect_one(std::string name, lane& in)
    {
        auto& mine = exits_.emplace_back(exits_.size(), std::move(name), in, does::operation);
        mine.registered = true;
        return mine;
    }

    void begin(exit& mine)
    {
        check(++mine.began_ == 1, "an exit runs a second time");
        check(!mine.dismissed, "an exit runs that was dismissed");
        check(context.runs() || has_losses, "an exit does not run on the executor");
        std::size_t running = 0;
        for (auto const& other : exits_)
            if (other.in_ == mine.in_)
                running += look_at(mine, other) ? 1 : 0;
        check(running <= mine.in_->limit || has_losses, "too many exits run");
        if (when_begun)
            when_begun();
    }

    void end(exit& mine) { check(++mine.ended_ == 1, "an exit ends a second time"); }

    static asio::awaitable<void> hop() { return asio::post(asio::use_awaitable); }

    // Ends it with all that is in flight.
    void end_context()
    {
        has_losses = true;
        for (auto& each : owed_)
            each.reset();
        owned_context_.reset();
    }

    // ---- what must be so

    void check(bool ok, char const* what)
    {
        if (!ok)
            wrong(what);
    }

    // When nothing can happen any more.
    void check_end()
    {
        for (auto const& each : exits_) {
            bool const wanted = each.registered && !each.dismissed;
            check(each.began_ <= 1 && each.forced_ <= 1, "an exit ran or was forced twice");
            bool const given_back = each.ended_ + each.forced_ != 0;
            check(
                wanted == given_back || (wanted && has_losses), "an exit was skipped, or was not");
            check(each.began_ == each.ended_ || has_losses, "an exit has not ended");
            check(each.alive_ == 0, "an exit has left something");
        }
        for (auto const& each : answers_)
            check(each.asked_at == not_asked || each.calls + (has_losses ? each.drops : 0) == 1,
                "a handler was not called");
    }

    // The names under which failures were told are those of the exits that fail.
    void check_failures(std::exception_ptr const& error, std::size_t count)
    {
        check(failures_of(error).size() == count, "failures are lost, or there are too many");
    }

private:
    std::deque<lane> lanes_ = std::deque<lane>(1);
    std::deque<exit> exits_;
    std::deque<order_answer> answers_;
    // The handlers of exits that wait for an answer.
    std::deque<std::optional<exeunt::exit_handler>> owed_;
    int terminals_ = 0;
    // What its functions refer to outlives it.
    std::optional<ordering_context> owned_context_;

public:
    ordering_context& context;
    exeunt::manual_clock clock{context};
    // From now on something can be cut.
    bool may_cut = false;
    // Something was destroyed with exits in it: these may be lost, and handlers be dropped.
    bool has_losses = false;
    // What else an exit does when it begins.
    std::function<void()> when_begun;
    // Who is told that something is not as it must be.
    void (*wrong)(char const*) = [](char const* what) { expect(false, what); };

private:
    // What an exit captures.
    class life
    {
    public:
        explicit life(exit& of) noexcept
            : of_(&of)
        {
            ++of_->alive_;
        }
        life(life&& other) noexcept
            : of_(std::exchange(other.of_, nullptr))
        {
        }
        life& operator=(life&&) = delete;
        ~life()
        {
            if (of_)
                --of_->alive_;
        }

    private:
        exit* of_;
    };

public:
    // An exit that runs, whatever ends it.
    class turn
    {
    public:
        turn(order_world& world, exit& of)
            : world_(world)
            , of_(of)
        {
            world_.begin(of_);
        }
        turn(turn const&) = delete;
        turn& operator=(turn const&) = delete;
        ~turn() { world_.end(of_); }

    private:
        order_world& world_;
        exit& of_;
    };

private:
    // Whether `other` runs, now that `mine` begins.
    bool look_at(exit const& mine, exit const& other)
    {
        if (&other == &mine)
            return true;
        bool const gone = other.ended_ + other.forced_ != 0 || !other.registered || other.dismissed;
        if (mine.in_->in_turn && !has_losses) {
            check(!gone || other.alive_ == 0, "an exit runs before the newer one is gone");
            bool const newer = other.number_ > mine.number_;
            check(gone || other.began_ || !newer || mine.out_of_turn || other.out_of_turn,
                "an exit runs before a newer one");
        }
        return other.began_ != 0 && other.ended_ == 0;
    }

    auto operation_of(exit& mine)
    {
        return [this, &mine, l = life(mine)](exeunt::exit_handler h) {
            begin(mine);
            auto& owed = owed_.emplace_back(std::move(h));
            auto const answer = [this, &mine, &owed](boost::system::error_code error) {
                if (!owed)
                    return;
                end(mine);
                auto taken = std::move(*owed);
                owed.reset();
                std::move(taken)(error);
            };
            if (mine.what_ != does::operation)
                owed->get_cancellation_slot().assign([this, answer](asio::cancellation_type) {
                    check(may_cut, "an exit is cut too early");
                    later([answer] { answer(asio::error::operation_aborted); });
                });
            if (mine.what_ == does::operation || mine.what_ == does::races)
                later([answer] { answer({}); });
        };
    }

    template <class Target>
    exeunt::exit_handle register_with(Target& target, exit& mine)
    {
        auto const name = [&](auto f) { return exeunt::on_exit(std::move(f)).named(mine.name_); };
        switch (mine.what_) {
        case does::sync:
        case does::sync_fails:
            return target.push(name([this, &mine, l = life(mine)] {
                turn const now(*this, mine);
                if (mine.what_ == does::sync_fails)
                    throw test_error(mine.name_);
            }));
        case does::hops:
        case does::hops_fails:
            return target.push(name([this, &mine, l = life(mine)]() -> asio::awaitable<void> {
                turn const now(*this, mine);
                co_await hop();
                co_await hop();
                if (mine.what_ == does::hops_fails)
                    throw test_error(mine.name_);
            }));
        case does::operation:
        case does::races:
        case does::hangs: return target.push(name(operation_of(mine)));
        case does::hangs_forced:
            return target.push(name(operation_of(mine)).or_force([&mine] { ++mine.forced_; }));
        }
        return {};
    }
};

} // namespace support

#endif
