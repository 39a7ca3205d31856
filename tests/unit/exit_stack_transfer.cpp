// Exits that change hands, or go one by one: moves, pop_all, dismiss, run_now, handles.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstring>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::close_options;
using exeunt::exit_handle;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

} // namespace

// C62
BOOST_AUTO_TEST_CASE(pop_all_runs_nothing_and_the_new_owner_runs_all_in_the_old_order_C62)
{
    journal book;
    exit_stack source;
    source.push(book.noting("a"));
    source.push(book.noting("b"));
    source.emplace<last_word>(book, "c");
    exit_stack target = source.pop_all();
    BOOST_TEST(book.text() == "");
    BOOST_TEST(target.size() == 3u);
    BOOST_TEST(target.is_open());
    target.push(book.noting("d"));
    target.close();
    BOOST_TEST(book.text() == "d c b a");
}

// C63
BOOST_AUTO_TEST_CASE(pop_all_leaves_its_source_empty_and_open_C63)
{
    journal book;
    exit_stack source;
    source.push(book.noting("a"));
    exit_stack target = source.pop_all();
    BOOST_TEST(source.empty());
    BOOST_TEST(source.size() == 0u);
    BOOST_TEST(source.is_open());
    source.push(book.noting("again"));
    source.close();
    BOOST_TEST(book.text() == "again");
    target.close();
    BOOST_TEST(book.text() == "again a");
}

// C63
BOOST_AUTO_TEST_CASE(moved_from_stack_is_empty_and_open_C63)
{
    journal book;
    exit_stack source;
    source.push(book.noting("a"));
    exit_stack target(std::move(source));
    BOOST_TEST(source.empty());
    BOOST_TEST(source.is_open());
    source.push(book.noting("b"));
    exit_stack assigned;
    assigned = std::move(source);
    BOOST_TEST(source.empty());
    BOOST_TEST(source.is_open());
    source.push(book.noting("c"));
    source.close();
    assigned.close();
    target.close();
    BOOST_TEST(book.text() == "c b a");
}

// C63
BOOST_AUTO_TEST_CASE(closed_stack_moved_from_is_open_and_its_target_is_closed_C63)
{
    exit_stack source;
    source.close();
    exit_stack target(std::move(source));
    BOOST_TEST(!target.is_open());
    BOOST_TEST(source.is_open());
    source.push([] {});
    source.close();
}

// C63
BOOST_AUTO_TEST_CASE(failed_stack_moved_takes_the_failure_along_C63)
{
    std::exception_ptr const error = make_boom(1);
    bool source_failed = true;
    std::exception_ptr seen;
    exit_stack source;
    source.push([&](exit_state& state) { seen = state.error(); });
    source.fail(error);
    exit_stack target(std::move(source));
    source.push([&](exit_state& state) { source_failed = state.failed(); });
    source.close();
    target.close();
    BOOST_TEST(!source_failed);
    BOOST_TEST((seen == error));
}

// C64
BOOST_AUTO_TEST_CASE(closing_the_source_of_pop_all_runs_nothing_C64)
{
    journal book;
    exit_stack source;
    source.push(book.noting("a"));
    exit_stack target = source.pop_all();
    source.close();
    BOOST_TEST(book.text() == "");
    target.close();
    BOOST_TEST(book.text() == "a");
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_saves_the_rest_C65)
{
    journal book;
    std::optional<exit_stack> saved;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push(book.noting("b"));
    stack.push([&] {
        book.note("saver");
        saved.emplace(stack.pop_all());
    });
    stack.push(book.noting("c"));
    stack.close();
    BOOST_TEST(book.text() == "c saver");
    BOOST_REQUIRE(saved.has_value());
    BOOST_TEST(saved->size() == 2u);
    BOOST_TEST(saved->is_open());
    saved->close();
    BOOST_TEST(book.text() == "c saver b a");
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_keeps_what_has_failed_so_far_C65)
{
    std::optional<exit_stack> saved;
    bool failed = true;
    exit_stack stack;
    stack.push([&](exit_state& state) { failed = state.failed(); });
    stack.push([&] { saved.emplace(stack.pop_all()); });
    stack.push(failing(2));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "[body=1, =2]");
    saved->close();
    BOOST_TEST(!failed);
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_then_registering_there_still_runs_C65)
{
    journal book;
    std::optional<exit_stack> saved;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push([&] {
        saved.emplace(stack.pop_all());
        stack.push(book.noting("late"));
    });
    stack.close();
    BOOST_TEST(book.text() == "late");
    saved->close();
    BOOST_TEST(book.text() == "late a");
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_that_destroys_what_it_took_runs_that_at_once_C65)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    stack.push(book.noting("b"));
    stack.push([&, last = last_word(book, "gone")] {
        {
            exit_stack taken = stack.pop_all();
        }
        book.note("saver");
    });
    stack.close();
    BOOST_TEST(book.text() == "b a saver gone");
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_leaves_its_own_captures_alone_C65)
{
    // The running exit does not travel with the rest, nor does its memory.
    std::string seen;
    exit_stack stack;
    for (int i = 0; i != 20; ++i)
        stack.push([text = std::string(100, 'x')] {});
    stack.push([&, text = std::string(100, 'y')] {
        {
            exit_stack taken = stack.pop_all();
            taken.close();
        }
        seen = text;
    });
    stack.close();
    BOOST_TEST(seen == std::string(100, 'y'));
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_gives_handles_to_the_new_owner_C65)
{
    journal book;
    std::optional<exit_stack> saved;
    exit_stack stack;
    exit_handle const a = stack.push(book.noting("a"));
    stack.push(book.noting("b"));
    stack.push([&] { saved.emplace(stack.pop_all()); });
    stack.close();
    BOOST_TEST(!stack.dismiss(a));
    BOOST_TEST(saved->dismiss(a));
    saved->close();
    BOOST_TEST(book.text() == "b");
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_outlives_the_stack_it_came_from_C65)
{
    journal book;
    std::optional<exit_stack> saved;
    {
        exit_stack stack;
        stack.push(book.noting("a"));
        int& value = stack.adopt(1, [&](int& n) { book.note("adopted" + std::to_string(n)); });
        value = 2;
        saved.emplace(stack.pop_all());
    }
    BOOST_TEST(book.text() == "");
    saved->close();
    BOOST_TEST(book.text() == "adopted2 a");
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_forgets_without_running_and_keeps_the_order_of_the_rest_C66)
{
    for (std::size_t which = 0; which != 4; ++which) {
        journal book;
        exit_stack stack;
        std::vector<exit_handle> handles;
        std::string expected;
        for (std::string const name : {"a", "b", "c", "d"})
            handles.push_back(stack.push(book.noting(name)));
        BOOST_TEST(stack.dismiss(handles[which]));
        BOOST_TEST(stack.size() == 3u);
        stack.push(book.noting("e"));
        stack.close();
        expected = "e d c b a";
        std::size_t const place = expected.find(static_cast<char>('a' + which));
        expected.erase(place - 1, 2);
        BOOST_TEST(book.text() == expected);
    }
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_destroys_the_captures_at_once_C66)
{
    journal book;
    exit_stack stack;
    exit_handle const handle = stack.push([last = last_word(book, "gone")] {});
    stack.dismiss(handle);
    BOOST_TEST(book.text() == "gone");
    stack.close();
    BOOST_TEST(book.text() == "gone");
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_of_an_adopted_value_destroys_it_without_releasing_C66)
{
    journal book;
    exit_stack stack;
    last_word& value =
        stack.adopt(last_word(book, "destroyed"), [&](last_word&) { book.note("released"); });
    BOOST_TEST(stack.dismiss(stack.handle_of(&value)));
    BOOST_TEST(book.text() == "destroyed");
    stack.close();
    BOOST_TEST(book.text() == "destroyed");
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_is_idempotent_C66)
{
    int runs = 0;
    exit_stack stack;
    exit_handle const handle = stack.push([&] { ++runs; });
    BOOST_TEST(stack.dismiss(handle));
    BOOST_TEST(!stack.dismiss(handle));
    BOOST_TEST(!stack.run_now(handle));
    stack.close();
    BOOST_TEST(!stack.dismiss(handle));
    BOOST_TEST(runs == 0);
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_of_all_leaves_an_empty_usable_stack_C66)
{
    journal book;
    exit_stack stack;
    std::vector<exit_handle> handles;
    for (int i = 0; i != 100; ++i)
        handles.push_back(stack.push(book.noting("never")));
    for (std::size_t i = 0; i != 100; ++i)
        BOOST_TEST(stack.dismiss(handles[i * 37 % 100]));
    BOOST_TEST(stack.empty());
    stack.push(book.noting("new"));
    stack.close();
    BOOST_TEST(book.text() == "new");
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_whose_captures_use_the_stack_is_safe_C66)
{
    // The destructor of what is dismissed dismisses another, and registers.
    journal book;
    exit_stack stack;
    struct meddler
    {
        exit_stack* stack;
        exit_handle other;
        journal* book;
        meddler(exit_stack& s, exit_handle h, journal& b)
            : stack(&s)
            , other(h)
            , book(&b)
        {
        }
        meddler(meddler&& m) noexcept
            : stack(std::exchange(m.stack, nullptr))
            , other(m.other)
            , book(m.book)
        {
        }
        ~meddler()
        {
            if (!stack)
                return;
            book->note(stack->dismiss(other) ? "dismissed" : "missing");
            stack->push(book->noting("registered"));
        }
    };
    stack.push(book.noting("a"));
    exit_handle const b = stack.push(book.noting("b"));
    exit_handle const c = stack.push([m = meddler(stack, b, book)] {});
    stack.push(book.noting("d"));
    BOOST_TEST(stack.dismiss(c));
    BOOST_TEST(book.text() == "dismissed");
    BOOST_TEST(stack.size() == 3u);
    stack.close();
    BOOST_TEST(book.text() == "dismissed registered d a");
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_of_100000_from_the_oldest_is_flat_C66)
{
    // O(1) each: anything that looks through the others would take minutes here.
    exit_stack stack;
    std::vector<exit_handle> handles;
    handles.reserve(100000);
    int runs = 0;
    for (int i = 0; i != 100000; ++i)
        handles.push_back(stack.push([&] { ++runs; }));
    std::size_t dismissed = 0;
    for (exit_handle handle : handles)
        dismissed += stack.dismiss(handle) ? 1u : 0u;
    BOOST_TEST(dismissed == 100000u);
    BOOST_TEST(stack.empty());
    stack.close();
    BOOST_TEST(runs == 0);
}

// C67
BOOST_AUTO_TEST_CASE(run_now_runs_that_one_once_C67)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    exit_handle const b = stack.push([&, last = last_word(book, "gone")] { book.note("b"); });
    stack.push(book.noting("c"));
    BOOST_TEST(stack.run_now(b));
    BOOST_TEST(book.text() == "b gone");
    BOOST_TEST(stack.size() == 2u);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(!stack.run_now(b));
    BOOST_TEST(!stack.dismiss(b));
    stack.close();
    BOOST_TEST(book.text() == "b gone c a");
}

// C67
BOOST_AUTO_TEST_CASE(run_now_of_a_value_releases_it_C67)
{
    journal book;
    exit_stack stack;
    last_word& value =
        stack.adopt(last_word(book, "destroyed"), [&](last_word&) { book.note("released"); });
    last_word& emplaced = stack.emplace<last_word>(book, "emplaced");
    BOOST_TEST(stack.run_now(stack.handle_of(&value)));
    BOOST_TEST(book.text() == "released destroyed");
    BOOST_TEST(stack.run_now(stack.handle_of(&emplaced)));
    BOOST_TEST(book.text() == "released destroyed emplaced");
    BOOST_TEST(stack.empty());
}

// C67
BOOST_AUTO_TEST_CASE(run_now_of_a_context_exits_it_C67)
{
    struct context
    {
        int exits = 0;
        bool failed = false;
        void exit(exit_state& state)
        {
            ++exits;
            failed = state.failed();
        }
    } borrowed;
    exit_stack stack;
    exit_handle const handle = stack.push(std::ref(borrowed));
    BOOST_TEST(stack.run_now(handle));
    BOOST_TEST(borrowed.exits == 1);
    BOOST_TEST(!borrowed.failed);
    stack.close();
    BOOST_TEST(borrowed.exits == 1);
}

// C67
BOOST_AUTO_TEST_CASE(run_now_throws_the_failure_of_the_exit_and_forgets_it_C67)
{
    journal book;
    std::exception_ptr const error = make_boom(1);
    exit_stack stack;
    stack.push(book.noting("a"));
    exit_handle const handle = stack.push(failing(error));
    BOOST_TEST((caught([&] { stack.run_now(handle); }) == error));
    BOOST_TEST(stack.size() == 1u);
    BOOST_TEST(report(caught([&] { stack.run_now(handle); })) == "nothing");
    // The caller has it: it is not reported again.
    BOOST_TEST(report(caught([&] { stack.close(); })) == "nothing");
    BOOST_TEST(book.text() == "a");
}

// C67
BOOST_AUTO_TEST_CASE(run_now_of_a_best_effort_exit_tells_the_observer_C67)
{
    writing_observer observer;
    exit_stack stack(close_options{.observer = &observer});
    exit_handle const handle = stack.push(on_exit(failing(1)).named("x").best_effort());
    BOOST_TEST(report(caught([&] { BOOST_TEST(stack.run_now(handle)); })) == "nothing");
    BOOST_TEST(observer.book.text() == "x=1");
}

// C67
BOOST_AUTO_TEST_CASE(run_now_of_an_exit_that_registers_keeps_what_it_registered_C67)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    exit_handle const b = stack.push([&] { stack.push(book.noting("registered")); });
    stack.push(book.noting("c"));
    stack.run_now(b);
    BOOST_TEST(book.text() == "");
    BOOST_TEST(stack.size() == 3u);
    stack.close();
    BOOST_TEST(book.text() == "registered c a");
}

// C67
BOOST_AUTO_TEST_CASE(run_now_of_an_exit_that_closes_the_stack_runs_the_others_C67)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    exit_handle const b = stack.push([&, last = last_word(book, "gone")] {
        stack.close();
        book.note("b");
    });
    stack.push(book.noting("c"));
    BOOST_TEST(stack.run_now(b));
    BOOST_TEST(book.text() == "c a b gone");
    BOOST_TEST(!stack.is_open());
}

// C68
BOOST_AUTO_TEST_CASE(dead_and_foreign_handles_do_nothing_C68)
{
    journal book;
    exit_stack one;
    exit_stack two;
    exit_handle const of_one = one.push(book.noting("one"));
    two.push(book.noting("two"));
    BOOST_TEST(!two.dismiss(of_one));
    BOOST_TEST(!two.run_now(of_one));
    BOOST_TEST(!two.dismiss(exit_handle()));
    BOOST_TEST(!two.run_now(exit_handle()));
    exit_stack empty;
    BOOST_TEST(!empty.dismiss(of_one));
    BOOST_TEST(!empty.dismiss(exit_handle()));
    one.close();
    BOOST_TEST(!one.dismiss(of_one));
    BOOST_TEST(!one.run_now(of_one));
    two.close();
    BOOST_TEST(book.text() == "one two");
}

// C68
BOOST_AUTO_TEST_CASE(handle_of_a_stack_that_is_gone_does_nothing_C68)
{
    std::vector<exit_handle> old;
    {
        exit_stack stack;
        for (int i = 0; i != 100; ++i)
            old.push_back(stack.push([] {}));
    }
    exit_stack other;
    for (exit_handle handle : old)
        BOOST_TEST(!other.dismiss(handle));
    for (int i = 0; i != 100; ++i)
        other.push([] {});
    for (exit_handle handle : old) {
        BOOST_TEST(!other.dismiss(handle));
        BOOST_TEST(!other.run_now(handle));
    }
    BOOST_TEST(other.size() == 100u);
}

// C68
BOOST_AUTO_TEST_CASE(handle_of_a_stack_at_the_same_address_does_nothing_C68)
{
    alignas(exit_stack) std::array<unsigned char, sizeof(exit_stack)> storage;
    std::vector<exit_handle> old;
    for (int round = 0; round != 50; ++round) {
        exit_stack* const stack = new (storage.data()) exit_stack;
        int runs = 0;
        exit_handle const mine = stack->push([&] { ++runs; });
        for (exit_handle handle : old) {
            BOOST_TEST((handle != mine));
            BOOST_TEST(!stack->dismiss(handle));
        }
        old.push_back(mine);
        stack->~exit_stack();
        BOOST_TEST(runs == 1);
    }
}

// C68
BOOST_AUTO_TEST_CASE(handle_of_a_dismissed_exit_never_names_a_later_one_C68)
{
    exit_stack stack;
    std::vector<exit_handle> old;
    for (int i = 0; i != 1000; ++i) {
        exit_handle const handle = stack.push([] {});
        for (std::size_t k = old.size() > 20 ? old.size() - 20 : 0; k != old.size(); ++k) {
            BOOST_REQUIRE((old[k] != handle));
            BOOST_REQUIRE(!stack.dismiss(old[k]));
        }
        BOOST_REQUIRE(stack.dismiss(handle));
        old.push_back(handle);
    }
    BOOST_TEST(stack.empty());
}

// C68
BOOST_AUTO_TEST_CASE(handles_follow_their_exits_through_moves_and_pop_all_C68)
{
    journal book;
    exit_stack first;
    exit_handle const a = first.push(book.noting("a"));
    exit_handle const b = first.push(book.noting("b"));
    exit_handle const c = first.push(book.noting("c"));
    exit_handle const d = first.push(book.noting("d"));
    exit_stack second(std::move(first));
    BOOST_TEST(!first.dismiss(a));
    BOOST_TEST(second.dismiss(a));
    exit_stack third;
    third.push([] {});
    third = std::move(second);
    BOOST_TEST(!second.dismiss(b));
    BOOST_TEST(third.dismiss(b));
    exit_stack fourth = third.pop_all();
    BOOST_TEST(!third.dismiss(c));
    BOOST_TEST(fourth.dismiss(c));
    BOOST_TEST(fourth.run_now(d));
    BOOST_TEST(book.text() == "d");
    BOOST_TEST(fourth.empty());
}

// C68
BOOST_AUTO_TEST_CASE(moved_from_stack_gives_handles_of_its_own_C68)
{
    journal book;
    exit_stack source;
    std::vector<exit_handle> old;
    for (int i = 0; i != 5; ++i)
        old.push_back(source.push(book.noting("old")));
    exit_stack target = source.pop_all();
    for (int i = 0; i != 5; ++i) {
        exit_handle const fresh = source.push(book.noting("new"));
        for (exit_handle handle : old) {
            BOOST_TEST((handle != fresh));
            BOOST_TEST(!source.dismiss(handle));
        }
        BOOST_TEST(!target.dismiss(fresh));
    }
    for (exit_handle handle : old)
        BOOST_TEST(target.dismiss(handle));
    BOOST_TEST(source.size() == 5u);
    BOOST_TEST(target.empty());
}

// C69
BOOST_AUTO_TEST_CASE(move_assignment_onto_a_stack_with_exits_unwinds_them_C69)
{
    journal book;
    writing_observer observer;
    exit_stack target(close_options{.observer = &observer});
    target.push(book.noting("a"));
    target.push(on_exit(book.noting("commit")).only_on_success());
    target.push(on_exit(book.noting("rollback")).only_on_failure());
    target.push(on_exit(failing(1)).named("fails"));
    exit_stack source;
    source.push(book.noting("b"));
    target = std::move(source);
    BOOST_TEST(book.text() == "rollback a");
    BOOST_TEST(observer.book.text() == "fails=1");
    BOOST_TEST(target.size() == 1u);
    BOOST_TEST(target.is_open());
    target.close();
    BOOST_TEST(book.text() == "rollback a b");
}

// C69
BOOST_AUTO_TEST_CASE(move_assignment_onto_itself_changes_nothing_C69)
{
    journal book;
    exit_stack stack;
    stack.push(book.noting("a"));
    exit_stack& same = stack;
    stack = std::move(same);
    if (stack.size() == 1)
        BOOST_TEST(book.text() == "");
    stack.close();
    BOOST_TEST(book.text() == "a");
}

// C70
BOOST_AUTO_TEST_CASE(a_million_push_and_dismiss_pairs_leave_memory_where_it_was_C70)
{
    int runs = 0;
    exit_stack stack;
    stack.push([&] { ++runs; });
    for (int i = 0; i != 10; ++i)
        stack.dismiss(stack.push([&] { ++runs; }));
    std::size_t const made = allocations_of([&] {
        for (int i = 0; i != 1000000; ++i) {
            exit_handle const handle = stack.push([&] { ++runs; });
            stack.dismiss(handle);
        }
    });
    BOOST_TEST(made < 10u);
    BOOST_TEST(stack.size() == 1u);
    stack.close();
    BOOST_TEST(runs == 1);
}

// C70
BOOST_AUTO_TEST_CASE(a_million_pairs_with_a_window_of_others_leave_memory_where_it_was_C70)
{
    // The oldest goes first, as with sessions of a server: it is never the top of the stack that is freed.
    std::array<exit_handle, 16> window;
    exit_stack stack;
    stack.push([] {});
    auto const turn = [&](std::size_t i) {
        stack.dismiss(window[i % window.size()]);
        window[i % window.size()] = stack.push([i] { static_cast<void>(i); });
    };
    for (std::size_t i = 0; i != 1000; ++i)
        turn(i);
    std::size_t const live = allocations().live;
    mark_peak();
    for (std::size_t i = 0; i != 1000000; ++i)
        turn(i);
    BOOST_TEST(allocations().live <= live + 4096);
    BOOST_TEST(allocations().peak <= live + 8192);
    BOOST_TEST(stack.size() == 17u);
}

// C70
BOOST_AUTO_TEST_CASE(pairs_of_changing_sizes_leave_memory_where_it_was_C70)
{
    exit_stack stack;
    stack.push([] {});
    auto const turn = [&] {
        exit_handle const small = stack.push([] {});
        exit_handle const middle =
            stack.push([bytes = std::array<char, 100>()] { static_cast<void>(bytes); });
        exit_handle const large =
            stack.push([bytes = std::array<char, 3000>()] { static_cast<void>(bytes); });
        stack.dismiss(middle);
        stack.dismiss(small);
        stack.dismiss(large);
    };
    for (int i = 0; i != 100; ++i)
        turn();
    std::size_t const live = allocations().live;
    mark_peak();
    for (int i = 0; i != 20000; ++i)
        turn();
    BOOST_TEST(allocations().live <= live + 16384);
    BOOST_TEST(allocations().peak <= live + 32768);
}

// C70
BOOST_AUTO_TEST_CASE(a_million_run_now_leave_memory_where_it_was_C70)
{
    int runs = 0;
    exit_stack stack;
    stack.push([] {});
    for (int i = 0; i != 10; ++i)
        stack.run_now(stack.push([&] { ++runs; }));
    std::size_t const live = allocations().live;
    mark_peak();
    for (int i = 0; i != 1000000; ++i)
        stack.run_now(stack.push([&] { ++runs; }));
    BOOST_TEST(runs == 1000010);
    BOOST_TEST(allocations().live <= live + 4096);
    BOOST_TEST(allocations().peak <= live + 8192);
}

// C70
BOOST_AUTO_TEST_CASE(stack_that_grew_and_was_emptied_by_dismissal_reuses_its_memory_C70)
{
    exit_stack stack;
    std::vector<exit_handle> handles(1000);
    auto const turn = [&] {
        for (exit_handle& handle : handles)
            handle = stack.push([&stack] { static_cast<void>(stack); });
        for (exit_handle handle : handles)
            stack.dismiss(handle);
    };
    turn();
    std::size_t const live = allocations().live;
    mark_peak();
    for (int i = 0; i != 100; ++i)
        turn();
    BOOST_TEST(allocations().live <= live + 4096);
    BOOST_TEST(allocations().peak <= 2 * live + 300000);
}

// C70
BOOST_AUTO_TEST_CASE(
    stack_passed_on_by_pop_all_a_hundred_thousand_times_leaves_memory_where_it_was_C70)
{
    int runs = 0;
    exit_stack stack;
    exit_handle const kept = stack.push([&] { ++runs; });
    auto const turn = [&] {
        exit_stack other = stack.pop_all();
        exit_handle const handle = other.push([&] { ++runs; });
        other.dismiss(handle);
        stack = std::move(other);
    };
    for (int i = 0; i != 100; ++i)
        turn();
    std::size_t const live = allocations().live;
    mark_peak();
    for (int i = 0; i != 100000; ++i)
        turn();
    BOOST_TEST(allocations().live <= live + 4096);
    BOOST_TEST(allocations().peak <= live + 8192);
    BOOST_TEST(stack.dismiss(kept));
    stack.close();
    BOOST_TEST(runs == 0);
}
