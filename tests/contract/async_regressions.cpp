// The asynchronous stack in the situations in which it once went wrong: requests while it closes, stacks
// without exits, exits that reach for their own stack, handlers that cannot be called.
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <utility>

using namespace support;

namespace {

// Runs a newer exit, and leaves a close that runs the older one as the answer to a run_now.
struct regression_fixture : async_fixture
{
    scripted_exit older = script("older");
    scripted_exit newer = script("newer");
    exit_handle older_handle;

    void close_with_two_exits()
    {
        older_handle = push_named(older, shape::handler_function);
        push_named(newer, shape::handler_function);
        close();
    }

    void run_now(probe& now, exit_handle handle)
    {
        now.initiate([&](auto handler) { stack.async_run_now(handle, std::move(handler)); });
        drive();
    }

    void expect_nothing_outstanding(where_t where = where_t::current())
    {
        drive();
        expect(context.stopped(), "work is still held", where);
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_regressions, regression_fixture)

// ---- run_now while a close is running

BOOST_AUTO_TEST_CASE(run_now_that_a_close_answers_when_cancelled_ends_alone)
{
    close_with_two_exits();
    probe now(context);
    run_now(now, older_handle);
    newer.answer();
    drive();
    BOOST_TEST(older.running());
    now.emit(asio::cancellation_type::terminal);
    drive();
    now.expect_completed();
    BOOST_TEST(exeunt::is_cancelled(now.result.error));
    result.expect_pending();
    older.answer();
    drive();
    result.expect_success();
    log.expect("+newer -newer +older -older");
    expect_nothing_outstanding();
}

BOOST_AUTO_TEST_CASE(run_now_that_a_close_answers_when_cancelled_keeps_the_other_requests)
{
    auto oldest = script("oldest");
    auto const oldest_handle = push(oldest, shape::handler_function);
    auto const spare_handle = push_note("spare");
    close_with_two_exits();
    probe first(context);
    probe second(context);
    run_now(first, older_handle);
    run_now(second, oldest_handle);
    newer.answer();
    drive();
    first.emit(asio::cancellation_type::terminal);
    drive();
    probe third(context);
    run_now(third, spare_handle);
    older.answer();
    drive();
    BOOST_TEST(oldest.running());
    oldest.answer();
    drive();
    second.expect_completed();
    third.expect_completed();
    result.expect_success();
    log.expect("+newer -newer +older -older +oldest -oldest +spare -spare");
}

BOOST_AUTO_TEST_CASE(run_now_that_a_close_answers_when_the_exit_is_lost_is_dropped)
{
    close_with_two_exits();
    probe now(context);
    run_now(now, older_handle);
    newer.answer();
    drive();
    older.drop();
    drive();
    now.expect_dropped();
    result.expect_pending();
    BOOST_TEST(observer.abandoned.size() == 1u);
    observer.clear();
    expect_nothing_outstanding();
}

BOOST_AUTO_TEST_CASE(run_now_that_a_close_answers_when_the_context_is_destroyed_is_dropped)
{
    auto own = std::make_unique<asio::io_context>();
    async_exit_stack of_own(*own);
    probe closing(*own);
    probe now(*own);
    auto const handle = of_own.push([&](exit_handler handler) {
        auto timer = std::make_shared<asio::steady_timer>(*own, std::chrono::hours(1));
        auto& waiting = *timer;
        waiting.async_wait(
            [timer = std::move(timer), h = std::move(handler)](auto ec) mutable { h(ec); });
    });
    in_shape(newer, shape::handler_function,
        [&](auto callable) { return of_own.push(std::move(callable)); });
    closing.initiate([&](auto handler) { of_own.async_close(std::move(handler)); });
    support::drive(*own);
    now.initiate([&](auto handler) { of_own.async_run_now(handle, std::move(handler)); });
    support::drive(*own);
    newer.answer();
    support::drive(*own);
    own.reset();
    closing.expect_dropped();
    now.expect_dropped();
    BOOST_TEST(observer.abandoned.size() == 1u);
    observer.clear();
}

// ---- stacks that hold nothing

BOOST_AUTO_TEST_CASE(closed_stack_that_never_held_an_exit_stays_closed_when_memory_is_reserved)
{
    closed().expect_success();
    stack.reserve(3);
    BOOST_TEST(!stack.is_open());
    BOOST_CHECK_THROW(push_note("late"), exeunt::stack_closed);
}

BOOST_AUTO_TEST_CASE(closed_stack_that_never_held_an_exit_stays_closed_when_it_fails)
{
    closed().expect_success();
    stack.fail(failure("late"));
    BOOST_TEST(!stack.is_open());
    BOOST_CHECK_THROW(push_note("late"), exeunt::stack_closed);
}

BOOST_AUTO_TEST_CASE(default_constructed_stack_stays_closed_when_memory_is_reserved)
{
    async_exit_stack none;
    BOOST_TEST(!none.is_open());
    none.reserve(1);
    BOOST_TEST(!none.is_open());
    BOOST_CHECK_THROW(none.push([] {}), exeunt::stack_closed);
}

BOOST_AUTO_TEST_CASE(default_constructed_stack_closes_on_the_executor_of_the_handler)
{
    async_exit_stack none;
    probe closing(context);
    closing.initiate([&](auto handler) { none.async_close(std::move(handler)); });
    drive();
    closing.expect_completed();
    BOOST_TEST(!closing.result.error);
}

BOOST_AUTO_TEST_CASE(default_constructed_stack_exits_on_the_executor_of_the_handler)
{
    async_exit_stack none;
    exit_state state;
    probe exiting(context);
    exiting.initiate([&](auto handler) { none.async_exit(state, std::move(handler)); });
    drive();
    exiting.expect_completed();
    BOOST_TEST(!exiting.result.error);
}

BOOST_AUTO_TEST_CASE(default_constructed_stack_runs_nothing_on_the_executor_of_the_handler)
{
    async_exit_stack none;
    probe now(context);
    now.initiate([&](auto handler) { none.async_run_now(exit_handle(), std::move(handler)); });
    drive();
    now.expect_completed();
    BOOST_TEST(!now.result.error);
}

// ---- exits that reach for the stack that is being destroyed

BOOST_AUTO_TEST_CASE(assignment_to_a_stack_whose_exit_moves_it_runs_the_older_exits_once)
{
    push_note("older");
    stack.push([this] {
        log("moved");
        async_exit_stack const elsewhere = std::move(stack);
    });
    stack = async_exit_stack(context);
    log.expect("moved +older -older");
    BOOST_TEST(stack.is_open());
}

BOOST_AUTO_TEST_CASE(assignment_to_a_stack_whose_exit_assigns_it_runs_the_older_exits_once)
{
    push_note("older");
    stack.push([this] {
        log("assigned");
        stack = async_exit_stack(context);
    });
    stack = async_exit_stack(context);
    log.expect("assigned +older -older");
    BOOST_TEST(stack.is_open());
}

BOOST_AUTO_TEST_CASE(dismissal_of_an_exit_that_owns_the_stack_destroys_it)
{
    struct session
    {
        async_exit_stack stack;
        exit_handle cycle;
    };
    auto owner = std::make_shared<session>(session{async_exit_stack(context), {}});
    std::weak_ptr<session> const alive = owner;
    owner->stack.push([this] { log("older"); });
    owner->cycle = owner->stack.push([owner] {});
    auto& stack_of_session = owner->stack;
    auto const cycle = owner->cycle;
    owner.reset();
    stack_of_session.dismiss(cycle);
    BOOST_TEST(alive.expired());
    log.expect("older");
}

BOOST_AUTO_TEST_CASE(close_by_an_exit_of_a_stack_that_is_destroyed_completes)
{
    auto dying = std::make_unique<async_exit_stack>(context);
    auto* const seen = dying.get();
    dying->push([this] { log("older"); });
    dying->push([this, seen] { seen->async_close(into(result)); });
    asio::post(context, [&] { dying.reset(); });
    drive();
    result.expect_once();
    log.expect("older");
    expect_nothing_outstanding();
}

BOOST_AUTO_TEST_CASE(run_now_by_an_exit_of_a_stack_that_is_destroyed_completes)
{
    auto dying = std::make_unique<async_exit_stack>(context);
    auto* const seen = dying.get();
    auto const handle = dying->push([this] { log("older"); });
    dying->push([this, seen, handle] { seen->async_run_now(handle, into(result)); });
    asio::post(context, [&] { dying.reset(); });
    drive();
    result.expect_once();
    log.expect("older");
    expect_nothing_outstanding();
}

// ---- handlers

namespace {

// A result of a scope that cannot be made where the scope fails.
struct unmakeable
{
    unmakeable() { throw test_error("no result"); }
    explicit unmakeable(int) {}
};

template <class T = void>
struct exhausted_allocator
{
    using value_type = T;

    exhausted_allocator() = default;
    template <class U>
    exhausted_allocator(exhausted_allocator<U> const&) noexcept
    {
    }

    T* allocate(std::size_t) { throw std::bad_alloc(); }
    void deallocate(T*, std::size_t) noexcept {}
    template <class U>
    bool operator==(exhausted_allocator<U> const&) const noexcept
    {
        return true;
    }
};

struct stack_owner
{
    using allocator_type = exhausted_allocator<>;

    std::unique_ptr<async_exit_stack> stack;

    allocator_type get_allocator() const noexcept { return {}; }
    void operator()(std::exception_ptr) {}
};

} // namespace

BOOST_AUTO_TEST_CASE(scope_whose_result_cannot_be_made_destroys_its_handler)
{
    auto alive = std::make_shared<int>(0);
    std::weak_ptr<int> const handler_alive = alive;
    exeunt::async_with(
        context,
        [](async_exit_stack&) -> asio::awaitable<unmakeable> {
            throw test_error("body");
            co_return unmakeable(1);
        },
        [kept = std::move(alive)](std::exception_ptr, unmakeable const&) {});
    BOOST_CHECK_THROW(drive(), test_error);
    BOOST_TEST(handler_alive.expired());
    expect_nothing_outstanding();
}

BOOST_AUTO_TEST_CASE(close_that_cannot_start_leaves_a_handler_that_owns_the_stack)
{
    stack_owner owner{std::make_unique<async_exit_stack>(context)};
    auto& owned = *owner.stack;
    BOOST_CHECK_THROW(owned.async_close(std::move(owner)), std::bad_alloc);
    BOOST_REQUIRE(owner.stack);
    BOOST_TEST(owner.stack->is_open());
}

// ---- what an exit registers with a stack that it has moved away

BOOST_AUTO_TEST_CASE(exit_registered_with_what_stays_behind_runs_when_the_stack_is_destroyed)
{
    bool ran = false;
    async_exit_stack taken(context);
    {
        async_exit_stack dying(context);
        dying.push([&] {
            taken = std::move(dying);
            dying.push([&] { ran = true; });
        });
    }
    BOOST_TEST(ran);
}

BOOST_AUTO_TEST_CASE(exit_registered_while_its_stack_is_replaced_belongs_to_the_new_one)
{
    bool ran = false;
    async_exit_stack replaced(context);
    replaced.push([&] { replaced.push([&] { ran = true; }); });
    replaced = async_exit_stack(context);
    BOOST_TEST(!ran);
    BOOST_TEST(replaced.size() == 1u);
    replaced = async_exit_stack(context);
    BOOST_TEST(ran);
    BOOST_TEST(replaced.empty());
}

BOOST_AUTO_TEST_SUITE_END()
