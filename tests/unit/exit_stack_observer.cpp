// The synchronous stack: what an observer is told (C96).
#include <exeunt/exit_stack.hpp>

#include "support/following_observer.hpp"

#include <string>
#include <utility>

using namespace support;

namespace {

struct observer_fixture
{
    event_log events;
    following_observer watcher{events};
    exeunt::exit_stack stack{exeunt::close_options{.observer = &watcher}};

    exeunt::exit_handle push_named(std::string name, std::exception_ptr error = {})
    {
        return stack.push(exeunt::on_exit([error = std::move(error)] {
            if (error)
                std::rethrow_exception(error);
        }).named(std::move(name)));
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(exit_stack_observer, observer_fixture)

BOOST_AUTO_TEST_CASE(observer_of_a_close_hears_every_begin_and_end_in_order)
{
    push_named("a");
    push_named("b", failure("no b"));
    stack.push(exeunt::on_exit([] {}).named("never").only_on_success());
    push_named("c");
    BOOST_CHECK_THROW(stack.close(failure("body")), exeunt::exit_errors);
    events.expect("1(4 for body 1+c 1-c 1+b 1-b=no b 1+a 1-a 1)=[body, no b]");
    BOOST_TEST((watcher.positions == std::vector<std::size_t>{3, 1, 0}));
    watcher.expect_settled();
}

BOOST_AUTO_TEST_CASE(observer_hears_of_owned_values_and_what_is_registered_while_closing)
{
    stack.emplace<int>(7);
    stack.enter(exeunt::on_exit(std::string("value")).named("owned"));
    stack.push(exeunt::on_exit([&] { push_named("late"); }).named("a"));
    stack.close();
    events.expect("1(3 1+a 1-a 1+late 1-late 1+owned 1-owned 1+ 1- 1)");
}

BOOST_AUTO_TEST_CASE(observer_of_a_destroyed_stack_hears_its_unwinding)
{
    push_named("a");
    push_named("b", failure("no b"));
    {
        exeunt::exit_stack const gone(std::move(stack));
    }
    events.expect("1(2 1+b 1-b=no b 1+a 1-a unreceived:b=no b 1)");
}

BOOST_AUTO_TEST_CASE(observer_of_a_run_now_hears_an_unwinding_of_one_exit)
{
    push_named("older");
    auto const handle = push_named("a", failure("no a"));
    BOOST_CHECK_THROW(stack.run_now(handle), test_error);
    stack.close();
    events.expect("1(1 1+a 1-a=no a 1)=no a 2(1 2+older 2-older 2)");
}

BOOST_AUTO_TEST_CASE(observer_of_a_run_now_within_an_exit_hears_it_inside)
{
    auto const handle = push_named("other");
    stack.push(exeunt::on_exit([&] { stack.run_now(handle); }).named("a"));
    stack.close();
    events.expect("1(2 1+a 2(1 2+other 2-other 2) 1-a 1)");
}

BOOST_AUTO_TEST_CASE(observer_of_a_nested_stack_is_that_of_the_stack_around_it)
{
    exeunt::exit_stack child;
    child.push(exeunt::on_exit([] { throw test_error("no c"); }).named("c").best_effort());
    push_named("older");
    stack.push(exeunt::on_exit(std::ref(child)).named("child"));
    stack.close();
    events.expect(
        "1(2 1+child 2(1 in 1 2+c unreceived:c=no c 2-c=no c 2) 1-child 1+older 1-older 1)");
    BOOST_TEST((watcher.depths == std::vector<std::size_t>{0, 1}));
}

BOOST_AUTO_TEST_CASE(observer_of_a_nested_stack_that_has_its_own_hears_of_it_alone)
{
    event_log inner_events;
    following_observer inner(inner_events);
    exeunt::exit_stack child(exeunt::close_options{.observer = &inner});
    child.fail(failure("told"));
    child.push(exeunt::on_exit([] { throw test_error("no c"); }).named("c"));
    stack.push(exeunt::on_exit(std::ref(child)).named("child"));
    BOOST_CHECK_THROW(stack.close(), test_error);
    inner_events.expect("1(1 for told 1+c 1-c=no c 1)=no c");
    events.expect("1(1 1+child 1-child 1)=no c");
}

BOOST_AUTO_TEST_CASE(observer_of_losses_hears_no_step)
{
    struct quiet : exeunt::exit_observer
    {
        explicit quiet(event_log& l)
            : exit_observer(exeunt::observed::losses)
            , log(l)
        {
        }
        void unwinding_began(exeunt::unwinding_view const&) noexcept override { log("began"); }
        void exit_began(exeunt::exit_view const&) noexcept override { log("exit"); }
        void failure_unreceived(exeunt::exit_view const&, std::exception_ptr) noexcept override
        {
            log("failure");
        }
        event_log& log;
    } observer(events);
    exeunt::exit_stack quiet_stack(exeunt::close_options{.observer = &observer});
    quiet_stack.push(exeunt::on_exit([] { throw test_error("no a"); }).best_effort());
    quiet_stack.close();
    events.expect("failure");
}

BOOST_AUTO_TEST_CASE(default_observer_that_follows_hears_of_every_stack)
{
    auto* const former = exeunt::set_default_observer(&watcher);
    exeunt::with([](exeunt::exit_stack& s) { s.push(exeunt::on_exit([] {}).named("a")); });
    exeunt::set_default_observer(former);
    events.expect("1(1 1+a 1-a 1)");
}

BOOST_AUTO_TEST_SUITE_END()
