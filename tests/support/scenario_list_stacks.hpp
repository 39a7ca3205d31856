// Scenarios of several operations on one stack, and of stacks in stacks.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIO_LIST_STACKS_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIO_LIST_STACKS_HPP

#include "support/scenario_world.hpp"

#include <chrono>
#include <string>

namespace support::scenarios {

using kind = tracked_operation::kind;

// ---- joined

inline void close_that_is_joined(scenario_world& w)
{
    w.push(w.exit("a"));
    w.push_forceable(w.exit("b").does([&w] { w.then([&w] { w.join(); }); }));
    w.push(w.exit("c"));
    w.then([&w] { w.join(); });
    w.close();
    w.then([&w] { w.join(); });
}

inline void close_that_joins(scenario_world& w)
{
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.push(w.exit("c"));
    w.close();
    w.target = &w.join();
    w.join();
}

inline void close_that_is_joined_and_destroyed(scenario_world& w)
{
    w.push_sync(w.exit("a"));
    w.push(w.exit("b"));
    w.push(w.exit("c"));
    w.close();
    w.join();
    w.then([&w] { w.destroy(w.main); });
}

// ---- one exit by itself

inline void run_now_then_close(scenario_world& w)
{
    auto& a = w.exit("a");
    auto& b = w.exit("b");
    w.push(a);
    w.push_sync(w.exit("between"));
    w.push_forceable(b);
    a.alone = b.alone = true;
    w.run_now(a, kind::unwinds);
    w.when([&a] { return a.ended(); }, [&w, &b] { w.run_now(b, kind::unwinds); });
    w.when([&b] { return b.ended(); }, [&w] { w.close(); });
}

inline void run_now_that_a_close_waits_for(scenario_world& w)
{
    auto& a = w.exit("a");
    w.push_forceable(a);
    w.push(w.exit("b"));
    w.push_sync(w.exit("c"));
    w.outcome_is_known = false; // who comes first reports it
    w.run_now(a, kind::unwinds);
    w.target = &w.close();
}

inline void run_now_that_is_followed_by_a_close(scenario_world& w)
{
    auto& a = w.exit("a");
    w.push(a);
    w.push_forceable(w.exit("b"));
    w.outcome_is_known = false; // who comes first reports it
    w.run_now(a, kind::unwinds);
    w.close();
}

inline void run_now_while_closing(scenario_world& w)
{
    auto& a = w.exit("a");
    w.push(a);
    w.push_forceable(w.exit("b"));
    w.push(w.exit("c"));
    w.push(w.exit("d"));
    w.then([&w, &a] { w.run_now(a, kind::waits); });
    w.close();
}

inline void run_now_that_waits_for_its_turn(scenario_world& w)
{
    auto& a = w.exit("a");
    w.push_forceable(a);
    w.push(w.exit("b"));
    w.push(w.exit("c"));
    w.close();
    w.target = &w.run_now(a, kind::waits);
}

inline void run_now_that_joins_its_exit(scenario_world& w)
{
    auto& b = w.exit("b");
    w.push_forceable(w.exit("a"));
    w.push(b);
    w.close();
    w.then([&w, &b] { w.run_now(b, kind::waits); });
    w.then([&w, &b] { w.run_now(b, kind::waits); });
}

inline void run_now_one_after_the_other(scenario_world& w)
{
    auto& a = w.exit("a");
    auto& c = w.exit("c");
    w.push(a);
    w.push(w.exit("b"));
    w.push_forceable(c);
    w.outcome_is_known = false; // the second one may be detached
    w.run_now(a, kind::unwinds);
    w.run_now(c, kind::waits);
    w.when([&] { return a.ended(); }, [&w] { w.close(); });
}

// ---- nested

inline void nested_stack(scenario_world& w)
{
    auto& child = w.stack("child");
    w.push(w.exit("a"));
    w.nest(w.main, child);
    w.push_forceable(w.exit("b"));
    w.push(w.exit(child, "c1"));
    w.push_forceable(w.exit(child, "c2"));
    w.push_sync(w.exit(child, "c3"));
    w.push(w.exit(child, "c4"));
    w.close();
}

inline void nested_stack_of_exits_that_are_posted(scenario_world& w)
{
    auto& child = w.stack("child");
    w.push_forceable(w.exit("a").posted());
    w.nest(w.main, child);
    w.push(w.exit("b").posted());
    w.push_forceable(w.exit(child, "c1").posted());
    w.push(w.exit(child, "c2").posted());
    w.push_forceable(w.exit(child, "c3").posted());
    w.push_forceable(w.exit(child, "c4").fails_posted());
    w.close();
}

inline void nested_stacks_three_deep(scenario_world& w)
{
    auto& child = w.stack("child");
    auto& grandchild = w.stack("grandchild");
    w.push_forceable(w.exit("a"));
    w.nest(w.main, child);
    w.push_forceable(w.exit(child, "c1"));
    w.nest(child, grandchild);
    w.push(w.exit(child, "c2").posted());
    w.push_forceable(w.exit(grandchild, "g1"));
    w.push(w.exit(grandchild, "g2"));
    w.close();
}

inline void nested_stack_with_a_time_of_its_own(scenario_world& w)
{
    auto& child = w.stack("child", {.timeout = std::chrono::seconds(50)});
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b"));
    w.nest(w.main, child);
    w.push_forceable(w.exit(child, "c1"));
    w.push(w.exit(child, "c2"));
    auto& newest = w.exit(child, "c3");
    w.push(newest);
    w.when([&newest] { return newest.script.running(); },
        [&w] { w.advance(std::chrono::seconds(50)); });
    w.close();
}

inline void nested_stack_with_a_cause_of_its_own(scenario_world& w)
{
    auto& child = w.stack("child");
    child.stack->fail(failure("told"));
    w.push(w.exit("a"));
    w.nest(w.main, child);
    w.push_forceable(w.exit(child, "c1"));
    w.push(w.exit(child, "c2").posted());
    w.push(w.exit(child, "c3"));
    w.close();
}

inline void nested_stack_that_ignores_its_slot(scenario_world& w)
{
    auto& child = w.stack("child");
    w.push_forceable(w.exit("a"));
    w.nest(w.main, child);
    w.push_forceable(w.exit(child, "c1"));
    w.push(w.exit(child, "c2").ignores_cuts());
    w.close();
}

inline void nested_stack_that_is_closing_already(scenario_world& w)
{
    auto& child = w.stack("child");
    w.push_forceable(w.exit("a"));
    w.nest(w.main, child);
    child.closes_early = true;
    w.push(w.exit("b"));
    w.push_forceable(w.exit(child, "c1"));
    w.push(w.exit(child, "c2"));
    auto& closing = w.close();
    w.close(child);
    w.target = &closing;
}

inline void nested_synchronous_stack(scenario_world& w)
{
    auto& child = w.synchronous_stack("child");
    w.push_forceable(w.exit("a"));
    w.nest(w.main, child);
    w.push(w.exit("b"));
    w.push_sync(w.exit(child, "s1"));
    w.push_sync(w.exit(child, "s2").throws());
    w.push_sync(w.exit(child, "s3"));
    w.close();
}

inline void exit_that_registers_a_nested_stack(scenario_world& w)
{
    auto& child = w.stack("child");
    w.push(w.exit(child, "c1"));
    w.push_forceable(w.exit(child, "c2"));
    w.push_forceable(w.exit("a"));
    w.push(w.exit("b").does([&w, &child] { w.nest(w.main, child); }));
    w.push(w.exit("c"));
    w.close();
}

} // namespace support::scenarios

#endif
