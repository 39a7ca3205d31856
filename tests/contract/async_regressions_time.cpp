// Force and time limits of the asynchronous stack where they meet something else: an exit that ends within
// its cut, a cut that fails, a release that comes late, an operation that waits for another one.
#include <exeunt/async_with.hpp>

#include "support/following_observer.hpp"
#include "support/posting_executor.hpp"
#include "support/scripted_source.hpp"
#include "support/time_fixture.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

// What waits for an end that comes within the call that tells it to stop.
class prompt_end
{
public:
    explicit prompt_end(event_log& log)
        : log_(&log)
    {
    }

    void wait(exit_handler handler)
    {
        auto slot = handler.get_cancellation_slot();
        waiting_.emplace(std::move(handler));
        slot.assign([this](asio::cancellation_type) {
            (*log_)("!");
            end();
        });
    }

    void end()
    {
        auto ended = std::exchange(waiting_, std::nullopt);
        std::move (*ended)();
    }

private:
    event_log* log_;
    std::optional<exit_handler> waiting_;
};

// Of coroutines that never begin within the call that starts them.
class later : public posting_executor
{
public:
    // Nothing that only converts to one: later itself would.
    template <std::same_as<asio::any_io_executor> Of>
    explicit later(Of const& of)
        : posting_executor(
            static_cast<asio::io_context&>(asio::query(of, asio::execution::context)))
    {
    }

    // What has an executor of its own would be sent there again.
    template <class Function>
    void execute(Function function) const
    {
        posting_executor::execute(
            [called = std::move(function)]() mutable { std::move(called)(); });
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_regressions_time, time_fixture)

// ---- cuts

// Whoever could not be told to stop has not given back what it had to, whatever it says afterwards.
BOOST_AUTO_TEST_CASE(exit_whose_on_cut_throws_is_forced_even_where_it_then_succeeds)
{
    auto a = script("a").ignores_cancellation();
    stack.push(exeunt::on_exit(a.handler_function())
                   .within(1s)
                   .on_cut([] { throw test_error("on_cut"); })
                   .or_force([&] { log("^a"); }));
    begin_close();
    advance(1s);
    a.answer();
    drive();
    log.expect("+a !a -a ^a");
    result.expect_error("on_cut");
}

BOOST_AUTO_TEST_CASE(exit_whose_on_cut_throws_and_that_has_no_force_fails_with_that_alone)
{
    auto a = script("a").ignores_cancellation();
    stack.push(exeunt::on_exit(a.handler_function()).within(1s).on_cut([] {
        throw test_error("on_cut");
    }));
    begin_close();
    advance(1s);
    a.answer();
    drive();
    log.expect("+a !a -a");
    result.expect_error("on_cut");
}

// What it has begun before it threw is waited for, and ends as it was told to: all that is left to say
// is why.
BOOST_AUTO_TEST_CASE(
    exit_that_throws_a_cancellation_as_it_begins_and_is_cut_for_time_fails_for_time)
{
    auto a = script("a");
    stack.push(exeunt::on_exit([begin = a.handler_function()](exit_handler handler) mutable {
        begin(std::move(handler));
        throw boost::system::system_error(asio::error::operation_aborted);
    }).within(1s));
    begin_close();
    result.expect_pending();
    advance(1s);
    log.expect("+a !a -a");
    BOOST_TEST(describe(result.error) == "code system:110");
}

BOOST_AUTO_TEST_CASE(
    exit_that_throws_a_cancellation_as_it_begins_and_fails_when_it_is_cut_has_failed)
{
    auto a = script("a").ignores_cancellation();
    stack.push(exeunt::on_exit([begin = a.handler_function()](exit_handler handler) mutable {
        begin(std::move(handler));
        throw boost::system::system_error(asio::error::operation_aborted);
    }).within(1s));
    begin_close();
    advance(1s);
    a.answer(failure("a"));
    drive();
    BOOST_TEST(describe(result.error) == "[cancelled, a]");
}

BOOST_AUTO_TEST_CASE(exit_that_is_cut_as_it_begins_may_end_within_the_cut)
{
    prompt_end a(log);
    push_note("older");
    stack.push([&](exit_handler handler) { a.wait(std::move(handler)); });
    stack.force();
    begin_close();
    log.expect("! +older -older");
    result.expect_success();
}

// As where it is dropped before: nobody has waited for it yet.
BOOST_AUTO_TEST_CASE(exit_that_is_cut_as_it_begins_and_drops_its_handler_then_has_failed)
{
    std::optional<exit_handler> waiting;
    push_note("older");
    stack.push([&](exit_handler handler) {
        auto slot = handler.get_cancellation_slot();
        waiting.emplace(std::move(handler));
        slot.assign([&](asio::cancellation_type) { waiting.reset(); });
    });
    stack.force();
    begin_close();
    log.expect("+older -older");
    result.expect_once();
    BOOST_TEST(is_broken_promise(result.error));
}

// Nothing is emitted to what has ended.
BOOST_AUTO_TEST_CASE(exit_that_is_cut_as_it_begins_may_be_ended_by_its_on_cut)
{
    prompt_end a(log);
    push_note("older");
    stack.push(
        exeunt::on_exit([&](exit_handler handler) { a.wait(std::move(handler)); }).on_cut([&] {
            log("on_cut");
            a.end();
        }));
    stack.force();
    begin_close();
    log.expect("on_cut +older -older");
    result.expect_success();
}

// It has ended: nobody is told to stop any more.
BOOST_AUTO_TEST_CASE(exit_whose_captures_force_the_stack_as_they_are_destroyed_is_not_cut)
{
    struct force_at_end
    {
        explicit force_at_end(async_exit_stack& forced) noexcept
            : stack(&forced)
        {
        }
        force_at_end(force_at_end&& other) noexcept
            : stack(std::exchange(other.stack, nullptr))
        {
        }
        ~force_at_end()
        {
            if (stack)
                stack->force();
        }
        async_exit_stack* stack;
    };
    event_log events;
    following_observer watcher(events);
    stack.options().observer = &watcher;
    stack.push([last = force_at_end(stack)]() -> asio::awaitable<void, later> { co_return; });
    begin_close();
    events.expect("1(1 1+ 1! 1- 1)");
    result.expect_success();
}

// Its success is known already, though the close has not gone on yet.
BOOST_AUTO_TEST_CASE(exit_that_succeeds_within_a_cut_is_not_forced_where_its_context_is_destroyed)
{
    auto own = std::make_unique<asio::io_context>();
    auto of_own = std::make_unique<async_exit_stack>(*own);
    std::optional<exit_handler> waiting;
    of_own->push(exeunt::on_exit([&](exit_handler handler) {
        auto slot = handler.get_cancellation_slot();
        waiting.emplace(std::move(handler));
        slot.assign([&](asio::cancellation_type) {
            log("succeeds");
            auto ended = std::exchange(waiting, std::nullopt);
            std::move (*ended)();
        });
    }).or_force([&] { log("^"); }));
    of_own->async_close(into(result));
    support::drive(*own);
    of_own->force();
    of_own.reset();
    own.reset();
    log.expect("succeeds");
    result.expect_pending();
}

// ---- late releases

namespace {

struct late_release_fixture : time_fixture
{
    scripted_source<int> source;
    scripted_exit release = script("release");
    outcome_of<int*> acquired;

    // An acquire is left behind by its stack, which gives cancelled unwindings three seconds.
    void close_while_acquiring()
    {
        stack.options().grace = 3s;
        stack.async_acquire(
            source.async_get(asio::deferred),
            [this](int&) { return release.async_operation(asio::deferred); },
            cancelled_by_signal(into(acquired)));
        drive();
        closed().expect_success();
    }

    void expect_cut_after_the_grace(where_t where = where_t::current())
    {
        expect(release.running(), "the release does not run", where);
        advance(2s);
        expect(release.cuts() == 0, "cut before the grace is over", where);
        advance(1s);
        expect(release.cuts() == 1, "not cut after the grace", where);
        acquired.expect_error("[stack_closed, code system:110]", where);
    }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(late_release_of_a_cancelled_acquire_has_the_grace, late_release_fixture)
{
    source.succeeds_when_cut([] { return 5; });
    close_while_acquiring();
    emit();
    BOOST_TEST(source.cuts() == 1);
    expect_cut_after_the_grace();
}

// What counts is when it was emitted, not when it arrives.
BOOST_FIXTURE_TEST_CASE(
    late_release_of_an_acquire_whose_cancellation_arrives_after_it_began_has_the_grace,
    late_release_fixture)
{
    close_while_acquiring();
    source.answer(5);
    emit();
    BOOST_TEST(source.cuts() == 0);
    expect_cut_after_the_grace();
}

// ---- closes that wait for a run_now

BOOST_AUTO_TEST_CASE(run_now_that_a_close_waits_for_fails_for_time_with_that_close)
{
    auto const handle = push(script("a"), shape::handler_function);
    outcome now;
    stack.async_run_now(handle, into(now));
    drive();
    stack.options().timeout = 2s;
    begin_close();
    advance(2s);
    log.expect("+a !a -a");
    now.expect_code(asio::error::timed_out);
    result.expect_success();
}

// Two terminals force the scope: what its close waits for, and what comes after that.
BOOST_AUTO_TEST_CASE(terminals_of_a_scope_reach_a_close_of_its_body_that_waits_for_a_run_now)
{
    outcome now;
    outcome closing;
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) {
            s.push(script("older").handler_function());
            s.async_run_now(s.push(script("newer").handler_function()), into(now));
            s.async_close(into(closing));
        },
        cancelled_by_signal(into(result)));
    drive();
    emit();
    log.expect("+newer");
    emit();
    log.expect("!newer -newer +older !older -older");
    now.expect_code(asio::error::operation_aborted);
    closing.expect_code(asio::error::operation_aborted);
    result.expect_success();
}

// ---- cancelled bodies and their closes

// The body is cut; the close beside it is the unwinding, which has the grace from then on.
BOOST_AUTO_TEST_CASE(scope_cancelled_while_its_body_runs_beside_its_close_has_the_grace)
{
    auto a = script("a");
    auto work = script("work");
    exeunt::async_with(
        context, exeunt::close_options{.grace = 3s},
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(a.awaitable());
            s.async_close([](std::exception_ptr) {});
            co_await work.async_operation(asio::use_awaitable);
        },
        cancelled_by_signal(into(result)));
    drive();
    emit();
    BOOST_TEST(work.cuts() == 1);
    BOOST_TEST(a.cuts() == 0);
    advance(2s);
    BOOST_TEST(a.cuts() == 0);
    advance(1s);
    BOOST_TEST(a.cuts() == 1);
    result.expect_error("cancelled");
}

// Begun from elsewhere, so that its first step is on its way when the body ends.
BOOST_AUTO_TEST_CASE(scope_cancelled_while_the_close_of_its_body_is_on_its_way_has_the_grace)
{
    for (bool const told_before : {false, true}) {
        BOOST_TEST_CONTEXT("the body has been told before " << told_before)
        {
            auto a = script("a");
            std::optional<exit_handler> body;
            async_exit_stack* of_scope = nullptr;
            result = {};
            exeunt::async_with(
                context, exeunt::close_options{.grace = 3s},
                [&](async_exit_stack& s, exit_handler handler) {
                    s.push(a.awaitable());
                    of_scope = &s;
                    body.emplace(std::move(handler));
                },
                cancelled_by_signal(into(result)));
            drive();
            signal.emit(terminal);
            if (told_before)
                drive();
            of_scope->async_close([](std::exception_ptr) {});
            std::move (*body)();
            drive();
            advance(2s);
            BOOST_TEST(a.cuts() == 0);
            advance(1s);
            BOOST_TEST(a.cuts() == 1);
            result.expect_success();
        }
    }
}

// The second has ended it: nobody is left to be told of the third.
BOOST_AUTO_TEST_CASE(terminals_that_come_together_end_the_close_of_a_body_once)
{
    prompt_end a(log);
    outcome closing;
    exeunt::async_with(
        context, exeunt::close_options{.grace = exeunt::close_options::duration::max()},
        [&](async_exit_stack& s) {
            s.push([&](exit_handler handler) { a.wait(std::move(handler)); });
            s.async_close(into(closing));
        },
        cancelled_by_signal(into(result)));
    drive();
    for (int i = 0; i != 3; ++i)
        signal.emit(terminal);
    drive();
    log.expect("!");
    closing.expect_success();
    result.expect_success();
}

// All of it ends within the call that tells the body to stop: the scope has nothing left to be told of.
BOOST_AUTO_TEST_CASE(scope_that_is_forced_ends_as_its_body_is_told_to_stop)
{
    prompt_end body(log);
    exeunt::async_with(
        context,
        [&](async_exit_stack& s, exit_handler handler) {
            s.push(script("a").function());
            s.force();
            body.wait(std::move(handler));
        },
        cancelled_by_signal(into(result)));
    drive();
    emit();
    log.expect("! +a -a");
    result.expect_success();
}

// ---- exits that are lost

BOOST_AUTO_TEST_CASE(close_whose_exit_is_lost_drops_its_handler_also_within_a_cut)
{
    for (bool const within_a_cut : {false, true}) {
        BOOST_TEST_CONTEXT("within a cut " << within_a_cut)
        {
            fresh();
            std::optional<exit_handler> waiting;
            push_note("older");
            stack.push([&](exit_handler handler) {
                auto slot = handler.get_cancellation_slot();
                waiting.emplace(std::move(handler));
                slot.assign([&](asio::cancellation_type) { waiting.reset(); });
            });
            stack.async_close(cancelled_by_signal(
                [&, mark = capture_mark(log, "~handler")](std::exception_ptr) { log("handler"); }));
            drive();
            emit();
            if (within_a_cut)
                emit();
            else
                waiting.reset();
            log.expect("+older -older ~handler");
            BOOST_TEST(observer.abandoned.size() == 1u);
            observer.clear();
        }
    }
}

// ---- exits that wait for their own stack

// That something is being acquired beside it does not make the wait a sensible one.
BOOST_AUTO_TEST_CASE(exit_that_closes_its_own_stack_beside_an_acquire_is_told_so_at_once)
{
    scripted_source<int> source;
    outcome_of<int*> acquired;
    stack.push([&](exit_handler handler) {
        stack.async_acquire(
            source.async_get(asio::deferred), [](int&) {}, into(acquired));
        stack.async_close(std::move(handler));
    });
    begin_close();
    result.expect_code(make_error_code(boost::system::errc::resource_deadlock_would_occur));
    source.answer(1);
    drive();
    acquired.expect_stack_closed();
}

// ---- waits

namespace {

// Closes that hang, each with a wait of its own.
struct hanging_closes
{
    hanging_closes(time_fixture& of, std::chrono::steady_clock::duration timeout)
    {
        for (int k = 0; k != 10; ++k) {
            exits.push_back(of.script("a"));
            stacks.emplace_back(of.context, exeunt::close_options{.timeout = timeout});
            stacks.back().push(exits.back().handler_function());
        }
    }

    void begin()
    {
        for (auto& each : stacks)
            each.async_close([](std::exception_ptr) {});
    }

    std::vector<scripted_exit> exits;
    std::vector<async_exit_stack> stacks;
};

} // namespace

// The waits of others may have got the addresses of those that have been reached.
BOOST_AUTO_TEST_CASE(waits_of_closes_that_are_lost_take_no_other_waits_with_them)
{
    hanging_closes lost(*this, 1s);
    hanging_closes others(*this, 5s);
    lost.begin();
    drive();
    asio::post(context, [&] {
        clock.advance(1s); // reached, but the closes have not been told yet
        others.begin();
        for (auto& each : lost.exits)
            each.drop();
    });
    drive();
    advance(5s);
    for (auto& each : others.exits)
        BOOST_TEST(each.cuts() == 1);
    BOOST_TEST(observer.abandoned.size() == lost.exits.size());
    observer.clear();
}

BOOST_AUTO_TEST_SUITE_END()
