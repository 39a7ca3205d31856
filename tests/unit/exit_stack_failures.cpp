// Several failures in one unwinding of a synchronous stack.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::close_options;
using exeunt::exit_errors;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

void suppress(exit_state& state)
{
    state.suppress();
}

std::exception_ptr report_of(
    std::vector<std::exception_ptr> const& errors, std::string const& name, std::size_t dropped = 0)
{
    std::vector<exeunt::exit_failure> failures;
    for (std::exception_ptr const& error : errors)
        failures.push_back({error, name, {}});
    return std::make_exception_ptr(exit_errors(std::move(failures), dropped));
}

} // namespace

// C40
BOOST_AUTO_TEST_CASE(close_with_one_failure_throws_it_as_it_is_C40)
{
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push([] {});
    stack.push(failing(error));
    stack.push([] {});
    BOOST_TEST((caught([&] { stack.close(); }) == error));
}

// C40
BOOST_AUTO_TEST_CASE(close_with_one_failure_keeps_its_type_for_a_catch_C40)
{
    exit_stack stack;
    stack.push([] { throw std::out_of_range("far"); });
    BOOST_CHECK_THROW(stack.close(), std::out_of_range);
}

// C41
BOOST_AUTO_TEST_CASE(exit_that_throws_is_gone_before_the_next_older_one_runs_C41)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.push([held = last_word(book, "gone")] { throw boom(1); });
    BOOST_TEST(numbers(caught([&] { stack.close(); })) == "1");
    BOOST_TEST(book.text() == "gone older");
}

// C41
BOOST_AUTO_TEST_CASE(close_runs_every_exit_whatever_the_others_threw_C41)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push([] { throw 42; });
    stack.push(book.noting("b"));
    stack.push([] { throw "literal"; });
    stack.push(book.noting("c"));
    stack.push([] { throw std::unique_ptr<int>(); });
    stack.push(book.noting("d"));
    stack.push([] { throw boom(1); });
    stack.push(book.noting("e"));
    std::exception_ptr const error =
        caught([&] { stack.close(std::make_exception_ptr(std::string("body"))); });
    BOOST_TEST(book.text() == "e d c b a");
    BOOST_TEST(numbers(error) == "unknown 1 unknown unknown int 42");
}

// C41
BOOST_AUTO_TEST_CASE(close_with_only_a_thrown_number_throws_that_number_C41)
{
    exit_stack stack;
    stack.push([] { throw 42; });
    try {
        stack.close();
        BOOST_ERROR("nothing thrown");
    } catch (int n) {
        BOOST_TEST(n == 42);
    }
}

// C41
BOOST_AUTO_TEST_CASE(close_runs_every_kind_of_exit_after_every_kind_failed_C41)
{
    struct fails
    {
        void exit(exit_state&) { throw boom(5); }
    } borrowed;
    int ran = 0;
    exit_stack stack;
    stack.push([&] { ++ran; });
    stack.push([] { throw boom(1); });
    stack.push([](exit_state&) { throw boom(2); });
    stack.callback([](int n) { throw boom(n); }, 3);
    stack.adopt(4, [](int& n) { throw boom(n); });
    stack.push(std::ref(borrowed));
    stack.enter(fails());
    stack.push([&] { ++ran; });
    BOOST_TEST(numbers(caught([&] { stack.close(); })) == "5 5 4 3 2 1");
    BOOST_TEST(ran == 2);
}

// C42
BOOST_AUTO_TEST_CASE(close_with_failures_and_a_cause_reports_all_of_them_C42)
{
    exit_stack stack;
    for (int i = 9; i >= 1; --i)
        stack.push(failing(i));
    BOOST_TEST(numbers(caught([&] { stack.close(make_boom(0)); })) == "0 1 2 3 4 5 6 7 8 9");
}

// C42
BOOST_AUTO_TEST_CASE(close_with_failures_and_a_clean_body_reports_all_of_them_C42)
{
    std::vector<std::exception_ptr> thrown;
    exit_stack stack;
    for (int i = 0; i != 5; ++i) {
        thrown.push_back(make_boom(i));
        stack.push(failing(thrown.back()));
    }
    std::exception_ptr const error = caught([&] { stack.close(); });
    bool const several = with_report(error, [&](exit_errors const& e) {
        BOOST_REQUIRE(e.failures().size() == 5u);
        for (std::size_t i = 0; i != 5; ++i)
            BOOST_TEST((e.failures()[i].error == thrown[4 - i]));
        BOOST_TEST(e.dropped() == 0u);
    });
    BOOST_REQUIRE(several);
}

// C43
BOOST_AUTO_TEST_CASE(close_reports_the_first_in_time_as_primary_C43)
{
    std::exception_ptr const first = make_boom(1);
    exit_stack stack;
    stack.push(failing(3));
    stack.push(failing(2));
    stack.push(failing(first));
    std::exception_ptr const error = caught([&] { stack.close(); });
    BOOST_TEST((exeunt::primary(error) == first));
    std::exception_ptr const cause = make_boom(0);
    exit_stack failed;
    failed.push(failing(2));
    failed.push(failing(first));
    BOOST_TEST((exeunt::primary(caught([&] { failed.close(cause); })) == cause));
}

// C43
BOOST_AUTO_TEST_CASE(close_shows_each_exit_the_primary_and_the_list_so_far_C43)
{
    std::vector<std::string> lists;
    std::vector<std::string> errors;
    auto const look = [&](exit_state& state) {
        lists.push_back(describe(state.failures()));
        errors.push_back(describe(state.error()));
    };
    exit_stack stack;
    stack.push(look);
    stack.push(on_exit(failing(2)).named("b"));
    stack.push(look);
    stack.push(on_exit(failing(1)).named("a"));
    stack.push(look);
    BOOST_TEST(report(caught([&] { stack.close(make_boom(0)); })) == "[body=0, a=1, b=2]");
    BOOST_TEST(
        (lists == std::vector<std::string>{"[body=0]", "[body=0, a=1]", "[body=0, a=1, b=2]"}));
    BOOST_TEST((errors == std::vector<std::string>{"0", "0", "0"}));
}

// C43
BOOST_AUTO_TEST_CASE(close_splices_a_thrown_report_in_flat_C43)
{
    exit_stack stack;
    stack.push(on_exit(failing(5)).named("last"));
    stack.push(failing(report_of({make_boom(2), make_boom(3), make_boom(4)}, "inner")));
    stack.push(on_exit(failing(1)).named("first"));
    BOOST_TEST(
        report(caught([&] { stack.close(); })) == "[first=1, inner=2, inner=3, inner=4, last=5]");
}

// C43
BOOST_AUTO_TEST_CASE(close_splices_a_report_of_reports_in_flat_C43)
{
    exit_stack stack;
    std::exception_ptr const inner = report_of({make_boom(2), make_boom(3)}, "inner");
    stack.push(failing(report_of({make_boom(1), inner, make_boom(4)}, "outer")));
    stack.push(on_exit(failing(0)).named("first"));
    BOOST_TEST(
        report(caught([&] { stack.close(); })) == "[first=0, outer=1, inner=2, inner=3, outer=4]");
}

// C43
BOOST_AUTO_TEST_CASE(close_with_a_report_as_cause_splices_it_in_flat_C43)
{
    exit_stack stack;
    stack.push(on_exit(failing(3)).named("exit"));
    std::exception_ptr const cause = report_of({make_boom(1), make_boom(2)}, "inner");
    BOOST_TEST(report(caught([&] { stack.close(cause); })) == "[inner=1, inner=2, exit=3]");
}

// C43
BOOST_AUTO_TEST_CASE(close_with_a_report_as_cause_and_no_failure_gives_it_on_C43)
{
    exit_stack stack;
    stack.push([] {});
    std::exception_ptr const cause = report_of({make_boom(1), make_boom(2)}, "inner");
    BOOST_TEST(report(caught([&] { stack.close(cause); })) == "[inner=1, inner=2]");
}

// C43
BOOST_AUTO_TEST_CASE(close_adds_nothing_of_a_report_that_is_in_flight_already_C43)
{
    std::exception_ptr const one = make_boom(1);
    std::exception_ptr const two = make_boom(2);
    std::exception_ptr const three = make_boom(3);
    std::exception_ptr const both = report_of({one, two}, "both");
    exit_stack stack;
    stack.push(failing(both));
    stack.push(failing(report_of({two, three}, "other")));
    stack.push(failing(both));
    stack.push(failing(one));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "[=1, both=2, other=3]");
}

// C43
BOOST_AUTO_TEST_CASE(close_counts_what_a_report_has_dropped_once_C43)
{
    std::exception_ptr const one = make_boom(1);
    std::exception_ptr const two = make_boom(2);
    std::exception_ptr const both = report_of({one, two}, "both", 1);
    auto const close = [&](std::exception_ptr const& oldest) {
        exit_stack stack;
        stack.push(failing(oldest));
        stack.push(failing(make_boom(3)));
        return caught([&] { stack.close(both); });
    };
    std::exception_ptr const again = close(both);
    BOOST_TEST(report(again) == "[both=1, both=2, =3]");
    BOOST_TEST(dropped_count(again) == 1u);
    std::exception_ptr const later = close(report_of({one, two}, "later", 2));
    BOOST_TEST(report(later) == "[both=1, both=2, =3]");
    BOOST_TEST(dropped_count(later) == 2u);
    std::exception_ptr const other = close(report_of({make_boom(4), make_boom(5)}, "other", 2));
    BOOST_TEST(report(other) == "[both=1, both=2, =3, other=4, other=5]");
    BOOST_TEST(dropped_count(other) == 3u);
}

// C43
BOOST_AUTO_TEST_CASE(close_that_does_not_report_its_cause_does_not_count_what_that_has_dropped_C43)
{
    std::exception_ptr const both = report_of({make_boom(1), make_boom(2)}, "both", 1);
    for (bool const again : {false, true}) {
        exit_stack stack;
        stack.fail(both);
        if (again)
            stack.push(failing(both));
        stack.push(failing(make_boom(3)));
        BOOST_TEST(report(caught([&] { stack.close(); })) == "3");
    }
}

// C43
BOOST_AUTO_TEST_CASE(close_with_a_report_rethrown_by_its_exits_gives_each_failure_once_C43)
{
    std::exception_ptr const cause = report_of({make_boom(1), make_boom(2)}, "inner");
    exit_stack stack;
    stack.push([](exit_state& state) { std::rethrow_exception(state.error()); });
    stack.push([](exit_state& state) { std::rethrow_exception(state.cause()); });
    BOOST_TEST(report(caught([&] { stack.close(cause); })) == "[inner=1, inner=2]");
}

// C50: what replaces is named after its exit, also where that throws.
BOOST_AUTO_TEST_CASE(close_with_an_exit_that_replaces_and_throws_names_both_failures_after_it_C50)
{
    exit_stack stack;
    stack.push(on_exit([](exit_state&) {}).named("older"));
    stack.push(on_exit([](exit_state& state) {
        state.replace(make_boom(2));
        throw boom(3);
    }).named("replaces"));
    std::exception_ptr const error = caught([&] { stack.close(make_boom(1)); });
    BOOST_TEST(report(error) == "[replaces=2, replaces=3]");
}

// C50
BOOST_AUTO_TEST_CASE(
    exit_that_replaces_names_a_failure_after_it_and_leaves_a_report_its_own_names_C50)
{
    auto const seen_after = [](std::exception_ptr const& replacement) {
        std::string names;
        exit_stack stack;
        stack.push([&](exit_state& state) {
            for (exeunt::exit_failure const& failure : state.failures())
                names += (names.empty() ? "" : " ") + failure.name;
        });
        stack.push(on_exit([&](exit_state& state) { state.replace(replacement); }).named("outer"));
        caught([&] { stack.close(make_boom(1)); });
        return names;
    };
    auto const report = [](std::size_t failures, std::size_t dropped) {
        std::vector<exeunt::exit_failure> all;
        for (std::size_t i = 0; i != failures; ++i)
            all.push_back({make_boom(2), "inner", {}});
        return std::make_exception_ptr(exit_errors(std::move(all), dropped));
    };
    BOOST_TEST(seen_after(make_boom(2)) == "outer");
    BOOST_TEST(seen_after(report(2, 0)) == "inner inner");
    BOOST_TEST(seen_after(report(1, 1)) == "inner");
}

// C50: the older exit has nothing to do with it.
BOOST_AUTO_TEST_CASE(close_with_an_exit_that_throws_its_replacement_names_it_after_that_exit_C50)
{
    exit_stack stack;
    stack.push(on_exit(failing(3)).named("oldest"));
    stack.push(on_exit([](exit_state&) {}).named("older"));
    stack.push(on_exit([](exit_state& state) {
        state.replace(make_boom(2));
        std::rethrow_exception(state.error());
    }).named("replaces"));
    std::exception_ptr const error = caught([&] { stack.close(make_boom(1)); });
    BOOST_TEST(report(error) == "[replaces=2, oldest=3]");
}

// C43
BOOST_AUTO_TEST_CASE(close_with_a_report_replaced_by_one_failure_gives_that_one_C43)
{
    std::exception_ptr const one = make_boom(7);
    exit_stack stack;
    stack.push([&](exit_state& state) { state.replace(one); });
    BOOST_TEST((caught([&] {
        stack.close(report_of({make_boom(1), make_boom(2)}, "inner"));
    }) == one));
}

// C44
BOOST_AUTO_TEST_CASE(close_with_a_real_failure_and_cancellations_has_the_real_one_as_primary_C44)
{
    std::exception_ptr const real = make_boom(7);
    for (int place = 0; place != 4; ++place) {
        exit_stack stack;
        for (int i = 3; i >= 0; --i)
            stack.push(
                on_exit(failing(i == place ? real : make_cancellation())).named(std::to_string(i)));
        std::exception_ptr const error = caught([&] { stack.close(make_cancellation()); });
        BOOST_TEST((exeunt::primary(error) == real));
        bool const several = with_report(error, [&](exit_errors const& e) {
            BOOST_REQUIRE(e.failures().size() == 5u);
            BOOST_TEST(e.failures()[0].name == "body");
            BOOST_TEST((e.failures()[static_cast<std::size_t>(place) + 1].error == real));
        });
        BOOST_REQUIRE(several);
        BOOST_TEST(!exeunt::is_cancelled(error));
    }
}

// C44
BOOST_AUTO_TEST_CASE(close_with_cancellations_alone_throws_the_first_as_it_is_C44)
{
    std::exception_ptr const first = make_cancellation();
    exit_stack stack;
    stack.push(failing(make_cancellation()));
    stack.push(failing(make_cancellation()));
    BOOST_TEST((caught([&] { stack.close(first); }) == first));

    exit_stack clean;
    clean.push(failing(make_cancellation()));
    clean.push(failing(make_cancellation()));
    clean.push(failing(first));
    BOOST_TEST((caught([&] { clean.close(); }) == first));
}

// C44
BOOST_AUTO_TEST_CASE(close_with_cancellations_shows_all_of_them_to_the_exits_C44)
{
    std::string seen;
    bool cancelled = false;
    exit_stack stack;
    stack.push([&](exit_state& state) {
        seen = describe(state.failures());
        cancelled = state.cancelled();
    });
    stack.push(on_exit(failing(make_cancellation())).named("a"));
    BOOST_TEST(report(caught([&] { stack.close(make_cancellation()); })) == "cancelled");
    BOOST_TEST(seen == "[body=cancelled, a=cancelled]");
    BOOST_TEST(cancelled);
}

// C45
BOOST_AUTO_TEST_CASE(close_after_suppression_reports_only_what_came_later_C45)
{
    exit_stack stack;
    stack.push(on_exit(failing(3)).named("b"));
    stack.push(on_exit(failing(2)).named("a"));
    stack.push(suppress);
    stack.push(on_exit(failing(9)).named("suppressed too"));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "[a=2, b=3]");
}

// C47
BOOST_AUTO_TEST_CASE(close_keeps_nested_exceptions_as_they_are_C47)
{
    auto const nest = [] {
        try {
            throw boom(1);
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outer"));
        }
    };
    auto const inner_of = [](std::exception_ptr const& error) {
        try {
            std::rethrow_exception(error);
        } catch (std::nested_exception const& e) {
            return describe(e.nested_ptr());
        } catch (...) {
            return std::string("lost");
        }
    };

    exit_stack alone;
    alone.push(nest);
    BOOST_TEST(inner_of(caught([&] { alone.close(); })) == "1");

    exit_stack two;
    two.push(nest);
    two.push(failing(2));
    std::exception_ptr const error = caught([&] { two.close(); });
    bool const several = with_report(
        error, [&](exit_errors const& e) { BOOST_TEST(inner_of(e.failures()[1].error) == "1"); });
    BOOST_REQUIRE(several);
}

// C50
BOOST_AUTO_TEST_CASE(close_with_several_failures_tells_their_names_in_its_text_C50)
{
    exit_stack stack;
    stack.push(on_exit(failing(4711)).named("lease"));
    stack.push(on_exit(failing(4712)).named("tls shutdown"));
    try {
        stack.close();
        BOOST_ERROR("nothing thrown");
    } catch (std::exception const& e) {
        std::string const text = e.what();
        for (char const* part : {"lease", "tls shutdown", "boom 4711", "boom 4712"})
            BOOST_TEST((text.find(part) != std::string::npos), part);
    }
}

// C51
BOOST_AUTO_TEST_CASE(close_with_20000_failures_is_linear_and_flat_C51)
{
    // What n failures take, from the closing to the end of the report.
    auto const cost = [](int n, std::size_t& seen) {
        std::size_t const before = allocations().bytes;
        {
            exit_stack stack;
            stack.reserve(static_cast<std::size_t>(n));
            for (int i = 0; i != n; ++i)
                stack.push(failing(i));
            std::exception_ptr const error = caught([&] { stack.close(); });
            seen = failure_count(error);
        }
        return allocations().bytes - before;
    };
    std::size_t half = 0;
    std::size_t whole = 0;
    std::size_t seen_half = 0;
    std::size_t seen_whole = 0;
    std::size_t left = 1;
    on_small_stack([&] {
        std::size_t const before = allocations().blocks;
        half = cost(10000, seen_half);
        whole = cost(20000, seen_whole);
        left = allocations().blocks - before;
    });
    BOOST_TEST(seen_half == 10000u);
    BOOST_TEST(seen_whole == 20000u);
    BOOST_TEST(left == 0u);
    BOOST_TEST(whole < 3 * half);
}

// C51
BOOST_AUTO_TEST_CASE(close_with_two_large_reports_splices_them_on_a_small_stack_C51)
{
    std::size_t seen = 0;
    on_small_stack([&] {
        exit_stack stack;
        for (int round = 0; round != 2; ++round) {
            exit_stack inner;
            for (int i = 0; i != 20000; ++i)
                inner.push(failing(i));
            stack.push(failing(caught([&] { inner.close(); })));
        }
        seen = failure_count(caught([&] { stack.close(); }));
    });
    BOOST_TEST(seen == 40000u);
}

// C51
BOOST_AUTO_TEST_CASE(close_with_20000_exits_that_rethrow_what_is_in_flight_is_flat_C51)
{
    std::vector<std::exception_ptr> errors;
    for (int i = 0; i != 10000; ++i)
        errors.push_back(make_boom(i));
    exit_stack stack;
    for (int i = 0; i != 20000; ++i)
        stack.push(failing(errors[static_cast<std::size_t>(i) % errors.size()]));
    BOOST_TEST(failure_count(caught([&] { stack.close(); })) == 10000u);
}

// C51
BOOST_AUTO_TEST_CASE(close_with_20000_failures_shown_to_each_exit_is_no_copy_C51)
{
    // An exit that only looks at the state costs no memory, however much is in flight.
    std::size_t made = 1;
    exit_stack stack;
    stack.push([&](exit_state& state) {
        made = allocations_of([&] {
            static_cast<void>(state.failures().size());
            static_cast<void>(state.error());
        });
    });
    for (int i = 0; i != 1000; ++i)
        stack.push(failing(i));
    BOOST_TEST(failure_count(caught([&] { stack.close(); })) == 1000u);
    BOOST_TEST(made == 0u);
}

BOOST_AUTO_TEST_CASE(primary_only_gives_the_primary_alone_and_the_others_to_the_observer)
{
    writing_observer observer;
    std::exception_ptr const first = make_boom(1);
    exit_stack stack(close_options{.primary_only = true, .observer = &observer});
    stack.push(on_exit(failing(3)).named("c"));
    stack.push(on_exit(failing(2)).named("b"));
    stack.push(on_exit(failing(first)).named("a"));
    BOOST_TEST((caught([&] { stack.close(); }) == first));
    BOOST_TEST(observer.book.text() == "b=2 c=3");
}

BOOST_AUTO_TEST_CASE(primary_only_with_a_cancelled_body_gives_the_real_failure)
{
    writing_observer observer;
    std::exception_ptr const real = make_boom(1);
    exit_stack stack(close_options{.primary_only = true, .observer = &observer});
    stack.push(on_exit(failing(2)).named("b"));
    stack.push(on_exit(failing(real)).named("a"));
    BOOST_TEST((caught([&] { stack.close(make_cancellation()); }) == real));
    BOOST_TEST(observer.book.text() == "body=cancelled b=2");
}

BOOST_AUTO_TEST_CASE(primary_only_keeps_the_type_for_a_catch)
{
    writing_observer observer;
    exit_stack stack(close_options{.primary_only = true, .observer = &observer});
    stack.push(failing(2));
    stack.push([] { throw std::out_of_range("far"); });
    BOOST_CHECK_THROW(stack.close(), std::out_of_range);
}

BOOST_AUTO_TEST_CASE(primary_only_with_one_failure_tells_the_observer_nothing)
{
    writing_observer observer;
    exit_stack stack(close_options{.primary_only = true, .observer = &observer});
    stack.push(failing(1));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    BOOST_TEST(observer.book.text() == "");
}

BOOST_AUTO_TEST_CASE(primary_only_tells_nothing_of_what_was_suppressed)
{
    writing_observer observer;
    exit_stack stack(close_options{.primary_only = true, .observer = &observer});
    stack.push(suppress);
    stack.push(failing(2));
    stack.push(failing(1));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(0)); })) == "nothing");
    BOOST_TEST(observer.book.text() == "");
}

BOOST_AUTO_TEST_CASE(primary_only_without_an_observer_tells_the_default_one)
{
    writing_observer fallback;
    default_observer_guard guard(&fallback);
    exit_stack stack(close_options{.primary_only = true});
    stack.push(on_exit(failing(2)).named("b"));
    stack.push(on_exit(failing(1)).named("a"));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    BOOST_TEST(fallback.book.text() == "b=2");
}
