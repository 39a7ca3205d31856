// A synchronous stack as an exit of another one.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <string>

namespace {

using namespace sync_support;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

} // namespace

// C94
BOOST_AUTO_TEST_CASE(child_pushed_by_reference_closes_at_its_position_C94)
{
    journal book;
    exit_stack child;
    child.push(book.noting("c1"));
    child.push(book.noting("c2"));
    exit_stack parent;
    parent.push(book.noting("p1"));
    parent.push(std::ref(child));
    parent.push(book.noting("p2"));
    parent.close();
    BOOST_TEST(book.text() == "p2 c2 c1 p1");
    BOOST_TEST(!child.is_open());
    BOOST_TEST(child.empty());
}

// C94
BOOST_AUTO_TEST_CASE(child_entered_by_value_closes_at_its_position_C94)
{
    journal book;
    exit_stack child;
    child.push(book.noting("c"));
    exit_stack parent;
    parent.push(book.noting("p1"));
    exit_stack& inside = parent.enter(std::move(child));
    inside.push(book.noting("c2"));
    parent.push(book.noting("p2"));
    BOOST_TEST(child.empty());
    BOOST_TEST(parent.size() == 3u);
    parent.close();
    BOOST_TEST(book.text() == "p2 c2 c p1");
}

// C94
BOOST_AUTO_TEST_CASE(child_emplaced_unwinds_at_its_position_C94)
{
    journal book;
    exit_stack parent;
    parent.push(book.noting("p1"));
    exit_stack& child = parent.emplace<exit_stack>();
    child.push(book.noting("c"));
    parent.push(book.noting("p2"));
    parent.close();
    BOOST_TEST(book.text() == "p2 c p1");
}

// C94
BOOST_AUTO_TEST_CASE(child_sees_what_is_in_flight_in_its_parent_C94)
{
    std::exception_ptr const cause = make_boom(1);
    std::exception_ptr error;
    std::exception_ptr seen_cause;
    std::string failures;
    exit_stack child;
    child.push([&](exit_state& state) {
        error = state.error();
        seen_cause = state.cause();
        failures = describe(state.failures());
    });
    exit_stack parent;
    parent.push(std::ref(child));
    parent.push(on_exit(failing(2)).named("p"));
    BOOST_TEST(report(caught([&] { parent.close(cause); })) == "[body=1, p=2]");
    BOOST_TEST((error == cause));
    BOOST_TEST((seen_cause == cause));
    BOOST_TEST(failures == "[body=1, p=2]");
}

// C94
BOOST_AUTO_TEST_CASE(child_that_suppresses_suppresses_for_its_parent_C94)
{
    bool failed = true;
    exit_stack child;
    child.push([](exit_state& state) { state.suppress(); });
    exit_stack parent;
    parent.push([&](exit_state& state) { failed = state.failed(); });
    parent.push(std::ref(child));
    BOOST_TEST(report(caught([&] { parent.close(make_boom(1)); })) == "nothing");
    BOOST_TEST(!failed);
}

// C94
BOOST_AUTO_TEST_CASE(child_that_replaces_replaces_for_its_parent_C94)
{
    std::exception_ptr const other = make_boom(2);
    exit_stack child;
    child.push([&](exit_state& state) { state.replace(other); });
    exit_stack parent;
    parent.push(std::ref(child));
    BOOST_TEST((caught([&] { parent.close(make_boom(1)); }) == other));
}

// C94
BOOST_AUTO_TEST_CASE(child_whose_exits_fail_reports_them_flat_with_their_names_C94)
{
    exit_stack child;
    child.push(on_exit(failing(4)).named("c1"));
    child.push(on_exit(failing(3)).named("c2"));
    exit_stack parent;
    parent.push(on_exit(failing(5)).named("p1"));
    parent.push(on_exit(std::ref(child)).named("child"));
    parent.push(on_exit(failing(2)).named("p2"));
    BOOST_TEST(
        report(caught([&] { parent.close(make_boom(1)); })) == "[body=1, p2=2, c2=3, c1=4, p1=5]");
}

// C94
BOOST_AUTO_TEST_CASE(child_with_the_only_failure_gives_it_as_it_is_C94)
{
    std::exception_ptr const error = make_boom(1);
    exit_stack child;
    child.push(failing(error));
    exit_stack parent;
    parent.push(std::ref(child));
    BOOST_TEST((caught([&] { parent.close(); }) == error));
}

// C94
BOOST_AUTO_TEST_CASE(child_that_suppresses_its_own_failures_leaves_the_parent_clean_C94)
{
    exit_stack child;
    child.push([](exit_state& state) { state.suppress(); });
    child.push(failing(2));
    exit_stack parent;
    parent.push(std::ref(child));
    BOOST_TEST(report(caught([&] { parent.close(); })) == "nothing");
}

// C94
BOOST_AUTO_TEST_CASE(child_looks_at_its_filters_with_the_outcome_of_its_parent_C94)
{
    journal book;
    for (bool const fails : {false, true}) {
        book.clear();
        exit_stack child;
        child.push(on_exit(book.noting("rollback")).only_on_failure());
        child.push(on_exit(book.noting("commit")).only_on_success());
        exit_stack parent;
        parent.push(std::ref(child));
        BOOST_TEST(report(caught([&] { parent.close(fails ? make_boom(1) : nullptr); }))
            == (fails ? "1" : "nothing"));
        BOOST_TEST(book.text() == (fails ? "rollback" : "commit"));
    }
}

// C98
BOOST_AUTO_TEST_CASE(child_of_a_parent_that_is_destroyed_knows_no_outcome_either_C98)
{
    journal book;
    exit_stack child;
    child.push(on_exit(book.noting("rollback")).only_on_failure());
    child.push(on_exit(book.noting("commit")).only_on_success());
    {
        exit_stack parent;
        parent.push(std::ref(child));
    }
    BOOST_TEST(book.text() == "rollback");
}

// C90
BOOST_AUTO_TEST_CASE(
    child_that_fails_in_a_parent_that_is_destroyed_tells_the_observer_of_the_parent_C90)
{
    writing_observer observer;
    default_observer_guard guard(nullptr);
    exit_stack child;
    child.push(on_exit(failing(1)).named("c"));
    {
        exit_stack parent(exeunt::close_options{.observer = &observer});
        parent.push(std::ref(child));
    }
    BOOST_TEST(observer.book.text() == "c=1");
}

// C94
BOOST_AUTO_TEST_CASE(child_that_was_closed_before_adds_nothing_C94)
{
    journal book;
    exit_stack child;
    child.push(book.noting("c"));
    exit_stack parent;
    parent.push(std::ref(child));
    child.close();
    parent.close();
    BOOST_TEST(book.text() == "c");
}

// C94
BOOST_AUTO_TEST_CASE(child_is_closed_for_registration_when_its_parent_has_closed_C94)
{
    exit_stack child;
    exit_stack parent;
    parent.push(std::ref(child));
    parent.close();
    BOOST_CHECK_THROW(child.push([] {}), exeunt::stack_closed);
}

// C94
BOOST_AUTO_TEST_CASE(exit_of_a_stack_called_by_hand_closes_it_with_that_state_C94)
{
    journal book;
    std::exception_ptr const cause = make_boom(1);
    exit_state state(cause);
    exit_stack stack;
    stack.push([&](exit_state& inner) {
        book.note(inner.error() == cause ? "identical" : "another");
        inner.suppress();
    });
    stack.exit(state);
    BOOST_TEST(book.text() == "identical");
    BOOST_TEST(!stack.is_open());
    BOOST_TEST(!state.failed());
    BOOST_TEST((state.cause() == cause));
}

// C94
BOOST_AUTO_TEST_CASE(exit_of_a_stack_by_hand_tells_its_failures_C94)
{
    // Thrown or put into the state: the exits that follow hear of it either way.
    exit_state state(make_boom(1));
    exit_stack stack;
    stack.push(on_exit(failing(2)).named("x"));
    std::exception_ptr const thrown = caught([&] { stack.exit(state); });
    bool const in_state = describe(state.failures()) == "[body=1, x=2]";
    bool const heard = in_state || numbers(thrown).find('2') != std::string::npos;
    BOOST_TEST(heard);
}

// C94
BOOST_AUTO_TEST_CASE(child_of_a_child_closes_at_its_position_C94)
{
    journal book;
    exit_stack inner;
    inner.push(book.noting("i"));
    exit_stack middle;
    middle.push(book.noting("m1"));
    middle.push(std::ref(inner));
    middle.push(book.noting("m2"));
    exit_stack outer;
    outer.push(book.noting("o1"));
    outer.push(std::ref(middle));
    outer.push(book.noting("o2"));
    outer.close();
    BOOST_TEST(book.text() == "o2 m2 i m1 o1");
}

// C94
BOOST_AUTO_TEST_CASE(child_whose_parent_registers_with_it_while_closing_runs_that_C94)
{
    journal book;
    exit_stack child;
    child.push(book.noting("c"));
    exit_stack parent;
    parent.push(std::ref(child));
    parent.push([&] { child.push(book.noting("late")); });
    parent.close();
    BOOST_TEST(book.text() == "late c");
}

// C94
BOOST_AUTO_TEST_CASE(child_that_registers_with_its_closing_parent_runs_that_after_itself_C94)
{
    journal book;
    exit_stack child;
    exit_stack parent;
    child.push(book.noting("c1"));
    child.push([&] {
        book.note("c2");
        parent.push(book.noting("late"));
    });
    parent.push(book.noting("p1"));
    parent.push(std::ref(child));
    parent.close();
    BOOST_TEST(book.text() == "c2 c1 late p1");
}

// C94
BOOST_AUTO_TEST_CASE(child_pushed_twice_closes_once_C94)
{
    journal book;
    exit_stack child;
    child.push(book.noting("c"));
    exit_stack parent;
    parent.push(std::ref(child));
    parent.push(std::ref(child));
    parent.close();
    BOOST_TEST(book.text() == "c");
}

// C94
BOOST_AUTO_TEST_CASE(child_failed_by_hand_shows_that_to_its_exits_and_keeps_it_from_its_parent_C94)
{
    std::string seen;
    bool parent_failed = true;
    exit_stack child;
    child.push([&](exit_state& state) { seen = describe(state.error()); });
    child.fail(make_boom(1));
    exit_stack parent;
    parent.push([&](exit_state& state) { parent_failed = state.failed(); });
    parent.push(std::ref(child));
    BOOST_TEST(report(caught([&] { parent.close(); })) == "nothing");
    BOOST_TEST(seen == "1");
    BOOST_TEST(!parent_failed);
}

// C95
BOOST_AUTO_TEST_CASE(child_that_closes_inside_its_parent_tells_its_depth_C95)
{
    std::string alone;
    std::string inside;
    auto const depths = [](exit_stack& stack, std::string& text) {
        return [&stack, &text] {
            for (exeunt::exit_view const& view : stack.pending())
                text += std::string(view.name) + std::to_string(view.depth) + " ";
        };
    };
    exit_stack grandchild;
    grandchild.push(on_exit([] {}).named("g"));
    grandchild.push(on_exit(depths(grandchild, inside)).named("G"));
    exit_stack child;
    child.push(on_exit(std::ref(grandchild)).named("c"));
    child.push(on_exit(depths(child, inside)).named("C"));
    exit_stack parent;
    parent.push(on_exit(std::ref(child)).named("p"));
    parent.push(on_exit(depths(parent, alone)).named("P"));
    parent.close();
    BOOST_TEST(alone == "P0 p0 ");
    BOOST_TEST(inside == "C1 c1 G2 g2 ");
}

// C94
BOOST_AUTO_TEST_CASE(child_that_was_told_of_a_failure_fails_in_its_parent_with_its_own_alone_C94)
{
    exit_stack parent;
    exit_stack& child = parent.enter(exit_stack());
    child.push([] { throw boom(2); });
    child.fail(make_boom(1));
    BOOST_TEST(numbers(caught([&] { parent.close(); })) == "2");
}
