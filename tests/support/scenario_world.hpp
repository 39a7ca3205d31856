// Where a scenario takes place: what it is made of is run handler by handler, on a clock that stands, and is
// interrupted between two of its steps or within one.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_WORLD_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_WORLD_HPP

#include "support/scenario_verbs.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>
#include <vector>

namespace support {

class scenario_world final : public scenario_verbs
{
public:
    using scenario_verbs::scenario_verbs;

    // Where the run has failed something may still wait.
    ~scenario_world()
    {
        for (auto& each : exits)
            each.script.drop();
        for (auto& each : works)
            each.drop();
    }

    void begin(void (*scene)(scenario_world&))
    {
        if (flavour_.from_outside)
            return scene(*this);
        asio::post(context, [this, scene] { scene(*this); });
        context.poll_one();
    }

    // ---- what happens when no handler is ready, before exits are answered

    void then(std::function<void()> act)
    {
        when([] { return true; }, std::move(act));
    }

    void when(std::function<bool()> condition, std::function<void()> act)
    {
        acts_.push_back({std::move(condition), std::move(act)});
    }

    // The operation that the last acquire awaits ends when this holds.
    void answer_source_when(std::function<bool()> condition)
    {
        auto& source = sources.back();
        when([&source, condition] { return source.running() && condition(); },
            [&source] {
                if (source.running())
                    source.answer(5);
            });
    }

    // ---- what is done to it

    void emit()
    {
        if (!target || target->done() || !target->can_be_cancelled)
            return;
        target->note_terminal(now());
        target->signal.emit(asio::cancellation_type::terminal);
    }

    // A cancellation that no unwinding hears. A body, and what acquires, may: those are left alone.
    void emit_softly(asio::cancellation_type type)
    {
        if (!target || target->done() || !target->can_be_cancelled || target->body_runs
            || target->is == tracked_operation::kind::acquires)
            return;
        target->signal.emit(type);
    }

    // The grace is over as soon as the cancellation has arrived.
    void emit_and_let_grace_pass()
    {
        emit();
        grace_passes_ = true;
    }

    void force()
    {
        if (main.stack)
            static_cast<void>(force(main));
    }

    void advance(duration time) { clock.advance(time); }

    // ---- its course

    // Runs one handler; where none is ready, does what comes next. False: it has come to its end.
    bool step()
    {
        try {
            context.restart();
            if (context.poll_one() != 0) {
                check_running();
                return true;
            }
            check_settled();
            return pass_grace() || act() || answer();
        } catch (...) {
            return holds(false, "escaped", describe(std::current_exception())), false;
        }
    }

    void check_end()
    {
        for (auto const& each : exits)
            check_end_of(each);
        for (auto const& each : operations)
            check_end_of(each);
        for (auto const& each : stacks)
            holds(each.expect_settled(), "is not settled", each.name);
        check_quiet();
    }

    // Nothing comes after the end, whatever is done.
    void check_quiet()
    {
        auto const words = log.words().size() + told.words().size();
        for (auto& each : operations)
            if (!each.indirect)
                each.signal.emit(asio::cancellation_type::terminal);
        for (auto& each : own_)
            each.force();
        advance(timeout);
        context.restart();
        holds(context.poll() == 0 && words == log.words().size() + told.words().size(),
            "something happened after the end", target->name);
        holds(context.stopped(), "work is left", target->name);
    }

private:
    struct awaited_act
    {
        std::function<bool()> condition;
        std::function<void()> act;
    };

    // ---- the course

    bool pass_grace()
    {
        if (!std::exchange(grace_passes_, false))
            return false;
        advance(grace);
        return true;
    }

    bool act()
    {
        auto const next = std::find_if(
            acts_.begin(), acts_.end(), [](awaited_act const& each) { return each.condition(); });
        if (next == acts_.end())
            return false;
        asio::post(context, std::move(next->act));
        acts_.erase(next);
        return true;
    }

    bool answer()
    {
        for (auto& each : works)
            if (each.running())
                return answer(each);
        for (auto& each : exits)
            if (each.script.running())
                return flavour_.queues && each.script.cuts() == 0 ? force(*each.home)
                                                                  : answer(each.script);
        return false;
    }

    // Its time passes where the stack is out of reach.
    bool force(tracked_stack& which)
    {
        if (!which.stack)
            return advance(timeout), true;
        which.force_called = true;
        which.stack->force();
        return true;
    }

    bool answer(scripted_exit& waiting)
    {
        asio::post(context, [waiting]() mutable {
            if (waiting.running())
                waiting.answer();
        });
        return true;
    }

    std::vector<awaited_act> acts_;
    bool grace_passes_ = false;
};

} // namespace support

#endif
