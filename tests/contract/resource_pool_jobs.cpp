// What a pool is told about recycling and closing by specs, and what a lease says of its end.
#include <exeunt/async_with.hpp>
#include <exeunt/resource_pool.hpp>

#include "support/following_observer.hpp"
#include "support/pool_fixture.hpp"

#include <boost/asio/strand.hpp>

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

using namespace support;
using namespace std::chrono_literals;

namespace {

struct jobs_fixture : pool_fixture
{
    outcome_of<lease_type*> got;

    auto open_spec()
    {
        return exeunt::opened_by([this] { return open(); });
    }

    auto recycle()
    {
        return exeunt::on_exit([this](resource&) {
            return recycling.async_operation(asio::deferred);
        }).named("reset");
    }

    auto close_by()
    {
        return exeunt::on_exit([this](resource&) {
            return closing.async_operation(asio::deferred);
        }).named("quit");
    }

    auto noted(char const* word)
    {
        return [this, word](resource& of) { log(word + std::to_string(of.number())); };
    }

    // One resource that is idle.
    template <class Spec>
    void make_idle(Spec&& spec)
    {
        pool.emplace(context, std::forward<Spec>(spec), exeunt::pool_options{.max_size = 1});
        acquired_now().lease = {};
        drive();
        log.clear();
    }

    void acquire_in_stack()
    {
        stack.async_acquire(pool->async_acquire(asio::deferred), into(got));
        drive();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(resource_pool_jobs, jobs_fixture)

// ---- closing

BOOST_AUTO_TEST_CASE(closing_that_hangs_is_cut_in_time_and_its_force_makes_good)
{
    make_idle(open_spec().closed_by(close_by().within(2s).or_force(noted("force:"))));
    closing = script("close");
    close_pool();
    result.expect_pending();
    advance(2s);
    result.expect_success();
    expect_events("!close force:0 gone:0");
    BOOST_TEST(pool->counts().closed == 1u);
}

BOOST_AUTO_TEST_CASE(closing_without_a_force_that_is_cut_in_time_is_a_failure)
{
    make_idle(open_spec().closed_by(close_by().within(2s).on_cut(noted("cut:"))));
    closing = script("close");
    close_pool();
    advance(2s);
    result.expect_code(asio::error::timed_out);
    expect_events("cut:0 !close gone:0");
}

BOOST_AUTO_TEST_CASE(closings_that_fail_keep_their_name)
{
    auto const fail = [](resource& of, auto handler) {
        handler(failure("no answer from " + std::to_string(of.number())));
    };
    pool.emplace(context, open_spec().closed_by(exeunt::on_exit(fail).named("quit")));
    {
        auto const a = acquired_now(), b = acquired_now();
    }
    drive();
    close_pool();
    BOOST_CHECK_EXCEPTION(
        std::rethrow_exception(result.error), exeunt::exit_errors, [](auto const& errors) {
            return errors.failures().size() == 2 && errors.failures().back().name == "quit";
        });
}

BOOST_AUTO_TEST_CASE(closing_that_is_best_effort_fails_for_the_observer_alone)
{
    make_idle(open_spec().closed_by(close_by().best_effort()));
    closing.posted(failure("no answer"));
    close_pool();
    result.expect_success();
    BOOST_REQUIRE(observer.failures.size() == 1u);
    BOOST_TEST(observer.failures.front().name == "quit");
    observer.clear();
}

BOOST_AUTO_TEST_CASE(closing_by_a_spec_is_an_unwinding_in_that_of_the_pool)
{
    event_log words;
    following_observer watch(words);
    make_idle(open_spec().closed_by(close_by()));
    stack.options().observer = &watch;
    stack.push(exeunt::on_exit(std::ref(*pool)).named("pool"));
    closed().expect_success();
    BOOST_TEST(joined(words.words()) == "1(1 1+pool 2(1 in 1 2+quit 2-quit 2) 1-pool 1)");
}

BOOST_AUTO_TEST_CASE(closing_in_a_forced_unwinding_is_its_force_alone)
{
    make_idle(open_spec().closed_by(close_by().or_force(noted("force:"))));
    stack.push(std::ref(*pool));
    stack.force();
    closed().expect_success();
    expect_events("force:0 gone:0");
}

BOOST_AUTO_TEST_CASE(closing_that_runs_when_the_unwinding_is_forced_is_cut_and_forced)
{
    make_idle(open_spec().closed_by(close_by().or_force(noted("force:"))));
    closing = script("close");
    stack.push(std::ref(*pool));
    close();
    result.expect_pending();
    stack.force();
    drive();
    result.expect_success();
    expect_events("!close force:0 gone:0");
}

BOOST_AUTO_TEST_CASE(closing_of_what_is_too_old_is_limited_too)
{
    pool.emplace(context, open_spec().closed_by(close_by().within(2s).or_force(noted("force:"))),
        exeunt::pool_options{.idle_timeout = 10s});
    acquired_now().lease = {};
    drive();
    closing = script("close");
    advance(10s);
    BOOST_TEST(pool->size() == 1u);
    advance(2s);
    BOOST_TEST(pool->size() == 0u);
    expect_events("open:0 !close force:0 gone:0");
}

// ---- recycling

BOOST_AUTO_TEST_CASE(recycling_in_the_background_that_hangs_is_cut_in_time_and_makes_room)
{
    pool.emplace(context, open_spec().recycled_by(recycle().within(2s)),
        exeunt::pool_options{.max_size = 1});
    recycling = script("recycle");
    acquired_now().lease = {};
    drive();
    BOOST_TEST(pool->size() == 1u);
    advance(2s);
    BOOST_TEST(pool->size() == 0u);
    expect_events("open:0 !recycle gone:0");
    BOOST_REQUIRE(observer.failures.size() == 1u);
    BOOST_TEST(observer.failures.front().name == "reset");
    observer.clear();
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(recycling_that_needed_its_force_discards)
{
    pool.emplace(context,
        open_spec().recycled_by(recycle().within(2s).or_force(noted("force:")).best_effort()));
    recycling = script("recycle");
    acquired_now().lease = {};
    drive();
    advance(2s);
    BOOST_TEST(pool->size() == 0u);
    expect_events("open:0 !recycle force:0 gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(recycling_by_a_spec_that_succeeds_keeps_the_resource)
{
    make_idle(open_spec().recycled_by(recycle().within(2s).or_force(noted("force:"))));
    BOOST_TEST(pool->idle() == 1u);
    auto a = acquired_now();
    BOOST_TEST(a.number() == 0);
    a.lease = {};
    drive();
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(recycling_by_a_spec_may_be_a_function_or_a_coroutine)
{
    make_idle(open_spec().recycled_by(exeunt::on_exit(noted("recycled:")).named("reset")));
    acquired_now().lease = {};
    drive();
    expect_events("recycled:0");
    make_idle(
        open_spec().recycled_by(exeunt::on_exit([this](resource& of) -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            log("recycled:" + std::to_string(of.number()));
        }).within(2s)));
    acquired_now().lease = {};
    drive();
    expect_events("recycled:1");
    BOOST_TEST(pool->idle() == 1u);
}

// ---- leases

BOOST_AUTO_TEST_CASE(lease_whose_recycling_is_cut_is_told_as_forced)
{
    event_log words;
    following_observer watch(words);
    make();
    recycling = script("recycle");
    stack.options().observer = &watch;
    auto const release = exeunt::on_exit(exeunt::own_exit).named("lease").within(2s);
    stack.async_acquire(pool->async_acquire(asio::deferred), release, into(got));
    drive();
    close();
    advance(2s);
    result.expect_success();
    BOOST_TEST(joined(words.words()) == "1(1 1+lease 1!lease:2 1^lease 1-lease 1)");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_whose_recycling_fails_in_a_stack_is_no_failure_of_that)
{
    scripted_exit const ends[] = {script("recycle").posted(failure("lost")),
        script("recycle").at_once(failure("lost")), script("recycle").throws(failure("lost"))};
    for (auto const& fails : ends) {
        make();
        recycling = fails;
        acquire_in_stack();
        closed().expect_success();
        BOOST_TEST(pool->size() == 0u);
        BOOST_TEST(pool->counts().discarded == 1u);
        BOOST_TEST(pool->counts().returned == 0u);
        BOOST_REQUIRE(observer.failures.size() == 1u);
        BOOST_TEST(observer.failures.front().name == "recycle");
        observer.clear();
        expect_balanced();
        stack = async_exit_stack(context);
    }
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_on_another_executor_is_got_and_recycled_on_that_of_the_pool)
{
    auto const strand = asio::make_strand(context);
    int here = 0;
    auto const note = [&] { here += strand.running_in_this_thread() ? 1 : 0; };
    pool.emplace(strand, exeunt::opened_by([&]() -> asio::awaitable<resource> {
        note();
        co_return resource(log, next_number++);
    }).recycled_by([&](resource&) -> asio::awaitable<void> {
        note();
        co_await asio::post(asio::use_awaitable);
        note();
    }));
    for (int round = 0; round != 2; ++round) {
        stack = async_exit_stack(context);
        got = {};
        acquire_in_stack();
        got.expect_success();
        closed().expect_success();
        BOOST_TEST(pool->idle() == 1u);
    }
    BOOST_TEST(here == 1 + 2 * 2);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_that_a_stack_recycles_is_waited_for_by_a_pool_that_closes)
{
    make();
    recycling = script("recycle");
    acquire_in_stack();
    outcome closed_stack;
    stack.async_close(into(closed_stack));
    drive();
    close_pool();
    result.expect_pending();
    recycling.answer();
    drive();
    closed_stack.expect_success();
    result.expect_success();
    BOOST_TEST(log.count("closing:0") == 1u);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_of_a_forced_stack_is_discarded_and_not_recycled)
{
    make();
    acquire_in_stack();
    stack.force();
    closed().expect_success();
    BOOST_TEST(log.count("recycling:0") == 0u);
    BOOST_TEST(pool->counts().discarded == 1u);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_by_itself_whose_recycling_is_cut_says_so)
{
    make();
    auto a = acquired_now();
    recycling = script("recycle");
    exit_state state;
    a.lease.async_exit(state, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    result.expect_code(asio::error::operation_aborted);
    BOOST_TEST(pool->size() == 0u);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(lease_whose_recycling_ends_well_though_it_is_cut_is_used_again)
{
    make();
    auto a = acquired_now();
    recycling = script("recycle").ignores_cancellation();
    exit_state state;
    a.lease.async_exit(state, asio::bind_cancellation_slot(signal.slot(), into(result)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    BOOST_TEST(recycling.cuts() == 1);
    result.expect_pending();
    recycling.answer();
    drive();
    result.expect_success();
    BOOST_TEST(pool->idle() == 1u);
    expect_balanced();
}

// ---- own_exit

BOOST_AUTO_TEST_CASE(own_exit_of_what_is_acquired_may_be_named_and_filtered)
{
    make();
    auto const only_bad = exeunt::on_exit(exeunt::own_exit).named("lease").only_on_failure();
    stack.async_acquire(pool->async_acquire(asio::deferred), only_bad, into(got));
    drive();
    BOOST_TEST(stack.pending().front().name == "lease");
    log.clear();
    closed().expect_success();
    expect_events("recycling:0"); // by its destructor
}

BOOST_AUTO_TEST_CASE(own_exit_of_a_plain_value_is_its_destructor)
{
    outcome_of<std::string*> text;
    auto const make_text = []() -> asio::awaitable<std::string> { co_return "text"; };
    stack.async_acquire(make_text(), exeunt::on_exit(exeunt::own_exit).named("text"), into(text));
    drive();
    BOOST_REQUIRE(text.value);
    BOOST_TEST(**text.value == "text");
    BOOST_TEST(stack.pending().front().name == "text");
    closed().expect_success();
}

// ---- ends

// The context is destroyed after each step: jobs that are exits of stacks of their own go with it.
BOOST_AUTO_TEST_CASE(jobs_by_specs_whose_context_is_destroyed_lose_nothing)
{
    for (std::size_t steps = 0; steps != 40; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            auto own = std::make_unique<asio::io_context>();
            auto const pause = [&](resource&) -> asio::awaitable<void> {
                co_await asio::post(*own, asio::use_awaitable);
            };
            auto const open = [&]() -> asio::awaitable<resource> {
                co_await asio::post(*own, asio::use_awaitable);
                co_return resource(log, next_number++);
            };
            {
                async_exit_stack s(*own);
                auto& owned = s.enter(pool_type(*own,
                    exeunt::opened_by(open)
                        .recycled_by(exeunt::on_exit(pause).named("reset").within(1h))
                        .closed_by(exeunt::on_exit(pause).named("quit").or_force([] {})),
                    {.max_size = 2}));
                for (int i = 0; i != 3; ++i)
                    owned.async_acquire([](std::exception_ptr, lease_type) {});
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

// ---- waiting

BOOST_AUTO_TEST_CASE(acquire_that_waits_too_long_times_out)
{
    make({.max_size = 1, .wait_timeout = 2s});
    auto a = acquired_now();
    acquired b, c;
    acquire(b);
    drive();
    advance(1s);
    acquire(c);
    drive();
    advance(1s);
    b.result.expect_code(asio::error::timed_out);
    c.result.expect_pending();
    BOOST_TEST(pool->waiting() == 1u);
    a.lease = {};
    drive();
    c.result.expect_success();
    advance(5s);
    BOOST_TEST(static_cast<bool>(c.lease));
    c.lease = {};
    drive();
    expect_balanced();
}

BOOST_AUTO_TEST_SUITE_END()
