// In which order the exits of a synchronous stack run, and how often.
#include <exeunt/exit_stack.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_stack;
using exeunt::exit_state;

struct context
{
    journal& book;
    std::string name;

    int enter()
    {
        book.note("enter-" + name);
        return 7;
    }

    void exit(exit_state&) { book.note("exit-" + name); }
};

} // namespace

// C01
BOOST_AUTO_TEST_CASE(exit_stack_empty_when_closed_succeeds_C01)
{
    exit_stack stack;
    BOOST_TEST(stack.empty());
    BOOST_TEST(stack.size() == 0u);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(describe(caught([&] { stack.close(); })) == "nothing");
    BOOST_TEST(!stack.is_open());
}

// C02
BOOST_AUTO_TEST_CASE(exit_stack_closed_runs_its_exits_in_reverse_order_C02)
{
    journal book;
    exit_stack stack;
    std::string expected;
    for (int i = 0; i != 50; ++i)
        stack.push(book.noting(std::to_string(i)));
    for (int i = 49; i >= 0; --i)
        expected += std::to_string(i) + (i ? " " : "");
    BOOST_TEST(stack.size() == 50u);
    BOOST_TEST(book.text() == "");
    stack.close();
    BOOST_TEST(book.text() == expected);
    BOOST_TEST(stack.empty());
    BOOST_TEST(stack.size() == 0u);
}

// C03
BOOST_AUTO_TEST_CASE(exit_stack_with_all_kinds_of_exits_has_one_order_C03)
{
    journal book;
    context borrowed{book, "borrowed"};
    context pushed{book, "pushed"};
    exit_stack child;
    child.push(book.noting("child"));
    exit_stack stack;
    stack.push(book.noting("push"));
    stack.callback([&](int n) { book.note("callback" + std::to_string(n)); }, 1);
    stack.emplace<last_word>(book, "emplace");
    stack.adopt(3, [&](int& n) { book.note("adopt" + std::to_string(n)); });
    stack.enter(context{book, "owned"});
    stack.enter(std::ref(borrowed));
    stack.push(std::ref(pushed));
    stack.enter(last_word(book, "raii"));
    stack.push([&](exit_state&) { book.note("state"); });
    stack.push(std::ref(child));
    BOOST_TEST(stack.size() == 10u);
    book.clear();
    stack.close();
    BOOST_TEST(book.text()
        == "child state raii exit-pushed exit-borrowed exit-owned adopt3 emplace callback1 push");
}

// C04
BOOST_AUTO_TEST_CASE(exit_stack_older_exit_starts_after_the_newer_has_ended_C04)
{
    journal book;
    exit_stack stack;
    for (std::string const name : {"a", "b", "c"}) {
        stack.push([&book, name, last = last_word(book, "gone-" + name)] {
            book.note("begin-" + name);
            book.note("end-" + name);
        });
    }
    stack.close();
    // C78: its captures die before the next older exit starts.
    BOOST_TEST(book.text() == "begin-c end-c gone-c begin-b end-b gone-b begin-a end-a gone-a");
}

// C78
BOOST_AUTO_TEST_CASE(exit_stack_captures_of_a_failing_exit_die_before_the_next_starts_C78)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.push([&, last = last_word(book, "gone")] {
        book.note("newer");
        throw boom(1);
    });
    BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    BOOST_TEST(book.text() == "newer gone older");
}

// C78
BOOST_AUTO_TEST_CASE(exit_stack_adopted_value_and_release_die_before_the_next_starts_C78)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.adopt(last_word(book, "value"),
        [&, last = last_word(book, "release")](last_word&) { book.note("newer"); });
    stack.close();
    // Which of the two goes first is nobody's business.
    bool const right =
        book.text() == "newer value release older" || book.text() == "newer release value older";
    BOOST_TEST(right, book.text());
}

// C05
BOOST_AUTO_TEST_CASE(exit_stack_entered_context_exits_before_earlier_callbacks_C05)
{
    journal book;
    exit_stack stack;
    stack.callback([&] { book.note("callback"); });
    BOOST_TEST(stack.enter(context{book, "c"}) == 7);
    book.note("body");
    stack.close();
    BOOST_TEST(book.text() == "enter-c body exit-c callback");
}

// C06
BOOST_AUTO_TEST_CASE(exit_stack_with_the_same_callable_twice_runs_it_twice_C06)
{
    int runs = 0;
    auto const count = [&] { ++runs; };
    exit_stack stack;
    stack.push(count);
    stack.push(count);
    stack.push(std::ref(count));
    stack.callback(count);
    stack.close();
    BOOST_TEST(runs == 4);
}

// C07
BOOST_AUTO_TEST_CASE(exit_stack_closed_inside_its_scope_adds_nothing_at_the_end_C07)
{
    int runs = 0;
    {
        exit_stack stack;
        stack.push([&] { ++runs; });
        stack.close();
        BOOST_TEST(runs == 1);
    }
    BOOST_TEST(runs == 1);
}

// C07
BOOST_AUTO_TEST_CASE(exit_stack_closed_with_a_failure_adds_nothing_at_the_end_C07)
{
    writing_observer observer;
    default_observer_guard guard(&observer);
    int runs = 0;
    {
        exit_stack stack;
        stack.push([&] { ++runs; });
        stack.push([&] {
            ++runs;
            throw boom(1);
        });
        BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
    }
    BOOST_TEST(runs == 2);
    BOOST_TEST(observer.book.text() == "");
}

// C08
BOOST_AUTO_TEST_CASE(exit_stack_exits_run_on_every_way_out_C08)
{
    std::exception_ptr const ways[] = {nullptr, make_boom(1),
        std::make_exception_ptr(
            boost::system::system_error(ETIMEDOUT, boost::system::system_category())),
        make_cancellation(), std::make_exception_ptr(42)};
    for (std::exception_ptr const& way : ways) {
        journal book;
        exit_stack stack;
        stack.push(book.noting("a"));
        stack.emplace<last_word>(book, "b");
        stack.push([&](exit_state&) { book.note("c"); });
        BOOST_TEST((caught([&] { stack.close(way); }) == way));
        BOOST_TEST(book.text() == "c b a");
    }
}
