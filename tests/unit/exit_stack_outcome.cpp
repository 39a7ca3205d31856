// What the exits of a synchronous stack see, and what they make of it.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <exception>
#include <functional>
#include <string>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_stack;
using exeunt::exit_state;

struct seen_state
{
    std::exception_ptr error;
    std::exception_ptr cause;
    bool failed = false;
    bool cancelled = false;
    bool forced = false;
    std::string failures;
};

auto seeing(seen_state& seen)
{
    return [&seen](exit_state& state) {
        seen = {state.error(), state.cause(), state.failed(), state.cancelled(), state.forced(),
            describe(state.failures())};
    };
}

void suppress(exit_state& state)
{
    state.suppress();
}

} // namespace

// C26
BOOST_AUTO_TEST_CASE(exit_stack_closed_without_a_failure_shows_none_C26)
{
    seen_state seen;
    seen.failed = true;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.close();
    BOOST_TEST((seen.error == nullptr));
    BOOST_TEST((seen.cause == nullptr));
    BOOST_TEST(!seen.failed);
    BOOST_TEST(!seen.cancelled);
    BOOST_TEST(!seen.forced);
    BOOST_TEST(seen.failures == "[]");
}

// C26
BOOST_AUTO_TEST_CASE(exit_stack_closed_while_an_exception_is_handled_shows_none_C26)
{
    // The outcome is what the stack was told, never what happens around it.
    seen_state seen;
    try {
        throw boom(1);
    } catch (boom const&) {
        exit_stack stack;
        stack.push(seeing(seen));
        stack.close();
    }
    BOOST_TEST(!seen.failed);
}

// C26
BOOST_AUTO_TEST_CASE(exit_stack_closed_with_a_null_cause_is_a_success_C26)
{
    seen_state seen;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.close(nullptr);
    BOOST_TEST(!seen.failed);
    BOOST_TEST(!stack.is_open());
}

// C27
BOOST_AUTO_TEST_CASE(exit_stack_exits_see_the_identical_exception_object_C27)
{
    std::exception_ptr const error = make_boom(1);
    seen_state older;
    seen_state newer;
    exit_stack stack;
    stack.push(seeing(older));
    stack.push(seeing(newer));
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
    BOOST_TEST((newer.error == error));
    BOOST_TEST((newer.cause == error));
    BOOST_TEST((older.error == error));
    BOOST_TEST(older.failures == "[body=1]");
}

// C27
BOOST_AUTO_TEST_CASE(exit_stack_older_exit_sees_the_identical_failure_of_a_newer_one_C27)
{
    std::exception_ptr const error = make_boom(1);
    seen_state seen;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.push(exeunt::on_exit(failing(error)).named("newer"));
    BOOST_TEST((caught([&] { stack.close(); }) == error));
    BOOST_TEST((seen.error == error));
    BOOST_TEST((seen.cause == nullptr));
    BOOST_TEST(seen.failed);
    BOOST_TEST(seen.failures == "[newer=1]");
}

// C28
BOOST_AUTO_TEST_CASE(exit_stack_failure_not_suppressed_goes_on_C28)
{
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push([] {});
    stack.push([](exit_state&) {});
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
    BOOST_TEST(!stack.is_open());
}

// C29
BOOST_AUTO_TEST_CASE(exit_stack_failure_suppressed_is_a_success_C29)
{
    exit_stack stack;
    stack.push([] {});
    stack.push(suppress);
    stack.push([] {});
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "nothing");
}

// C30
BOOST_AUTO_TEST_CASE(exit_stack_exit_without_state_cannot_suppress_whatever_it_returns_C30)
{
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push([] { return true; });
    stack.push([] { return std::exception_ptr(); });
    stack.push([](exit_state&) { return true; });
    stack.push([](exit_state const&) { return 1; });
    stack.callback([](int) { return true; }, 1);
    stack.adopt(1, [](int&) { return true; });
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
}

// C31
BOOST_AUTO_TEST_CASE(exit_stack_exits_older_than_a_suppressor_see_only_the_cause_C31)
{
    std::exception_ptr const error = make_boom(1);
    seen_state seen;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.push(suppress);
    stack.close(error);
    BOOST_TEST((seen.error == nullptr));
    BOOST_TEST(!seen.failed);
    BOOST_TEST((seen.cause == error));
    BOOST_TEST(seen.failures == "[]");
}

// C32
BOOST_AUTO_TEST_CASE(exit_stack_suppressed_then_an_older_exit_fails_gives_that_failure_C32)
{
    std::exception_ptr const later = make_boom(2);
    exit_stack stack;
    stack.push(failing(later));
    stack.push(suppress);
    BOOST_TEST((caught([&] { stack.close(make_boom(1)); }) == later));
}

// C33
BOOST_AUTO_TEST_CASE(exit_stack_exit_fails_and_an_older_one_suppresses_is_a_success_C33)
{
    exit_stack stack;
    stack.push(suppress);
    stack.push(failing(2));
    stack.push(failing(3));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "nothing");
}

// C34
BOOST_AUTO_TEST_CASE(exit_stack_suppressing_nothing_is_harmless_C34)
{
    exit_stack stack;
    stack.push(suppress);
    stack.push([](exit_state& state) { state.replace(make_boom(1)); });
    stack.push(suppress);
    stack.close();
}

// C35
BOOST_AUTO_TEST_CASE(exit_stack_several_suppress_in_turn_and_the_final_state_decides_C35)
{
    exit_stack stack;
    stack.push(failing(4));
    stack.push(suppress);
    stack.push(failing(3));
    stack.push(suppress);
    stack.push(failing(2));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "4");
}

// C36
BOOST_AUTO_TEST_CASE(exit_stack_exit_that_rethrows_what_is_in_flight_adds_nothing_C36)
{
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push([](exit_state& state) { std::rethrow_exception(state.error()); });
    stack.push([](exit_state& state) { std::rethrow_exception(state.cause()); });
    stack.push(failing(error));
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
}

// C36
BOOST_AUTO_TEST_CASE(exit_stack_exit_that_rethrows_any_of_several_in_flight_adds_nothing_C36)
{
    std::exception_ptr const first = make_boom(1);
    std::exception_ptr const second = make_boom(2);
    exit_stack stack;
    stack.push(failing(first));
    stack.push(failing(second));
    stack.push(failing(3));
    stack.push(failing(second));
    BOOST_TEST(numbers(caught([&] { stack.close(first); })) == "1 2 3");
}

// C36
BOOST_AUTO_TEST_CASE(exit_stack_the_same_object_thrown_again_after_suppression_is_a_failure_C36)
{
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push(failing(error));
    stack.push(suppress);
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
}

// C36
BOOST_AUTO_TEST_CASE(exit_stack_equal_failures_of_distinct_objects_all_count_C36)
{
    exit_stack stack;
    stack.push(failing(1));
    stack.push(failing(1));
    BOOST_TEST(numbers(caught([&] { stack.close(make_boom(1)); })) == "1 1 1");
}

// C37
BOOST_AUTO_TEST_CASE(exit_stack_replaced_failure_is_not_reported_C37)
{
    std::exception_ptr const other = make_boom(9);
    std::exception_ptr const cause = make_boom(1);
    seen_state seen;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.push([&](exit_state& state) { state.replace(other); });
    stack.push(failing(2));
    BOOST_TEST((caught([&] { stack.close(cause); }) == other));
    BOOST_TEST((seen.error == other));
    BOOST_TEST((seen.cause == cause));
}

// C37
BOOST_AUTO_TEST_CASE(exit_stack_replaced_and_then_a_failure_reports_those_two_C37)
{
    exit_stack stack;
    stack.push(failing(3));
    stack.push([](exit_state& state) { state.replace(make_boom(2)); });
    BOOST_TEST(numbers(caught([&] { stack.close(make_boom(1)); })) == "2 3");
}

// C37
BOOST_AUTO_TEST_CASE(exit_stack_exit_that_replaces_and_throws_reports_both_C37)
{
    exit_stack stack;
    stack.push([](exit_state& state) {
        state.replace(make_boom(2));
        throw boom(3);
    });
    BOOST_TEST(numbers(caught([&] { stack.close(make_boom(1)); })) == "2 3");
}

// C37
BOOST_AUTO_TEST_CASE(exit_stack_replacing_with_what_is_in_flight_keeps_it_alone_C37)
{
    exit_stack stack;
    stack.push([](exit_state& state) { state.replace(state.error()); });
    stack.push(failing(2));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "1");
}

// C37
BOOST_AUTO_TEST_CASE(exit_stack_the_replaced_object_thrown_again_is_a_failure_C37)
{
    std::exception_ptr const cause = make_boom(1);
    exit_stack stack;
    stack.push(failing(cause));
    stack.push([](exit_state& state) { state.replace(make_boom(2)); });
    BOOST_TEST(numbers(caught([&] { stack.close(cause); })) == "2 1");
}

// C38
BOOST_AUTO_TEST_CASE(exit_stack_closed_with_a_cause_looks_like_a_body_that_threw_C38)
{
    std::exception_ptr const error = make_boom(1);
    seen_state by_close;
    seen_state by_body;
    auto const out = caught([&] {
        exit_stack stack;
        stack.push(seeing(by_close));
        stack.close(error);
    });
    auto const thrown = caught([&] {
        exeunt::with([&](exit_stack& stack) {
            stack.push(seeing(by_body));
            std::rethrow_exception(error);
        });
    });
    BOOST_TEST((out == error));
    BOOST_TEST((thrown == error));
    BOOST_TEST((by_close.error == by_body.error));
    BOOST_TEST((by_close.cause == by_body.cause));
    BOOST_TEST(by_close.failures == by_body.failures);
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_cancelled_is_told_apart_from_failed_C39)
{
    seen_state older;
    seen_state newer;
    exit_stack stack;
    stack.push(seeing(older));
    stack.push(failing(2));
    stack.push(seeing(newer));
    std::exception_ptr const out = caught([&] { stack.close(make_cancellation()); });
    BOOST_TEST(newer.cancelled);
    BOOST_TEST(newer.failed);
    // The real failure outranks it.
    BOOST_TEST(!older.cancelled);
    BOOST_TEST(describe(older.error) == "2");
    BOOST_TEST(exeunt::is_cancelled(older.cause));
    BOOST_TEST(numbers(out) == "cancelled 2");
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_is_seen_and_not_rethrown_C39)
{
    std::exception_ptr const error = make_boom(1);
    seen_state seen;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.fail(error);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
    BOOST_TEST((seen.error == error));
    BOOST_TEST((seen.cause == error));
    BOOST_TEST(seen.failures == "[body=1]");
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_runs_the_rollback_C39)
{
    journal book;
    exit_stack stack;
    stack.push(exeunt::on_exit(book.noting("rollback")).only_on_failure());
    stack.push(exeunt::on_exit(book.noting("commit")).only_on_success());
    stack.fail(make_boom(1));
    stack.close();
    BOOST_TEST(book.text() == "rollback");
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_and_an_exit_fails_gives_that_failure_C39)
{
    std::exception_ptr const later = make_boom(2);
    exit_stack stack;
    stack.push(failing(later));
    stack.fail(make_boom(1));
    BOOST_TEST((caught([&] { stack.close(); }) == later));
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_and_rethrown_by_an_exit_is_not_rethrown_C39)
{
    exit_stack stack;
    stack.push([](exit_state& state) { std::rethrow_exception(state.error()); });
    stack.fail(make_boom(1));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_with_a_report_is_not_rethrown_C39)
{
    std::vector<exeunt::exit_failure> failures;
    failures.push_back({make_boom(1), "a", {}});
    failures.push_back({make_boom(2), "b", {}});
    std::string seen;
    exit_stack stack;
    stack.push([&](exit_state& state) { seen = describe(state.failures()); });
    stack.push(failing(3));
    stack.fail(std::make_exception_ptr(exeunt::exit_errors(std::move(failures))));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "3");
    BOOST_TEST(seen == "[a=1, b=2, =3]");
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_and_closed_with_a_cause_rethrows_the_cause_C39)
{
    std::exception_ptr const cause = make_boom(2);
    exit_stack stack;
    stack.push([] {});
    stack.fail(make_boom(1));
    std::exception_ptr const out = caught([&] { stack.close(cause); });
    BOOST_TEST((exeunt::primary(out) == cause || failure_count(out) == 2u));
    BOOST_TEST((out != nullptr));
}

// C39
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_with_nothing_is_a_success_C39)
{
    seen_state seen;
    exit_stack stack;
    stack.push(seeing(seen));
    stack.fail(nullptr);
    stack.close();
    BOOST_TEST(!seen.failed);
}
