// The asynchronous stack: which shape a callable has, and what its handler may be completed with (C99).
#include "support/async_fixture.hpp"

#include <functional>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_generic_callables, async_fixture)

// C99
BOOST_AUTO_TEST_CASE(generic_lambda_with_one_parameter_is_given_the_handler)
{
    stack.push([&](auto handler) {
        static_assert(!std::is_same_v<decltype(handler), exit_state>);
        log("auto");
        asio::post(std::move(handler));
    });
    stack.push([&](auto&& handler) {
        log("auto&&");
        asio::post(std::move(handler));
    });
    closed().expect_success();
    log.expect("auto&& auto");
}

// C99
BOOST_AUTO_TEST_CASE(generic_lambda_with_an_lvalue_parameter_is_given_the_state)
{
    std::exception_ptr const cause = failure("cause");
    stack.push([&](auto& state) {
        static_assert(std::is_same_v<decltype(state), exit_state&>);
        BOOST_CHECK(state.error() == cause);
        log("sync");
    });
    stack.push([&](auto& state) -> asio::awaitable<void> {
        BOOST_CHECK(state.error() == cause);
        log("async");
        co_return;
    });
    closed(cause).expect_error(cause);
    log.expect("async sync");
}

// C99
BOOST_AUTO_TEST_CASE(generic_lambda_with_two_parameters_is_given_state_and_handler)
{
    stack.push([&](auto& state, auto handler) {
        state.suppress();
        log("1");
        asio::post(std::move(handler));
    });
    stack.push([&](exit_state& state, auto&& handler) {
        BOOST_TEST(state.failed());
        log("2");
        asio::post(std::move(handler));
    });
    stack.push([&](auto&& state, auto&& handler) {
        BOOST_TEST(state.failed());
        log("3");
        asio::post(std::move(handler));
    });
    closed(failure("cause")).expect_success();
    log.expect("3 2 1");
}

namespace {

// Callable in every way.
struct overloaded_all
{
    event_log* log;

    void operator()() const { log->add("none"); }
    void operator()(exit_handler handler) const
    {
        log->add("handler");
        std::move(handler)();
    }
    void operator()(exit_state&) const { log->add("state"); }
    void operator()(exit_state&, exit_handler handler) const
    {
        log->add("both");
        std::move(handler)();
    }
};

struct overloaded_handler_and_state
{
    event_log* log;

    void operator()(exit_handler handler) const
    {
        log->add("handler");
        std::move(handler)();
    }
    void operator()(exit_state&) const { log->add("state"); }
    void operator()(exit_state&, exit_handler handler) const
    {
        log->add("both");
        std::move(handler)();
    }
};

struct overloaded_state_and_both
{
    event_log* log;

    void operator()(exit_state&) const { log->add("state"); }
    void operator()(exit_state&, exit_handler handler) const
    {
        log->add("both");
        std::move(handler)();
    }
};

// A template that may be instantiated with a handler only.
struct templated
{
    event_log* log;

    template <class Handler>
    void operator()(Handler handler) const
    {
        static_assert(!std::is_same_v<Handler, exit_state>, "instantiated with the state");
        log->add("templated");
        asio::post(std::move(handler));
    }
};

struct templated_with_state
{
    event_log* log;

    template <class Handler>
    void operator()(exit_state& state, Handler&& handler) const
    {
        BOOST_TEST(!state.failed());
        log->add("templated with state");
        asio::post(std::forward<Handler>(handler));
    }
};

// Only as an rvalue: an exit runs once.
struct rvalue_only
{
    event_log* log;

    void operator()() && { log->add("rvalue"); }
};

// Only as a const or non-const lvalue, as most functions are.
struct mutable_only
{
    event_log* log;
    int count = 0;

    void operator()()
    {
        ++count;
        log->add("mutable" + std::to_string(count));
    }
};

} // namespace

// C99
BOOST_AUTO_TEST_CASE(overloaded_callables_resolve_in_the_contracts_order)
{
    stack.push(overloaded_state_and_both{&log});
    stack.push(overloaded_handler_and_state{&log});
    stack.push(overloaded_all{&log});
    closed().expect_success();
    log.expect("none handler state");
}

// C99
BOOST_AUTO_TEST_CASE(templated_callables_are_not_instantiated_with_what_they_are_not_for)
{
    stack.push(templated_with_state{&log});
    stack.push(templated{&log});
    closed().expect_success();
    log.expect("templated templated with state");
}

// C99
BOOST_AUTO_TEST_CASE(callables_are_invoked_once_whatever_their_qualifiers)
{
    stack.push(rvalue_only{&log});
    stack.push(mutable_only{&log});
    stack.push([&, n = 0]() mutable { log("lambda" + std::to_string(++n)); });
    stack.push([&, p = std::make_unique<int>(1)]() mutable -> asio::awaitable<void> {
        p.reset();
        log("awaitable");
        co_return;
    });
    closed().expect_success();
    log.expect("awaitable lambda1 mutable1 rvalue");
}

// C99
BOOST_AUTO_TEST_CASE(type_erased_callables_keep_their_shape)
{
    stack.push(std::function<void()>([&] { log("1"); }));
    stack.push(std::function<void(exit_state&)>([&](exit_state&) { log("2"); }));
    stack.push(std::function<asio::awaitable<void>()>([&]() -> asio::awaitable<void> {
        log("3");
        co_return;
    }));
    stack.push(std::function<void(exit_handler)>([&](exit_handler handler) {
        log("4");
        std::move(handler)();
    }));
    stack.push(
        std::function<void(exit_state&, exit_handler)>([&](exit_state&, exit_handler handler) {
            log("5");
            std::move(handler)();
        }));
    closed().expect_success();
    log.expect("5 4 3 2 1");
}

// C99
BOOST_AUTO_TEST_CASE(std_ref_of_a_callable_is_called_and_not_copied)
{
    mutable_only counter{&log};
    stack.push(std::ref(counter));
    stack.push(std::ref(counter));
    closed().expect_success();
    BOOST_TEST(counter.count == 2);
    log.clear();
}

// C99
BOOST_AUTO_TEST_CASE(handler_completed_with_an_enumerator_is_a_failure)
{
    stack.push([](auto handler) { std::move(handler)(asio::error::eof); });
    closed().expect_code(asio::error::eof);

    stack = async_exit_stack(context);
    stack.push([](exit_handler handler) { std::move(handler)(asio::error::connection_reset); });
    closed().expect_code(asio::error::connection_reset);

    stack = async_exit_stack(context);
    stack.push([](exit_handler handler) { std::move(handler)(asio::error::timed_out, 5); });
    closed().expect_code(asio::error::timed_out);
}

// C99
BOOST_AUTO_TEST_CASE(handler_completed_with_an_error_of_any_kind_is_a_failure)
{
    std::exception_ptr const error = failure("pointer");
    stack.push([&](auto handler) { std::move(handler)(error); });
    closed().expect_error(error);

    stack = async_exit_stack(context);
    stack.push([&](auto handler) { std::move(handler)(error, 1, 2); });
    closed().expect_error(error);

    stack = async_exit_stack(context);
    stack.push([](auto handler) {
        std::move(handler)(boost::system::error_code(asio::error::eof), std::size_t(5));
    });
    closed().expect_code(asio::error::eof);

    stack = async_exit_stack(context);
    stack.push(
        [](auto handler) { std::move(handler)(std::make_error_code(std::errc::broken_pipe)); });
    closed();
    result.expect_once();
    BOOST_TEST(exeunt::code_of(result.error) == std::make_error_code(std::errc::broken_pipe));
}

// C99
BOOST_AUTO_TEST_CASE(handler_completed_with_values_or_no_error_is_a_success)
{
    stack.push([](auto handler) { std::move(handler)(); });
    stack.push([](auto handler) { std::move(handler)(1); });
    stack.push([](auto handler) { std::move(handler)(false); });
    stack.push([](auto handler) { std::move(handler)(std::string("text"), 2); });
    stack.push([](auto handler) { std::move(handler)(std::make_unique<int>(1)); });
    stack.push([](auto handler) { std::move(handler)(boost::system::error_code()); });
    stack.push(
        [](auto handler) { std::move(handler)(boost::system::error_code(), std::size_t(5)); });
    stack.push([](auto handler) { std::move(handler)(std::exception_ptr()); });
    stack.push([](auto handler) { std::move(handler)(nullptr); });
    stack.push([](exit_handler handler) { std::move(handler)(std::error_code()); });
    closed().expect_success();
}

// Although Boost could make one of its own of it.
BOOST_AUTO_TEST_CASE(handler_completed_with_a_std_error_code_fails_with_a_std_system_error)
{
    auto const broken = std::make_error_code(std::errc::io_error);
    stack.push([&](exit_handler handler) { std::move(handler)(broken); });
    closed();
    BOOST_CHECK_EXCEPTION(std::rethrow_exception(result.error), std::system_error,
        [&](std::system_error const& failure) { return failure.code() == broken; });
}

BOOST_AUTO_TEST_CASE(handlers_that_are_assigned_and_swapped_each_end_their_exit_once)
{
    std::vector<exit_handler> kept;
    for (int k = 0; k != 2; ++k)
        stack.push([&](exit_handler handler) { kept.push_back(std::move(handler)); });
    push_note("older");
    close();
    drive();
    BOOST_TEST_REQUIRE(kept.size() == 1u);
    exit_handler first = std::move(kept.front());
    kept.clear();
    std::move(first)();
    std::move(first)(asio::error::eof); // says nothing any more
    drive();
    BOOST_TEST_REQUIRE(kept.size() == 1u);
    first = std::move(kept.front());
    first.swap(kept.front());
    std::move(kept.front())();
    drive();
    result.expect_success();
    log.expect("+older -older");
}

// The handler can be stored, moved and completed later, from a function of its own.
BOOST_AUTO_TEST_CASE(exit_handler_can_be_stored_and_completed_later)
{
    std::unique_ptr<exit_handler> stored;
    push_note("older");
    stack.push(
        [&](exit_handler handler) { stored = std::make_unique<exit_handler>(std::move(handler)); });
    close();
    result.expect_pending();
    log.expect("");
    BOOST_REQUIRE(stored);
    exit_handler moved = std::move(*stored);
    stored.reset();
    std::move(moved)(asio::error::eof);
    drive();
    log.expect("+older -older");
    result.expect_code(asio::error::eof);
}

BOOST_AUTO_TEST_SUITE_END()
