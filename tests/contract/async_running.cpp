// The asynchronous stack: where exits run, what is held meanwhile, what is freed when (C71 to C75, C78).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/co_spawn.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace support;

namespace {

struct executor_base
{
    executor_record home; // of the stack; outlives the context
};

struct running_fixture : executor_base, async_fixture
{
    asio::any_io_executor executor = track(context, home);

    running_fixture() { fresh(); }

    ~running_fixture()
    {
        stack = async_exit_stack(context);
        BOOST_TEST(home.works == 0);
    }

    void fresh() { stack = async_exit_stack(executor); }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_running, running_fixture)

BOOST_AUTO_TEST_CASE(get_executor_is_the_executor_it_was_made_with)
{
    BOOST_CHECK(stack.get_executor() == executor);
    async_exit_stack of_context(context);
    BOOST_CHECK(of_context.get_executor() == asio::any_io_executor(context.get_executor()));
    exeunt::basic_async_exit_stack<asio::io_context::executor_type> typed(context);
    BOOST_CHECK(typed.get_executor() == context.get_executor());
    using rebound = exeunt::basic_async_exit_stack<
        asio::io_context::executor_type>::rebind_executor<asio::any_io_executor>::other;
    static_assert(std::is_same_v<rebound, async_exit_stack>);
    static_assert(std::is_same_v<async_exit_stack::executor_type, asio::any_io_executor>);
    static_assert(!std::is_copy_constructible_v<async_exit_stack>);
    static_assert(std::is_nothrow_move_constructible_v<async_exit_stack>);
}

// C71
BOOST_AUTO_TEST_CASE(async_close_sync_exits_run_without_suspending_between_them)
{
    std::vector<long> submits;
    bool elsewhere = false;
    auto const note = [&] {
        submits.push_back(home.submits);
        if (submits.size() == 1)
            asio::post(context, [&] { elsewhere = true; });
        BOOST_TEST(!elsewhere);
    };
    for (int k = 0; k != 5; ++k)
        stack.push(note);
    closed().expect_success();
    BOOST_REQUIRE(submits.size() == 5u);
    for (long const each : submits)
        BOOST_TEST(each == submits.front());
    BOOST_TEST(elsewhere);
}

// C71: also when they stand behind an async one
BOOST_AUTO_TEST_CASE(async_close_sync_exits_after_an_async_one_run_without_suspending_between_them)
{
    std::vector<long> submits;
    for (int k = 0; k != 5; ++k)
        stack.push([&] { submits.push_back(home.submits); });
    push(script("async").posted(), shape::awaitable);
    closed().expect_success();
    BOOST_REQUIRE(submits.size() == 5u);
    BOOST_TEST(submits.back() == submits.front());
}

// C72
BOOST_AUTO_TEST_CASE(async_close_never_completes_inside_the_initiating_function)
{
    for (bool const on_the_executor : {false, true}) {
        for (int const kind : {0, 1, 2, 3}) {
            BOOST_TEST_CONTEXT("on the executor: " << on_the_executor << ", kind " << kind)
            {
                fresh();
                probe p(context);
                if (kind == 1)
                    push_note("a");
                else if (kind == 2)
                    push(script("a").at_once(), shape::awaitable);
                else if (kind == 3)
                    push(script("a").at_once(), shape::handler_function);
                auto const close_it = [&] {
                    p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
                };
                if (on_the_executor)
                    asio::post(executor, close_it);
                else
                    close_it();
                drive();
                p.expect_completed();
                BOOST_CHECK(!p.result.error);
            }
        }
    }
}

// C72
BOOST_AUTO_TEST_CASE(async_close_of_a_closed_stack_never_completes_inside_the_initiating_function)
{
    closed().expect_success();
    asio::post(executor, [&] {
        result = {};
        stack.async_close(into(result));
        result.expect_pending();
    });
    drive();
    result.expect_success();
}

// C72: completing there would overflow the native stack
BOOST_AUTO_TEST_CASE(async_close_of_empty_stacks_in_a_loop_uses_a_flat_native_stack)
{
    stack_depth depth;
    int rounds = 0;
    auto const loop = [&]() -> asio::awaitable<void> {
        for (; rounds != 20000; ++rounds) {
            async_exit_stack each(executor);
            co_await each.async_close(asio::use_awaitable);
            depth.note();
        }
    };
    asio::co_spawn(executor, loop, into(result));
    drive();
    result.expect_success();
    BOOST_TEST(rounds == 20000);
    depth.expect_flat();
}

// "Called on the executor, closing starts inside the call."
BOOST_AUTO_TEST_CASE(async_close_called_on_the_executor_starts_inside_the_call)
{
    auto b = script("b");
    push_note("a");
    push(b, shape::awaitable);
    push_note("c");
    asio::post(executor, [&] {
        stack.async_close(into(result));
        log.expect("+c -c +b");
    });
    drive();
    result.expect_pending();
    b.answer();
    drive();
    result.expect_success();
}

// Outside the executor nothing runs in the caller.
BOOST_AUTO_TEST_CASE(async_close_called_outside_the_executor_runs_nothing_in_the_caller)
{
    push_note("a");
    stack.async_close(into(result));
    log.expect("");
    drive();
    log.expect("+a -a");
    result.expect_success();
}

// C75
BOOST_AUTO_TEST_CASE(async_close_exits_on_the_stacks_executor_handler_on_its_own)
{
    asio::io_context other;
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            probe p(other);
            int elsewhere = 0;
            auto const check = [&] { elsewhere += home.running_here() ? 0 : 1; };
            push(script("a").at_once().runs(check), each);
            push(script("b").posted().runs(check), each);
            push(script("c").at_once().runs(check), each);
            p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
            for (int k = 0; k != 5; ++k) {
                drive();
                support::drive(other);
            }
            p.expect_completed();
            BOOST_TEST(elsewhere == 0);
        }
    }
}

// C75: an exit whose handler is completed on another executor
BOOST_AUTO_TEST_CASE(async_close_exit_completed_elsewhere_the_next_runs_on_the_stacks_executor)
{
    asio::io_context other;
    int elsewhere = 0;
    bool completed_elsewhere = false;
    for (shape const each : all_shapes)
        push(script("x").at_once().runs([&] { elsewhere += home.running_here() ? 0 : 1; }), each);
    stack.push([&](exit_handler handler) {
        asio::post(other.get_executor(), [&, h = std::move(handler)]() mutable {
            completed_elsewhere = !home.running_here();
            std::move(h)(); // not dispatched: a sloppy operation
        });
    });
    stack.async_close(into(result));
    drive();
    support::drive(other);
    drive();
    result.expect_success();
    BOOST_TEST(completed_elsewhere);
    BOOST_TEST(elsewhere == 0);
}

// C75: no associated executor: the stack's
BOOST_AUTO_TEST_CASE(async_close_handler_without_an_executor_runs_on_the_stacks)
{
    bool here = false;
    push(script("a").posted(), shape::awaitable);
    stack.async_close([&](std::exception_ptr) { here = home.running_here(); });
    drive();
    BOOST_TEST(here);
}

// The handler that an exit is given carries executor, allocator and a slot of its own.
BOOST_AUTO_TEST_CASE(exit_handler_carries_executor_allocator_and_a_connected_slot)
{
    bool checked = false;
    stack.push([&](auto handler) {
        BOOST_CHECK(asio::get_associated_executor(handler) == executor);
        BOOST_TEST(asio::get_associated_cancellation_slot(handler).is_connected());
        BOOST_TEST(!asio::get_associated_cancellation_slot(handler).has_handler());
        auto allocator = asio::get_associated_allocator(handler);
        using byte_allocator =
            typename std::allocator_traits<decltype(allocator)>::template rebind_alloc<std::byte>;
        byte_allocator bytes(allocator);
        std::byte* const block = bytes.allocate(10);
        bytes.deallocate(block, 10);
        checked = true;
        asio::post(std::move(handler));
    });
    probe p(context);
    p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
    drive();
    p.expect_completed();
    BOOST_TEST(checked);
}

// Its slot is cleared when it completes: nothing an operation left there is called later.
BOOST_AUTO_TEST_CASE(exit_slot_is_cleared_when_the_exit_completes)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            probe p(context);
            auto first = script("first");
            auto second = script("second").ignores_cancellation();
            push(second, each);
            push(first, each);
            p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
            drive();
            first.answer();
            drive();
            BOOST_TEST(second.running());
            p.emit(asio::cancellation_type::terminal);
            p.emit(asio::cancellation_type::terminal);
            drive();
            BOOST_TEST(first.cuts() == 0); // a late one is a failure of its own in the script
            BOOST_TEST(second.cuts() == 1);
            second.answer();
            drive();
            p.expect_completed();
        }
    }
}

BOOST_AUTO_TEST_CASE(exit_slot_is_empty_when_the_next_exit_is_given_it)
{
    bool empty = false;
    stack.push([&](exit_handler handler) {
        empty = !handler.get_cancellation_slot().has_handler();
        std::move(handler)();
    });
    stack.push([&](exit_handler handler) {
        handler.get_cancellation_slot().assign([](asio::cancellation_type) {});
        asio::post(context, [h = std::move(handler)]() mutable { std::move(h)(); });
    });
    closed().expect_success();
    BOOST_TEST(empty);
}

// Work is held for both executors while closing, and none by an idle stack.
BOOST_AUTO_TEST_CASE(async_close_holds_work_for_both_executors_and_an_idle_stack_holds_none)
{
    asio::io_context other;
    probe p(other);
    auto a = script("a");
    push(a, shape::handler_function);
    BOOST_TEST(home.works == 0);
    BOOST_TEST(drive() == 0u);
    BOOST_TEST(context.stopped()); // run() would return

    p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
    drive();
    support::drive(other);
    BOOST_TEST(a.running());
    BOOST_TEST(home.works > 0);
    BOOST_TEST(p.executor.works > 0);
    BOOST_TEST(!context.stopped());
    BOOST_TEST(!other.stopped());

    a.answer();
    drive();
    support::drive(other);
    p.expect_completed();
    BOOST_TEST(home.works == 0);
    BOOST_TEST(p.executor.works == 0);
    BOOST_TEST(context.stopped());
    BOOST_TEST(other.stopped());
}

// Released before the final handler.
BOOST_AUTO_TEST_CASE(async_close_releases_its_work_before_the_final_handler)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            push(is_sync(each) ? script("a").at_once() : script("a").posted(), each);
            long works = -1;
            stack.async_close([&](std::exception_ptr) { works = home.works; });
            drive();
            BOOST_TEST(works == 0);
        }
    }
}

// C78
BOOST_AUTO_TEST_CASE(async_close_all_memory_is_freed_before_the_final_handler)
{
    for (shape const each : all_shapes) {
        for (bool const later : {false, true}) {
            if (later && is_sync(each))
                continue;
            BOOST_TEST_CONTEXT(each << (later ? " later" : " at once"))
            {
                fresh();
                probe p(context);
                for (char const* name : {"a", "b"}) {
                    auto exit = script(name).at_once();
                    push(later ? exit.posted() : exit.at_once(), each);
                }
                p.initiate([&](auto handler) { stack.async_close(std::move(handler)); });
                drive();
                p.expect_completed(); // the probe looks at the memory as it is invoked
                BOOST_CHECK(!p.result.error);
            }
        }
    }
}

// C78
BOOST_AUTO_TEST_CASE(async_with_all_memory_is_freed_before_the_final_handler)
{
    probe p(context);
    auto a = script("a");
    p.initiate([&](auto handler) {
        exeunt::async_with(
            executor,
            [&](async_exit_stack& s) -> asio::awaitable<void> {
                s.push(a.awaitable());
                s.push(script("b").posted().handler_function());
                co_await script("body").posted().async_operation(asio::use_awaitable);
            },
            std::move(handler));
    });
    drive();
    a.answer();
    drive();
    p.expect_completed();
}

// C78: async_run_now, async_enter and async_acquire as well
BOOST_AUTO_TEST_CASE(async_run_now_and_acquire_memory_is_freed_before_the_final_handler)
{
    struct entered
    {
        asio::awaitable<int> async_enter() { co_return 1; }
        asio::awaitable<void> async_exit(exit_state&) { co_return; }
    };
    struct one
    {
        static asio::awaitable<int> get() { co_return 1; }
    };
    probe run_now(context);
    probe enter(context);
    probe acquire(context);
    exit_handle const handle = push(script("a").posted(), shape::awaitable);
    run_now.initiate([&](auto handler) { stack.async_run_now(handle, std::move(handler)); });
    drive();
    run_now.expect_completed();
    enter.initiate([&](auto handler) { stack.async_enter(entered(), std::move(handler)); });
    drive();
    enter.expect_completed();
    acquire.initiate([&](auto handler) {
        stack.async_acquire(
            one::get(), [](int&) {}, std::move(handler));
    });
    drive();
    acquire.expect_completed();
    BOOST_TEST(stack.size() == 2u);
    closed().expect_success();
}

// C78
BOOST_AUTO_TEST_CASE(async_close_captures_die_before_the_next_older_exit_starts)
{
    for (shape const each : all_shapes) {
        for (bool const later : {false, true}) {
            if (later && is_sync(each))
                continue;
            BOOST_TEST_CONTEXT(each << (later ? " later" : " at once"))
            {
                fresh();
                push_note("older");
                auto exit = script("a").marks_captures();
                push(later ? exit.posted() : exit.at_once(), each);
                log.clear();
                closed().expect_success();
                if (each == shape::operation) { // its initiation may go as soon as it was started
                    BOOST_TEST(log.count("~a") == 1u);
                    std::string const events = log.text();
                    BOOST_TEST(events.find("~a") < events.find("+older"), events);
                    log.clear();
                    continue;
                }
                bool const frame = each == shape::awaitable || each == shape::state_awaitable
                    || each == shape::awaitable_context;
                log.expect(frame ? "+a -a %a ~a +older -older" : "+a -a ~a +older -older");
            }
        }
    }
}

// C78: also of an exit that fails
BOOST_AUTO_TEST_CASE(async_close_captures_of_a_failed_exit_die_before_the_next_older_exit_starts)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            push_note("older");
            auto exit = script("a").marks_captures();
            push(is_sync(each) ? exit.at_once(failure("a")) : exit.throws(failure("a")), each);
            log.clear();
            closed().expect_error("a");
            log.expect("+a -a ~a +older -older"); // the awaitable had no frame yet
        }
    }
}

// The captures of an exit live until its operation has completed.
BOOST_AUTO_TEST_CASE(async_close_captures_live_until_the_operation_has_completed)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            fresh();
            auto exit = script("a").marks_captures();
            push(exit, each);
            log.clear();
            close();
            // What Asio hands on by moving may go when the operation has been started.
            if (each != shape::operation)
                log.expect("+a");
            exit.answer();
            drive();
            result.expect_success();
        }
    }
    log.clear();
}

// A coroutine of another executor type.
BOOST_AUTO_TEST_CASE(typed_stack_takes_awaitables_of_its_executor)
{
    using executor_type = asio::io_context::executor_type;
    exeunt::basic_async_exit_stack<executor_type> typed(context);
    typed.push([&]() -> asio::awaitable<void, executor_type> {
        log("typed");
        co_return;
    });
    typed.push([&]() -> asio::awaitable<void> { // any_io_executor can be made from it
        log("any");
        co_return;
    });
    typed.push([&](exeunt::basic_exit_handler<executor_type> handler) {
        log("typed handler");
        asio::post(std::move(handler));
    });
    typed.push([&](exit_handler handler) { // convertible to it
        log("any handler");
        std::move(handler)();
    });
    typed.push([&] { log("sync"); });
    typed.async_close(into(result));
    drive();
    result.expect_success();
    log.expect("sync any handler typed handler any typed");
}

BOOST_AUTO_TEST_SUITE_END()
