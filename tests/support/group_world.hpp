// A stack that has a group, and the situations in which something can go wrong at every step of that.
// Counts what each exit does and holds; allocates nothing by itself while that is being counted.
#ifndef EXEUNT_TESTS_SUPPORT_GROUP_WORLD_HPP
#define EXEUNT_TESTS_SUPPORT_GROUP_WORLD_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "support/fault_tools.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace support {

// What an exit does.
enum class acts {
    at_once, // synchronous
    coroutine,
    operation,
    throws, // synchronous
    fails, // a coroutine
    hangs, // until it is cut
    hangs_with_force,
    registers, // another one with its group, which is synchronous
    registers_later, // as a coroutine that ends
    drops, // its handler when it is cut
    dismisses, // the oldest of its group
    nests, // is a stack of three
};

struct group_world
{
    using stack_type = exeunt::async_exit_stack;

    static constexpr std::size_t most = 48;

    struct record
    {
        int began = 0;
        int ended = 0;
        int forced = 0;
        int alive = 0; // what is captured
        bool registered = false;
        bool dismissed = false;
    };

    // What an exit captures.
    class life
    {
    public:
        explicit life(record& of) noexcept
            : of_(&of)
        {
            ++of_->alive;
        }
        life(life&& other) noexcept
            : of_(std::exchange(other.of_, nullptr))
        {
        }
        life& operator=(life&&) = delete;
        ~life()
        {
            if (of_)
                --of_->alive;
        }

    private:
        record* of_;
    };

    ~group_world()
    {
        stack.reset();
        clock.reset();
        never.reset();
        context.reset();
    }

    // ---- what it is made of

    template <class Push>
    exeunt::exit_handle try_push(record& of, Push push)
    {
        try {
            auto const handle = push(life(of));
            of.registered = true;
            return handle;
        } catch (std::bad_alloc const&) {
            return {};
        }
    }

    // Registers one with a stack or a group.
    template <class Target>
    exeunt::exit_handle add(Target& target, acts what)
    {
        auto& mine = records.at(count++);
        switch (what) {
        case acts::at_once:
            return try_push(mine, [&](life l) {
                return target.push([&mine, l = std::move(l)] { ++mine.began, ++mine.ended; });
            });
        case acts::throws:
            return try_push(mine, [&](life l) {
                return target.push([&mine, l = std::move(l)] {
                    ++mine.began, ++mine.ended;
                    std::rethrow_exception(failure("sync"));
                });
            });
        case acts::coroutine:
        case acts::fails: return add_coroutine(target, mine, what == acts::fails);
        case acts::operation:
            return try_push(mine, [&](life l) {
                return target.push([this, &mine, l = std::move(l)](exeunt::exit_handler handler) {
                    ++mine.began;
                    asio::post(*context, [&mine, h = std::move(handler)]() mutable {
                        ++mine.ended;
                        std::move(h)();
                    });
                });
            });
        case acts::hangs: return add_hanging(target, mine, false);
        case acts::hangs_with_force: return add_hanging(target, mine, true);
        case acts::registers:
            return try_push(mine, [&](life l) {
                return target.push([this, &target, &mine, l = std::move(l)] {
                    ++mine.began, ++mine.ended;
                    add(target, acts::at_once);
                    add(target, acts::coroutine);
                });
            });
        case acts::registers_later: return add_registering(target, mine);
        case acts::drops: return add_dropping(target, mine);
        case acts::dismisses:
            return try_push(mine, [&](life l) {
                return target.push([this, &target, &mine, l = std::move(l)] {
                    ++mine.began, ++mine.ended;
                    records.at(first).dismissed = target.dismiss(oldest);
                });
            });
        case acts::nests: break;
        }
        --count;
        return add_nested(target);
    }

    template <class Target>
    exeunt::exit_handle add_coroutine(Target& target, record& mine, bool fails)
    {
        return try_push(mine, [&](life l) {
            return target.push([&mine, fails, l = std::move(l)]() -> asio::awaitable<void> {
                ++mine.began;
                try {
                    co_await hop();
                    co_await hop();
                } catch (...) { // it has been cut
                    ++mine.ended;
                    throw;
                }
                ++mine.ended;
                if (fails)
                    std::rethrow_exception(failure("coroutine"));
            });
        });
    }

    template <class Target>
    exeunt::exit_handle add_hanging(Target& target, record& mine, bool with_force)
    {
        return try_push(mine, [&](life l) {
            auto hang = [this, &mine, l = std::move(l)](exeunt::exit_handler handler) {
                ++mine.began;
                never->async_wait(std::move(handler));
                ++mine.ended; // whenever it is cut
            };
            auto exit = exeunt::on_exit(std::move(hang));
            return with_force ? target.push(std::move(exit).or_force([&mine] { ++mine.forced; }))
                              : target.push(std::move(exit));
        });
    }

    template <class Target>
    exeunt::exit_handle add_registering(Target& target, record& mine)
    {
        return try_push(mine, [&](life l) {
            return target.push([this, &target, &mine, l = std::move(l)]() -> asio::awaitable<void> {
                ++mine.began;
                try {
                    co_await hop();
                } catch (...) { // it has been cut
                    ++mine.ended;
                    throw;
                }
                ++mine.ended;
                add(target, acts::at_once);
            });
        });
    }

    template <class Target>
    exeunt::exit_handle add_dropping(Target& target, record& mine)
    {
        return try_push(mine, [&](life l) {
            return target.push([&mine, l = std::move(l)](exeunt::exit_handler handler) {
                allocation_pause const pause;
                ++mine.began;
                auto slot = handler.get_cancellation_slot();
                slot.assign([kept = std::make_shared<std::optional<exeunt::exit_handler>>(
                                 std::move(handler))](asio::cancellation_type) { kept->reset(); });
            });
        });
    }

    template <class Target>
    exeunt::exit_handle add_nested(Target& target)
    {
        try {
            auto& nested = target.enter(stack_type(*context));
            for (auto const what : {acts::at_once, acts::coroutine, acts::hangs_with_force})
                add(nested, what);
        } catch (std::bad_alloc const&) {
        }
        return {};
    }

    // A group of these between an older and a newer exit, in the stack or in one that is nested in it.
    void make(std::size_t limit, std::vector<acts> const& exits, bool nested = false)
    {
        try {
            add(*stack, acts::coroutine);
            auto& around = nested ? stack->enter(stack_type(*context)) : *stack;
            auto& group = around.push_group({.limit = limit});
            first = count;
            for (auto const what : exits) {
                auto const handle = add(group, what);
                if (records[first].registered && count == first + 1)
                    oldest = handle;
            }
            add(*stack, acts::operation);
        } catch (std::bad_alloc const&) {
        }
    }

    void close()
    {
        closed.ask([&] {
            stack->async_close(asio::bind_cancellation_slot(signal.slot(), answer_to(closed)));
        });
    }

    // ---- running it

    bool step()
    {
        context->restart();
        try {
            return context->poll_one() != 0;
        } catch (std::bad_alloc const&) {
            ++run_threw;
            return true;
        }
    }
    void drive()
    {
        while (step()) {
        }
    }

    void emit()
    {
        try {
            signal.emit(asio::cancellation_type::terminal);
        } catch (std::bad_alloc const&) {
        }
    }

    // With memory. What the clock could not say for want of it is said when it advances.
    void finish()
    {
        clock->advance({});
        drive();
        for (int k = 0; k != 2 && closed.is_awaited(); ++k, drive())
            emit();
        stack.reset();
        drive();
    }

    void destroy_context()
    {
        stack.reset();
        clock.reset();
        never.reset();
        context.reset();
    }

    // ---- what must be so

    // That have neither run nor been forced.
    int lost() const
    {
        int found = 0;
        for (auto const& each : records)
            found += each.registered && !each.dismissed && each.ended + each.forced == 0 ? 1 : 0;
        return found;
    }

    int told() const
    {
        int found = observer.abandoned;
        for (auto const& each : failures_of(closed.error))
            found += is_out_of_memory(each.error) ? 1 : 0;
        return found;
    }

    void check(where_t where = where_t::current())
    {
        allocation_pause const pause;
        for (std::size_t number = 0; number != count; ++number) {
            auto const& each = records[number];
            auto const name = "exit " + std::to_string(number);
            expect(each.began <= 1, name + " began twice", where);
            expect(each.forced <= 1, name + " was forced twice", where);
            expect(each.alive == 0, name + " has left something", where);
            expect(
                !each.dismissed || each.began + each.forced == 0, name + " was dismissed", where);
        }
        expect(run_threw == 0, "bad_alloc came out of run()", where);
        expect(lost() <= told(),
            std::to_string(lost()) + " were lost, " + std::to_string(told()) + " are told", where);
    }

    counting_observer observer;
    std::array<record, most> records{};
    std::size_t count = 0;
    std::size_t first = 0; // of the group
    exeunt::exit_handle oldest;
    int run_threw = 0;
    std::unique_ptr<asio::io_context> context = make_warm_context();
    std::optional<exeunt::manual_clock> clock{std::in_place, *context};
    std::optional<asio::steady_timer> never{
        std::in_place, *context, asio::steady_timer::time_point::max()};
    std::optional<stack_type> stack{std::in_place, *context};
    answer closed;
    asio::cancellation_signal signal;
};

struct group_situation
{
    char const* name;
    std::vector<acts> exits;
    bool hangs = false;
};

inline std::vector<group_situation> const& group_situations()
{
    static std::vector<group_situation> const all{
        {"no exits", {}},
        {"exits that succeed",
            {acts::at_once, acts::coroutine, acts::operation, acts::coroutine, acts::at_once}},
        {"exits that fail",
            {acts::throws, acts::fails, acts::operation, acts::fails, acts::throws}},
        {"exits that hang",
            {acts::hangs, acts::hangs_with_force, acts::coroutine, acts::hangs_with_force,
                acts::hangs},
            true},
        {"an exit that registers others", {acts::coroutine, acts::operation, acts::registers}},
        {"an exit that registers another one as it ends", {acts::registers_later}},
        {"exits that register others as they end",
            {acts::registers_later, acts::coroutine, acts::operation, acts::registers_later}},
        {"an exit that dismisses another one",
            {acts::coroutine, acts::operation, acts::coroutine, acts::dismisses}},
        {"stacks as exits", {acts::nests, acts::operation, acts::nests}, true},
    };
    return all;
}

inline constexpr std::array<std::size_t, 3> group_limits{1, 2, static_cast<std::size_t>(-1)};

} // namespace support

#endif
