// Resources that are leased, recycled and closed by a pool.
#include <exeunt/async_with.hpp>
#include <exeunt/resource_pool.hpp>

#include "support/pool_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/co_spawn.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;
constexpr auto partial = asio::cancellation_type::partial;
constexpr auto total = asio::cancellation_type::total;

} // namespace

BOOST_FIXTURE_TEST_SUITE(resource_pool, pool_fixture)

// ---- leases

BOOST_AUTO_TEST_CASE(acquire_opens_what_is_needed_and_uses_it_again)
{
    make({.max_size = 2});
    auto a = acquired_now();
    a.result.expect_success();
    BOOST_TEST(a.number() == 0);
    auto b = acquired_now();
    BOOST_TEST(b.number() == 1);
    a.lease = {};
    drive();
    auto c = acquired_now();
    BOOST_TEST(c.number() == 0);
    expect_events("open:0 open:1 recycling:0");
    b.lease = {};
    c.lease = {};
    drive();
    expect_balanced();
    BOOST_TEST(pool->idle() == 2u);
}

// The one that was used last is the one that is warm.
BOOST_AUTO_TEST_CASE(acquire_takes_the_idle_resource_that_was_used_last)
{
    make();
    auto a = acquired_now(), b = acquired_now(), c = acquired_now();
    for (auto* each : {&a, &c, &b}) {
        each->lease = {};
        drive();
    }
    BOOST_TEST(acquired_now().number() == 1);
}

BOOST_AUTO_TEST_CASE(acquire_beyond_the_size_waits_first_come_first_served)
{
    make({.max_size = 1});
    auto a = acquired_now();
    std::vector<acquired> waiting(3);
    for (auto& each : waiting)
        acquire(each);
    drive();
    BOOST_TEST(pool->waiting() == 3u);
    a.lease = {};
    for (std::size_t i = 0; i != waiting.size(); ++i) {
        drive();
        for (std::size_t k = 0; k != waiting.size(); ++k)
            BOOST_TEST(waiting[k].result.done() == (k <= i));
        waiting[i].lease = {};
    }
    drive();
    expect_balanced();
    BOOST_TEST(pool->counts().opened == 1u);
}

BOOST_AUTO_TEST_CASE(acquire_when_too_many_wait_is_refused)
{
    make({.max_size = 1, .max_waiters = 1});
    auto a = acquired_now();
    acquired b, c;
    acquire(b);
    acquire(c);
    drive();
    b.result.expect_pending();
    c.result.expect_code(
        boost::system::errc::make_error_code(boost::system::errc::resource_unavailable_try_again));
    a.lease = {};
    drive();
    b.result.expect_success();
}

BOOST_AUTO_TEST_CASE(pool_of_no_resources_has_one)
{
    make({.max_size = 0});
    acquired_now().result.expect_success();
}

BOOST_AUTO_TEST_CASE(lease_that_is_empty_does_nothing)
{
    lease_type none;
    BOOST_TEST(!none);
    none.discard();
    exit_state state;
    none.async_exit(state, asio::bind_executor(context, into(result)));
    result.expect_pending();
    drive();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(lease_that_is_empty_completes_any_handler_on_its_executor)
{
    lease_type none;
    exit_state state;
    bool runs_there = false;
    none.async_exit(state,
        asio::any_completion_handler<void(std::exception_ptr)>(
            asio::bind_executor(context, [&](std::exception_ptr error) {
                runs_there = context.get_executor().running_in_this_thread();
                into(result)(std::move(error));
            })));
    result.expect_pending();
    context.restart();
    context.run();
    result.expect_success();
    BOOST_TEST(runs_there);
}

BOOST_AUTO_TEST_CASE(lease_that_is_moved_has_one_owner)
{
    make();
    auto a = acquired_now();
    lease_type other(std::move(a.lease));
    BOOST_TEST(!a.lease);
    BOOST_TEST((*other).number() == 0);
    auto b = acquired_now();
    other = std::move(b.lease); // what it had goes back
    drive();
    expect_events("open:0 open:1 recycling:0");
    BOOST_TEST(pool->idle() == 1u);
}

BOOST_AUTO_TEST_CASE(discard_destroys_and_makes_room)
{
    make({.max_size = 1});
    auto a = acquired_now();
    acquired b;
    acquire(b);
    drive();
    a.lease.discard();
    BOOST_TEST(!a.lease);
    drive();
    BOOST_TEST(b.number() == 1);
    expect_events("open:0 gone:0 open:1");
}

// ---- opening

BOOST_AUTO_TEST_CASE(opening_that_fails_is_told_to_who_waits_longest)
{
    make({.max_size = 1});
    opening.posted(failure("no route"));
    acquired a, b;
    acquire(a);
    acquire(b);
    drive();
    a.result.expect_error("no route");
    b.result.expect_error("no route");
    BOOST_TEST(pool->size() == 0u);
    BOOST_TEST(pool->counts().failed == 2u);
    opening.posted();
    acquired_now().result.expect_success();
}

// Another one is on its way for it, or comes back.
BOOST_AUTO_TEST_CASE(opening_that_fails_and_is_not_needed_any_more_is_told_to_nobody)
{
    make({.max_size = 2});
    auto a = acquired_now();
    opening = script("opening");
    acquired b;
    acquire(b);
    drive();
    a.lease = {};
    drive();
    b.result.expect_success();
    BOOST_TEST(b.number() == 0);
    acquired c;
    acquire(c);
    drive();
    opening.answer(failure("no route"));
    drive();
    c.result.expect_error("no route");
    b.lease = {};
    drive();
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(opening_that_throws_at_once_fails_the_acquire)
{
    pool.emplace(context, [&]() -> asio::awaitable<resource> { throw test_error("no memory"); });
    auto a = acquired_now();
    a.result.expect_error("no memory");
    BOOST_TEST(pool->size() == 0u);
}

BOOST_AUTO_TEST_CASE(resources_are_opened_by_operations_too)
{
    pool.emplace(context, [&] {
        return asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, resource)>(
            [this](auto handler) { std::move(handler)(nullptr, resource(log, 7)); },
            asio::deferred);
    });
    BOOST_TEST(acquired_now().number() == 7);
}

// ---- coming back

BOOST_AUTO_TEST_CASE(recycling_that_fails_discards_and_is_told_to_the_observer_alone)
{
    make({.max_size = 1});
    recycling.posted(failure("no reset"));
    auto a = acquired_now();
    a.lease = {};
    drive();
    BOOST_TEST(pool->size() == 0u);
    expect_events("open:0 recycling:0 gone:0");
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(reusable_if_is_asked_of_what_comes_back)
{
    make_judged();
    auto a = acquired_now();
    reusable = false;
    a.lease = {};
    drive();
    expect_events("open:0 gone:0");
    reusable = true;
    auto b = acquired_now();
    b.lease = {};
    drive();
    expect_events("open:1 recycling:1");
}

BOOST_AUTO_TEST_CASE(recycling_and_closing_may_be_functions_and_coroutines)
{
    auto const note = [this](char const* word) { log(word); };
    auto const open = [this] { return this->open(); };
    for (int const kind : {0, 1, 2}) {
        if (kind == 0)
            pool.emplace(context,
                exeunt::opened_by(open)
                    .recycled_by([=](resource&) { note("recycle"); })
                    .closed_by([=](resource&) { note("close"); }));
        else if (kind == 1)
            pool.emplace(context,
                exeunt::opened_by(open)
                    .recycled_by([=](resource&) -> asio::awaitable<void> {
                        co_await asio::post(asio::use_awaitable);
                        note("recycle");
                    })
                    .closed_by([=](resource&) -> asio::awaitable<void> {
                        note("close");
                        co_return;
                    }));
        else
            pool.emplace(context,
                exeunt::opened_by(open)
                    .recycled_by([=](resource&, auto handler) { note("recycle"), handler(); })
                    .closed_by([=](resource&, auto handler) { note("close"), handler(); }));
        auto a = acquired_now();
        a.lease = {};
        drive();
        close_pool();
        result.expect_success();
        BOOST_TEST(log.count("recycle") == 1u);
        BOOST_TEST(log.count("close") == 1u);
        log.clear();
    }
}

// ---- as an exit

BOOST_AUTO_TEST_CASE(lease_in_a_stack_is_recycled_after_success)
{
    make();
    outcome_of<lease_type*> got;
    stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
    drive();
    BOOST_REQUIRE(got.value);
    BOOST_TEST((**got.value)->number() == 0);
    recycling = script("recycle");
    close();
    result.expect_pending(); // it is waited for
    expect_events("open:0 recycling:0");
    recycling.answer();
    drive();
    result.expect_success();
    BOOST_TEST(pool->idle() == 1u);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_is_discarded_after_a_failure)
{
    make();
    outcome_of<lease_type*> got;
    stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
    drive();
    close(failure("body"));
    result.expect_error("body");
    expect_events("open:0 gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_is_asked_after_a_failure_whether_it_can_be_used_again)
{
    for (bool const good : {true, false}) {
        make_judged();
        reusable = good;
        stack = async_exit_stack(context);
        outcome_of<lease_type*> got;
        stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
        drive();
        close(failure("body"));
        BOOST_TEST(pool->idle() == (good ? 1u : 0u));
        expect_balanced();
    }
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_that_cannot_be_recycled_is_no_failure)
{
    make();
    recycling.posted(failure("no reset"));
    outcome_of<lease_type*> got;
    stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
    drive();
    closed().expect_success();
    BOOST_TEST(pool->size() == 0u);
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_whose_recycling_hangs_is_cut_and_discarded)
{
    make();
    recycling = script("recycle");
    stack.options().timeout = 2s;
    outcome_of<lease_type*> got;
    stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
    drive();
    close();
    advance(2s);
    result.expect_success();
    expect_events("open:0 recycling:0 !recycle gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_in_a_forced_stack_is_discarded)
{
    make();
    outcome_of<lease_type*> got;
    stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
    drive();
    stack.force();
    closed().expect_success();
    expect_events("open:0 gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_that_is_told_of_a_forced_unwinding_is_discarded)
{
    make();
    auto got = acquired_now();
    exit_state forced({}, true);
    got.lease.async_exit(forced, into(result));
    drive();
    result.expect_success();
    expect_events("open:0 gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_may_be_discarded_before)
{
    make();
    outcome_of<lease_type*> got;
    stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
    drive();
    (**got.value).discard();
    closed().expect_success();
    expect_events("open:0 gone:0");
    expect_balanced();
}

// ---- cancelling

BOOST_AUTO_TEST_CASE(acquire_that_is_cancelled_leaves_the_line)
{
    for (auto const type : {terminal, partial, total}) {
        make({.max_size = 1});
        auto a = acquired_now();
        acquired b, c;
        acquire_cancellable(b);
        acquire(c);
        drive();
        signal.emit(type);
        drive();
        b.result.expect_code(asio::error::operation_aborted);
        BOOST_TEST(!b.lease);
        a.lease = {};
        drive();
        c.result.expect_success();
    }
}

BOOST_AUTO_TEST_CASE(acquire_that_is_cancelled_while_it_opens_leaves_the_resource_to_the_next)
{
    make({.max_size = 1});
    opening = script("opening");
    acquired a, b;
    acquire_cancellable(a);
    drive();
    signal.emit(terminal);
    drive();
    a.result.expect_code(asio::error::operation_aborted);
    acquire(b);
    drive();
    opening.answer();
    drive();
    b.result.expect_success();
    BOOST_TEST(pool->counts().opened == 1u);
}

// Cancelled after each step: either it has the lease, or the next one has it.
BOOST_AUTO_TEST_CASE(acquire_that_is_cancelled_at_every_step_loses_no_resource)
{
    for (std::size_t steps = 0; steps != 12; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            make({.max_size = 1});
            auto a = acquired_now();
            acquired b, c;
            acquire_cancellable(b);
            acquire(c);
            drive();
            a.lease = {};
            context.restart();
            for (std::size_t k = 0; k != steps; ++k)
                context.poll_one();
            signal.emit(terminal);
            drive();
            b.result.expect_once();
            BOOST_TEST(static_cast<bool>(b.lease) == !b.result.error);
            b.lease = {};
            drive();
            c.result.expect_success();
            c.lease = {};
            drive();
            BOOST_TEST(pool->idle() == 1u);
            expect_balanced();
        }
    }
}

// ---- time

BOOST_AUTO_TEST_CASE(idle_resource_that_nobody_needs_is_closed)
{
    make({.idle_timeout = 10s});
    auto a = acquired_now(), b = acquired_now();
    a.lease = {};
    drive();
    advance(4s);
    b.lease = {};
    drive();
    advance(6s);
    expect_events("open:0 open:1 recycling:0 recycling:1 closing:0 gone:0");
    BOOST_TEST(pool->idle() == 1u);
    auto c = acquired_now(); // used again: its time begins anew
    c.lease = {};
    drive();
    advance(4s);
    BOOST_TEST(pool->idle() == 1u);
    advance(6s);
    BOOST_TEST(pool->idle() == 0u);
    BOOST_TEST(pool->counts().expired == 2u);
    BOOST_TEST(context.stopped()); // nothing is left that waits
}

BOOST_AUTO_TEST_CASE(resource_that_is_too_old_is_closed_when_idle_and_when_it_comes_back)
{
    make({.max_lifetime = 10s});
    auto a = acquired_now(), b = acquired_now();
    b.lease = {};
    drive();
    advance(10s);
    expect_events("open:0 open:1 recycling:1 closing:1 gone:1");
    a.lease = {};
    drive();
    expect_events("closing:0 gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(acquire_in_the_moment_of_expiry_opens_another_one)
{
    make({.max_size = 1, .idle_timeout = 10s});
    auto a = acquired_now();
    a.lease = {};
    drive();
    clock.advance(10s); // nobody has looked yet
    closing = script("close");
    acquired b;
    acquire(b);
    drive();
    b.result.expect_pending(); // there is no room until it is closed
    closing.answer();
    drive();
    BOOST_TEST(b.number() == 1);
}

// ---- closing

BOOST_AUTO_TEST_CASE(close_refuses_who_waits_and_waits_for_what_is_out)
{
    make({.max_size = 1});
    auto a = acquired_now();
    acquired b;
    acquire(b);
    drive();
    close_pool();
    b.result.expect_once();
    BOOST_CHECK_THROW(std::rethrow_exception(b.result.error), exeunt::pool_closed);
    result.expect_pending();
    a.lease = {};
    drive();
    result.expect_success();
    expect_events("open:0 closing:0 gone:0"); // it is not recycled any more
    auto c = acquired_now();
    BOOST_CHECK_THROW(std::rethrow_exception(c.result.error), exeunt::pool_closed);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(close_closes_idle_resources_at_the_same_time)
{
    std::vector<scripted_exit> goodbyes{script("0"), script("1"), script("2")};
    pool.emplace(context, exeunt::opened_by([this] { return open(); }).closed_by([&](resource& r) {
        return goodbyes[static_cast<std::size_t>(r.number())].async_operation(asio::deferred);
    }));
    std::vector<acquired> out;
    for (int i = 0; i != 3; ++i)
        out.push_back(acquired_now());
    for (auto& each : out)
        each.lease = {};
    drive();
    log.clear();
    close_pool();
    log.expect("+0 +1 +2");
    for (std::size_t const each : {1u, 0u, 2u}) {
        result.expect_pending();
        goodbyes[each].answer();
        drive();
    }
    log.expect("-1 gone:1 -0 gone:0 -2 gone:2");
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(close_reports_what_closing_fails_with)
{
    make();
    auto a = acquired_now(), b = acquired_now();
    a.lease = {};
    b.lease = {};
    drive();
    closing.posted(failure("no goodbye"));
    close_pool();
    result.expect_error("no goodbye"); // the same object twice is one failure
    BOOST_TEST(pool->size() == 0u);
}

BOOST_AUTO_TEST_CASE(close_that_is_forced_waits_for_nobody_and_destroys_what_comes_back)
{
    make();
    auto a = acquired_now(), b = acquired_now();
    b.lease = {};
    drive();
    closing = script("close");
    result = {};
    pool->async_close({.timeout = 2s}, into(result));
    drive();
    result.expect_pending();
    advance(2s);
    result.expect_success();
    expect_events("open:0 open:1 recycling:1 closing:1 !close gone:1");
    a.lease = {};
    drive();
    expect_events("gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(close_cuts_what_is_being_opened)
{
    make();
    opening = script("opening");
    acquired a;
    acquire(a);
    drive();
    close_pool();
    a.result.expect_once();
    result.expect_success();
    BOOST_TEST(opening.cuts() == 1);
}

BOOST_AUTO_TEST_CASE(pool_in_a_stack_closes_at_its_position)
{
    push_note("older");
    auto& owned =
        stack.enter(exeunt::on_exit(pool_type(context, spec(), {.max_size = 1})).named("pool"));
    outcome_of<lease_type*> got;
    stack.async_acquire(owned.async_acquire(asio::deferred), into(got));
    drive();
    push_note("newer");
    close();
    result.expect_success();
    expect_events("open:0 recycling:0 closing:0 gone:0");
}

BOOST_AUTO_TEST_CASE(close_twice_at_the_same_time_ends_together)
{
    make();
    auto a = acquired_now();
    outcome second;
    close_pool();
    pool->async_close(into(second));
    drive();
    second.expect_pending();
    a.lease = {};
    drive();
    result.expect_success();
    second.expect_success();
}

// ---- ends

BOOST_AUTO_TEST_CASE(pool_object_may_be_moved_and_destroyed_while_leases_are_out)
{
    make({.max_size = 1});
    auto a = acquired_now();
    acquired b;
    acquire(b);
    drive();
    {
        pool_type const moved(std::move(*pool));
        pool.reset();
    }
    a.lease = {};
    drive();
    b.result.expect_success(); // it goes on as long as somebody waits
    BOOST_TEST(b.number() == 0);
    b.lease = {};
    drive();
    BOOST_TEST(log.has("gone:0"));
}

BOOST_AUTO_TEST_CASE(operations_of_a_pool_complete_as_those_of_asio_do)
{
    make({.max_size = 1});
    {
        probe first(context), second(context);
        first.initiate([&](auto handler) { pool->async_acquire(std::move(handler)); });
        drive();
        first.expect_completed();
        auto out = acquired_now();
        second.initiate([&](auto handler) { pool->async_acquire(std::move(handler)); });
        drive();
        second.expect_pending();
        out.lease = {};
        drive();
        second.expect_completed();
    }
    probe back(context), end(context);
    auto out = acquired_now();
    exit_state state;
    back.initiate([&](auto handler) { out.lease.async_exit(state, std::move(handler)); });
    drive();
    back.expect_completed();
    end.initiate([&](auto handler) { pool->async_exit(state, std::move(handler)); });
    drive();
    end.expect_completed();
}

// The context is destroyed after each step: leases, waiters and jobs go with it.
BOOST_AUTO_TEST_CASE(pool_whose_context_is_destroyed_loses_nothing)
{
    auto const open = [this](asio::io_context& own) -> asio::awaitable<resource> {
        co_await asio::post(own, asio::use_awaitable);
        co_return resource(log, next_number++);
    };
    auto const pause = [](asio::io_context& own) -> asio::awaitable<void> {
        co_await asio::post(own, asio::use_awaitable);
    };
    for (std::size_t steps = 0; steps != 60; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            auto own = std::make_unique<asio::io_context>();
            {
                async_exit_stack s(*own);
                auto& owned = s.enter(pool_type(*own, exeunt::opened_by([&] {
                    return open(*own);
                }).recycled_by([&](resource&) {
                      return pause(*own);
                  }).closed_by([&](resource&) { return pause(*own); }),
                    {.max_size = 2, .idle_timeout = 1h}));
                auto const session = [&]() -> asio::awaitable<void> {
                    co_await exeunt::async_with(
                        [&](async_exit_stack& inner) -> asio::awaitable<void> {
                            auto* mine = co_await inner.async_acquire(
                                owned.async_acquire(asio::deferred), asio::use_awaitable);
                            co_await pause(*own);
                            log("user:" + std::to_string((*mine)->number()));
                        },
                        asio::use_awaitable);
                };
                for (int i = 0; i != 4; ++i)
                    asio::co_spawn(*own, session, [](std::exception_ptr) {});
                for (std::size_t k = 0; k != steps; ++k)
                    own->poll_one();
                s.async_close([](std::exception_ptr) {});
                for (std::size_t k = 0; k != 3; ++k)
                    own->poll_one();
                own.reset();
            }
            for (int number = 0; number != next_number; ++number)
                BOOST_TEST(log.count("open:" + std::to_string(number))
                    == log.count("gone:" + std::to_string(number)));
            next_number = 0;
            log.clear();
            observer.clear();
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
