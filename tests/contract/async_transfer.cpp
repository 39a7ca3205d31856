// The asynchronous stack: handing exits over, forgetting them, running one of them (C62 to C69).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/scripted_source.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

using typed_stack = exeunt::basic_async_exit_stack<asio::io_context::executor_type>;

struct transfer_fixture : async_fixture
{
    outcome single;
    outcome other_result;

    void run_now(exit_handle handle)
    {
        single = {};
        stack.async_run_now(handle, into(single));
        drive();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_transfer, transfer_fixture)

// C62, C63, C64
BOOST_AUTO_TEST_CASE(pop_all_runs_nothing_and_the_new_owner_runs_all_in_the_old_order)
{
    push_note("a");
    push(script("b").posted(), shape::awaitable);
    push(script("c").posted(), shape::handler_function);
    async_exit_stack owner = stack.pop_all();
    log.expect("");
    BOOST_TEST(stack.empty());
    BOOST_TEST(stack.size() == 0u);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(owner.size() == 3u);
    BOOST_TEST(owner.is_open());
    BOOST_CHECK(owner.get_executor() == stack.get_executor());

    closed().expect_success(); // C64
    log.expect("");
    owner.async_close(into(other_result));
    drive();
    other_result.expect_success();
    log.expect("+c -c +b -b +a -a");
}

// C62
BOOST_AUTO_TEST_CASE(pop_all_source_can_be_used_again)
{
    push_note("a");
    async_exit_stack owner = stack.pop_all();
    push_note("b");
    owner.push(script("c").function());
    closed().expect_success();
    log.expect("+b -b");
    owner.async_close(into(other_result));
    drive();
    log.expect("+c -c +a -a");
}

// C62
BOOST_AUTO_TEST_CASE(pop_all_of_an_empty_stack_is_empty)
{
    async_exit_stack owner = stack.pop_all();
    BOOST_TEST(owner.empty());
    owner.async_close(into(other_result));
    drive();
    other_result.expect_success();
}

// C62: the common use, commit by keeping
BOOST_AUTO_TEST_CASE(async_with_pop_all_at_the_end_of_the_body_keeps_everything)
{
    async_exit_stack kept(context);
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").at_once().awaitable());
            s.push(script("b").function());
            kept = s.pop_all();
            co_return;
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("");
    kept.async_close(into(other_result));
    drive();
    log.expect("+b -b +a -a");
}

// C65
BOOST_AUTO_TEST_CASE(pop_all_by_an_exit_saves_the_rest_and_closing_ends)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            async_exit_stack saved(context);
            push_note("a");
            push(script("b").at_once(), shape::awaitable);
            push(script("saver").at_once().runs([&] { saved = stack.pop_all(); }), each);
            push_note("d");
            closed().expect_success();
            log.expect("+d -d +saver -saver");
            BOOST_TEST(stack.empty());
            BOOST_TEST(saved.size() == 2u);
            BOOST_TEST(saved.is_open());
            other_result = {};
            saved.async_close(into(other_result));
            drive();
            other_result.expect_success();
            log.expect("+b -b +a -a");
        }
    }
}

// C65: a running exit stays with its source
BOOST_AUTO_TEST_CASE(pop_all_while_closing_takes_what_has_not_started)
{
    auto running = script("running");
    push_note("a");
    push(running, shape::awaitable);
    close();
    async_exit_stack saved = stack.pop_all();
    BOOST_TEST(saved.size() == 1u);
    result.expect_pending();
    running.answer(failure("running"));
    drive();
    result.expect_error("running");
    log.expect("+running -running");
    saved.async_close(into(other_result));
    drive();
    other_result.expect_success();
    log.expect("+a -a");
}

// An acquire in flight stays with its source.
BOOST_AUTO_TEST_CASE(pop_all_while_closing_leaves_an_acquire_in_flight_with_its_source)
{
    scripted_source<int> source;
    outcome_of<int*> acquired;
    auto running = script("running");
    push_note("a");
    push(running, shape::awaitable);
    stack.async_acquire(
        source.async_get(asio::deferred), [&](int&) { log("release"); }, into(acquired));
    drive();
    close();
    async_exit_stack saved = stack.pop_all();
    source.answer(1);
    drive();
    acquired.expect_success();
    log.expect("+running");
    running.answer();
    drive();
    log.expect("-running release");
    result.expect_success();
    saved.async_close(into(other_result));
    drive();
    log.expect("+a -a");
}

// What is kept for an acquire in flight does not go with the exits.
BOOST_AUTO_TEST_CASE(pop_all_during_an_acquire_registers_that_beside_what_comes_to_the_new_owner)
{
    scripted_source<int> source;
    outcome_of<int*> acquired;
    stack.push([&] { log("theirs"); });
    stack.async_acquire(
        source.async_get(asio::deferred),
        [&](int& value) { log("release:" + std::to_string(value)); }, into(acquired));
    drive();
    auto owner = stack.pop_all();
    for (int k = 0; k != 3; ++k)
        owner.push([this, k] { log("theirs:" + std::to_string(k)); });
    source.answer(7);
    drive();
    acquired.expect_success();
    outcome theirs;
    owner.async_close(into(theirs));
    drive();
    theirs.expect_success();
    log.expect("theirs:2 theirs:1 theirs:0 theirs");
    closed().expect_success();
    log.expect("release:7");
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_forgets_without_running_and_destroys_the_captures_at_once)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            log.clear();
            push_note("a");
            auto b = script("b").at_once().marks_captures();
            exit_handle const handle = push(b, each);
            push_note("c");
            log.clear(); // what was moved from is gone
            BOOST_TEST(stack.dismiss(handle));
            BOOST_TEST(log.count("~b") == 1u);
            log.clear();
            BOOST_TEST(stack.size() == 2u);
            BOOST_TEST(!stack.dismiss(handle)); // idempotent
            BOOST_TEST(stack.size() == 2u);
            closed().expect_success();
            log.expect("+c -c +a -a");
        }
    }
}

// C66
BOOST_AUTO_TEST_CASE(dismiss_keeps_the_order_of_the_rest)
{
    exit_handle handles[5];
    for (int k = 0; k != 5; ++k)
        handles[k] = push_note(std::to_string(k));
    stack.dismiss(handles[4]);
    stack.dismiss(handles[0]);
    stack.dismiss(handles[2]);
    push_note("new");
    closed().expect_success();
    log.expect("+new -new +3 -3 +1 -1");
}

// C66: one that has not started, while closing
BOOST_AUTO_TEST_CASE(dismiss_while_closing_forgets_what_has_not_started)
{
    exit_handle const a = push_note("a");
    auto b = script("b");
    exit_handle const running = push(b, shape::awaitable);
    close();
    BOOST_TEST(stack.dismiss(a));
    BOOST_TEST(!stack.dismiss(running)); // it runs: too late
    b.answer();
    drive();
    log.expect("+b -b");
    result.expect_success();
}

// C66: emplaced values are destroyed
BOOST_AUTO_TEST_CASE(dismiss_of_an_owned_value_destroys_it)
{
    capture_mark& mark = stack.emplace<capture_mark>(log, "~mark");
    BOOST_TEST(stack.dismiss(stack.handle_of(&mark)));
    log.expect("~mark");
    BOOST_TEST(stack.empty());
}

// C67
BOOST_AUTO_TEST_CASE(async_run_now_runs_that_one_once_and_forgets_it)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            push_note("a");
            exit_handle const handle = push(script("b").at_once(), each);
            push_note("c");
            single = {};
            stack.async_run_now(handle, into(single));
            single.expect_pending(); // never inside the initiating function
            drive();
            single.expect_success();
            log.expect("+b -b");
            BOOST_TEST(stack.size() == 2u);
            BOOST_TEST(stack.is_open());
            run_now(handle); // a dead handle
            single.expect_success();
            closed().expect_success();
            log.expect("+c -c +a -a");
        }
    }
}

// C67
BOOST_AUTO_TEST_CASE(async_run_now_completes_with_the_failure_of_the_exit)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            std::exception_ptr const error = failure("b");
            exit_handle const handle = push(script("b").at_once(error), each);
            run_now(handle);
            single.expect_error(error);
            BOOST_TEST(stack.empty());
            closed().expect_success();
        }
    }
}

// C67
BOOST_AUTO_TEST_CASE(async_run_now_waits_for_an_exit_that_takes_its_time)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            auto b = script("b");
            exit_handle const handle = push(b, each);
            log.clear();
            run_now(handle);
            log.expect("+b");
            single.expect_pending();
            b.answer();
            drive();
            log.expect("-b");
            single.expect_success();
        }
    }
}

// C67
BOOST_AUTO_TEST_CASE(async_run_now_nothing_is_in_flight)
{
    auto a = script("a").at_once();
    exit_handle const handle = push(a, shape::state_awaitable);
    run_now(handle);
    single.expect_success();
    BOOST_TEST(!a.saw().failed);
    BOOST_CHECK(!a.saw().cause);
}

// C67
BOOST_AUTO_TEST_CASE(async_run_now_while_closing_runs_that_one_next)
{
    push_note("a");
    exit_handle const b = push(script("b").at_once(), shape::awaitable);
    push_note("c");
    auto d = script("d");
    push(d, shape::awaitable);
    close();
    run_now(b);
    log.expect("+d");
    single.expect_pending();
    d.answer();
    drive();
    log.expect("-d +b -b +c -c +a -a");
    single.expect_success();
    result.expect_success();
}

// C67: the close reports its failure
BOOST_AUTO_TEST_CASE(async_run_now_while_closing_the_close_reports_the_failure)
{
    exit_handle const b = push(script("b").at_once(failure("b")), shape::awaitable);
    push_note("c");
    auto d = script("d");
    push(d, shape::awaitable);
    close();
    run_now(b);
    d.answer();
    drive();
    log.expect("+d -d +b -b +c -c");
    single.expect_success();
    result.expect_error("b");
}

// C67
BOOST_AUTO_TEST_CASE(async_run_now_of_the_exit_that_is_running_joins_it)
{
    push_note("a");
    auto b = script("b");
    exit_handle const handle = push(b, shape::awaitable);
    close();
    run_now(handle);
    log.expect("+b");
    single.expect_pending();
    b.answer();
    drive();
    single.expect_success();
    result.expect_success();
    BOOST_TEST(b.begins() == 1);
    log.expect("-b +a -a");
}

// C67: two run_now of the same exit while the stack is open
BOOST_AUTO_TEST_CASE(async_run_now_twice_joins_the_first)
{
    outcome joined;
    auto b = script("b");
    exit_handle const handle = push(b, shape::awaitable);
    run_now(handle);
    stack.async_run_now(handle, into(joined));
    drive();
    joined.expect_pending();
    b.answer();
    drive();
    single.expect_success();
    joined.expect_success();
    BOOST_TEST(b.begins() == 1);
}

// C67
BOOST_AUTO_TEST_CASE(async_close_waits_for_a_run_now_in_flight)
{
    push_note("a");
    auto b = script("b");
    exit_handle const handle = push(b, shape::awaitable);
    push_note("c");
    run_now(handle);
    log.expect("+b");
    close();
    log.expect(""); // never two at a time
    result.expect_pending();
    b.answer();
    drive();
    log.expect("-b +c -c +a -a");
    single.expect_success();
    result.expect_success();
}

// C67: two different exits, one at a time
BOOST_AUTO_TEST_CASE(async_run_now_of_two_exits_never_overlap)
{
    outcome first;
    outcome second;
    auto a = script("a");
    auto b = script("b");
    exit_handle const handle_a = push(a, shape::awaitable);
    exit_handle const handle_b = push(b, shape::awaitable);
    stack.async_run_now(handle_a, into(first));
    stack.async_run_now(handle_b, into(second));
    drive();
    log.expect("+a");
    a.answer();
    drive();
    log.expect("-a +b");
    first.expect_success();
    second.expect_pending();
    b.answer();
    drive();
    second.expect_success();
    BOOST_TEST(stack.empty());
}

// C68
BOOST_AUTO_TEST_CASE(dead_handles_do_nothing)
{
    push_note("a");
    BOOST_TEST(!stack.dismiss(exit_handle()));
    run_now(exit_handle());
    single.expect_success();
    exit_handle const dismissed = push_note("b");
    stack.dismiss(dismissed);
    push_note("c"); // may sit where b sat
    BOOST_TEST(!stack.dismiss(dismissed));
    run_now(dismissed);
    single.expect_success();
    log.expect("");
    BOOST_TEST(stack.size() == 2u);
    closed().expect_success();
    log.expect("+c -c +a -a");
    BOOST_TEST(!stack.dismiss(dismissed));
}

// C68
BOOST_AUTO_TEST_CASE(foreign_handles_do_nothing)
{
    async_exit_stack other(context);
    exit_handle const foreign = other.push(script("foreign").function());
    push_note("a");
    BOOST_TEST(!stack.dismiss(foreign));
    run_now(foreign);
    single.expect_success();
    log.expect("");
    BOOST_TEST(other.size() == 1u);
    BOOST_TEST(other.dismiss(foreign));
    closed().expect_success();
}

// C68: a handle outlives its stack
BOOST_AUTO_TEST_CASE(handles_of_a_stack_that_is_gone_do_nothing)
{
    exit_handle orphan;
    {
        async_exit_stack gone(context);
        orphan = gone.push([] {});
    }
    push_note("a");
    BOOST_TEST(!stack.dismiss(orphan));
    run_now(orphan);
    single.expect_success();
    log.expect("");
    closed().expect_success();
}

// C68: handles follow their exits
BOOST_AUTO_TEST_CASE(handles_follow_their_exits_through_moves_and_pop_all)
{
    static_assert(std::is_trivially_copyable_v<exit_handle>);
    exit_handle const a = push_note("a");
    exit_handle const b = push_note("b");
    exit_handle const c = push(script("c").at_once(), shape::awaitable);
    async_exit_stack moved = std::move(stack);
    BOOST_TEST(moved.dismiss(a));
    async_exit_stack last = moved.pop_all();
    BOOST_TEST(!moved.dismiss(b));
    last.async_run_now(c, into(single));
    drive();
    single.expect_success();
    log.expect("+c -c");
    BOOST_TEST(last.dismiss(b));
    BOOST_TEST(last.empty());
}

// C69
BOOST_AUTO_TEST_CASE(move_assignment_onto_a_stack_that_is_not_empty_abandons_what_it_held)
{
    observer.log = &log;
    stack.push(exeunt::on_exit(script("sync").function()).named("sync"));
    push_named(script("async1").at_once(), shape::awaitable);
    push_named(script("async2").at_once(), shape::handler_function);
    async_exit_stack fresh(context);
    fresh.push(script("kept").function());
    stack = std::move(fresh);
    log.expect("lost:async2 lost:async1 +sync -sync");
    BOOST_REQUIRE(observer.stacks.size() == 1u);
    BOOST_TEST(observer.stacks[0].count == 2u);
    observer.clear();
    closed().expect_success();
    log.expect("+kept -kept");
}

// ---- other executor types

BOOST_AUTO_TEST_CASE(stack_of_another_executor_type_is_taken_over_with_what_is_in_flight_on_it)
{
    typed_stack typed(context);
    std::exception_ptr const cause = failure("body");
    typed.fail(cause);
    typed.force();
    stack = async_exit_stack(std::move(typed));
    auto a = script("a").at_once();
    push(a, shape::state_function);
    closed().expect_success();
    BOOST_CHECK(a.saw().cause == cause);
    BOOST_TEST(a.saw().forced);
    BOOST_TEST(typed.is_open());
    BOOST_TEST(typed.empty());
}

BOOST_AUTO_TEST_CASE(stack_of_another_executor_type_is_taken_over_open_or_closed_as_it_is)
{
    typed_stack fresh(context);
    BOOST_TEST(async_exit_stack(std::move(fresh)).is_open());
    typed_stack used(context);
    used.reserve(1);
    BOOST_TEST(async_exit_stack(std::move(used)).is_open());
    typed_stack over(context);
    over.push([] {});
    over.async_close(into(other_result));
    drive();
    other_result.expect_success();
    BOOST_TEST(!async_exit_stack(std::move(over)).is_open());
}

BOOST_AUTO_TEST_CASE(stack_that_holds_exits_or_runs_one_keeps_its_executor_type)
{
    typed_stack typed(context);
    auto last = script("last");
    typed.push(last.handler_function());
    BOOST_CHECK_THROW(async_exit_stack(std::move(typed)), std::invalid_argument);
    BOOST_TEST(typed.size() == 1u);
    typed.async_close(into(other_result));
    drive();
    BOOST_TEST(typed.empty());
    BOOST_CHECK_THROW(async_exit_stack(std::move(typed)), std::invalid_argument);
    last.answer();
    drive();
    other_result.expect_success();
}

// C69: assigning to itself changes nothing
BOOST_AUTO_TEST_CASE(move_assignment_onto_itself_keeps_the_exits)
{
    push_note("a");
    async_exit_stack& same = stack;
    stack = std::move(same);
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("+a -a");
}

BOOST_AUTO_TEST_SUITE_END()
