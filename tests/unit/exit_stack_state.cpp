// States of a synchronous stack: open, closing, closed; what its own exits may do with it.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_handle;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;
using exeunt::stack_closed;

} // namespace

// C52
BOOST_AUTO_TEST_CASE(close_a_second_time_runs_nothing_and_is_no_error_C52)
{
    int runs = 0;
    exit_stack stack;
    stack.push([&] { ++runs; });
    stack.close();
    stack.close();
    BOOST_TEST(runs == 1);
    BOOST_TEST(!stack.is_open());
}

// C52
BOOST_AUTO_TEST_CASE(close_a_second_time_after_a_failure_is_no_error_C52)
{
    exit_stack stack;
    stack.push(failing(1));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
}

// C52
BOOST_AUTO_TEST_CASE(close_a_second_time_after_fail_is_no_error_C52)
{
    exit_stack stack;
    stack.fail(make_boom(1));
    stack.close();
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
}

// C52
BOOST_AUTO_TEST_CASE(close_a_second_time_with_a_cause_runs_nothing_and_rethrows_it_C52)
{
    // As failed; no exit is left that could suppress it.
    int runs = 0;
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push([&] { ++runs; });
    stack.close();
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
    BOOST_TEST(runs == 1);
}

// C53
BOOST_AUTO_TEST_CASE(is_open_is_false_before_the_first_exit_runs_C53)
{
    std::vector<bool> seen;
    exit_stack stack;
    stack.push([&] { seen.push_back(stack.is_open()); });
    stack.push([&] { seen.push_back(stack.is_open()); });
    BOOST_TEST(stack.is_open());
    stack.close();
    BOOST_TEST((seen == std::vector<bool>{false, false}));
    BOOST_TEST(!stack.is_open());
}

// C54
BOOST_AUTO_TEST_CASE(close_while_closing_runs_nothing_twice_and_nothing_between_C54)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push([&] {
        book.note("begin-b");
        stack.close();
        stack.close(nullptr);
        book.note("end-b");
    });
    stack.push(book.noting("c"));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
    BOOST_TEST(book.text() == "c begin-b end-b a");
}

// C56
BOOST_AUTO_TEST_CASE(close_by_an_exit_of_its_own_does_nothing_C56)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push([&](exit_state& state) {
        stack.close();
        stack.exit(state);
        book.note("b");
    });
    std::exception_ptr const error = make_boom(1);
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
    BOOST_TEST(book.text() == "b a");
}

// C57
BOOST_AUTO_TEST_CASE(registering_when_closed_throws_and_leaves_the_argument_C57)
{
    struct callable
    {
        std::unique_ptr<int> held = std::make_unique<int>(1);
        void operator()() {}
        void operator()(int&) {}
    };
    struct context
    {
        std::unique_ptr<int> held = std::make_unique<int>(1);
        bool* entered = nullptr;
        void enter() { *entered = true; }
        void exit(exit_state&) {}
    };
    exit_stack stack;
    stack.close();

    callable f;
    BOOST_CHECK_THROW(stack.push(std::move(f)), stack_closed);
    BOOST_TEST((f.held != nullptr));

    callable g;
    auto argument = std::make_unique<int>(2);
    BOOST_CHECK_THROW(
        stack.callback([](callable, std::unique_ptr<int>) {}, std::move(g), std::move(argument)),
        stack_closed);
    BOOST_TEST((g.held != nullptr));
    BOOST_TEST((argument != nullptr));

    callable release;
    auto value = std::make_unique<int>(3);
    BOOST_CHECK_THROW(stack.adopt(1, std::move(release)), stack_closed);
    BOOST_CHECK_THROW(stack.adopt(std::move(value), [](std::unique_ptr<int>&) {}), stack_closed);
    BOOST_TEST((release.held != nullptr));
    BOOST_TEST((value != nullptr));

    auto owned = std::make_unique<int>(4);
    BOOST_CHECK_THROW(stack.emplace<std::unique_ptr<int>>(std::move(owned)), stack_closed);
    BOOST_TEST((owned != nullptr));

    bool entered = false;
    context c;
    c.entered = &entered;
    BOOST_CHECK_THROW(stack.enter(std::move(c)), stack_closed);
    BOOST_TEST((c.held != nullptr));
    BOOST_CHECK_THROW(stack.enter(std::ref(c)), stack_closed);
    BOOST_CHECK_THROW(stack.push(std::ref(c)), stack_closed);
    BOOST_TEST(!entered);

    auto spec = on_exit(callable()).named("spec");
    BOOST_CHECK_THROW(stack.push(std::move(spec)), stack_closed);
    BOOST_TEST((spec.function().held != nullptr));
    BOOST_TEST(spec.name() == "spec");

    BOOST_TEST(stack.empty());
    BOOST_TEST(!stack.is_open());
}

// C57
BOOST_AUTO_TEST_CASE(registering_after_a_close_that_failed_throws_C57)
{
    exit_stack stack;
    stack.push(failing(1));
    BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    BOOST_CHECK_THROW(stack.push([] {}), std::logic_error);
}

// C57
BOOST_AUTO_TEST_CASE(registering_after_closing_an_empty_stack_throws_C57)
{
    exit_stack stack;
    stack.close();
    BOOST_CHECK_THROW(stack.push([] {}), stack_closed);
}

// C58
BOOST_AUTO_TEST_CASE(closed_stack_assigned_a_fresh_one_begins_again_C58)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("first"));
    stack.fail(make_boom(1));
    stack.close();
    stack = exit_stack();
    BOOST_TEST(stack.is_open());
    bool failed = true;
    stack.push([&](exit_state& state) {
        book.note("second");
        failed = state.failed();
    });
    stack.close();
    BOOST_TEST(book.text() == "first second");
    BOOST_TEST(!failed);
}

// C58
BOOST_AUTO_TEST_CASE(
    fresh_stack_assigned_by_an_exit_of_its_own_unwinds_the_rest_and_is_closed_too_C58)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push([&, text = std::string(100, 'x')] {
        book.note("begin");
        stack = exit_stack();
        stack.push(book.noting("fresh"));
        // Its own captures are still there.
        book.note(text == std::string(100, 'x') ? "end" : "gone");
    });
    stack.push(book.noting("c"));
    stack.close();
    BOOST_TEST(book.text() == "c begin a end fresh");
    BOOST_TEST(stack.empty());
}

// C59
BOOST_AUTO_TEST_CASE(registered_by_an_exit_while_closing_runs_next_C59)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.push([&, last = last_word(book, "gone")] {
        book.note("begin");
        stack.push(book.noting("late"));
        book.note("end");
    });
    stack.close();
    BOOST_TEST(book.text() == "begin end gone late older");
}

// C59
BOOST_AUTO_TEST_CASE(registered_by_the_oldest_exit_runs_too_C59)
{
    journal book;
    exit_stack stack;
    stack.push([&] {
        book.note("oldest");
        stack.push([&] {
            book.note("late");
            stack.push(book.noting("later"));
        });
    });
    stack.close();
    BOOST_TEST(book.text() == "oldest late later");
}

// C59
BOOST_AUTO_TEST_CASE(registered_while_closing_sees_what_is_in_flight_C59)
{
    std::string seen;
    exit_stack stack;
    stack.push([&] {
        stack.push([&](exit_state& state) { seen = describe(state.failures()); });
        throw boom(2);
    });
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "[body=1, =2]");
    BOOST_TEST(seen == "[body=1, =2]");
}

// C59
BOOST_AUTO_TEST_CASE(registered_while_closing_can_be_of_every_kind_C59)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.push([&] {
        stack.emplace<last_word>(book, "emplaced");
        stack.adopt(1, [&](int&) { book.note("adopted"); });
        stack.callback([&](int) { book.note("called"); }, 1);
        book.note("exit");
    });
    stack.close();
    BOOST_TEST(book.text() == "exit called adopted emplaced older");
}

// C59
BOOST_AUTO_TEST_CASE(registered_from_the_destructor_of_a_capture_runs_next_C59)
{
    struct registers
    {
        exit_stack* stack;
        journal* book;
        registers(exit_stack& s, journal& b)
            : stack(&s)
            , book(&b)
        {
        }
        registers(registers&& other) noexcept
            : stack(std::exchange(other.stack, nullptr))
            , book(other.book)
        {
        }
        ~registers()
        {
            if (stack)
                stack->push(book->noting("late"));
        }
    };
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.push([&book, r = registers(stack, book)] { book.note("exit"); });
    stack.close();
    BOOST_TEST(book.text() == "exit late older");
}

// C59
BOOST_AUTO_TEST_CASE(registered_while_closing_ten_thousand_times_in_a_chain_is_flat_C59)
{
    int runs = 0;
    on_small_stack([&] {
        exit_stack stack;
        struct again
        {
            exit_stack* stack;
            int* runs;
            int left;
            void operator()() const
            {
                ++*runs;
                if (left)
                    stack->push(again{stack, runs, left - 1});
            }
        };
        stack.push(again{&stack, &runs, 10000});
        stack.close();
    });
    BOOST_TEST(runs == 10001);
}

// C60
BOOST_AUTO_TEST_CASE(two_registered_while_closing_run_in_reverse_C60)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("outer"));
    stack.push([&] {
        book.note("reg");
        stack.push(book.noting("late1"));
        stack.push(book.noting("late2"));
    });
    stack.close();
    BOOST_TEST(book.text() == "reg late2 late1 outer");
}

// C61
BOOST_AUTO_TEST_CASE(registered_by_the_last_exit_runs_and_after_the_close_it_is_refused_C61)
{
    journal book;
    exit_stack stack;
    stack.push([&] { stack.push(book.noting("late")); });
    stack.close();
    BOOST_TEST(book.text() == "late");
    BOOST_CHECK_THROW(stack.push(book.noting("too late")), stack_closed);
    BOOST_TEST(book.text() == "late");
}

// C66
BOOST_AUTO_TEST_CASE(dismissed_by_an_exit_while_closing_does_not_run_C66)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    exit_handle const b = stack.push(book.noting("b"));
    stack.push(book.noting("c"));
    stack.push([&] { BOOST_TEST(stack.dismiss(b)); });
    stack.close();
    BOOST_TEST(book.text() == "c a");
}

// C66
BOOST_AUTO_TEST_CASE(dismissing_the_running_exit_by_itself_is_harmless_C66)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    exit_handle self;
    self = stack.push([&, last = last_word(book, "gone")] {
        static_cast<void>(stack.dismiss(self));
        book.note("still here");
    });
    stack.close();
    BOOST_TEST(book.text() == "still here gone older");
}

// C67
BOOST_AUTO_TEST_CASE(run_now_by_an_exit_while_closing_runs_that_one_next_and_once_C67)
{
    journal book;
    exit_stack stack;
    exit_handle const a = stack.push(book.noting("a"));
    stack.push(book.noting("b"));
    stack.push(book.noting("c"));
    stack.push([&] {
        book.note("d");
        stack.run_now(a);
    });
    stack.close();
    BOOST_TEST(book.text() == "d a c b");
}

// C67
BOOST_AUTO_TEST_CASE(run_now_of_the_running_exit_does_not_run_it_again_C67)
{
    int runs = 0;
    exit_stack stack;
    exit_handle self;
    self = stack.push([&] {
        if (++runs < 10)
            static_cast<void>(stack.run_now(self));
    });
    stack.close();
    BOOST_TEST(runs == 1);
}

// C92
BOOST_AUTO_TEST_CASE(moved_while_closing_every_exit_runs_once_C92)
{
    journal book;
    std::optional<exit_stack> target;
    {
        exit_stack stack;
        stack.push(book.noting("a"));
        stack.push(book.noting("b"));
        stack.push([&] {
            target.emplace(std::move(stack));
            book.note("c");
        });
        stack.push(book.noting("d"));
        stack.close();
    }
    target.reset();
    BOOST_TEST(book.text() == "d c b a");
}

// C95
BOOST_AUTO_TEST_CASE(pending_lists_what_has_not_run_newest_first_C95)
{
    exit_stack stack;
    stack.push(on_exit([] {}).named("oldest"));
    std::uint32_t const line = __LINE__ + 1;
    stack.push([] {});
    stack.adopt(1, on_exit([](int&) {}).named("newest"));
    auto const views = stack.pending();
    BOOST_REQUIRE(views.size() == 3u);
    BOOST_TEST(views[0].name == "newest");
    BOOST_TEST(views[1].name == "");
    BOOST_TEST(views[1].where.line == line);
    BOOST_TEST(std::string(views[1].where.file) == __FILE__);
    BOOST_TEST(views[2].name == "oldest");
    for (std::size_t i = 0; i != 3; ++i) {
        BOOST_TEST(views[i].position == 2 - i);
        BOOST_TEST(views[i].depth == 0u);
        BOOST_TEST(!views[i].async);
        BOOST_TEST(!views[i].running);
        BOOST_TEST(!views[i].running_since.has_value());
    }
}

// C95
BOOST_AUTO_TEST_CASE(pending_of_an_empty_or_closed_stack_is_empty_C95)
{
    exit_stack stack;
    BOOST_TEST(stack.pending().empty());
    stack.push([] {});
    stack.close();
    BOOST_TEST(stack.pending().empty());
}

// C95
BOOST_AUTO_TEST_CASE(pending_while_closing_marks_the_one_that_is_running_C95)
{
    std::string names;
    exit_stack stack;
    stack.push(on_exit([] {}).named("a"));
    stack.push(on_exit([] {}).named("b"));
    stack.push(on_exit([&] {
        // Nobody waits for a synchronous exit, so that no clock is read for it.
        for (exeunt::exit_view const& view : stack.pending())
            names += std::string(view.name) + (view.running ? "! " : " ");
    }).named("c"));
    stack.push(on_exit([] {}).named("d"));
    stack.close();
    BOOST_TEST(names == "c! b a ");
}

// C95
BOOST_AUTO_TEST_CASE(pending_after_dismiss_has_no_gap_C95)
{
    exit_stack stack;
    stack.push(on_exit([] {}).named("a"));
    exit_handle const b = stack.push(on_exit([] {}).named("b"));
    stack.push(on_exit([] {}).named("c"));
    stack.dismiss(b);
    auto const views = stack.pending();
    BOOST_REQUIRE(views.size() == 2u);
    BOOST_TEST(views[0].name == "c");
    BOOST_TEST(views[0].position == 1u);
    BOOST_TEST(views[1].name == "a");
    BOOST_TEST(views[1].position == 0u);
}
