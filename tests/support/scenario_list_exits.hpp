// Scenarios of one stack: what its exits are, and what they do while it closes.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_LIST_EXITS_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_LIST_EXITS_HPP

#include "support/scenario_world.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <string>

namespace support::scenarios {

// ---- how exits end

inline void exits_that_wait(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push(w.exit("b"));
    w.push(w.exit("c"));
    w.close();
}

inline void exits_that_wait_and_have_a_force(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.push_forceable(w.exit("c"));
    w.close();
}

inline void exits_with_and_without_a_force(scenario_world& w)
{
    w.push_sync(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.push(w.exit("c").posted());
    w.push_forceable(w.exit("d").posted());
    w.push(w.exit("e"));
    w.push_sync(w.exit("f"));
    w.close();
}

inline void exits_that_are_synchronous(scenario_world& w)
{
    w.push_sync(w.exit("a"));
    w.push_sync(w.exit("b").throws());
    w.push_sync(w.exit("c"));
    w.close();
}

inline void exits_that_end_at_once(scenario_world& w)
{
    w.push(w.exit("a").at_once());
    w.push_forceable(w.exit("b").at_once());
    w.push(w.exit("c").at_once());
    w.push_forceable(w.exit("d").at_once());
    w.close();
}

inline void exits_that_are_posted(scenario_world& w)
{
    w.push(w.exit("a").posted());
    w.push_forceable(w.exit("b").posted());
    w.push(w.exit("c").posted());
    w.push_forceable(w.exit("d").posted());
    w.close();
}

inline void exits_that_fail(scenario_world& w)
{
    w.push(w.exit("a").fails_posted());
    w.push_forceable(w.exit("b").fails_posted());
    w.push(w.exit("c").throws());
    w.push_forceable(w.exit("d").throws());
    w.push(w.exit("e").fails_at_once());
    w.push_forceable(w.exit("f").fails_at_once());
    w.push_sync(w.exit("g").throws());
    w.close();
}

inline void exits_that_drop_their_handler(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push(w.exit("b").drops());
    w.push_forceable(w.exit("c").drops());
    w.push_forceable(w.exit("d"));
    w.close();
}

inline void exits_that_ignore_their_slot(scenario_world& w)
{
    w.push(w.exit("a").ignores_cuts());
    w.push_forceable(w.exit("b"));
    w.push_forceable(w.exit("c").ignores_cuts());
    w.push_sync(w.exit("d"));
    w.close();
}

inline void exits_whose_force_throws(scenario_world& w)
{
    for (char const* name : {"a", "b", "c"}) {
        auto& each = w.exit(name);
        each.force_fails = true;
        w.push_forceable(name == std::string("b") ? each.fails_posted() : each);
    }
    w.close();
}

inline void exits_by_best_effort(scenario_world& w)
{
    w.push_best_effort(w.exit("a"));
    w.push_best_effort(w.exit("b").fails_posted());
    w.push(w.exit("c"));
    w.push_best_effort(w.exit("d").throws());
    w.close();
}

// ---- what they see, and what they say

inline void exits_only_on_success(scenario_world& w)
{
    w.push_only_on_success_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.push_only_on_success_forceable(w.exit("c"));
    w.push_only_on_success_forceable(w.exit("d").posted());
    w.close();
}

inline void exits_only_on_failure(scenario_world& w)
{
    w.push_only_on_failure(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.push_only_on_failure(w.exit("c"));
    w.push(w.exit("d"));
    w.push_only_on_failure(w.exit("e"));
    w.close();
}

inline void exits_with_a_filter_after_a_failure(scenario_world& w)
{
    w.push_only_on_success_forceable(w.exit("a"));
    w.push_only_on_failure(w.exit("b"));
    w.close(w.main, failure("cause"));
}

inline void exit_that_suppresses(scenario_world& w)
{
    w.outcome_is_known = false;
    w.push_only_on_success_forceable(w.exit("a"));
    w.push_only_on_failure(w.exit("b"));
    w.push_sync(w.exit("c").looks([](exit_state& state) { state.suppress(); }));
    w.push(w.exit("d").looks([](exit_state& state) { state.suppress(); }));
    w.push(w.exit("e").fails_posted());
    w.close();
}

inline void exit_that_replaces(scenario_world& w)
{
    auto const better = [](exit_state& state) { state.replace(failure("better")); };
    w.outcome_is_known = false;
    w.push_only_on_failure(w.exit("a"));
    w.push(w.exit("b").looks(better));
    w.push_sync(w.exit("c").looks(better));
    w.push(w.exit("d").fails_posted());
    w.close(w.main, failure("cause"));
}

inline void cause_that_is_a_cancellation(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.push_sync(w.exit("c"));
    w.push(w.exit("d"));
    w.close(w.main, cancellation());
}

// ---- their own time

inline void exit_that_is_over_its_time(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_within(w.exit("b"));
    w.push(w.exit("c").posted());
    w.push_within(w.exit("d"));
    w.then([&w] { w.advance(w.within); });
    w.close();
}

inline void exit_that_is_over_its_time_and_has_a_force(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push_within_forceable(w.exit("b"));
    w.push_within_forceable(w.exit("c"));
    w.then([&w] { w.advance(w.within); });
    w.close();
}

// ---- what is done meanwhile

inline void exits_that_register_exits(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_sync(w.exit("b").does([&w] {
        w.push(w.exit("b1"));
        w.push_sync(w.exit("b2"));
    }));
    w.push(w.exit("c").does([&w] { w.push_forceable(w.exit("c1")); }));
    w.push(w.exit("d").posted().does(
        [&w] { w.push(w.exit("d1").posted().does([&w] { w.push_sync(w.exit("d2")); })); }));
    w.close();
}

inline void registering_while_an_exit_waits(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.then([&w] { w.push(w.exit("late1")); });
    w.then([&w] { w.push_forceable(w.exit("late2")); });
    w.close();
}

inline void registering_while_the_last_exit_waits(scenario_world& w)
{
    auto& last = w.exit("a");
    w.push(last);
    w.push(w.exit("b"));
    w.when([&last] { return last.script.running(); }, [&w] { w.push(w.exit("late")); });
    w.close();
}

inline void dismissing_while_closing(scenario_world& w)
{
    auto& a = w.exit("a");
    auto& b = w.exit("b");
    auto& c = w.exit("c");
    w.push(a);
    w.push_forceable(b);
    w.push_sync(c);
    w.push(w.exit("d").does([&w, &c] { w.dismiss(c); }));
    w.push(w.exit("e"));
    w.then([&w, &b] { w.dismiss(b); });
    w.close();
}

inline void pop_all_by_an_exit(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.push(w.exit("c").does([&w] { w.pop_all(); }));
    w.push(w.exit("d"));
    w.when([&w] { return w.saved != nullptr; }, [&w] { w.close(*w.saved); });
    w.close();
}

inline void pop_all_while_an_exit_waits(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_sync(w.exit("b"));
    w.push_forceable(w.exit("c"));
    w.then([&w] { w.pop_all(); });
    w.then([&w] { w.push(w.exit("late")); });
    w.then([&w] { w.close(*w.saved); });
    w.close();
}

inline void stack_that_is_moved(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_forceable(w.exit("b").does([&w] { w.move(w.main); }));
    w.push(w.exit("c"));
    w.then([&w] { w.move(w.main); });
    w.close();
}

inline void stack_that_is_destroyed(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.push(w.exit("c"));
    w.then([&w] { w.destroy(w.main); });
    w.close();
}

inline void exit_that_destroys_another_stack(scenario_world& w)
{
    auto& other = w.stack("other");
    other.may_abandon = true;
    w.push(w.exit(other, "o1"));
    w.push_forceable(w.exit(other, "o2"));
    w.push_sync(w.exit(other, "o3"));
    w.push(w.exit(other, "o4"));
    w.push(w.exit("a"));
    w.push(w.exit("b").does([&w, &other] { w.destroy(other); }));
    w.push_forceable(w.exit("c"));
    w.close();
}

inline void exit_that_forces_its_stack(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.push(w.exit("c").does([&w] { w.force(); }));
    w.push_forceable(w.exit("d"));
    w.close();
}

inline void stack_that_is_forced_before(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_forceable(w.exit("b"));
    w.push_sync(w.exit("c"));
    w.push(w.exit("d").posted());
    w.push(w.exit("e").ignores_cuts());
    w.force();
    w.close();
}

// An exit that waits for itself is ended from outside.
inline void exit_that_waits_for_its_own_stack(scenario_world& w)
{
    w.outcome_is_known = false;
    w.push(w.exit("a"));
    w.main.stack->push([&w]() -> asio::awaitable<void> {
        co_await asio::post(asio::use_awaitable);
        co_await w.main.stack->async_close(asio::use_awaitable);
    });
    w.push(w.exit("b"));
    w.when([&w] { return w.has_ended("b"); }, [&w] { w.force(); });
    w.close();
}

} // namespace support::scenarios

#endif
