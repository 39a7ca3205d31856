// Exits as values: what on_exit adds to a callable, and that it adds nothing else.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::close_options;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

struct nothing_in_it
{
    void operator()() const {}
};

struct some_bytes
{
    std::array<void*, 4> bytes{};
    void operator()() const {}
};

// The callable keeps its type, and costs its size and that of the location.
using spec_of_empty = decltype(on_exit(nothing_in_it()));
using spec_of_bytes = decltype(on_exit(some_bytes()));
static_assert(!std::is_same_v<spec_of_empty, spec_of_bytes>);
static_assert(sizeof(spec_of_bytes) <= sizeof(some_bytes) + sizeof(exeunt::source_location));
static_assert(sizeof(spec_of_empty) <= sizeof(void*) + sizeof(exeunt::source_location));
// Filters and best_effort are in the type and weigh nothing.
static_assert(sizeof(decltype(on_exit(some_bytes()).only_on_failure())) == sizeof(spec_of_bytes));
static_assert(sizeof(decltype(on_exit(some_bytes()).only_on_success())) == sizeof(spec_of_bytes));
static_assert(sizeof(decltype(on_exit(some_bytes()).best_effort())) == sizeof(spec_of_bytes));

struct context
{
    journal& book;
    int enter()
    {
        book.note("enter");
        return 3;
    }
    void exit(exit_state&) { throw boom(1); }
};

} // namespace

BOOST_AUTO_TEST_CASE(on_exit_makes_a_spec_without_memory)
{
    std::size_t const made = allocations_of([] {
        auto spec = on_exit(some_bytes()).only_on_failure().best_effort();
        static_cast<void>(spec);
    });
    BOOST_TEST(made == 0u);
}

BOOST_AUTO_TEST_CASE(on_exit_takes_a_move_only_callable)
{
    int seen = 0;
    exit_stack stack;
    auto spec =
        on_exit([&seen, value = std::make_unique<int>(5)] { seen = *value; }).named("owner");
    stack.push(std::move(spec));
    stack.close();
    BOOST_TEST(seen == 5);
}

BOOST_AUTO_TEST_CASE(on_exit_of_a_named_callable_leaves_the_original)
{
    auto shared = std::make_shared<int>(1);
    auto const callable = [shared] {};
    exit_stack stack;
    stack.push(on_exit(callable));
    BOOST_TEST(shared.use_count() == 3);
    stack.close();
    BOOST_TEST(shared.use_count() == 2);
}

BOOST_AUTO_TEST_CASE(on_exit_spec_copied_and_pushed_twice_runs_twice)
{
    int runs = 0;
    auto const spec = on_exit([&] { ++runs; }).named("twice");
    exit_stack stack;
    stack.push(spec);
    stack.push(spec);
    stack.close();
    BOOST_TEST(runs == 2);
}

// C50
BOOST_AUTO_TEST_CASE(named_exit_that_fails_is_named_in_the_report_C50)
{
    exit_stack stack;
    stack.push(on_exit(failing(1)).named("first"));
    std::string const computed = "second, whose name is long enough for the heap";
    stack.push(on_exit(failing(2)).named(computed));
    stack.push(failing(3));
    std::string const text = report(caught([&] { stack.close(); }));
    BOOST_TEST(text == "[=3, " + computed + "=2, first=1]");
}

// C50
BOOST_AUTO_TEST_CASE(failures_carry_the_place_of_their_registration_C50)
{
    struct enters
    {
        void enter() {}
        void exit(exit_state&) { throw boom(6); }
    } borrowed;
    exit_stack stack;
    std::vector<std::uint32_t> lines;
    // Each line notes itself, then registers; oldest first.
    // clang-format off
  lines.push_back(__LINE__); stack.push(failing(1));
  lines.push_back(__LINE__); stack.push(on_exit(failing(2)));
  lines.push_back(__LINE__); auto spec = on_exit(failing(3)).named("elsewhere");
  stack.push(std::move(spec));
  lines.push_back(__LINE__); stack.adopt(1, [](int&) { throw boom(4); });
  lines.push_back(__LINE__); stack.adopt(1, on_exit([](int&) { throw boom(5); }));
  lines.push_back(__LINE__); stack.enter(std::ref(borrowed));
  lines.push_back(__LINE__); stack.push(std::ref(borrowed));
  lines.push_back(__LINE__); stack.callback(on_exit([](int n) { throw boom(n); }), 8);
    // clang-format on
    std::exception_ptr const error = caught([&] { stack.close(); });
    BOOST_TEST(numbers(error) == "8 6 6 5 4 3 2 1");
    bool const several = with_report(error, [&](exeunt::exit_errors const& e) {
        for (std::size_t i = 0; i != e.failures().size(); ++i) {
            auto const& failure = e.failures()[i];
            BOOST_TEST(std::string_view(failure.where.file) == __FILE__);
            BOOST_TEST(failure.where.line == lines[lines.size() - 1 - i]);
        }
    });
    BOOST_REQUIRE(several);
}

// C50
BOOST_AUTO_TEST_CASE(failure_of_the_body_stands_first_under_the_name_body_C50)
{
    exit_stack stack;
    stack.push(on_exit(failing(2)).named("exit"));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "[body=1, exit=2]");
}

BOOST_AUTO_TEST_CASE(only_on_failure_without_a_failure_does_not_run)
{
    journal book;
    exit_stack stack;
    stack.push(on_exit(book.noting("rollback")).only_on_failure());
    stack.push(on_exit(book.noting("commit")).only_on_success());
    stack.push(on_exit(book.noting("always")));
    stack.close();
    BOOST_TEST(book.text() == "always commit");
}

BOOST_AUTO_TEST_CASE(only_on_failure_with_a_failure_runs)
{
    journal book;
    exit_stack stack;
    stack.push(on_exit(book.noting("rollback")).only_on_failure());
    stack.push(on_exit(book.noting("commit")).only_on_success());
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "1");
    BOOST_TEST(book.text() == "rollback");
}

BOOST_AUTO_TEST_CASE(only_on_failure_with_a_cancellation_runs)
{
    journal book;
    exit_stack stack;
    stack.push(on_exit(book.noting("rollback")).only_on_failure());
    stack.push(on_exit(book.noting("commit")).only_on_success());
    BOOST_TEST(report(caught([&] { stack.close(make_cancellation()); })) == "cancelled");
    BOOST_TEST(book.text() == "rollback");
}

BOOST_AUTO_TEST_CASE(only_on_failure_looks_at_its_turn_after_a_newer_exit_failed)
{
    journal book;
    exit_stack stack;
    stack.push(on_exit(book.noting("rollback")).only_on_failure());
    stack.push(on_exit(book.noting("commit")).only_on_success());
    stack.push(failing(1));
    stack.push(on_exit(book.noting("early rollback")).only_on_failure());
    BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    BOOST_TEST(book.text() == "rollback");
}

BOOST_AUTO_TEST_CASE(only_on_success_looks_at_its_turn_after_a_newer_exit_suppressed)
{
    journal book;
    exit_stack stack;
    stack.push(on_exit(book.noting("rollback")).only_on_failure());
    stack.push(on_exit(book.noting("commit")).only_on_success());
    stack.push([](exit_state& state) { state.suppress(); });
    stack.push(on_exit(book.noting("early")).only_on_failure());
    stack.close(make_boom(1));
    BOOST_TEST(book.text() == "early commit");
}

BOOST_AUTO_TEST_CASE(only_on_failure_exit_that_does_not_run_destroys_its_captures_at_its_turn)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.push(
        on_exit([&, last = last_word(book, "gone")] { book.note("ran"); }).only_on_failure());
    stack.push(book.noting("newer"));
    stack.close();
    BOOST_TEST(book.text() == "newer gone older");
}

BOOST_AUTO_TEST_CASE(only_on_failure_sees_the_failure_in_its_state)
{
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr seen;
    exit_stack stack;
    stack.push(
        on_exit([&](exit_state& state) { seen = state.error(); }).only_on_failure().named("n"));
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
    BOOST_TEST((seen == error));
}

BOOST_AUTO_TEST_CASE(best_effort_exit_that_fails_tells_the_observer_alone)
{
    writing_observer observer;
    writing_observer fallback;
    default_observer_guard guard(&fallback);
    bool older_saw_failure = true;
    exit_stack stack(close_options{.observer = &observer});
    stack.push([&](exit_state& state) { older_saw_failure = state.failed(); });
    std::exception_ptr const error = make_boom(1);
    std::uint32_t const line = __LINE__ + 1;
    stack.push(on_exit(failing(error)).named("polite").best_effort());
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
    BOOST_TEST(!older_saw_failure);
    BOOST_TEST(observer.book.text() == "polite=1");
    BOOST_REQUIRE(observer.errors.size() == 1u);
    BOOST_TEST((observer.errors[0] == error));
    BOOST_TEST(observer.wheres[0].line == line);
    BOOST_TEST(fallback.book.text() == "");
}

BOOST_AUTO_TEST_CASE(best_effort_without_an_observer_tells_the_default_one)
{
    writing_observer fallback;
    default_observer_guard guard(&fallback);
    exit_stack stack;
    stack.push(on_exit(failing(1)).named("polite").best_effort());
    stack.close();
    BOOST_TEST(fallback.book.text() == "polite=1");
}

BOOST_AUTO_TEST_CASE(best_effort_with_all_observers_silenced_is_harmless)
{
    default_observer_guard guard(nullptr);
    exit_stack stack;
    stack.push(on_exit(failing(1)).best_effort());
    stack.push(on_exit([] { throw 42; }).best_effort());
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
}

BOOST_AUTO_TEST_CASE(best_effort_beside_real_failures_adds_nothing_to_the_report)
{
    writing_observer observer;
    exit_stack stack(close_options{.observer = &observer});
    stack.push(on_exit(failing(1)).named("a"));
    stack.push(on_exit(failing(2)).named("b").best_effort());
    stack.push(on_exit(failing(3)).named("c"));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "[c=3, a=1]");
    BOOST_TEST(observer.book.text() == "b=2");
}

BOOST_AUTO_TEST_CASE(best_effort_exit_may_still_suppress)
{
    exit_stack stack;
    stack.push(on_exit([](exit_state& state) { state.suppress(); }).best_effort());
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "nothing");
}

BOOST_AUTO_TEST_CASE(best_effort_exit_that_suppresses_and_fails_leaves_nothing_in_flight)
{
    writing_observer observer;
    exit_stack stack(close_options{.observer = &observer});
    stack.push(on_exit([](exit_state& state) {
        state.suppress();
        throw boom(2);
    })
                   .named("x")
                   .best_effort());
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "nothing");
    BOOST_TEST(observer.book.text() == "x=2");
}

BOOST_AUTO_TEST_CASE(best_effort_and_only_on_failure_combine_in_any_order)
{
    writing_observer observer;
    for (int way = 0; way != 4; ++way) {
        observer.book.clear();
        exit_stack stack(close_options{.observer = &observer});
        switch (way) {
        case 0: stack.push(on_exit(failing(2)).named("x").only_on_failure().best_effort()); break;
        case 1: stack.push(on_exit(failing(2)).best_effort().only_on_failure().named("x")); break;
        case 2: stack.push(on_exit(failing(2)).only_on_failure().named("x").best_effort()); break;
        case 3: stack.push(on_exit(failing(2)).best_effort().named("x").only_on_failure()); break;
        }
        bool const fails = way % 2 == 0;
        BOOST_TEST(report(caught([&] { stack.close(fails ? make_boom(1) : nullptr); }))
            == (fails ? "1" : "nothing"));
        BOOST_TEST(observer.book.text() == (fails ? "x=2" : ""));
    }
}

BOOST_AUTO_TEST_CASE(spec_of_a_release_is_taken_by_adopt)
{
    writing_observer observer;
    journal book;
    exit_stack stack(close_options{.observer = &observer});
    int& value =
        stack.adopt(1, on_exit([&](int& n) { book.note("v" + std::to_string(n)); }).named("plain"));
    stack.adopt(2, on_exit([](int& n) { throw boom(n); }).named("effort").best_effort());
    stack.adopt(3, on_exit([&](int&, exit_state&) { book.note("never"); }).only_on_failure());
    value = 7;
    stack.close();
    BOOST_TEST(book.text() == "v7");
    BOOST_TEST(observer.book.text() == "effort=2");
}

BOOST_AUTO_TEST_CASE(spec_of_a_context_is_taken_by_enter)
{
    writing_observer observer;
    journal book;
    exit_stack stack(close_options{.observer = &observer});
    BOOST_TEST(stack.enter(on_exit(context{book}).named("door").best_effort()) == 3);
    stack.close();
    BOOST_TEST(book.text() == "enter");
    BOOST_TEST(observer.book.text() == "door=1");
}

BOOST_AUTO_TEST_CASE(spec_of_a_context_by_reference_is_taken_by_enter_and_push)
{
    writing_observer observer;
    journal book;
    context door{book};
    exit_stack stack(close_options{.observer = &observer});
    stack.push(on_exit(std::ref(door)).named("pushed").best_effort());
    BOOST_TEST(stack.enter(on_exit(std::ref(door)).named("entered").best_effort()) == 3);
    stack.close();
    BOOST_TEST(book.text() == "enter");
    BOOST_TEST(observer.book.text() == "entered=1 pushed=1");
}

BOOST_AUTO_TEST_CASE(spec_of_a_plain_object_is_owned_by_enter)
{
    journal book;
    exit_stack stack;
    stack.enter(on_exit(last_word(book, "gone")).named("raii"));
    BOOST_REQUIRE(stack.pending().size() == 1u);
    auto const left = stack.pending();
    BOOST_TEST(left[0].name == "raii");
    BOOST_TEST(book.text() == "");
    stack.close();
    BOOST_TEST(book.text() == "gone");
}

BOOST_AUTO_TEST_CASE(spec_is_taken_by_callback_with_arguments)
{
    exit_stack stack;
    stack.callback(on_exit([](int n, std::unique_ptr<int> p) { throw boom(n + *p); }).named("sum"),
        1, std::make_unique<int>(2));
    stack.push(on_exit(failing(4)).named("other"));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "[other=4, sum=3]");
}

BOOST_AUTO_TEST_CASE(source_location_current_names_the_caller)
{
    auto const where = exeunt::source_location::current();
    BOOST_TEST(where.line == static_cast<std::uint32_t>(__LINE__ - 1));
    BOOST_TEST(std::string_view(where.file) == __FILE__);
    exeunt::source_location const unknown;
    BOOST_TEST(unknown.line == 0u);
    BOOST_TEST(std::string_view(unknown.file) == "");
}
