// The asynchronous stack: several failures (C40 to C51).
#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>

#include "support/async_fixture.hpp"

#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_failures, async_fixture)

// C40
BOOST_AUTO_TEST_CASE(async_close_one_failure_comes_out_as_it_is)
{
    for (shape const each : all_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            std::exception_ptr const error = failure("one");
            push(script("a").at_once(), each);
            push(script("b").at_once(error), each);
            push(script("c").at_once(), each);
            closed().expect_error(error);
            log.expect("+c -c +b -b +a -a");
        }
    }
}

// C40
BOOST_AUTO_TEST_CASE(async_close_failure_after_a_suspension_comes_out_as_it_is)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            std::exception_ptr const error = failure("one");
            push(script("a").posted(), each);
            push(script("b").posted(error), each);
            closed().expect_error(error);
            log.expect("+b -b +a -a");
        }
    }
}

// C41, C49
BOOST_AUTO_TEST_CASE(async_close_every_exit_runs_whatever_the_ones_before_it_threw)
{
    std::vector<std::exception_ptr> const thrown{failure("runtime_error"),
        std::make_exception_ptr(42), std::make_exception_ptr(static_cast<char const*>("text")),
        failure(boost::system::error_code(asio::error::eof))};
    for (shape const each : all_shapes) {
        for (std::exception_ptr const& what : thrown) {
            BOOST_TEST_CONTEXT(each << " throws " << describe(what))
            {
                stack = async_exit_stack(context);
                push(script("a").at_once(what), each);
                if (is_sync(each))
                    push(script("b").at_once(what), each);
                else
                    push(script("b").throws(what), each);
                push(script("c").at_once(), each);
                closed().expect_error(what); // the same object twice is one failure
                log.expect("+c -c +b -b +a -a");
            }
        }
    }
}

// C41
BOOST_AUTO_TEST_CASE(async_close_body_and_exits_that_throw_42)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").function());
            s.push([] { throw 43; });
            s.push([]() -> asio::awaitable<void> {
                throw 44;
                co_return;
            });
            throw 42;
            co_return;
        },
        into(result));
    drive();
    result.expect_error("[42, 44, 43]");
    log.expect("+a -a");
}

// C42
BOOST_AUTO_TEST_CASE(async_close_k_failures_and_a_cause_are_all_retrievable)
{
    std::exception_ptr const cause = failure("cause");
    std::vector<std::exception_ptr> errors;
    for (std::size_t k = 0; k != all_shapes.size(); ++k) {
        errors.insert(errors.begin(), failure("e" + std::to_string(k)));
        push(script("x").at_once(errors.front()), all_shapes[k]);
    }
    closed(cause);
    auto const failures = failures_of(result.error);
    BOOST_REQUIRE(failures.size() == all_shapes.size() + 1);
    BOOST_CHECK(failures[0].error == cause);
    BOOST_TEST(failures[0].name == "body");
    for (std::size_t k = 0; k != errors.size(); ++k)
        BOOST_CHECK(failures[k + 1].error == errors[k]);
    BOOST_CHECK(exeunt::primary(result.error) == cause);
}

// C50: what replaces is named after its exit, also where that fails.
BOOST_AUTO_TEST_CASE(async_close_exit_that_replaces_and_fails_names_both_failures_after_it)
{
    for (shape const each : {shape::state_function, shape::state_awaitable}) {
        stack = async_exit_stack(context);
        auto replaces = script("replaces").at_once(failure("second"));
        push_named(replaces.sees([](exit_state& s) { s.replace(failure("first")); }), each);
        closed(failure("cause")).expect_error("[first, second]");
        BOOST_TEST(joined(names_of(result.error)) == "replaces replaces");
    }
}

// C42, C43
BOOST_AUTO_TEST_CASE(async_close_k_failures_without_a_cause_oldest_failure_first)
{
    push(script("a").at_once(failure("third")), shape::function);
    push(script("b").posted(failure("second")), shape::handler_function);
    push(script("c").posted(failure("first")), shape::awaitable);
    closed().expect_error("[first, second, third]");
    BOOST_TEST(describe(exeunt::primary(result.error)) == "first");
}

// C43
BOOST_AUTO_TEST_CASE(async_close_exit_sees_the_first_failure_as_the_error)
{
    auto a = script("a").at_once();
    push(a, shape::state_awaitable);
    push(script("b").at_once(failure("second")), shape::awaitable);
    push(script("c").at_once(failure("first")), shape::awaitable);
    closed().expect_error("[first, second]");
    BOOST_TEST(describe(a.saw().error) == "first");
    BOOST_TEST(a.saw().failures == 2u);
}

// C44
BOOST_AUTO_TEST_CASE(async_close_real_error_outranks_cancellation_whatever_the_order)
{
    push(script("a").at_once(cancellation()), shape::awaitable);
    push(script("b").at_once(failure("real")), shape::awaitable);
    closed(cancellation()).expect_error("[cancelled, real, cancelled]");
    BOOST_TEST(describe(exeunt::primary(result.error)) == "real");
    BOOST_TEST(!exeunt::is_cancelled(result.error));
}

// C44
BOOST_AUTO_TEST_CASE(async_close_cancellations_alone_come_out_as_the_first_of_them)
{
    std::exception_ptr const first = cancellation();
    push(script("a").at_once(cancellation()), shape::awaitable);
    push(script("b").at_once(cancellation()), shape::handler_function);
    closed(first).expect_error(first);
    BOOST_TEST(exeunt::is_cancelled(result.error));

    stack = async_exit_stack(context);
    push(script("a").at_once(cancellation()), shape::awaitable);
    push(script("b").at_once(first), shape::function);
    closed().expect_error(first);
}

// C45
BOOST_AUTO_TEST_CASE(async_with_body_error_suppressed_then_two_failures_report_has_those_two)
{
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(script("a").at_once(failure("second")).function());
            s.push(script("b").at_once(failure("first")).awaitable());
            s.push([](exit_state& state) { state.suppress(); });
            throw test_error("body");
            co_return;
        },
        into(result));
    drive();
    result.expect_error("[first, second]");
}

// C47
BOOST_AUTO_TEST_CASE(async_close_nested_exceptions_are_kept)
{
    push(script("a").at_once(failure("other")), shape::awaitable);
    stack.push([]() -> asio::awaitable<void> {
        try {
            throw test_error("inner");
        } catch (...) {
            std::throw_with_nested(test_error("outer"));
        }
        co_return;
    });
    closed().expect_error("[outer, other]");
    auto const failures = failures_of(result.error);
    BOOST_REQUIRE(failures.size() == 2u);
    try {
        std::rethrow_exception(failures[0].error);
    } catch (test_error const& outer) {
        try {
            std::rethrow_if_nested(outer);
            BOOST_ERROR("the nested exception is gone");
        } catch (test_error const& inner) {
            BOOST_TEST(inner.what() == "inner");
        }
    }
}

// C48
BOOST_AUTO_TEST_CASE(async_close_sync_and_async_failures_mix_in_one_report)
{
    push(script("a").at_once(failure("sync1")), shape::function);
    push(script("b").posted(failure("async1")), shape::operation);
    push(script("c").at_once(failure("sync2")), shape::state_function);
    push(script("d").posted(failure("async2")), shape::state_awaitable);
    closed().expect_error("[async2, sync2, async1, sync1]");
}

// C49
BOOST_AUTO_TEST_CASE(async_close_exit_that_throws_while_it_is_started_fails_and_closing_goes_on)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            std::exception_ptr const error = failure("start");
            auto a = script("a").at_once();
            push(a, shape::state_awaitable);
            push(script("b").throws(error), each);
            push(script("c").posted(), each);
            BOOST_CHECK_NO_THROW(close());
            result.expect_error(error);
            BOOST_CHECK(a.saw().error == error);
            log.expect("+c -c +b -b +a -a");
        }
    }
}

// C49: the first one to run, so that it is started inside the initiating function
BOOST_AUTO_TEST_CASE(async_close_on_the_executor_first_exit_throws_and_async_close_does_not)
{
    for (shape const each : async_shapes) {
        BOOST_TEST_CONTEXT(each)
        {
            stack = async_exit_stack(context);
            result = {};
            push(script("a").throws(failure("start")), each);
            asio::post(context, [&] {
                BOOST_CHECK_NO_THROW(stack.async_close(into(result)));
                result.expect_pending();
            });
            drive();
            result.expect_error("start");
            log.expect("+a -a");
        }
    }
}

// C50
BOOST_AUTO_TEST_CASE(async_close_each_failure_carries_name_and_place_of_its_exit)
{
    auto a = script("a").at_once(failure("ea"));
    auto b = script("b").at_once(failure("eb"));
    auto c = script("c").at_once(failure("ec"));
    auto d = script("d").at_once(failure("ed"));
    std::uint32_t const before = __LINE__;
    stack.push(exeunt::on_exit(a.awaitable()).named("first name")); // + 1
    stack.push(b.handler_function()); // + 2
    stack.push(exeunt::on_exit(c.function()).named("third name")); // + 3
    stack.adopt(0, [&](int&) { std::rethrow_exception(failure("e")); }); // + 4
    push(d, shape::operation);
    closed().expect_error("[ed, e, ec, eb, ea]");
    auto const failures = failures_of(result.error);
    BOOST_REQUIRE(failures.size() == 5u);
    BOOST_TEST(failures[4].name == "first name");
    BOOST_TEST(failures[4].where.line == before + 1);
    BOOST_TEST(failures[3].name == "");
    BOOST_TEST(failures[3].where.line == before + 2);
    BOOST_TEST(failures[2].name == "third name");
    BOOST_TEST(failures[2].where.line == before + 3);
    BOOST_TEST(failures[1].where.line == before + 4);
    for (exeunt::exit_failure const& each : failures)
        BOOST_TEST(std::string(each.where.file).find("async_f") != std::string::npos);
    BOOST_TEST(std::string(failures[4].where.file) == __FILE__);
}

// C50: also after async_enter and async_acquire
BOOST_AUTO_TEST_CASE(async_acquire_failure_of_its_release_carries_name_and_place)
{
    outcome_of<int*> acquired;
    auto one = []() -> asio::awaitable<int> { co_return 1; };
    std::uint32_t const before = __LINE__;
    auto release =
        exeunt::on_exit([](int&) { throw test_error("release"); }).named("the release"); // + 2
    stack.async_acquire(one(), std::move(release), into(acquired));
    drive();
    push(script("b").at_once(failure("b")), shape::awaitable);
    closed().expect_error("[b, release]");
    auto const failures = failures_of(result.error);
    BOOST_REQUIRE(failures.size() == 2u);
    BOOST_TEST(failures[1].name == "the release");
    BOOST_TEST(failures[1].where.line >= before + 1);
    BOOST_TEST(failures[1].where.line <= before + 2);
}

// C51
BOOST_AUTO_TEST_CASE(async_close_20000_failing_exits_are_all_reported_on_a_flat_stack)
{
    constexpr std::size_t count = 20000;
    stack_depth depth;
    for (std::size_t k = 0; k != count; ++k) {
        switch (k % 4) {
        case 0:
            stack.push([&depth] {
                depth.note();
                throw 1;
            });
            break;
        case 1:
            stack.push([&depth]() -> asio::awaitable<void> {
                depth.note();
                throw 2;
                co_return;
            });
            break;
        case 2:
            stack.push([&depth](exit_handler handler) {
                depth.note();
                std::move(handler)(boost::system::error_code(asio::error::eof));
            });
            break;
        default:
            stack.push([&depth](exit_handler) {
                depth.note();
                throw 4;
            });
            break;
        }
    }
    closed();
    depth.expect_flat();
    BOOST_TEST(failures_of(result.error).size() == count);
    result.error = nullptr; // destroyed without recursion
}

// primary_only: the first failure alone comes out, unwrapped; the others go to the observer.
BOOST_AUTO_TEST_CASE(primary_only_the_primary_comes_out_unwrapped_the_others_are_observed)
{
    recording_observer own;
    exeunt::close_options options;
    options.primary_only = true;
    options.observer = &own;
    stack = async_exit_stack(context, options);
    std::exception_ptr const first = failure("first");
    push_named(script("a").at_once(failure("third")), shape::function);
    push_named(script("b").at_once(failure("second")), shape::awaitable);
    push_named(script("c").at_once(first), shape::awaitable);
    closed().expect_error(first);
    BOOST_REQUIRE(own.failures.size() == 2u);
    BOOST_TEST(describe(own.failures[0].error) == "second");
    BOOST_TEST(own.failures[0].name == "b");
    BOOST_TEST(describe(own.failures[1].error) == "third");
    BOOST_TEST(own.failures[1].name == "a");
}

// primary_only: a real error outranks the cancellation that came first.
BOOST_AUTO_TEST_CASE(primary_only_real_error_outranks_cancellation)
{
    exeunt::close_options options;
    options.primary_only = true;
    stack = async_exit_stack(context, options);
    std::exception_ptr const real = failure("real");
    push(script("a").at_once(real), shape::awaitable);
    closed(cancellation()).expect_error(real);
    BOOST_REQUIRE(observer.failures.size() == 1u);
    BOOST_TEST(describe(observer.failures[0].error) == "cancelled");
    observer.clear();
}

// options() may still be changed before the close.
BOOST_AUTO_TEST_CASE(options_set_before_the_close_are_used)
{
    stack.options().primary_only = true;
    std::exception_ptr const first = failure("first");
    push(script("a").at_once(failure("second")), shape::awaitable);
    push(script("b").at_once(first), shape::awaitable);
    closed().expect_error(first);
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

// An exit that throws an exit_errors has its failures spliced in flat, none of them twice.
BOOST_AUTO_TEST_CASE(exit_errors_thrown_by_an_exit_is_spliced_in_flat)
{
    std::exception_ptr const shared = failure("shared");
    push(script("a").at_once(failure("last")), shape::awaitable);
    stack.push([&]() -> asio::awaitable<void> {
        exeunt::exit_stack inner;
        inner.push([] { throw test_error("inner2"); });
        inner.push([] { throw test_error("inner1"); });
        inner.push([&] { std::rethrow_exception(shared); });
        inner.close();
        co_return;
    });
    closed(shared).expect_error("[shared, inner1, inner2, last]");
}

BOOST_AUTO_TEST_SUITE_END()
