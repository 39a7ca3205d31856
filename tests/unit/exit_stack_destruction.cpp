// A synchronous stack that is destroyed instead of closed.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <exception>
#include <memory>
#include <string>
#include <type_traits>

namespace {

using namespace sync_support;
using exeunt::close_options;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

static_assert(std::is_nothrow_destructible_v<exit_stack>);

} // namespace

// C90
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_unwinds_newest_first_C90)
{
    journal book;
    {
        exit_stack stack;
        stack.push(book.noting("a"));
        stack.emplace<last_word>(book, "b");
        stack.adopt(1, [&](int&) { book.note("c"); });
        stack.push([&](exit_state&) { book.note("d"); });
        BOOST_TEST(book.text() == "");
    }
    BOOST_TEST(book.text() == "d c b a");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_while_an_exception_passes_unwinds_C90)
{
    journal book;
    std::exception_ptr const error = caught([&] {
        exit_stack stack;
        stack.push(book.noting("a"));
        stack.push(book.noting("b"));
        throw boom(1);
    });
    BOOST_TEST(report(error) == "1");
    BOOST_TEST(book.text() == "b a");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_whose_exits_fail_while_an_exception_passes_does_not_terminate_C90)
{
    journal book;
    writing_observer observer;
    std::exception_ptr const error = caught([&] {
        exit_stack stack(close_options{.observer = &observer});
        stack.push(book.noting("a"));
        stack.push(on_exit(failing(2)).named("x"));
        stack.push([] { throw 42; });
        stack.push(book.noting("b"));
        throw boom(1);
    });
    BOOST_TEST(report(error) == "1");
    BOOST_TEST(book.text() == "b a");
    BOOST_TEST(observer.book.text() == "=int 42 x=2");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_whose_exits_fail_in_the_destructor_tells_the_observer_C90)
{
    writing_observer observer;
    std::exception_ptr const first = make_boom(1);
    {
        exit_stack stack(close_options{.observer = &observer});
        stack.push(on_exit(failing(2)).named("older"));
        stack.push(on_exit(failing(first)).named("newer"));
        stack.push(on_exit(failing(3)).named("polite").best_effort());
    }
    BOOST_REQUIRE(observer.errors.size() == 3u);
    BOOST_TEST((observer.errors[1] == first));
    BOOST_TEST(observer.book.text() == "polite=3 newer=1 older=2");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_tells_each_failure_with_its_place_C90)
{
    writing_observer observer;
    std::uint32_t line = 0;
    {
        exit_stack stack(close_options{.observer = &observer});
        line = __LINE__ + 1;
        stack.push(failing(1));
    }
    BOOST_REQUIRE(observer.wheres.size() == 1u);
    BOOST_TEST(observer.wheres[0].line == line);
    BOOST_TEST(std::string(observer.wheres[0].file) == __FILE__);
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_tells_nothing_of_what_an_exit_suppressed_C90)
{
    writing_observer observer;
    {
        exit_stack stack(close_options{.observer = &observer});
        stack.push([](exit_state& state) { state.suppress(); });
        stack.push(failing(1));
    }
    BOOST_TEST(observer.book.text() == "");
}

// C90
BOOST_AUTO_TEST_CASE(
    exit_stack_destroyed_by_the_exception_that_leaves_a_destructor_chain_is_whole_C90)
{
    // A stack inside an object inside a stack, all of them going down at once.
    journal book;
    writing_observer observer;
    default_observer_guard guard(&observer);
    struct owner
    {
        exit_stack stack;
        explicit owner(journal& journal_)
        {
            stack.push(journal_.noting("inner"));
            stack.push(on_exit(failing(2)).named("inner fails"));
        }
    };
    std::exception_ptr const error = caught([&] {
        exit_stack stack;
        stack.push(book.noting("outer"));
        stack.emplace<owner>(book);
        stack.push(failing(3));
        throw boom(1);
    });
    BOOST_TEST(report(error) == "1");
    BOOST_TEST(book.text() == "inner outer");
    BOOST_TEST(observer.book.text() == "inner fails=2 =3");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_inside_a_handler_keeps_the_current_exception_C90)
{
    default_observer_guard guard(nullptr);
    try {
        throw boom(1);
    } catch (...) {
        {
            exit_stack stack;
            stack.push(failing(2));
        }
        BOOST_TEST(describe(std::current_exception()) == "1");
    }
}

// C98
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_without_close_runs_rollbacks_and_no_commits_C98)
{
    journal book;
    {
        exit_stack stack;
        stack.push(on_exit(book.noting("rollback")).only_on_failure());
        stack.push(on_exit(book.noting("commit")).only_on_success());
        stack.push(book.noting("always"));
    }
    BOOST_TEST(book.text() == "always rollback");
}

// C98
BOOST_AUTO_TEST_CASE(
    exit_stack_destroyed_with_an_exception_passing_runs_rollbacks_and_no_commits_C98)
{
    journal book;
    std::exception_ptr const error = caught([&] {
        exit_stack stack;
        stack.push(on_exit(book.noting("rollback")).only_on_failure());
        stack.push(on_exit(book.noting("commit")).only_on_success());
        throw boom(1);
    });
    BOOST_TEST(report(error) == "1");
    BOOST_TEST(book.text() == "rollback");
}

// C98
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_after_a_suppressed_failure_still_runs_rollbacks_C98)
{
    // The outcome is as unknown as it was.
    journal book;
    {
        exit_stack stack;
        stack.push(on_exit(book.noting("rollback")).only_on_failure());
        stack.push(on_exit(book.noting("commit")).only_on_success());
        stack.push([](exit_state& state) { state.suppress(); });
        stack.push(failing(1));
    }
    BOOST_TEST(book.text() == "rollback");
}

// C98
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_shows_an_unknown_outcome_that_is_not_forced_C98)
{
    bool failed = true;
    bool forced = true;
    {
        exit_stack stack;
        stack.push([&](exit_state& state) {
            failed = state.failed();
            forced = state.forced();
        });
    }
    BOOST_TEST(!failed);
    BOOST_TEST(!forced);
}

// C98
BOOST_AUTO_TEST_CASE(exit_stack_failed_by_hand_and_destroyed_shows_that_failure_C98)
{
    writing_observer observer;
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr seen;
    {
        exit_stack stack(close_options{.observer = &observer});
        stack.push([&](exit_state& state) { seen = state.error(); });
        stack.fail(error);
    }
    BOOST_TEST((seen == error));
    // Not rethrown, so not unreceived either.
    BOOST_TEST(observer.book.text() == "");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_registering_while_destroyed_runs_that_next_C90)
{
    journal book;
    {
        exit_stack stack;
        stack.push(book.noting("older"));
        stack.push([&] {
            book.note("newer");
            stack.push(book.noting("late"));
        });
    }
    BOOST_TEST(book.text() == "newer late older");
}

// C90
BOOST_AUTO_TEST_CASE(exit_stack_destroyed_after_pop_all_runs_nothing_C90)
{
    journal book;
    exit_stack target;
    {
        exit_stack source;
        source.push(book.noting("a"));
        target = source.pop_all();
    }
    BOOST_TEST(book.text() == "");
}
