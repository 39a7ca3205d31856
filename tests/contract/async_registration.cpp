// The asynchronous stack: registering exits (C10, C11, C14, C16, C18).
#include "support/async_fixture.hpp"

#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_registration, async_fixture)

// C10
BOOST_AUTO_TEST_CASE(callback_arguments_are_copied_at_registration)
{
    std::string word = "before";
    stack.callback([&](std::string const& s) { log(s); }, word);
    stack.push_async_callback(
        [&](std::string const& s) -> asio::awaitable<void> {
            log(s);
            co_return;
        },
        word);
    word = "after";
    closed().expect_success();
    log.expect("before before");
}

// C10
BOOST_AUTO_TEST_CASE(callback_arguments_are_passed_on_as_rvalues)
{
    std::unique_ptr<int> sync_got;
    std::unique_ptr<int> async_got;
    stack.callback([&](std::unique_ptr<int>&& value) { sync_got = std::move(value); },
        std::make_unique<int>(1));
    stack.push_async_callback(
        [&](std::unique_ptr<int> value) -> asio::awaitable<void> {
            async_got = std::move(value);
            co_return;
        },
        std::make_unique<int>(2));
    closed().expect_success();
    BOOST_REQUIRE(sync_got);
    BOOST_REQUIRE(async_got);
    BOOST_TEST(*sync_got == 1);
    BOOST_TEST(*async_got == 2);
}

// C10
BOOST_AUTO_TEST_CASE(callback_std_ref_refers)
{
    int sync_value = 0;
    int async_value = 0;
    stack.callback([](int& value) { ++value; }, std::ref(sync_value));
    stack.push_async_callback(
        [](int& value) -> asio::awaitable<void> {
            ++value;
            co_return;
        },
        std::ref(async_value));
    sync_value = 10;
    async_value = 20;
    closed().expect_success();
    BOOST_TEST(sync_value == 11);
    BOOST_TEST(async_value == 21);
}

// C10
BOOST_AUTO_TEST_CASE(callback_arrays_decay)
{
    char text[] = "abc";
    stack.callback([&](char const* s) { log(s); }, static_cast<char const*>("literal"));
    stack.callback(
        [&](auto s) {
            static_assert(std::is_same_v<decltype(s), char*>);
            log(s);
        },
        text);
    closed().expect_success();
    log.expect("abc literal");
}

// C10
BOOST_AUTO_TEST_CASE(push_async_callback_operation_from_arguments_is_awaited)
{
    auto a = script("a");
    stack.push_async_callback(
        [](scripted_exit& exit) { return exit.async_operation(asio::deferred); }, std::ref(a));
    push_note("b");
    close();
    log.expect("+b -b +a");
    result.expect_pending();
    a.answer();
    drive();
    result.expect_success();
}

// C10
BOOST_AUTO_TEST_CASE(push_async_callback_arguments_live_until_the_operation_has_completed)
{
    auto a = script("a");
    auto const owned = std::make_shared<int>(1);
    std::weak_ptr<int> const watch = owned;
    stack.push_async_callback(
        [&a](std::shared_ptr<int> const&) { return a.async_operation(asio::deferred); },
        std::shared_ptr<int>(owned));
    BOOST_TEST(watch.use_count() == 2);
    close();
    BOOST_TEST(watch.use_count() == 2);
    a.answer();
    drive();
    result.expect_success();
    BOOST_TEST(watch.use_count() == 1);
}

// C11
BOOST_AUTO_TEST_CASE(push_empty_function_throws_and_registers_nothing)
{
    push_note("a");
    BOOST_CHECK_THROW(stack.push(std::function<void()>()), std::exception);
    BOOST_CHECK_THROW(stack.push(std::function<void(exit_state&)>()), std::exception);
    BOOST_CHECK_THROW(stack.push(std::function<asio::awaitable<void>()>()), std::exception);
    BOOST_CHECK_THROW(
        stack.push(std::function<asio::awaitable<void>(exit_state&)>()), std::exception);
    BOOST_CHECK_THROW(stack.push(std::function<void(exit_handler)>()), std::exception);
    BOOST_CHECK_THROW(stack.push(std::function<void(exit_state&, exit_handler)>()), std::exception);
    BOOST_CHECK_THROW(stack.callback(std::function<void(int)>(), 1), std::exception);
    BOOST_CHECK_THROW(
        stack.push_async_callback(std::function<asio::awaitable<void>(int)>(), 1), std::exception);
    BOOST_CHECK_THROW(
        stack.push_async_exit(std::function<asio::awaitable<void>(exit_state&)>()), std::exception);
    BOOST_CHECK_THROW(
        stack.push(exeunt::on_exit(std::function<void()>()).named("named")), std::exception);
    BOOST_CHECK_THROW(stack.adopt(1, std::function<void(int&)>()), std::exception);
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("+a -a");
}

// C11
BOOST_AUTO_TEST_CASE(push_null_function_pointer_throws_and_registers_nothing)
{
    push_note("a");
    void (*sync)() = nullptr;
    void (*seeing)(exit_state&) = nullptr;
    asio::awaitable<void> (*async)() = nullptr;
    void (*handler)(exit_handler) = nullptr;
    void (*with_number)(int) = nullptr;
    BOOST_CHECK_THROW(stack.push(sync), std::exception);
    BOOST_CHECK_THROW(stack.push(seeing), std::exception);
    BOOST_CHECK_THROW(stack.push(async), std::exception);
    BOOST_CHECK_THROW(stack.push(handler), std::exception);
    BOOST_CHECK_THROW(stack.callback(with_number, 1), std::exception);
    BOOST_CHECK_THROW(stack.adopt(1, with_number), std::exception);
    BOOST_TEST(stack.size() == 1u);
    closed().expect_success();
    log.expect("+a -a");
}

namespace {

int first_ran = 0;
int second_ran = 0;

void first()
{
    ++first_ran;
}

void second()
{
    ++second_ran;
}

asio::awaitable<void> async_first()
{
    ++first_ran;
    co_return;
}

asio::awaitable<void> async_second()
{
    ++second_ran;
    co_return;
}

void handler_first(exit_handler handler)
{
    ++first_ran;
    std::move(handler)();
}

} // namespace

// C14
BOOST_AUTO_TEST_CASE(push_rebinding_a_function_pointer_later_changes_nothing)
{
    first_ran = 0;
    second_ran = 0;
    void (*sync)() = &first;
    asio::awaitable<void> (*async)() = &async_first;
    std::function<void()> function = first;
    stack.push(sync);
    stack.push(async);
    stack.push(function);
    sync = &second;
    async = &async_second;
    function = second;
    closed().expect_success();
    BOOST_TEST(first_ran == 3);
    BOOST_TEST(second_ran == 0);
}

// C14: a function itself, not only a pointer to it
BOOST_AUTO_TEST_CASE(push_functions_are_taken_as_they_are)
{
    first_ran = 0;
    stack.push(first);
    stack.push(async_first);
    stack.push(handler_first);
    closed().expect_success();
    BOOST_TEST(first_ran == 3);
}

namespace {

struct enterable
{
    explicit enterable(event_log& l)
        : log(&l)
    {
    }

    void enter() { log->add("enter"); }
    void exit(exit_state&) { log->add("exit"); }
    event_log* log;
};

struct async_enterable
{
    explicit async_enterable(event_log& l)
        : log(&l)
    {
    }

    asio::awaitable<void> async_enter()
    {
        log->add("async_enter");
        co_return;
    }

    asio::awaitable<void> async_exit(exit_state&)
    {
        log->add("async_exit");
        co_return;
    }

    event_log* log;
};

} // namespace

// C16
BOOST_AUTO_TEST_CASE(push_of_a_referenced_context_registers_its_exit_and_does_not_enter)
{
    enterable sync(log);
    async_enterable async(log);
    stack.push(std::ref(sync));
    stack.push(std::ref(async));
    BOOST_TEST(stack.size() == 2u);
    log.expect("");
    closed().expect_success();
    log.expect("async_exit exit");
}

// C16: Python's push(context) by value
BOOST_AUTO_TEST_CASE(push_of_an_owned_context_registers_its_exit_and_does_not_enter)
{
    stack.push(enterable(log));
    stack.push(async_enterable(log));
    closed().expect_success();
    log.expect("async_exit exit");
}

namespace {

// Moving or copying it throws while it is armed.
struct throwing_callable
{
    throwing_callable(event_log& l, bool const& throws_now)
        : log(&l)
        , armed(&throws_now)
    {
    }

    throwing_callable(throwing_callable const& other)
        : log(other.log)
        , armed(other.armed)
    {
        if (*armed)
            throw test_error("copy");
    }

    void operator()() const { log->add("ran"); }
    void operator()(int&) const { log->add("ran"); }

    event_log* log;
    bool const* armed;
};

struct throwing_async_callable : throwing_callable
{
    using throwing_callable::throwing_callable;

    asio::awaitable<void> operator()() const
    {
        log->add("ran");
        co_return;
    }
};

struct throws_when_made
{
    throws_when_made() { throw test_error("made"); }
};

struct throws_when_entered
{
    explicit throws_when_entered(event_log& l)
        : log(&l)
    {
    }

    void enter() { throw test_error("enter"); }
    void exit(exit_state&) { log->add("exit"); }
    event_log* log;
};

struct async_throws_when_entered
{
    explicit async_throws_when_entered(event_log& l)
        : log(&l)
    {
    }

    int enter() { throw test_error("enter"); }

    asio::awaitable<void> async_exit(exit_state&)
    {
        log->add("exit");
        co_return;
    }

    event_log* log;
};

} // namespace

// C18
BOOST_AUTO_TEST_CASE(push_that_throws_leaves_the_stack_as_it_was)
{
    push_note("a");
    bool armed = true;
    throwing_callable sync(log, armed);
    throwing_async_callable async(log, armed);
    BOOST_CHECK_THROW(stack.push(sync), test_error);
    BOOST_CHECK_THROW(stack.push(async), test_error);
    BOOST_CHECK_THROW(stack.callback(sync), test_error);
    BOOST_CHECK_THROW(stack.push_async_callback(async), test_error);
    BOOST_CHECK_THROW(stack.adopt(1, sync), test_error);
    BOOST_CHECK_THROW(stack.emplace<throws_when_made>(), test_error);
    BOOST_CHECK_THROW(stack.enter(throws_when_entered(log)), test_error);
    BOOST_CHECK_THROW(stack.enter(async_throws_when_entered(log)), test_error);
    BOOST_TEST(stack.size() == 1u);
    BOOST_TEST(stack.pending().size() == 1u);

    armed = false;
    stack.push(sync);
    BOOST_TEST(stack.size() == 2u);
    closed().expect_success();
    log.expect("ran +a -a");
}

// Return values are ignored.
BOOST_AUTO_TEST_CASE(push_return_value_of_an_exit_is_ignored)
{
    stack.push([&] {
        log("int");
        return 5;
    });
    stack.push([&](exit_state&) {
        log("bool");
        return true;
    });
    std::exception_ptr const cause = failure("cause");
    closed(cause).expect_error(cause);
    log.expect("bool int");
}

// Move-only callables are taken in every shape.
BOOST_AUTO_TEST_CASE(push_move_only_callables_are_taken)
{
    auto one = std::make_unique<int>(1);
    auto two = std::make_unique<int>(2);
    auto three = std::make_unique<int>(3);
    stack.push([&, p = std::move(one)] { log(std::to_string(*p)); });
    stack.push([&, p = std::move(two)]() -> asio::awaitable<void> {
        log(std::to_string(*p));
        co_return;
    });
    stack.push([&, p = std::move(three)](exit_handler handler) {
        log(std::to_string(*p));
        std::move(handler)();
    });
    closed().expect_success();
    log.expect("3 2 1");
}

BOOST_AUTO_TEST_SUITE_END()
