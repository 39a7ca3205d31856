// The asynchronous stack: values that it owns (C12, C13, C15).
#include "support/async_fixture.hpp"

#include <cstddef>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using namespace support;

namespace {

// Cannot be moved; notes its destruction.
struct immovable
{
    immovable(event_log& l, std::string n, int v = 0)
        : log(&l)
        , name(std::move(n))
        , value(v)
    {
    }

    immovable(immovable const&) = delete;
    immovable& operator=(immovable const&) = delete;
    ~immovable() { log->add("~" + name); }

    event_log* log;
    std::string name;
    int value;
};

struct sync_context
{
    explicit sync_context(event_log& l)
        : log(&l)
    {
    }

    void exit(exit_state&) { log->add("exit"); }
    event_log* log;
};

struct number_context
{
    explicit number_context(int& n)
        : number(&n)
    {
    }

    int& enter() { return *number; }
    void exit(exit_state&) { *number = 0; }
    int* number;
};

struct both_exits
{
    explicit both_exits(event_log& l)
        : log(&l)
    {
    }

    void exit(exit_state&) { log->add("exit"); }

    asio::awaitable<void> async_exit(exit_state&)
    {
        log->add("async_exit");
        co_return;
    }

    event_log* log;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_values, async_fixture)

// C12
BOOST_AUTO_TEST_CASE(push_and_callback_return_handles_that_differ)
{
    exit_handle const a = stack.push([] {});
    exit_handle const b = stack.callback([] {});
    exit_handle const c = stack.push([]() -> asio::awaitable<void> { co_return; });
    exit_handle const d = stack.push_async_callback([]() -> asio::awaitable<void> { co_return; });
    exit_handle const e =
        stack.push_async_exit([](exit_state&) -> asio::awaitable<void> { co_return; });
    BOOST_CHECK(a != exit_handle());
    BOOST_CHECK(a != b);
    BOOST_CHECK(b != c);
    BOOST_CHECK(c != d);
    BOOST_CHECK(d != e);
    BOOST_CHECK(stack.dismiss(c));
    BOOST_TEST(stack.size() == 4u);
    closed().expect_success();
}

// C12
BOOST_AUTO_TEST_CASE(emplace_reference_stays_valid_until_its_turn_is_over)
{
    immovable& value = stack.emplace<immovable>(log, "value", 1);
    static_assert(std::is_same_v<decltype(stack.emplace<immovable>(log, "value", 1)), immovable&>);
    auto newer = script("newer");
    push(newer, shape::awaitable);
    auto older = std::move(stack);
    value.value = 2;
    auto last = older.pop_all();
    BOOST_TEST(value.value == 2);
    last.async_close(into(result));
    drive();
    BOOST_TEST(value.value == 2); // while closing
    log.expect("+newer");
    newer.answer();
    drive();
    log.expect("-newer ~value");
    result.expect_success();
}

// C12
BOOST_AUTO_TEST_CASE(adopt_reference_stays_valid_until_its_release_has_ended)
{
    auto release = script("release");
    std::string* released = nullptr;
    std::string& value = stack.adopt(std::string("value"), [&](std::string& v) {
        released = &v;
        return release.async_operation(asio::deferred);
    });
    auto moved = std::move(stack);
    value += "!";
    moved.async_close(into(result));
    drive();
    BOOST_TEST(released == &value);
    BOOST_TEST(value == "value!"); // its exit is running
    release.answer();
    drive();
    result.expect_success();
}

// C12
BOOST_AUTO_TEST_CASE(enter_returns_what_the_context_enters_or_the_object)
{
    int number = 7;
    static_assert(std::is_same_v<decltype(stack.enter(number_context(number))), int&>);
    int& entered = stack.enter(number_context(number));
    BOOST_TEST(&entered == &number);
    static_assert(std::is_same_v<decltype(stack.enter(sync_context(log))), sync_context&>);
    stack.enter(sync_context(log));
    std::string& text = stack.enter(std::string("plain"));
    BOOST_TEST(text == "plain");
    sync_context unowned(log);
    BOOST_TEST(&stack.enter(std::ref(unowned)) == &unowned);
    BOOST_TEST(stack.size() == 4u);
    closed().expect_success();
    BOOST_TEST(number == 0);
    log.expect("exit exit");
}

// C12
BOOST_AUTO_TEST_CASE(handle_of_finds_the_exit_that_owns_a_value)
{
    immovable& emplaced = stack.emplace<immovable>(log, "emplaced");
    int& adopted = stack.adopt(1, [&](int&) { log("released"); });
    sync_context& entered = stack.enter(sync_context(log));
    std::unique_ptr<int>& async_adopted =
        stack.adopt(std::make_unique<int>(2), [&](std::unique_ptr<int>&) -> asio::awaitable<void> {
            log("async released");
            co_return;
        });
    stack.push([&] { log("owns nothing"); });
    exit_handle const of_emplaced = stack.handle_of(&emplaced);
    exit_handle const of_adopted = stack.handle_of(&adopted);
    exit_handle const of_entered = stack.handle_of(&entered);
    exit_handle const of_async = stack.handle_of(&async_adopted);
    BOOST_CHECK(of_emplaced != exit_handle());
    BOOST_CHECK(of_adopted != exit_handle());
    BOOST_CHECK(of_entered != exit_handle());
    BOOST_CHECK(of_async != exit_handle());
    BOOST_CHECK(of_emplaced != of_adopted);

    BOOST_TEST(stack.dismiss(of_adopted));
    BOOST_TEST(stack.size() == 4u);
    BOOST_TEST(stack.dismiss(of_async));
    log.expect("");
    closed().expect_success();
    log.expect("owns nothing exit ~emplaced");
}

// C12
BOOST_AUTO_TEST_CASE(handle_of_a_foreign_value_is_dead)
{
    int foreign = 0;
    stack.emplace<int>(1);
    BOOST_CHECK(stack.handle_of(&foreign) == exit_handle());
    BOOST_CHECK(stack.handle_of(nullptr) == exit_handle());
    async_exit_stack other(context);
    int& value = other.emplace<int>(2);
    BOOST_CHECK(stack.handle_of(&value) == exit_handle());
    BOOST_CHECK(other.handle_of(&value) != exit_handle());
}

// C13
BOOST_AUTO_TEST_CASE(adopt_calls_the_release_with_any_value)
{
    int& zero = stack.adopt(0, [&](int& v) { log("int" + std::to_string(v)); });
    stack.adopt(nullptr, [&](std::nullptr_t&) { log("nullptr"); });
    stack.adopt(static_cast<char*>(nullptr), [&](char*& p) { log(p ? "pointer" : "null"); });
    stack.adopt(
        std::make_unique<int>(3), [&](std::unique_ptr<int>& p) { log(std::to_string(*p)); });
    stack.adopt(std::string("text"), [&](std::string const& s) { log(s); });
    BOOST_TEST(zero == 0);
    zero = 4;
    closed().expect_success();
    log.expect("text 3 null nullptr int4");
}

// C13
BOOST_AUTO_TEST_CASE(adopt_release_may_see_the_state)
{
    std::exception_ptr const cause = failure("cause");
    std::exception_ptr seen[4];
    stack.adopt(1, [&](int&, exit_state& state) { seen[0] = state.error(); });
    stack.adopt(2, [&](int&, exit_state& state) -> asio::awaitable<void> {
        seen[1] = state.error();
        co_return;
    });
    stack.adopt(3, [&](int&, exit_state& state, exit_handler handler) {
        seen[2] = state.error();
        std::move(handler)();
    });
    stack.adopt(4, [&](int&, exit_state& state) {
        seen[3] = state.error();
        return script("operation").posted().async_operation(asio::deferred);
    });
    closed(cause).expect_error(cause);
    for (std::exception_ptr const& each : seen)
        BOOST_CHECK(each == cause);
}

// C13
BOOST_AUTO_TEST_CASE(adopt_async_releases_are_awaited)
{
    auto a = script("a");
    auto b = script("b");
    auto c = script("c");
    stack.adopt(1, [&](int& v) -> asio::awaitable<void> {
        log(std::to_string(v));
        co_await a.async_operation(asio::use_awaitable);
    });
    stack.adopt(2, [&](int& v) {
        log(std::to_string(v));
        return b.async_operation(asio::deferred);
    });
    stack.adopt(3, [&](int& v, exit_handler handler) {
        log(std::to_string(v));
        c.async_operation(std::move(handler));
    });
    close();
    log.expect("3 +c");
    c.answer();
    drive();
    log.expect("-c 2 +b");
    b.answer();
    drive();
    log.expect("-b 1 +a");
    result.expect_pending();
    a.answer();
    drive();
    log.expect("-a");
    result.expect_success();
}

// C13: the value is destroyed when its release has ended, before the next older exit
BOOST_AUTO_TEST_CASE(adopt_value_is_destroyed_after_its_release)
{
    auto release = script("release");
    push_note("older");
    stack.adopt(std::make_unique<immovable>(log, "value"),
        [&](std::unique_ptr<immovable>&) { return release.async_operation(asio::deferred); });
    close();
    log.expect("+release");
    release.answer();
    drive();
    log.expect("-release ~value +older -older");
    result.expect_success();
}

// C15
BOOST_AUTO_TEST_CASE(enter_context_with_both_exits_uses_the_async_one)
{
    stack.enter(both_exits(log));
    both_exits unowned(log);
    stack.push(std::ref(unowned));
    closed().expect_success();
    log.expect("async_exit async_exit");
}

// C15
BOOST_AUTO_TEST_CASE(enter_sync_only_context_is_accepted)
{
    stack.enter(sync_context(log));
    sync_context unowned(log);
    stack.push(std::ref(unowned));
    closed().expect_success();
    log.expect("exit exit");
}

// A plain object that is entered or emplaced is destroyed at its turn.
BOOST_AUTO_TEST_CASE(emplace_values_are_destroyed_at_their_turn_in_reverse_order)
{
    stack.emplace<immovable>(log, "a");
    push(script("b").posted(), shape::awaitable);
    stack.emplace<immovable>(log, "c");
    stack.enter(capture_mark(log, "~d"));
    closed().expect_success();
    log.expect("~d ~c +b -b ~a");
}

// A spec may stand where a release or a context is expected.
BOOST_AUTO_TEST_CASE(specs_stand_for_releases_and_contexts)
{
    stack.adopt(1,
        exeunt::on_exit([&](int& v) { log("release" + std::to_string(v)); })
            .named("release")
            .only_on_failure());
    sync_context& entered =
        stack.enter(exeunt::on_exit(sync_context(log)).named("context").only_on_success());
    BOOST_TEST(entered.log == &log);
    auto const pending = stack.pending();
    BOOST_REQUIRE(pending.size() == 2u);
    BOOST_TEST(pending[0].name == "context");
    BOOST_TEST(pending[1].name == "release");
    closed().expect_success();
    log.expect("exit");
}

BOOST_AUTO_TEST_SUITE_END()
