// The synchronous scope: body, then unwinding with its outcome, then its result.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace {

using namespace sync_support;
using exeunt::close_options;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

int function_body(exit_stack& stack)
{
    stack.push([] {});
    return 5;
}

} // namespace

// C05
BOOST_AUTO_TEST_CASE(with_runs_the_body_then_the_exits_C05)
{
    journal book;
    exeunt::with([&](exit_stack& stack) {
        stack.push(book.noting("a"));
        stack.push(book.noting("b"));
        book.note("body");
    });
    BOOST_TEST(book.text() == "body b a");
}

// C08
BOOST_AUTO_TEST_CASE(with_returns_the_result_of_the_body_decayed_C08)
{
    int number = 3;
    auto by_reference = [&](exit_stack&) -> int& { return number; };
    auto by_const = [&](exit_stack&) -> std::string const { return "text"; };
    auto move_only = [](exit_stack&) { return std::make_unique<int>(4); };
    static_assert(std::is_same_v<decltype(exeunt::with(by_reference)), int>);
    static_assert(std::is_same_v<decltype(exeunt::with(by_const)), std::string>);
    static_assert(std::is_same_v<decltype(exeunt::with(move_only)), std::unique_ptr<int>>);
    static_assert(std::is_same_v<decltype(exeunt::with([](exit_stack&) {})), void>);
    BOOST_TEST(exeunt::with(by_reference) == 3);
    BOOST_TEST(exeunt::with(by_const) == "text");
    BOOST_TEST(*exeunt::with(move_only) == 4);
}

BOOST_AUTO_TEST_CASE(with_result_is_taken_before_the_exits_run)
{
    // The body returns a reference to what the stack owns, which is gone at the end.
    std::string const text = exeunt::with(
        [](exit_stack& stack) -> std::string& { return stack.emplace<std::string>(100u, 'x'); });
    BOOST_TEST(text == std::string(100, 'x'));
    int number = 1;
    int const result = exeunt::with([&](exit_stack& stack) -> int& {
        stack.push([&] { number = 2; });
        return number;
    });
    BOOST_TEST(result == 1);
    BOOST_TEST(number == 2);
}

BOOST_AUTO_TEST_CASE(with_locals_of_the_body_are_gone_before_the_first_exit)
{
    journal book;
    exeunt::with([&](exit_stack& stack) {
        last_word local(book, "local");
        stack.push(book.noting("exit"));
    });
    BOOST_TEST(book.text() == "local exit");
}

// C27
BOOST_AUTO_TEST_CASE(with_body_that_throws_shows_the_identical_object_and_lets_it_out_C27)
{
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr seen;
    std::exception_ptr const out = caught([&] {
        exeunt::with([&](exit_stack& stack) {
            stack.push([&](exit_state& state) { seen = state.error(); });
            std::rethrow_exception(error);
        });
    });
    BOOST_TEST((seen == error));
    BOOST_TEST((out == error));
}

// C21
BOOST_AUTO_TEST_CASE(with_context_whose_enter_fails_unwinds_the_earlier_with_that_error_C21)
{
    struct refuses
    {
        std::exception_ptr error;
        void enter() { std::rethrow_exception(error); }
        void exit(exit_state&) { BOOST_ERROR("was never entered"); }
    };
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr seen;
    std::exception_ptr const out = caught([&] {
        exeunt::with([&](exit_stack& stack) {
            stack.push([&](exit_state& state) { seen = state.error(); });
            stack.enter(refuses{error});
        });
    });
    BOOST_TEST((seen == error));
    BOOST_TEST((out == error));
}

// C29
BOOST_AUTO_TEST_CASE(with_body_whose_failure_is_suppressed_returns_a_default_result_C29)
{
    int const number = exeunt::with([](exit_stack& stack) -> int {
        stack.push([](exit_state& state) { state.suppress(); });
        throw boom(1);
    });
    BOOST_TEST(number == 0);
    exeunt::with([](exit_stack& stack) {
        stack.push([](exit_state& state) { state.suppress(); });
        throw boom(1);
    });
}

// C39
BOOST_AUTO_TEST_CASE(with_body_that_fails_by_value_still_gives_its_result_C39)
{
    journal book;
    int const number = exeunt::with([&](exit_stack& stack) {
        stack.push(on_exit(book.noting("rollback")).only_on_failure());
        stack.push(on_exit(book.noting("commit")).only_on_success());
        stack.fail(make_boom(1));
        return 7;
    });
    BOOST_TEST(number == 7);
    BOOST_TEST(book.text() == "rollback");
}

// C40
BOOST_AUTO_TEST_CASE(with_exit_that_fails_lets_that_out_instead_of_the_result_C40)
{
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr const out = caught([&] {
        static_cast<void>(exeunt::with([&](exit_stack& stack) {
            stack.push(failing(error));
            return std::make_unique<int>(1);
        }));
    });
    BOOST_TEST((out == error));
}

// C42
BOOST_AUTO_TEST_CASE(with_body_and_exits_that_fail_reports_all_C42)
{
    std::exception_ptr const out = caught([&] {
        exeunt::with([&](exit_stack& stack) {
            stack.push(on_exit(failing(3)).named("b"));
            stack.push(on_exit(failing(2)).named("a"));
            throw boom(1);
        });
    });
    BOOST_TEST(report(out) == "[body=1, a=2, b=3]");
}

// C07
BOOST_AUTO_TEST_CASE(with_stack_closed_by_the_body_adds_nothing_C07)
{
    journal book;
    exeunt::with([&](exit_stack& stack) {
        stack.push(book.noting("a"));
        stack.close();
        book.note("body");
    });
    BOOST_TEST(book.text() == "a body");
}

// C07
BOOST_AUTO_TEST_CASE(with_stack_closed_by_a_body_that_then_throws_lets_that_out_C07)
{
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr const out = caught([&] {
        exeunt::with([&](exit_stack& stack) {
            stack.close();
            std::rethrow_exception(error);
        });
    });
    BOOST_TEST((out == error));
}

// C62
BOOST_AUTO_TEST_CASE(with_pop_all_at_the_end_of_the_body_keeps_what_was_acquired_C62)
{
    journal book;
    exit_stack kept = exeunt::with([&](exit_stack& stack) {
        stack.push(book.noting("a"));
        stack.push(book.noting("b"));
        return stack.pop_all();
    });
    BOOST_TEST(book.text() == "");
    BOOST_TEST(kept.size() == 2u);
    kept.close();
    BOOST_TEST(book.text() == "b a");
}

BOOST_AUTO_TEST_CASE(with_options_uses_them)
{
    writing_observer observer;
    std::exception_ptr const first = make_boom(1);
    std::exception_ptr const out = caught([&] {
        exeunt::with(
            close_options{.primary_only = true, .observer = &observer}, [&](exit_stack& stack) {
                stack.push(on_exit(failing(2)).named("x"));
                std::rethrow_exception(first);
            });
    });
    BOOST_TEST((out == first));
    BOOST_TEST(observer.book.text() == "x=2");
    int const number =
        exeunt::with(close_options{.observer = &observer}, [](exit_stack&) { return 3; });
    BOOST_TEST(number == 3);
}

// C39
BOOST_AUTO_TEST_CASE(with_only_on_success_runs_after_a_body_that_returned_C39)
{
    journal book;
    exeunt::with([&](exit_stack& stack) {
        stack.push(on_exit(book.noting("rollback")).only_on_failure());
        stack.push(on_exit(book.noting("commit")).only_on_success());
    });
    BOOST_TEST(book.text() == "commit");
}

BOOST_AUTO_TEST_CASE(with_bodies_of_all_shapes_are_taken)
{
    BOOST_TEST(exeunt::with(function_body) == 5);
    BOOST_TEST(exeunt::with(&function_body) == 5);
    BOOST_TEST(exeunt::with([](auto& stack) { return stack.size(); }) == 0u);
    std::function<int(exit_stack&)> const function = function_body;
    BOOST_TEST(exeunt::with(function) == 5);
    BOOST_TEST(exeunt::with(std::ref(function)) == 5);
    auto once = [held = std::make_unique<int>(6)](exit_stack&) mutable { return std::move(held); };
    BOOST_TEST(*exeunt::with(std::move(once)) == 6);
}

BOOST_AUTO_TEST_CASE(with_inside_with_unwinds_from_the_inside)
{
    journal book;
    std::exception_ptr const out = caught([&] {
        exeunt::with([&](exit_stack& outer) {
            outer.push(book.noting("outer"));
            exeunt::with([&](exit_stack& inner) {
                inner.push(book.noting("inner"));
                throw boom(1);
            });
            book.note("never");
        });
    });
    BOOST_TEST(report(out) == "1");
    BOOST_TEST(book.text() == "inner outer");
}

BOOST_AUTO_TEST_CASE(with_result_that_cannot_be_assigned_is_returned)
{
    struct stubborn
    {
        int const value = 0;
        stubborn() = default;
        explicit stubborn(int n)
            : value(n)
        {
        }
        stubborn(stubborn&&) = default;
        stubborn& operator=(stubborn&&) = delete;
    };
    stubborn const result = exeunt::with([](exit_stack& stack) {
        stack.push([] {});
        return stubborn(8);
    });
    BOOST_TEST(result.value == 8);
}
