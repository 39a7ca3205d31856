// Asynchronous stacks in stacks: side by side, closing already, and forced with what is around them at the
// moment in which an exit begins or ends.
#include <exeunt/async_with.hpp>

#include "support/following_observer.hpp"
#include "support/time_fixture.hpp"

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <functional>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
using namespace asio::experimental::awaitable_operators;

namespace {

struct nested_fixture : time_fixture
{
    async_exit_stack child{context};

    void push_named_to_child(scripted_exit const& exit, shape s)
    {
        in_shape(exit, s, [&](auto callable) {
            return child.push(exeunt::on_exit(std::move(callable)).named(exit.name()));
        });
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_regressions_nesting, nested_fixture)

// ---- side by side

// Whichever ends last, nothing refers to it afterwards: the older one begins within the parent.
BOOST_AUTO_TEST_CASE(nested_stacks_side_by_side_may_end_in_the_order_in_which_they_began)
{
    event_log events;
    following_observer watcher(events);
    stack.options().observer = &watcher;
    auto& older = stack.enter(async_exit_stack(context));
    older.push(exeunt::on_exit([] {}).named("older"));
    async_exit_stack other(context);
    auto first = script("first");
    auto second = script("second");
    push_named_to_child(first, shape::awaitable);
    other.push(second.awaitable());
    stack.push([&](exit_state& state) -> asio::awaitable<void> {
        co_await (child.async_exit(state, asio::use_awaitable)
            && other.async_exit(state, asio::use_awaitable));
    });
    begin_close();
    first.answer();
    drive();
    second.answer();
    drive();
    result.expect_success();
    log.expect("+first +second -first -second");
    BOOST_TEST(events.has("4(1 in 1"), "found " << events.text());
    BOOST_TEST(watcher.depths.back() == 1u);
    watcher.expect_settled();
}

// ---- closing already

// What the exits of the child use is owned by the parent: it must not go before them.
BOOST_AUTO_TEST_CASE(nested_stack_that_closes_already_is_cut_with_its_parent_and_waited_for)
{
    auto c = script("c").ignores_cancellation();
    push_named_to_child(script("older_c"), shape::awaitable);
    push_named_to_child(c, shape::handler_function);
    push_note("owner");
    stack.push(std::ref(child));
    outcome of_child;
    child.async_close(into(of_child));
    stack.options().timeout = 2s;
    begin_close();
    advance(2s);
    log.expect("+c !c");
    result.expect_pending();
    c.answer();
    drive();
    log.expect("-c +older_c !older_c -older_c +owner -owner");
    of_child.expect_code(asio::error::timed_out);
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(nested_stack_that_closes_already_is_forced_by_a_parent_that_is_forced_before)
{
    auto c = script("c");
    push_named_to_child(c, shape::awaitable);
    push_note("owner");
    stack.push(std::ref(child));
    child.async_close([](std::exception_ptr) {});
    drive();
    log.expect("+c");
    stack.force();
    begin_close();
    log.expect("!c -c +owner -owner");
    result.expect_success();
}

// Begun from elsewhere: the first step of its close is on its way when it is joined.
BOOST_AUTO_TEST_CASE(
    nested_stack_whose_close_is_on_its_way_is_forced_by_a_parent_that_is_forced_before)
{
    push_named_to_child(script("c"), shape::awaitable);
    push_note("owner");
    stack.push(std::ref(child));
    stack.force();
    stack.async_close(into(result));
    child.async_close([](std::exception_ptr) {});
    drive();
    log.expect("+c !c -c +owner -owner");
    result.expect_success();
}

// C56: it would wait for itself, also where that is said by what it sees.
BOOST_AUTO_TEST_CASE(exit_that_nests_its_own_stack_later_is_ended_by_the_timeout)
{
    stack.options().timeout = 2s;
    push_note("older");
    stack.push([&](exit_state& state, exit_handler handler) {
        asio::post(context,
            [&, h = std::move(handler)]() mutable { stack.async_exit(state, std::move(h)); });
    });
    begin_close();
    result.expect_pending();
    advance(2s);
    log.expect("+older -older");
    result.expect_code(asio::error::timed_out);
}

// ---- forced between two exits

BOOST_AUTO_TEST_CASE(nested_stack_that_begins_when_its_parent_is_over_time_fails_for_time)
{
    push_named_to_child(script("older"), shape::handler_function);
    stack.push(std::ref(child));
    push_named(script("newer"), shape::handler_function);
    stack.options().timeout = 2s;
    begin_close();
    advance(2s);
    log.expect("+newer !newer -newer +older !older -older");
    BOOST_TEST(describe(result.error) == "[code system:110, code system:110]");
}

BOOST_AUTO_TEST_CASE(nested_stack_whose_exit_forces_the_parent_as_it_ends_forces_its_older_exits)
{
    for (bool const posted : {false, true}) {
        BOOST_TEST_CONTEXT("posted " << posted)
        {
            fresh();
            child = async_exit_stack(context);
            forceable(child, script("c1"), shape::handler_function);
            forceable(child, script("c2"), shape::awaitable);
            child.push([&](exit_handler handler) {
                auto end = [&, h = std::move(handler)]() mutable {
                    stack.force();
                    log("forced");
                    std::move(h)();
                };
                if (posted)
                    asio::post(context, std::move(end));
                else
                    end();
            });
            stack.push(std::ref(child));
            begin_close();
            log.expect("forced ^c2 ^c1");
            result.expect_success();
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
