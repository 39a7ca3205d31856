// The asynchronous stack: entering and acquiring (C20 to C24).
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/scripted_source.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

using namespace support;

namespace {

// Enters and exits with a token.
class token_context
{
public:
    token_context(event_log& log, scripted_source<std::string>& source)
        : log_(&log)
        , source_(&source)
    {
    }

    template <class Token>
    auto async_enter(Token&& token)
    {
        log_->add("enter");
        return source_->async_get(std::forward<Token>(token));
    }

    template <class Token>
    auto async_exit(exit_state& state, Token&& token)
    {
        log_->add("exit:" + describe(state.error()));
        return asio::post(std::forward<Token>(token));
    }

private:
    event_log* log_;
    scripted_source<std::string>* source_;
};

// Enters and exits as coroutines.
class awaitable_context
{
public:
    awaitable_context(event_log& log, scripted_source<std::string>& source)
        : log_(&log)
        , source_(&source)
    {
    }

    asio::awaitable<std::string> async_enter()
    {
        log_->add("enter");
        return source_->get();
    }

    asio::awaitable<void> async_exit(exit_state& state)
    {
        log_->add("exit:" + describe(state.error()));
        co_return;
    }

private:
    event_log* log_;
    scripted_source<std::string>* source_;
};

struct enter_fixture : async_fixture
{
    scripted_source<std::string> source;
    scripted_source<int> numbers;
    outcome_of<std::string> entered;
    outcome_of<int*> acquired;
    asio::cancellation_signal signal;

    template <class Handler>
    auto cancellable(Handler handler)
    {
        return asio::bind_cancellation_slot(signal.slot(), std::move(handler));
    }

    auto release()
    {
        return [this](int& value) { log("release" + std::to_string(value)); };
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_enter_acquire, enter_fixture)

// C20
BOOST_AUTO_TEST_CASE(async_enter_awaits_registers_and_completes_with_the_result)
{
    stack.async_enter(token_context(log, source), into(entered));
    drive();
    log.expect("enter");
    entered.expect_pending();
    BOOST_TEST(stack.empty()); // not before it has been entered
    source.answer("text");
    drive();
    entered.expect_success();
    BOOST_TEST(entered.value.value_or("") == "text");
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("exit:none");
}

// C20
BOOST_AUTO_TEST_CASE(async_enter_takes_contexts_whose_functions_are_coroutines)
{
    awaitable_context context_entered(log, source);
    stack.async_enter(std::ref(context_entered), into(entered));
    drive();
    log.expect("enter");
    entered.expect_pending();
    source.answer("text");
    drive();
    entered.expect_success();
    BOOST_TEST(entered.value.value_or("") == "text");
    closed().expect_success();
    log.expect("exit:none");
}

// C20, C72
BOOST_AUTO_TEST_CASE(async_enter_never_completes_inside_the_initiating_function)
{
    struct at_once
    {
        asio::awaitable<int> async_enter() { co_return 1; }
        asio::awaitable<void> async_exit(exit_state&) { co_return; }
    };
    outcome_of<int> number;
    asio::post(context, [&] {
        stack.async_enter(at_once(), into(number));
        number.expect_pending();
    });
    drive();
    number.expect_success();
    closed().expect_success();
}

// C21
BOOST_AUTO_TEST_CASE(async_enter_that_fails_is_not_registered)
{
    push_note("a");
    std::exception_ptr const error = failure("refused");
    stack.async_enter(token_context(log, source), into(entered));
    drive();
    source.answer_error(error);
    drive();
    entered.expect_error(error);
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("enter +a -a");
}

// C21
BOOST_AUTO_TEST_CASE(async_enter_that_is_cancelled_is_not_registered)
{
    push_note("a");
    stack.async_enter(token_context(log, source), cancellable(into(entered)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    BOOST_TEST(source.cuts() == 1);
    entered.expect_code(asio::error::operation_aborted);
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("enter +a -a");
}

// C21
BOOST_AUTO_TEST_CASE(async_acquire_that_fails_is_not_registered)
{
    std::exception_ptr const error = failure("refused");
    stack.async_acquire(numbers.async_get(asio::deferred), release(), into(acquired));
    drive();
    numbers.answer_error(error);
    drive();
    acquired.expect_error(error);
    BOOST_TEST(acquired.value.value_or(nullptr) == nullptr);
    BOOST_TEST(stack.empty());
    closed().expect_success();
    log.expect("");
}

namespace {

// Made of what the operation completes with.
struct picky
{
    picky(int number)
    {
        if (number < 0)
            throw test_error("negative");
    }
};

} // namespace

// C21
BOOST_AUTO_TEST_CASE(async_acquire_whose_value_cannot_be_made_fails_and_is_not_registered)
{
    for (int const number : {7, -7}) {
        outcome_of<picky*> made;
        stack.async_acquire(
            asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, picky)>(
                [number](auto handler) { std::move(handler)(std::exception_ptr(), number); },
                asio::deferred),
            [&](picky&) { log("released"); }, into(made));
        drive();
        if (number < 0)
            made.expect_error("negative");
        else
            made.expect_success();
        BOOST_TEST(stack.size() == 1u);
    }
    closed().expect_success();
    log.expect("released");
}

// C21
BOOST_AUTO_TEST_CASE(async_acquire_that_is_cancelled_is_not_registered)
{
    stack.async_acquire(numbers.get(), release(), cancellable(into(acquired)));
    drive();
    BOOST_REQUIRE(numbers.running());
    signal.emit(asio::cancellation_type::terminal);
    drive();
    acquired.expect_code(asio::error::operation_aborted);
    BOOST_TEST(stack.empty());
    closed().expect_success();
    log.expect("");
}

// C21
BOOST_AUTO_TEST_CASE(async_with_failed_enter_unwinds_the_earlier_ones_with_that_error)
{
    std::exception_ptr const error = failure("refused");
    token_context second(log, source);
    auto earlier = script("earlier").at_once();
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(earlier.state_awaitable());
            co_await s.async_enter(std::ref(second), asio::use_awaitable);
            log("never");
        },
        into(result));
    drive();
    source.answer_error(error);
    drive();
    result.expect_error(error);
    BOOST_REQUIRE(earlier.has_seen());
    BOOST_CHECK(earlier.saw().error == error);
    log.expect("enter +earlier -earlier");
}

// C22
BOOST_AUTO_TEST_CASE(async_acquire_that_succeeds_as_it_is_cancelled_is_registered)
{
    numbers.succeeds_when_cut([] { return 5; });
    stack.async_acquire(numbers.async_get(asio::deferred), release(), cancellable(into(acquired)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    BOOST_TEST(numbers.cuts() == 1);
    acquired.expect_once();
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("release5");
}

// C22
BOOST_AUTO_TEST_CASE(async_acquire_awaitable_that_succeeds_as_it_is_cancelled_is_registered)
{
    numbers.succeeds_when_cut([] { return 5; });
    stack.async_acquire(numbers.get(), release(), cancellable(into(acquired)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    BOOST_TEST(numbers.cuts() == 1);
    acquired.expect_once();
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("release5");
}

// C22: in a scope whose body is cancelled while it acquires
BOOST_AUTO_TEST_CASE(async_with_acquire_that_succeeds_as_the_body_is_cancelled_is_released)
{
    numbers.succeeds_when_cut([] { return 5; });
    auto const give_back = [&](int& value) { log("release" + std::to_string(value)); };
    exeunt::async_with(
        context,
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            co_await s.async_acquire(
                numbers.async_get(asio::deferred), std::ref(give_back), asio::use_awaitable);
            co_await script("work").async_operation(asio::use_awaitable);
        },
        cancellable(into(result)));
    drive();
    signal.emit(asio::cancellation_type::terminal);
    drive();
    result.expect_code(asio::error::operation_aborted);
    log.expect("release5");
}

// C22: emitted between the success of the operation and its completion
BOOST_AUTO_TEST_CASE(async_acquire_cancelled_after_its_success_is_registered)
{
    stack.async_acquire(numbers.async_get(asio::deferred), release(), cancellable(into(acquired)));
    drive();
    numbers.answer(6); // posted, not yet delivered
    signal.emit(asio::cancellation_type::terminal);
    drive();
    acquired.expect_once();
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("release6");
}

// C20
BOOST_AUTO_TEST_CASE(async_acquire_yields_a_pointer_to_what_the_stack_owns)
{
    stack.async_acquire(numbers.get(), release(), into(acquired));
    drive();
    BOOST_TEST(stack.empty());
    numbers.answer(7);
    drive();
    acquired.expect_success();
    BOOST_REQUIRE(acquired.value.value_or(nullptr) != nullptr);
    int* const value = *acquired.value;
    BOOST_TEST(*value == 7);
    BOOST_CHECK(stack.handle_of(value) != exit_handle());
    *value = 8;
    auto moved = std::move(stack);
    moved.async_close(into(result));
    drive();
    result.expect_success();
    log.expect("release8");
}

// C20: without a release the value's own exit is registered, or its destructor
BOOST_AUTO_TEST_CASE(async_acquire_without_a_release_registers_the_values_own_exit)
{
    struct own_exit
    {
        event_log* log = nullptr;

        asio::awaitable<void> async_exit(exit_state&)
        {
            log->add("own exit");
            co_return;
        }
    };
    scripted_source<own_exit> contexts;
    scripted_source<std::shared_ptr<capture_mark>> plain;
    outcome_of<own_exit*> acquired_context;
    outcome_of<std::shared_ptr<capture_mark>*> acquired_plain;
    stack.async_acquire(plain.async_get(asio::deferred), into(acquired_plain));
    drive();
    plain.answer(std::make_shared<capture_mark>(log, "destroyed"));
    drive();
    stack.async_acquire(contexts.async_get(asio::deferred), into(acquired_context));
    drive();
    contexts.answer(own_exit{&log});
    drive();
    acquired_plain.expect_success();
    acquired_context.expect_success();
    BOOST_TEST(stack.size() == 2u);
    closed().expect_success();
    log.expect("own exit destroyed");
}

// C23
BOOST_AUTO_TEST_CASE(async_acquire_that_finishes_after_closing_ended_releases_then_stack_closed)
{
    auto released = script("release");
    int value = 0;
    stack.async_acquire(
        numbers.async_get(asio::deferred),
        [&](int& v) {
            value = v;
            return released.async_operation(asio::deferred);
        },
        into(acquired));
    drive();
    closed().expect_success();
    acquired.expect_pending();
    numbers.answer(5);
    drive();
    log.expect("+release");
    BOOST_TEST(value == 5);
    acquired.expect_pending(); // not before it has been released
    released.answer();
    drive();
    acquired.expect_stack_closed();
    BOOST_TEST(acquired.value.value_or(nullptr) == nullptr);
    BOOST_TEST(stack.empty());
}

// C23
BOOST_AUTO_TEST_CASE(async_acquire_whose_stack_is_gone_releases_then_stack_closed)
{
    {
        async_exit_stack gone(context);
        gone.async_acquire(numbers.get(), release(), into(acquired));
        drive();
        BOOST_REQUIRE(numbers.running());
    }
    drive();
    acquired.expect_pending();
    numbers.answer(5);
    drive();
    acquired.expect_stack_closed();
    log.expect("release5");
}

// C23
BOOST_AUTO_TEST_CASE(async_enter_that_finishes_after_closing_ended_exits_then_stack_closed)
{
    stack.async_enter(token_context(log, source), into(entered));
    drive();
    closed().expect_success();
    source.answer("text");
    drive();
    entered.expect_stack_closed();
    BOOST_TEST(log.words().size() == 2u); // what it sees is not laid down
    BOOST_TEST(log.text().find("enter exit:") == 0u, log.text());
}

// C23
BOOST_AUTO_TEST_CASE(async_acquire_on_a_closed_stack_does_not_start)
{
    closed().expect_success();
    stack.async_acquire(numbers.async_get(asio::deferred), release(), into(acquired));
    drive();
    if (numbers.running()) // allowed: then it is released at once
        numbers.answer(1);
    drive();
    acquired.expect_stack_closed();
    BOOST_TEST(log.count("release1") == static_cast<std::size_t>(numbers.starts()));
}

// C23
BOOST_AUTO_TEST_CASE(async_acquire_that_finishes_while_closing_is_registered_and_runs_next)
{
    auto a = script("a");
    auto b = script("b");
    push(a, shape::awaitable);
    push(b, shape::handler_function);
    stack.async_acquire(numbers.async_get(asio::deferred), release(), into(acquired));
    drive();
    close();
    log.expect("+b");
    numbers.answer(5);
    drive();
    acquired.expect_success();
    log.expect(""); // b is still running
    b.answer();
    drive();
    log.expect("-b release5 +a");
    a.answer();
    drive();
    result.expect_success();
}

// C24
BOOST_AUTO_TEST_CASE(async_acquire_two_in_flight_are_registered_in_order_of_completion)
{
    scripted_source<int> first;
    scripted_source<int> second;
    outcome_of<int*> first_acquired;
    outcome_of<int*> second_acquired;
    stack.async_acquire(first.async_get(asio::deferred), release(), into(first_acquired));
    stack.async_acquire(second.async_get(asio::deferred), release(), into(second_acquired));
    drive();
    second.answer(2);
    drive();
    second_acquired.expect_success();
    first_acquired.expect_pending();
    first.answer(1);
    drive();
    first_acquired.expect_success();
    BOOST_TEST(stack.size() == 2u);
    closed().expect_success();
    log.expect("release1 release2");
}

// C24: one of the two fails
BOOST_AUTO_TEST_CASE(async_acquire_two_in_flight_one_fails_the_other_is_released)
{
    scripted_source<int> first;
    scripted_source<int> second;
    outcome_of<int*> first_acquired;
    outcome_of<int*> second_acquired;
    stack.async_acquire(first.get(), release(), into(first_acquired));
    stack.async_acquire(second.get(), release(), into(second_acquired));
    drive();
    first.answer_error(failure("first"));
    second.answer(2);
    drive();
    first_acquired.expect_error("first");
    second_acquired.expect_success();
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("release2");
}

// An operation may complete with an error_code before the value, or with the value alone.
BOOST_AUTO_TEST_CASE(async_acquire_takes_operations_of_any_signature)
{
    auto with_code =
        asio::async_initiate<asio::deferred_t const, void(boost::system::error_code, int)>(
            [](auto handler) {
                asio::post(asio::append(std::move(handler), boost::system::error_code(), 1));
            },
            asio::deferred);
    auto bare = asio::async_initiate<asio::deferred_t const, void(int)>(
        [](auto handler) { asio::post(asio::append(std::move(handler), 2)); }, asio::deferred);
    auto failing =
        asio::async_initiate<asio::deferred_t const, void(boost::system::error_code, int)>(
            [](auto handler) {
                asio::post(asio::append(
                    std::move(handler), boost::system::error_code(asio::error::eof), 3));
            },
            asio::deferred);
    outcome_of<int*> one;
    outcome_of<int*> two;
    outcome_of<int*> three;
    stack.async_acquire(std::move(with_code), release(), into(one));
    drive();
    stack.async_acquire(std::move(bare), release(), into(two));
    drive();
    stack.async_acquire(std::move(failing), release(), into(three));
    drive();
    one.expect_success();
    two.expect_success();
    three.expect_code(asio::error::eof);
    BOOST_TEST(stack.size() == 2u);
    closed().expect_success();
    log.expect("release2 release1");
}

BOOST_AUTO_TEST_SUITE_END()
