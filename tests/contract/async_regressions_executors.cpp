// The asynchronous stack with handlers and executors for which it once went wrong: handlers that own
// their memory, or whose type is erased; executors that call at once, always post, or refuse.
#include <exeunt/async_with.hpp>

#include "support/async_fixture.hpp"
#include "support/posting_executor.hpp"
#include "support/probe.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <utility>

using namespace support;

BOOST_FIXTURE_TEST_SUITE(async_regressions_executors, async_fixture)

// ---- handlers that own the memory that their allocator hands out

namespace {

class memory_pool
{
public:
    explicit memory_pool(event_log& log)
        : log_(&log)
    {
    }

    memory_pool(memory_pool const&) = delete;
    memory_pool& operator=(memory_pool const&) = delete;

    ~memory_pool()
    {
        expect(blocks == 0, "the memory is gone while it is in use");
        log_->add("~pool");
    }

    std::size_t blocks = 0;

private:
    event_log* log_;
};

template <class T = void>
struct pool_allocator
{
    using value_type = T;

    explicit pool_allocator(memory_pool* of) noexcept
        : pool(of)
    {
    }

    template <class U>
    pool_allocator(pool_allocator<U> const& other) noexcept
        : pool(other.pool)
    {
    }

    T* allocate(std::size_t n)
    {
        void* const memory = ::operator new(n * sizeof(T));
        ++pool->blocks;
        return static_cast<T*>(memory);
    }

    void deallocate(T* memory, std::size_t) noexcept
    {
        --pool->blocks;
        ::operator delete(memory);
    }

    template <class U>
    bool operator==(pool_allocator<U> const& other) const noexcept
    {
        return pool == other.pool;
    }

    memory_pool* pool;
};

struct pool_owner
{
    using allocator_type = pool_allocator<>;

    std::shared_ptr<memory_pool> pool;
    outcome* result;

    allocator_type get_allocator() const noexcept { return allocator_type(pool.get()); }
    void operator()(std::exception_ptr error) { into (*result)(std::move(error)); }
};

} // namespace

BOOST_AUTO_TEST_CASE(handler_that_owns_its_memory_when_called_gives_it_back_first)
{
    push_note("a");
    stack.async_close(pool_owner{std::make_shared<memory_pool>(log), &result});
    drive();
    result.expect_success();
    log.expect("+a -a ~pool");
}

BOOST_AUTO_TEST_CASE(handler_that_owns_its_memory_when_dropped_gives_it_back_first)
{
    std::optional<exit_handler> waiting;
    stack.push([&](exit_handler handler) { waiting.emplace(std::move(handler)); });
    stack.async_close(pool_owner{std::make_shared<memory_pool>(log), &result});
    drive();
    log.expect("");
    waiting.reset();
    drive();
    result.expect_pending();
    log.expect("~pool");
    BOOST_TEST(observer.abandoned.size() == 1u);
    observer.clear();
}

BOOST_AUTO_TEST_CASE(handler_that_owns_its_memory_when_dropped_outlives_what_an_exit_took_of_it)
{
    std::optional<asio::any_completion_handler<void(boost::system::error_code)>> waiting;
    stack.push([&](exit_handler handler) { waiting.emplace(std::move(handler)); });
    stack.async_close(pool_owner{std::make_shared<memory_pool>(log), &result});
    drive();
    log.expect("");
    waiting.reset();
    drive();
    result.expect_pending();
    log.expect("~pool");
    BOOST_TEST(observer.abandoned.size() == 1u);
    observer.clear();
}

// ---- coroutines that end elsewhere

namespace {

// What is awaited next goes on there.
asio::awaitable<void> move_to(asio::io_context& there)
{
    co_await asio::post(asio::bind_executor(there, asio::use_awaitable));
}

} // namespace

BOOST_AUTO_TEST_CASE(exits_after_a_coroutine_that_went_elsewhere_run_on_the_executor_of_the_stack)
{
    executor_record home;
    asio::io_context there;
    async_exit_stack at_home(asio::any_io_executor(track(context, home)));
    auto const note = [&](char const* name) {
        log.add(name);
        expect(home.running_here(), "not on the executor of the stack");
    };
    at_home.push([&] { note("function"); });
    at_home.push([&]() -> asio::awaitable<void> {
        note("coroutine");
        co_return;
    });
    at_home.push([&]() -> asio::awaitable<void> { co_await move_to(there); });
    at_home.async_close(into(result));
    drive();
    support::drive(there);
    drive();
    result.expect_success();
    log.expect("coroutine function");
}

BOOST_AUTO_TEST_CASE(exits_after_a_body_that_went_elsewhere_run_on_the_executor_of_the_scope)
{
    executor_record home;
    asio::io_context there;
    exeunt::async_with(
        asio::any_io_executor(track(context, home)),
        [&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push([&] {
                log("exit");
                expect(home.running_here(), "not on the executor of the scope");
            });
            co_await move_to(there);
        },
        into(result));
    drive();
    support::drive(there);
    drive();
    result.expect_success();
    log.expect("exit");
}

// ---- executors

namespace {

// Calls at once, and then somebody else: as another thread could, before execute() has returned.
class calling_executor
{
public:
    calling_executor(asio::io_context& context, std::function<void()>& then, bool posts = false)
        : context_(&context)
        , then_(&then)
        , posts_(posts)
    {
    }

    asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }

    asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept
    {
        if (posts_)
            return asio::execution::blocking.never;
        return asio::execution::blocking.possibly;
    }

    calling_executor require(asio::execution::blocking_t::never_t) const
    {
        return {*context_, *then_, true};
    }

    calling_executor require(asio::execution::blocking_t::possibly_t) const
    {
        return {*context_, *then_, false};
    }

    template <class Function>
    void execute(Function function) const
    {
        if (posts_)
            return asio::post(*context_, std::move(function));
        function();
        if (*then_)
            std::exchange(*then_, nullptr)();
    }

    bool operator==(calling_executor const& other) const noexcept
    {
        return context_ == other.context_ && posts_ == other.posts_;
    }
    bool operator!=(calling_executor const& other) const noexcept { return !(*this == other); }

private:
    asio::io_context* context_;
    std::function<void()>* then_;
    bool posts_;
};

} // namespace

BOOST_AUTO_TEST_CASE(close_that_is_lost_before_the_initiating_function_returns_drops_its_handler)
{
    std::function<void()> then;
    using handler_type = exeunt::basic_exit_handler<calling_executor>;
    exeunt::basic_async_exit_stack<calling_executor> called(calling_executor(context, then));
    std::optional<handler_type> waiting;
    called.push([&](handler_type handler) { waiting.emplace(std::move(handler)); });
    then = [&] { waiting.reset(); };
    auto alive = std::make_shared<int>(0);
    std::weak_ptr<int> const handler_alive = alive;
    called.async_close([kept = std::move(alive)](std::exception_ptr) {});
    BOOST_TEST(handler_alive.expired());
    BOOST_TEST(observer.abandoned.size() == 1u);
    observer.clear();
}

BOOST_AUTO_TEST_CASE(close_whose_context_is_destroyed_between_any_two_steps_drops_its_handler)
{
    bool const refuses = false;
    bool completed = false;
    for (int steps = 0; !completed; ++steps) {
        bool unwound = false;
        bool awaited = false;
        auto alive = std::make_shared<int>(0);
        std::weak_ptr<int> const handler_alive = alive;
        {
            asio::io_context own;
            async_exit_stack posting{asio::any_io_executor(posting_executor(own, refuses))};
            posting.push([&] { unwound = true; });
            posting.push([&]() -> asio::awaitable<void> {
                co_await asio::post(asio::use_awaitable);
                awaited = true;
            });
            posting.async_close([&, kept = std::move(alive)](std::exception_ptr error) {
                completed = true;
                expect(!error, "the close failed");
            });
            for (int k = 0; k != steps; ++k)
                own.poll_one();
        }
        expect(unwound, "an exit was lost after " + std::to_string(steps) + " steps");
        expect(handler_alive.expired(),
            "the handler leaked after " + std::to_string(steps) + " steps");
        expect(awaited == observer.abandoned.empty(),
            "wrongly reported after " + std::to_string(steps) + " steps");
        observer.clear();
        BOOST_REQUIRE(steps != 100);
    }
}

BOOST_AUTO_TEST_CASE(close_whose_executor_refuses_a_coroutine_that_comes_back_drops_its_handler)
{
    bool refuses = false;
    asio::io_context there;
    auto alive = std::make_shared<int>(0);
    std::weak_ptr<int> const handler_alive = alive;
    async_exit_stack posting{asio::any_io_executor(posting_executor(context, refuses))};
    posting.push([]() -> asio::awaitable<void> { co_return; });
    posting.push([&]() -> asio::awaitable<void> { co_await move_to(there); });
    posting.push(exeunt::on_exit([](exit_handler) {}).named("dropped"));
    posting.async_close([kept = std::move(alive)](std::exception_ptr) {});
    drive();
    refuses = true;
    support::drive(there);
    BOOST_TEST(handler_alive.expired());
    BOOST_TEST(observer.abandoned.size() == 1u);
    // The coroutine had ended: it is not the one that has failed.
    BOOST_REQUIRE(observer.failures.size() == 1u);
    BOOST_TEST(observer.failures[0].name == "dropped");
    observer.clear();
    drive();
    BOOST_TEST(context.stopped());
}

// Where a coroutine does not begin within the call that starts it, a cut waits for that.
BOOST_AUTO_TEST_CASE(
    forced_close_on_an_executor_that_posts_cuts_a_coroutine_at_its_first_suspension)
{
    auto a = script("a");
    async_exit_stack posting{asio::any_io_executor(posting_executor(context))};
    posting.push(a.awaitable());
    posting.force();
    posting.async_close(into(result));
    drive();
    log.expect("+a !a -a");
    BOOST_TEST(a.cuts() == 1);
    result.expect_code(asio::error::operation_aborted);
}

// ---- handlers that throw, and are called within the operation of another one

namespace {

// On a strand a handler may be called by whoever completes it, and what it throws comes out there.
struct strand_fixture : async_fixture
{
    asio::any_io_executor strand = asio::make_strand(context);
    async_exit_stack on_strand{strand};
    outcome first;
    outcome second;

    void run_now(exit_handle handle, outcome& to)
    {
        asio::post(strand, [this, handle, &to] { on_strand.async_run_now(handle, into(to)); });
        drive();
    }

    void run_now_and_throw(exit_handle handle)
    {
        asio::post(strand, [this, handle] {
            on_strand.async_run_now(
                handle, [](std::exception_ptr) { throw test_error("handler"); });
        });
        drive();
    }

    exit_handle push_on_strand(scripted_exit const& exit, shape s)
    {
        return in_shape(
            exit, s, [&](auto callable) { return on_strand.push(std::move(callable)); });
    }
};

} // namespace

BOOST_FIXTURE_TEST_CASE(run_now_whose_handler_throws_leaves_the_turns_to_others, strand_fixture)
{
    auto a = script("a");
    auto c = script("c");
    auto const handle_a = push_on_strand(a, shape::handler_function);
    auto const handle_b = push_on_strand(script("b"), shape::function);
    auto const handle_c = push_on_strand(c, shape::handler_function);
    auto const handle_d = push_on_strand(script("d"), shape::function);
    run_now(handle_a, first);
    run_now_and_throw(handle_b);
    asio::post(strand, [&] { a.answer(); });
    BOOST_CHECK_THROW(drive(), test_error);
    drive();
    first.expect_success();
    first = {};
    run_now(handle_c, first);
    run_now(handle_d, second);
    asio::post(strand, [&] { c.answer(); });
    drive();
    first.expect_success();
    second.expect_success();
    log.expect("+a -a +b -b +c -c +d -d");
    BOOST_TEST(context.stopped());
}

BOOST_FIXTURE_TEST_CASE(
    run_now_that_is_cut_before_one_whose_handler_throws_completes, strand_fixture)
{
    asio::cancellation_signal signal;
    // Ends within the emission.
    auto const handle_a = on_strand.push([](exit_handler handler) {
        auto slot = handler.get_cancellation_slot();
        slot.assign([h = std::make_shared<exit_handler>(std::move(handler))](
                        asio::cancellation_type) { std::move (*h)(); });
    });
    auto const handle_b = on_strand.push([] {});
    asio::post(strand, [&] {
        on_strand.async_run_now(handle_a, asio::bind_cancellation_slot(signal.slot(), into(first)));
    });
    drive();
    run_now_and_throw(handle_b);
    asio::post(strand, [&] {
        signal.emit(asio::cancellation_type::terminal);
        signal.emit(asio::cancellation_type::terminal);
    });
    BOOST_CHECK_THROW(drive(), test_error);
    drive();
    first.expect_once();
    BOOST_TEST(context.stopped());
}

// ---- handlers whose type is erased

namespace {

using any_handler = asio::any_completion_handler<void(std::exception_ptr)>;

struct plain_context
{
    asio::awaitable<void> async_enter() { co_return; }
    asio::awaitable<void> async_exit(exit_state&) { co_return; }
};

// Hands the handler over behind an any_completion_handler, and runs what can run.
template <class Any = any_handler, class Initiate>
void initiate_erased(probe& of, asio::io_context& context, Initiate start)
{
    of.initiate([&](auto handler) { start(Any(std::move(handler))); });
    drive(context);
}

} // namespace

BOOST_AUTO_TEST_CASE(erased_handler_of_a_close_is_called_on_its_executor)
{
    probe closing(context);
    push_note("a");
    initiate_erased(closing, context, [&](auto any) { stack.async_close(std::move(any)); });
    closing.expect_completed();
    log.expect("+a -a");
}

BOOST_AUTO_TEST_CASE(erased_handler_of_a_joined_close_is_called_on_its_executor)
{
    auto a = script("a");
    push(a, shape::handler_function);
    close();
    probe joining(context);
    initiate_erased(joining, context, [&](auto any) { stack.async_close(std::move(any)); });
    joining.expect_pending();
    a.answer();
    drive();
    result.expect_success();
    joining.expect_completed();
}

BOOST_AUTO_TEST_CASE(erased_handler_of_a_close_of_a_closed_stack_is_called_on_its_executor)
{
    closed().expect_success();
    probe again(context);
    initiate_erased(again, context, [&](auto any) { stack.async_close(std::move(any)); });
    again.expect_completed();
}

BOOST_AUTO_TEST_CASE(erased_handler_of_a_run_now_is_called_on_its_executor)
{
    auto const handle = push_note("a");
    probe now(context);
    initiate_erased(now, context, [&](auto any) { stack.async_run_now(handle, std::move(any)); });
    now.expect_completed();
    log.expect("+a -a");
}

BOOST_AUTO_TEST_CASE(erased_handler_of_an_acquire_is_called_on_its_executor)
{
    probe acquiring(context);
    initiate_erased<asio::any_completion_handler<void(std::exception_ptr, int*)>>(
        acquiring, context, [&](auto any) {
            auto const obtain = []() -> asio::awaitable<int> { co_return 1; };
            stack.async_acquire(
                obtain(), [this](int&) { log("released"); }, std::move(any));
        });
    acquiring.expect_completed();
    closed().expect_success();
    log.expect("released");
}

BOOST_AUTO_TEST_CASE(erased_handler_of_an_enter_is_called_on_its_executor)
{
    probe entering(context);
    initiate_erased(
        entering, context, [&](auto any) { stack.async_enter(plain_context(), std::move(any)); });
    entering.expect_completed();
    BOOST_TEST(!entering.result.error);
    closed().expect_success();
}

BOOST_AUTO_TEST_CASE(erased_handler_of_a_scope_is_called_on_its_executor)
{
    probe scope(context);
    initiate_erased(scope, context, [&](auto any) {
        exeunt::async_with(
            context, [this](async_exit_stack& s) { s.push([this] { log("exit"); }); },
            std::move(any));
    });
    scope.expect_completed();
    log.expect("exit");
}

BOOST_AUTO_TEST_SUITE_END()
