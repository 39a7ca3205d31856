// Faults of the pool that were found.
#include <exeunt/resource_pool.hpp>

#include "support/pool_fixture.hpp"

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

struct pool_regressions_fixture : pool_fixture
{
    exit_state forced{{}, true};
    outcome forced_result;

    void give_back(acquired& from)
    {
        from.lease = {};
        drive();
    }

    // One too many fails, so that nothing opens for ever.
    void allow_openings(int most)
    {
        opening.runs([this, most] {
            if (opening.begins() > most)
                opening.at_once(failure("opened too often"));
        });
    }

    void begin_to_close() { pool->async_close(into(result)); }
    void begin_to_force() { pool->async_exit(forced, into(forced_result)); }

    // Recycles and closes by coroutines, which are given time.
    void make_limited()
    {
        pool.emplace(context,
            exeunt::opened_by([this] { return open(); })
                .recycled_by(exeunt::on_exit([this](resource&) -> asio::awaitable<void> {
                    co_await recycling.async_operation(asio::use_awaitable);
                }).within(1h))
                .closed_by(exeunt::on_exit([this](resource&) -> asio::awaitable<void> {
                    co_await closing.async_operation(asio::use_awaitable);
                }).within(1h)));
    }

    template <class Use>
    void with_each_kind_of_job(Use use)
    {
        for (bool const limited : {false, true}) {
            BOOST_TEST_CONTEXT("limited: " << limited)
            {
                recycling = script("recycle").at_once();
                closing = script("close").at_once();
                result = forced_result = {};
                limited ? make_limited() : static_cast<void>(make());
                use();
            }
        }
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(resource_pool_regressions, pool_regressions_fixture)

// ---- limits

BOOST_AUTO_TEST_CASE(acquire_of_a_pool_that_keeps_nothing_idle_opens_once)
{
    make({.max_size = 1, .idle_timeout = 0s});
    allow_openings(2);
    auto a = acquired_now();
    BOOST_TEST(a.number() == 0);
    acquired b;
    acquire(b);
    drive();
    give_back(a);
    BOOST_TEST(b.number() == 0); // was never idle
    give_back(b);
    expect_events("open:0 recycling:0 recycling:0 closing:0 gone:0");
    BOOST_TEST(acquired_now().number() == 1);
}

BOOST_AUTO_TEST_CASE(acquire_of_a_pool_that_uses_nothing_twice_opens_once)
{
    make({.max_size = 1, .max_lifetime = 0s});
    allow_openings(2);
    auto a = acquired_now();
    BOOST_TEST(a.number() == 0);
    acquired b;
    acquire(b);
    drive();
    give_back(a);
    BOOST_TEST(b.number() == 1);
}

BOOST_AUTO_TEST_CASE(resource_that_is_recycled_for_longer_than_its_life_is_given_to_who_waits)
{
    make({.max_size = 1, .max_lifetime = 10s});
    allow_openings(1);
    recycling = script("recycle");
    auto a = acquired_now();
    acquired b;
    acquire(b);
    drive();
    give_back(a);
    clock.advance(20s);
    recycling.answer();
    drive();
    BOOST_TEST(b.number() == 0);
}

// ---- jobs that are told to stop while they begin

BOOST_AUTO_TEST_CASE(pool_closed_within_an_opening_cuts_it)
{
    make();
    opening = script("opening").runs([&] { begin_to_close(); });
    acquired a;
    acquire(a);
    drive();
    BOOST_TEST(a.result.calls == 1);
    BOOST_TEST(opening.cuts() == 1);
    result.expect_success();
    BOOST_TEST(pool->size() == 0u);
}

BOOST_AUTO_TEST_CASE(pool_closed_within_an_opening_that_fails_at_once_is_closed)
{
    bool opens = false;
    pool.emplace(context, [&]() -> asio::awaitable<resource> {
        begin_to_close();
        opens = true;
        throw boost::system::system_error(asio::error::connection_refused);
        co_return resource(log, 0);
    });
    acquired a;
    acquire(a);
    drive();
    BOOST_TEST(opens);
    BOOST_TEST(a.result.calls == 1);
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(pool_forced_within_a_recycling_cuts_it)
{
    with_each_kind_of_job([&] {
        recycling = script("recycle").runs([&] { begin_to_force(); });
        auto a = acquired_now();
        give_back(a);
        BOOST_TEST(recycling.cuts() == 1);
        forced_result.expect_success();
        BOOST_TEST(pool->size() == 0u);
        expect_balanced();
    });
}

BOOST_AUTO_TEST_CASE(pool_forced_within_the_recycling_of_an_exit_cuts_it)
{
    with_each_kind_of_job([&] {
        recycling = script("recycle").runs([&] { begin_to_force(); });
        stack = async_exit_stack(context);
        stack.async_acquire(pool->async_acquire(asio::deferred), [](std::exception_ptr, auto*) {});
        drive();
        outcome closed_stack;
        stack.async_close(into(closed_stack));
        drive();
        closed_stack.expect_success();
        BOOST_TEST(recycling.cuts() == 1);
        forced_result.expect_success();
        expect_balanced();
    });
}

BOOST_AUTO_TEST_CASE(pool_forced_within_a_closing_cuts_it)
{
    with_each_kind_of_job([&] {
        closing = script("close").runs([&] { begin_to_force(); });
        acquired_now();
        drive();
        begin_to_close();
        drive();
        BOOST_TEST(closing.cuts() == 1);
        result.expect_success();
        forced_result.expect_success();
        BOOST_TEST(pool->size() == 0u);
    });
}

BOOST_AUTO_TEST_CASE(pool_forced_within_a_recycling_that_ends_well_all_the_same_discards)
{
    make();
    recycling = script("recycle").runs([&] { begin_to_force(); }).ignores_cancellation();
    auto a = acquired_now();
    give_back(a);
    BOOST_TEST(recycling.cuts() == 1);
    forced_result.expect_pending();
    recycling.answer();
    drive();
    forced_result.expect_success();
    expect_events("open:0 recycling:0 !recycle gone:0");
    BOOST_TEST(pool->counts().discarded == 1u);
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(pool_forced_within_a_closing_closes_no_other_and_destroys_it)
{
    make();
    {
        auto const a = acquired_now(), b = acquired_now(), c = acquired_now();
    }
    drive();
    closing = script("close").runs([&] { begin_to_force(); });
    begin_to_close();
    drive();
    BOOST_TEST(closing.begins() == 1);
    result.expect_success();
    forced_result.expect_success();
    BOOST_TEST(pool->size() == 0u);
    BOOST_TEST(pool->counts().closed == 3u);
}

BOOST_AUTO_TEST_CASE(pool_forced_within_a_closing_that_fails_all_the_same_tells_of_that)
{
    make();
    closing = script("close").runs([&] { begin_to_force(); }).ignores_cancellation();
    acquired_now();
    drive();
    begin_to_close();
    drive();
    BOOST_TEST(closing.cuts() == 1);
    result.expect_pending();
    closing.answer(failure("no answer"));
    drive();
    result.expect_error("no answer");
    forced_result.expect_success();
}

BOOST_AUTO_TEST_CASE(pool_closed_again_by_what_closes_a_resource_waits_for_all_of_them)
{
    auto first = script("first").at_once();
    auto last = script("last");
    outcome again;
    pool.emplace(context, exeunt::opened_by([this] { return open(); }).closed_by([&](resource&) {
        if (first.begins() != 0)
            return last.async_operation(asio::deferred);
        pool->async_close(into(again));
        return first.async_operation(asio::deferred);
    }));
    {
        auto const a = acquired_now(), b = acquired_now();
    }
    drive();
    begin_to_close();
    drive();
    BOOST_TEST(last.begins() == 1);
    result.expect_pending();
    again.expect_pending();
    last.answer();
    drive();
    result.expect_success();
    again.expect_success();
}

BOOST_AUTO_TEST_CASE(
    pool_closed_by_what_closes_an_expired_resource_closes_all_and_waits_for_no_time)
{
    make({.idle_timeout = 10s});
    {
        auto const a = acquired_now(), b = acquired_now(), c = acquired_now();
    }
    drive();
    closing.runs([&] {
        if (closing.begins() == 1)
            begin_to_close();
    });
    advance(10s);
    result.expect_success();
    BOOST_TEST(pool->size() == 0u);
    BOOST_TEST(pool->counts().closed == 3u);
    BOOST_TEST(context.stopped());
}

// A second `terminal` would force what an opening is that is an unwinding itself.
BOOST_AUTO_TEST_CASE(pool_that_closes_tells_each_opening_once_though_others_end_meanwhile)
{
    std::vector<std::function<void()>> drops;
    std::vector<int> told;
    pool.emplace(context, [&] {
        return asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, resource)>(
            [&](auto handler) {
                auto slot = asio::get_associated_cancellation_slot(handler);
                auto const kept =
                    std::make_shared<std::optional<decltype(handler)>>(std::move(handler));
                auto const number = told.size();
                told.push_back(0);
                drops.push_back([kept] { kept->reset(); });
                slot.assign([&, number](asio::cancellation_type) {
                    ++told[number];
                    for (std::size_t other = 0; other != drops.size(); ++other)
                        if (other != number)
                            drops[other]();
                });
            },
            asio::deferred);
    });
    std::vector<acquired> waiting(3);
    for (auto& each : waiting)
        acquire(each);
    drive();
    begin_to_close();
    drive();
    BOOST_TEST(told == (std::vector<int>{1, 0, 0}), boost::test_tools::per_element());
    result.expect_pending();
    drops.front()();
    drive();
    result.expect_success();
    BOOST_TEST(pool->size() == 0u);
}

BOOST_AUTO_TEST_CASE(operations_whose_context_is_destroyed_before_they_begin_go_with_it)
{
    auto own = std::make_unique<asio::io_context>();
    pool.emplace(*own, spec());
    lease_type lease;
    pool->async_acquire([&](std::exception_ptr, lease_type given) { lease = std::move(given); });
    support::drive(*own);
    exit_state of_lease, of_pool;
    lease.async_exit(of_lease, [mark = capture_mark(log, "~lease")](std::exception_ptr) {});
    pool->async_exit(of_pool, [mark = capture_mark(log, "~pool")](std::exception_ptr) {});
    pool->async_acquire([mark = capture_mark(log, "~acquire")](std::exception_ptr, lease_type) {});
    BOOST_TEST(!lease);
    log.clear();
    own.reset();
    pool.reset();
    for (char const* each : {"~lease", "~pool", "~acquire", "gone:0"})
        BOOST_TEST(log.count(each) == 1u, each);
}

// ---- closings that are dropped

BOOST_AUTO_TEST_CASE(closing_that_is_dropped_is_a_failure_of_the_close)
{
    make();
    closing = script("close");
    acquired_now();
    drive();
    begin_to_close();
    drive();
    result.expect_pending();
    closing.drop();
    drive();
    result.expect_once();
    BOOST_TEST(is_broken_promise(result.error));
    BOOST_TEST(pool->size() == 0u);
    BOOST_TEST(pool->counts().closed == 1u);
}

BOOST_AUTO_TEST_CASE(
    closing_of_what_has_expired_that_is_dropped_makes_room_and_is_told_to_the_observer)
{
    make({.max_size = 1, .idle_timeout = 10s});
    closing = script("close");
    acquired_now();
    drive();
    advance(10s);
    acquired b;
    acquire(b);
    drive();
    b.result.expect_pending();
    closing.drop();
    drive();
    BOOST_TEST(b.number() == 1);
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

// ---- who may wait

BOOST_AUTO_TEST_CASE(acquire_for_which_there_is_room_is_no_waiter_too_many)
{
    make({.max_size = 2, .max_waiters = 0});
    opening.posted();
    auto const full =
        boost::system::errc::make_error_code(boost::system::errc::resource_unavailable_try_again);
    acquired a, b, c;
    acquire(a);
    acquire(b);
    acquire(c);
    drive();
    a.result.expect_success();
    b.result.expect_success();
    c.result.expect_code(full);
    acquire(c);
    drive();
    c.result.expect_code(full);
    give_back(a);
    acquired_now().result.expect_success();
}

BOOST_AUTO_TEST_CASE(acquires_within_openings_are_served_in_turn_and_use_a_flat_native_stack)
{
    std::size_t const count = 1000;
    make({.max_size = count});
    stack_depth depth;
    std::vector<acquired> all(count);
    opening.runs([&] {
        depth.note();
        auto const next = static_cast<std::size_t>(opening.begins());
        if (next != count)
            acquire(all[next]);
    });
    acquire(all.front());
    drive();
    for (std::size_t k = 0; k != count; ++k)
        BOOST_REQUIRE(all[k].number() == static_cast<int>(k));
    depth.expect_flat();
}

BOOST_AUTO_TEST_CASE(acquire_that_is_told_of_no_cancellation_waits_on)
{
    make({.max_size = 1});
    auto const a = acquired_now();
    acquired b;
    acquire_cancellable(b);
    drive();
    signal.emit(asio::cancellation_type::none);
    drive();
    b.result.expect_pending();
    signal.emit(asio::cancellation_type::partial);
    drive();
    b.result.expect_code(asio::error::operation_aborted);
}

BOOST_AUTO_TEST_CASE(waiters_are_counted_beyond_those_for_whom_something_is_opened)
{
    make({.max_size = 2, .max_waiters = 1});
    opening.posted();
    acquired a, b, c, d;
    for (auto* each : {&a, &b, &c, &d})
        acquire(*each);
    drive();
    a.result.expect_success();
    b.result.expect_success();
    c.result.expect_pending();
    BOOST_TEST(d.result.calls == 1);
    give_back(a);
    c.result.expect_success();
}

// ---- what comes back

BOOST_AUTO_TEST_CASE(resource_that_comes_back_too_old_is_closed_and_makes_room)
{
    make({.max_size = 1, .max_lifetime = 10s});
    closing = script("close");
    auto a = acquired_now();
    acquired b;
    acquire(b);
    advance(10s);
    give_back(a);
    expect_events("open:0 closing:0"); // it is of no use to recycle it
    b.result.expect_pending();
    closing.answer();
    drive();
    expect_events("gone:0 open:1");
    BOOST_TEST(b.number() == 1);
    auto const counts = pool->counts();
    BOOST_TEST(counts.returned == 1u);
    BOOST_TEST(counts.discarded == 0u);
    BOOST_TEST(counts.expired == 1u);
    BOOST_TEST(counts.closed == 1u);
}

BOOST_AUTO_TEST_CASE(resource_that_comes_back_too_old_and_is_closed_by_nothing_makes_room)
{
    pool.emplace(
        context, [this] { return open(); },
        exeunt::pool_options{.max_size = 1, .max_lifetime = 10s});
    auto a = acquired_now();
    acquired b;
    acquire(b);
    advance(10s);
    give_back(a);
    expect_events("open:0 gone:0 open:1");
    BOOST_TEST(b.number() == 1);
    BOOST_TEST(pool->counts().closed == 1u);
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_that_is_too_old_is_closed_after_success_alone)
{
    for (bool const fails : {false, true}) {
        make({.max_lifetime = 10s});
        next_number = 0;
        stack = async_exit_stack(context);
        stack.async_acquire(pool->async_acquire(asio::deferred), [](std::exception_ptr, auto*) {});
        drive();
        advance(10s);
        close(fails ? failure("body") : std::exception_ptr());
        expect_events(fails ? "open:0 gone:0" : "open:0 closing:0 gone:0");
        BOOST_TEST(pool->counts().closed == (fails ? 0u : 1u));
        expect_balanced();
    }
}

BOOST_AUTO_TEST_CASE(lease_in_a_stack_is_asked_after_success_too_whether_it_can_be_used_again)
{
    make_judged();
    reusable = false;
    stack.async_acquire(pool->async_acquire(asio::deferred), [](std::exception_ptr, auto*) {});
    drive();
    closed().expect_success();
    expect_events("open:0 gone:0");
    expect_balanced();
}

BOOST_AUTO_TEST_CASE(resource_that_is_discarded_or_forced_is_not_asked_whether_it_can_be_used_again)
{
    int asked = 0;
    pool.emplace(context, spec().reusable_if([&](resource&) { return ++asked != 0; }));
    acquired_now().lease.discard();
    drive();
    stack.async_acquire(pool->async_acquire(asio::deferred), [](std::exception_ptr, auto*) {});
    drive();
    stack.force();
    closed().expect_success();
    auto a = acquired_now();
    begin_to_force();
    drive();
    give_back(a);
    BOOST_TEST(asked == 0);
    BOOST_TEST(pool->counts().discarded == 3u);
}

BOOST_AUTO_TEST_CASE(judgement_that_throws_says_no)
{
    pool.emplace(
        context, spec().reusable_if([](resource&) -> bool { throw test_error("no judgement"); }));
    acquired_now();
    drive();
    expect_events("open:0 gone:0");
    expect_balanced();
}

// ---- time

BOOST_AUTO_TEST_CASE(pool_whose_resources_are_all_out_keeps_no_context_running)
{
    asio::io_context timed;
    pool.emplace(timed, spec(), exeunt::pool_options{.idle_timeout = 1h});
    lease_type lease;
    auto const take = [&](std::exception_ptr, lease_type given) { lease = std::move(given); };
    auto const runs_on = [&] {
        timed.restart();
        timed.poll();
        return !timed.stopped();
    };
    for (int k = 0; k != 3; ++k) {
        pool->async_acquire(take);
        BOOST_TEST(!runs_on());
        lease = {};
        BOOST_TEST(runs_on());
        pool->async_acquire([](std::exception_ptr, lease_type) {});
        BOOST_TEST(runs_on());
    }
    pool->async_acquire(take);
    BOOST_TEST(!runs_on());
    lease.discard();
    BOOST_TEST(!runs_on());
    pool.reset();
}

BOOST_AUTO_TEST_CASE(acquire_that_comes_before_who_tells_of_the_expiry_opens_another_one)
{
    make({.max_size = 1, .idle_timeout = 10s});
    acquired_now();
    drive();
    closing = script("close");
    acquired b;
    acquire(b);
    clock.advance(10s); // its turn is the one after that of the acquire
    drive();
    BOOST_TEST(closing.begins() == 1);
    b.result.expect_pending();
    closing.answer();
    drive();
    BOOST_TEST(b.number() == 1);
    BOOST_TEST(pool->counts().expired == 1u);
}

BOOST_AUTO_TEST_CASE(resource_that_is_idle_again_before_its_time_is_called_off_expires_in_time)
{
    make({.idle_timeout = 10s});
    auto a = acquired_now();
    give_back(a);
    advance(4s);
    // Within one turn.
    asio::post(context, [&] { pool->async_acquire([](std::exception_ptr, lease_type) {}); });
    drive();
    advance(9s);
    BOOST_TEST(pool->idle() == 1u);
    advance(1s);
    BOOST_TEST(pool->idle() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
