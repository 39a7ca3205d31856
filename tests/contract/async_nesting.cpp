// The asynchronous stack: stacks in stacks, and what pending() tells (C94, C95).
#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>

#include "support/async_fixture.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <utility>
#include <vector>

using namespace support;

namespace {

struct nesting_fixture : async_fixture
{
    async_exit_stack child{context};

    void push_child(std::string name, shape each = shape::awaitable)
    {
        in_shape(script(std::move(name)).posted(), each,
            [&](auto callable) { return child.push(std::move(callable)); });
    }
};

std::vector<std::string> names(std::vector<exeunt::exit_view> const& views)
{
    std::vector<std::string> all;
    for (exeunt::exit_view const& each : views)
        all.emplace_back(each.name);
    return all;
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_nesting, nesting_fixture)

// C94
BOOST_AUTO_TEST_CASE(child_stack_entered_closes_at_its_position)
{
    push_note("p1");
    async_exit_stack& entered = stack.enter(async_exit_stack(context));
    push(script("p2").posted(), shape::awaitable);
    entered.push(script("c1").function());
    entered.push(script("c2").posted().awaitable());
    closed().expect_success();
    log.expect("+p2 -p2 +c2 -c2 +c1 -c1 +p1 -p1");
}

// C94
BOOST_AUTO_TEST_CASE(child_stack_pushed_by_reference_or_by_value_closes_at_its_position)
{
    push_note("p1");
    push_child("c1");
    stack.push(std::ref(child));
    push_note("p2");
    closed().expect_success();
    log.expect("+p2 -p2 +c1 -c1 +p1 -p1");
    BOOST_TEST(!child.is_open());

    stack = async_exit_stack(context);
    child = async_exit_stack(context);
    push_note("p1");
    push_child("c1");
    stack.push(std::move(child));
    push_note("p2");
    closed().expect_success();
    log.expect("+p2 -p2 +c1 -c1 +p1 -p1");
}

// C94: a synchronous stack in an asynchronous one
BOOST_AUTO_TEST_CASE(synchronous_child_stack_closes_at_its_position)
{
    push_note("p1");
    exeunt::exit_stack& sync = stack.enter(exeunt::exit_stack());
    push(script("p2").posted(), shape::awaitable);
    sync.push(script("c1").function());
    sync.push(script("c2").function());
    closed().expect_success();
    log.expect("+p2 -p2 +c2 -c2 +c1 -c1 +p1 -p1");
}

// C94
BOOST_AUTO_TEST_CASE(child_stack_sees_what_is_in_flight_in_its_parent)
{
    std::exception_ptr const cause = failure("cause");
    for (shape const each : seeing_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            child = async_exit_stack(context);
            auto seeing = script("seeing").at_once();
            in_shape(seeing, each, [&](auto c) { return child.push(std::move(c)); });
            stack.push(std::ref(child));
            closed(cause).expect_error(cause);
            BOOST_REQUIRE(seeing.has_seen());
            BOOST_CHECK(seeing.saw().error == cause);
        }
    }
}

// C94
BOOST_AUTO_TEST_CASE(child_stack_failures_join_the_report_of_the_parent_flat)
{
    push_named(script("p1").at_once(failure("e-p1")), shape::awaitable);
    child.push(exeunt::on_exit(script("x").at_once(failure("e-c1")).awaitable()).named("c1"));
    child.push(exeunt::on_exit(script("x").at_once(failure("e-c2")).awaitable()).named("c2"));
    stack.push(std::ref(child));
    push_named(script("p2").at_once(failure("e-p2")), shape::awaitable);
    closed().expect_error("[e-p2, e-c2, e-c1, e-p1]");
    BOOST_TEST(joined(names_of(result.error)) == "p2 c2 c1 p1");
}

// C94
BOOST_AUTO_TEST_CASE(child_stack_one_failure_beside_the_cause_of_the_parent)
{
    std::exception_ptr const cause = failure("cause");
    child.push(script("c1").at_once(failure("e-c1")).awaitable());
    stack.push(std::ref(child));
    closed(cause).expect_error("[cause, e-c1]");
    BOOST_TEST(describe(exeunt::primary(result.error)) == "cause");
}

// C94
BOOST_AUTO_TEST_CASE(child_stack_may_suppress_what_is_in_flight_in_its_parent)
{
    auto older = script("older").at_once();
    push(older, shape::state_awaitable);
    child.push([](exit_state& state) { state.suppress(); });
    stack.push(std::ref(child));
    closed(failure("cause")).expect_success();
    BOOST_TEST(!older.saw().failed);
}

// C94
BOOST_AUTO_TEST_CASE(child_stack_may_replace_what_is_in_flight_in_its_parent)
{
    std::exception_ptr const better = failure("better");
    child.push([&](exit_state& state) { state.replace(better); });
    stack.push(std::ref(child));
    closed(failure("cause")).expect_error(better);
}

// C94: closed before its turn, it adds nothing
BOOST_AUTO_TEST_CASE(child_stack_closed_before_its_turn_adds_nothing)
{
    push_child("c1");
    stack.push(std::ref(child));
    child.async_close(into(result));
    drive();
    result.expect_success();
    log.expect("+c1 -c1");
    closed().expect_success();
    log.expect("");
}

// C94: the parent waits for a child that is slow, and for one that is closing already
BOOST_AUTO_TEST_CASE(child_stack_that_is_closing_already_is_waited_for)
{
    outcome of_child;
    auto slow = script("slow");
    child.push(slow.awaitable());
    push_note("p1");
    stack.push(std::ref(child));
    child.async_close(into(of_child));
    drive();
    close();
    log.expect("+slow");
    result.expect_pending();
    slow.answer();
    drive();
    log.expect("-slow +p1 -p1");
    of_child.expect_success();
    result.expect_success();
}

// C94: many levels
BOOST_AUTO_TEST_CASE(child_stacks_many_levels_deep)
{
    std::string expected;
    async_exit_stack* level = &stack;
    for (int k = 0; k != 50; ++k) {
        level->push(script("older" + std::to_string(k)).at_once().handler_function());
        level = &level->enter(async_exit_stack(context));
    }
    for (int k = 50; k-- != 0;) {
        std::string const name = "older" + std::to_string(k);
        expected += (expected.empty() ? "" : " ") + ("+" + name + " -" + name);
    }
    closed().expect_success();
    log.expect(expected);
}

// C94: async_exit is what a parent calls
BOOST_AUTO_TEST_CASE(async_exit_closes_with_the_state_it_is_given)
{
    std::exception_ptr const cause = failure("cause");
    auto seeing = script("seeing").at_once();
    child.push(seeing.state_awaitable());
    exit_state state(cause);
    child.async_exit(state, into(result));
    drive();
    result.expect_once();
    BOOST_CHECK(seeing.saw().error == cause);
    BOOST_CHECK(state.error() == cause);
    BOOST_TEST(!child.is_open());
}

// C94: scopes in scopes
BOOST_AUTO_TEST_CASE(async_with_in_async_with_inner_exits_run_before_the_outer_body_goes_on)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& outer) -> asio::awaitable<void> {
            outer.push(script("outer").posted().awaitable());
            auto const inner_body = [&](async_exit_stack& inner) -> asio::awaitable<void> {
                inner.push(script("inner").posted().awaitable());
                log("inner body");
                co_return;
            };
            co_await exeunt::async_with(std::ref(inner_body), asio::use_awaitable);
            log("outer body");
        },
        into(result));
    drive();
    result.expect_success();
    log.expect("inner body +inner -inner outer body +outer -outer");
}

// C95
BOOST_AUTO_TEST_CASE(pending_names_what_is_left_newest_first)
{
    BOOST_TEST(stack.pending().empty());
    std::uint32_t const before = __LINE__;
    stack.push(exeunt::on_exit([] {}).named("first")); // + 1
    stack.push(exeunt::on_exit([]() -> asio::awaitable<void> { co_return; }).named("second"));
    stack.push([](exit_handler handler) { std::move(handler)(); }); // + 3
    auto const views = stack.pending();
    BOOST_REQUIRE(views.size() == 3u);
    BOOST_TEST(names(views)[0] == "");
    BOOST_TEST(names(views)[1] == "second");
    BOOST_TEST(names(views)[2] == "first");
    BOOST_TEST(views[0].position == 2u);
    BOOST_TEST(views[2].position == 0u);
    BOOST_TEST(views[0].async);
    BOOST_TEST(views[1].async);
    BOOST_TEST(!views[2].async);
    BOOST_TEST(views[0].where.line == before + 3);
    BOOST_TEST(views[2].where.line == before + 1);
    for (exeunt::exit_view const& each : views) {
        BOOST_TEST(each.depth == 0u);
        BOOST_TEST(!each.running_since.has_value());
    }
    closed().expect_success();
    BOOST_TEST(stack.pending().empty());
}

// C95
BOOST_AUTO_TEST_CASE(pending_marks_the_one_that_is_running_and_since_when)
{
    auto hangs = script("hangs");
    push_named(script("older").at_once(), shape::awaitable);
    push_named(hangs, shape::awaitable);
    push_named(script("newer").at_once(), shape::function);
    auto const before = std::chrono::steady_clock::now();
    close();
    auto const after = std::chrono::steady_clock::now();
    auto const views = stack.pending();
    BOOST_REQUIRE(views.size() == 2u);
    BOOST_TEST(views[0].name == "hangs");
    BOOST_REQUIRE(views[0].running_since.has_value());
    BOOST_CHECK(*views[0].running_since >= before);
    BOOST_CHECK(*views[0].running_since <= after);
    BOOST_TEST(views[1].name == "older");
    BOOST_TEST(!views[1].running_since.has_value());
    hangs.answer();
    drive();
    result.expect_success();
    BOOST_TEST(stack.pending().empty());
}

// C95: of an exit that runs by itself
BOOST_AUTO_TEST_CASE(pending_marks_the_one_that_run_now_runs)
{
    auto hangs = script("hangs");
    push_named(script("older").at_once(), shape::awaitable);
    exit_handle const handle = push_named(hangs, shape::handler_function);
    stack.async_run_now(handle, into(result));
    drive();
    bool marked = false;
    for (exeunt::exit_view const& each : stack.pending())
        marked = marked || (each.name == "hangs" && each.running_since.has_value());
    BOOST_TEST(marked);
    hangs.answer();
    drive();
    result.expect_success();
    BOOST_TEST(joined(names(stack.pending())) == "older");
    closed().expect_success();
}

// C95: size() and empty() while closing
BOOST_AUTO_TEST_CASE(pending_and_size_agree_while_closing)
{
    auto running = script("running");
    push_note("a");
    push_note("b");
    push(running, shape::awaitable);
    close();
    BOOST_TEST(stack.pending().size() == 3u);
    BOOST_TEST(stack.size() >= 2u);
    BOOST_TEST(!stack.empty());
    running.answer();
    drive();
    BOOST_TEST(stack.empty());
    BOOST_TEST(stack.size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
