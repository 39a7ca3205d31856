// Every way in which an exit can end, at every position of up to four exits, in one stack and in nested ones:
// each exit runs once, newest first, is forced where it has to be, and what comes out is all that went wrong.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "support/count.hpp"
#include "support/expect.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;

namespace {

enum class way : unsigned char {
    returns,
    throws,
    inline_,
    posted,
    error_code,
    error_pointer,
    other_thread,
    throws_while_starting,
    dropped_while_starting,
    coroutine_returns,
    coroutine_throws,
    coroutine_throws_a_number,
    never,
    never_with_force,
    count
};

// Sanitizers take their time, and find nothing in the fourth exit that is not in three.
constexpr std::size_t most_exits = with_address_sanitizer || with_thread_sanitizer ? 3 : 4;
constexpr std::size_t ways = static_cast<std::size_t>(way::count);
constexpr auto limit = 1s;

// What an exit that ends so fails with, as describe() says it; empty if it succeeds.
std::string failure_of(way how, std::size_t k)
{
    switch (how) {
    case way::throws:
    case way::error_pointer:
    case way::throws_while_starting:
    case way::coroutine_throws: return "e" + std::to_string(k);
    case way::error_code: return describe(failure(make_error_code(asio::error::eof)));
    case way::dropped_while_starting:
        return describe(
            std::make_exception_ptr(std::future_error(std::future_errc::broken_promise)));
    case way::coroutine_throws_a_number: return "42";
    case way::never: return describe(failure(make_error_code(asio::error::timed_out)));
    default: return {};
    }
}

// A close of one plan, and what is seen of it.
class run
{
public:
    run(asio::io_context& context, asio::thread_pool& others, exeunt::manual_clock& clock)
        : context_(context)
        , others_(others)
        , clock_(clock)
    {
    }

    event_log const& log() const { return log_; }
    std::string outcome() const { return describe(outcome_); }

    void in_one_stack(std::vector<way> const& plan)
    {
        stack_type stack(context_);
        for (std::size_t k = 0; k != plan.size(); ++k)
            push(stack, plan[k], k);
        close(stack);
    }

    // Each but the first in a stack of its own, which is an exit of the one before.
    void in_nested_stacks(std::vector<way> const& plan)
    {
        std::deque<stack_type> stacks;
        for (std::size_t k = 0; k != plan.size(); ++k) {
            auto& stack = stacks.emplace_back(context_);
            if (k != 0)
                stacks[k - 1].push(std::ref(stack));
            push(stack, plan[k], k);
        }
        close(stacks.front());
    }

private:
    using stack_type = exeunt::async_exit_stack;

    // The exit that never ends does so when it is cut.
    template <class Handler>
    void wait_for_cut(Handler handler)
    {
        stuck_ = true;
        auto const slot = handler.get_cancellation_slot();
        auto const kept = std::make_shared<Handler>(std::move(handler));
        auto slot_of_exit = slot;
        slot_of_exit.assign([this, kept](asio::cancellation_type) {
            asio::post(context_, [kept] { std::move (*kept)(asio::error::operation_aborted); });
        });
    }

    template <class Handler>
    void end(way how, std::size_t k, Handler handler)
    {
        log_("+" + std::to_string(k));
        switch (how) {
        case way::inline_: return std::move(handler)();
        case way::posted: return asio::post(context_, std::move(handler));
        case way::error_code:
            return asio::post(
                context_, [h = std::move(handler)]() mutable { std::move(h)(asio::error::eof); });
        case way::error_pointer: return std::move(handler)(failure("e" + std::to_string(k)));
        case way::other_thread:
            return asio::post(others_,
                [this, h = std::move(handler)]() mutable { asio::post(context_, std::move(h)); });
        case way::throws_while_starting: throw test_error("e" + std::to_string(k));
        case way::dropped_while_starting: return;
        default: return wait_for_cut(std::move(handler));
        }
    }

    asio::awaitable<void> coroutine(way how, std::size_t k)
    {
        log_("+" + std::to_string(k));
        co_await asio::post(asio::use_awaitable);
        if (how == way::coroutine_throws)
            throw test_error("e" + std::to_string(k));
        if (how == way::coroutine_throws_a_number)
            throw 42;
    }

    void push(stack_type& stack, way how, std::size_t k)
    {
        auto const ends = [this, how, k](
                              exeunt::exit_handler handler) { end(how, k, std::move(handler)); };
        switch (how) {
        case way::returns:
        case way::throws:
            stack.push([this, how, k] {
                log_("+" + std::to_string(k));
                if (how == way::throws)
                    throw test_error("e" + std::to_string(k));
            });
            break;
        case way::coroutine_returns:
        case way::coroutine_throws:
        case way::coroutine_throws_a_number:
            stack.push([this, how, k] { return coroutine(how, k); });
            break;
        case way::never: stack.push(exeunt::on_exit(ends).within(limit)); break;
        case way::never_with_force:
            stack.push(exeunt::on_exit(ends).within(limit).or_force(
                [this, k] { log_("^" + std::to_string(k)); }));
            break;
        default: stack.push(ends); break;
        }
    }

    void close(stack_type& stack)
    {
        bool done = false;
        stack.async_close([&](std::exception_ptr error) {
            outcome_ = std::move(error);
            done = true;
        });
        while (!done) {
            context_.restart();
            context_.poll();
            if (std::exchange(stuck_, false))
                clock_.advance(limit);
            else if (!done)
                context_.run_one(); // what another thread is about to post
        }
    }

    asio::io_context& context_;
    asio::thread_pool& others_;
    exeunt::manual_clock& clock_;
    event_log log_;
    std::exception_ptr outcome_;
    bool stuck_ = false;
};

std::string expected_log(std::vector<way> const& plan)
{
    event_log log;
    for (std::size_t k = plan.size(); k-- != 0;) {
        log("+" + std::to_string(k));
        if (plan[k] == way::never_with_force)
            log("^" + std::to_string(k));
    }
    return log.text();
}

std::string expected_outcome(std::vector<way> const& plan)
{
    std::vector<std::string> failures;
    for (std::size_t k = plan.size(); k-- != 0;)
        if (auto failure = failure_of(plan[k], k); !failure.empty())
            failures.push_back(std::move(failure));
    if (failures.empty())
        return "none";
    if (failures.size() == 1)
        return failures.front();
    std::string all;
    for (auto const& each : failures)
        all += (all.empty() ? "[" : ", ") + each;
    return all + "]";
}

std::string text_of(std::vector<way> const& plan)
{
    std::string text;
    for (way const each : plan)
        text += std::to_string(static_cast<int>(each)) + " ";
    return text;
}

// The next plan of this length; false after the last.
bool advance(std::vector<way>& plan)
{
    for (way& each : plan) {
        each = static_cast<way>(static_cast<unsigned char>(each) + 1);
        if (each != way::count)
            return true;
        each = way{};
    }
    return false;
}

} // namespace

BOOST_AUTO_TEST_SUITE(async_outcomes)

BOOST_AUTO_TEST_CASE(exits_that_end_in_any_way_at_any_position_all_run_and_all_failures_come_out)
{
    asio::io_context context;
    asio::thread_pool others(1);
    exeunt::manual_clock clock(context);
    std::size_t runs = 0;
    for (std::size_t exits = 1; exits <= most_exits; ++exits) {
        std::vector<way> plan(exits);
        do {
            auto const log = expected_log(plan);
            auto const outcome = expected_outcome(plan);
            for (auto const form : {&run::in_one_stack, &run::in_nested_stacks}) {
                run seen(context, others, clock);
                (seen.*form)(plan);
                ++runs;
                if (seen.log().text() != log || seen.outcome() != outcome)
                    BOOST_ERROR("plan " << text_of(plan) << "expected " << log << ", " << outcome
                                        << ", found " << seen.log().text() << ", "
                                        << seen.outcome());
            }
        } while (advance(plan));
    }
    BOOST_TEST_MESSAGE(runs << " closes");
    std::size_t plans = 0;
    for (std::size_t exits = 0, all = ways; exits != most_exits; ++exits, all *= ways)
        plans += all;
    BOOST_TEST(runs == 2 * plans);
}

BOOST_AUTO_TEST_SUITE_END()
