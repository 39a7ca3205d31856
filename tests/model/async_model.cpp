// C46: what comes out of a stack equals what comes out of hand-nested scopes, and what a plain model of the
// rules says. Random plans; the seed is printed where one fails.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>

#include "support/expect.hpp"
#include "support/seed.hpp"

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handler;
using exeunt::exit_stack;
using exeunt::exit_state;

namespace {

enum class act { nothing, fails, cancelled, suppresses, suppresses_and_fails, replaces, rethrows };
enum class kind { sync, awaitable, posting_awaitable, handler, posting_handler };
enum class filter { none, on_failure, on_success };

struct step
{
    act what;
    kind how;
    filter when;
    std::exception_ptr error; // of its own, if it has one
};

struct plan
{
    std::exception_ptr body; // null: it succeeds
    std::vector<step> steps; // oldest first
};

// What was observed: which exits ran, what each saw, what came out.
struct trace
{
    std::vector<std::string> seen;
    std::string result;

    bool operator==(trace const&) const = default;

    std::string text() const { return joined(seen) + " => " + result; }
};

std::string describe_list(std::vector<std::exception_ptr> const& errors)
{
    std::string text;
    for (std::exception_ptr const& each : errors)
        text += (text.empty() ? "" : "+") + describe(each);
    return text.empty() ? "none" : text;
}

std::exception_ptr primary_of(std::vector<std::exception_ptr> const& errors)
{
    for (std::exception_ptr const& each : errors)
        if (!exeunt::is_cancelled(each))
            return each;
    return errors.empty() ? nullptr : errors.front();
}

std::string number(std::size_t n)
{
    return std::to_string(n);
}

// ---- the rules, in plain words

void add(std::vector<std::exception_ptr>& in_flight, std::exception_ptr const& error)
{
    for (std::exception_ptr const& each : in_flight)
        if (each == error)
            return;
    in_flight.push_back(error);
}

trace by_the_rules(plan const& p)
{
    trace t;
    std::vector<std::exception_ptr> in_flight;
    if (p.body)
        in_flight.push_back(p.body);
    for (std::size_t k = p.steps.size(); k-- != 0;) {
        step const& s = p.steps[k];
        if (s.when == filter::on_failure && in_flight.empty())
            continue;
        if (s.when == filter::on_success && !in_flight.empty())
            continue;
        std::exception_ptr const first = primary_of(in_flight);
        t.seen.push_back(number(k) + ":" + describe(first));
        switch (s.what) {
        case act::nothing: break;
        case act::fails:
        case act::cancelled: add(in_flight, s.error); break;
        case act::suppresses: in_flight.clear(); break;
        case act::suppresses_and_fails:
            in_flight.clear();
            add(in_flight, s.error);
            break;
        case act::replaces:
            if (!in_flight.empty())
                in_flight.assign(1, s.error);
            break;
        case act::rethrows: break; // what is in flight already is not added again
        }
    }
    bool only_cancellations = true;
    for (std::exception_ptr const& each : in_flight)
        only_cancellations = only_cancellations && exeunt::is_cancelled(each);
    if (only_cancellations && in_flight.size() > 1)
        in_flight.resize(1);
    t.result = describe_list(in_flight);
    return t;
}

// ---- what an exit does, in every kind

void perform(step const& s, exit_state& state)
{
    switch (s.what) {
    case act::nothing: break;
    case act::fails:
    case act::cancelled: std::rethrow_exception(s.error);
    case act::suppresses: state.suppress(); break;
    case act::suppresses_and_fails: state.suppress(); std::rethrow_exception(s.error);
    case act::replaces: state.replace(s.error); break;
    case act::rethrows:
        if (state.failed())
            std::rethrow_exception(state.error());
        break;
    }
}

template <class Stack, class F>
void push_filtered(Stack& stack, filter when, F f)
{
    switch (when) {
    case filter::none: stack.push(std::move(f)); break;
    case filter::on_failure: stack.push(exeunt::on_exit(std::move(f)).only_on_failure()); break;
    case filter::on_success: stack.push(exeunt::on_exit(std::move(f)).only_on_success()); break;
    }
}

void note(trace& t, std::size_t k, exit_state const& state)
{
    // A scope that ends with several failures throws one object for all of them.
    t.seen.push_back(number(k) + ":" + describe(exeunt::primary(state.error())));
}

void push_step(exit_stack& stack, step const& s, std::size_t k, trace& t)
{
    push_filtered(stack, s.when, [&s, k, &t](exit_state& state) {
        note(t, k, state);
        perform(s, state);
    });
}

void push_step(async_exit_stack& stack, step const& s, std::size_t k, trace& t)
{
    switch (s.how) {
    case kind::sync:
        push_filtered(stack, s.when, [&s, k, &t](exit_state& state) {
            note(t, k, state);
            perform(s, state);
        });
        break;
    case kind::awaitable:
    case kind::posting_awaitable:
        push_filtered(stack, s.when, [&s, k, &t](exit_state& state) -> asio::awaitable<void> {
            note(t, k, state);
            if (s.how == kind::posting_awaitable)
                co_await asio::post(asio::use_awaitable);
            perform(s, state);
        });
        break;
    case kind::handler:
    case kind::posting_handler:
        push_filtered(stack, s.when, [&s, k, &t](exit_state& state, exit_handler handler) {
            note(t, k, state);
            if (s.how == kind::handler) {
                perform(s, state);
                std::move(handler)();
                return;
            }
            auto const executor = asio::get_associated_executor(handler, asio::system_executor());
            asio::post(executor, [&s, &state, h = std::move(handler)]() mutable {
                std::exception_ptr error;
                try {
                    perform(s, state);
                } catch (...) {
                    error = std::current_exception();
                }
                std::move(h)(error);
            });
        });
        break;
    }
}

std::string result_of(std::exception_ptr const& error)
{
    std::vector<std::exception_ptr> errors;
    for (exeunt::exit_failure const& each : failures_of(error))
        errors.push_back(each.error);
    return describe_list(errors);
}

// ---- one stack

trace by_one_stack(plan const& p)
{
    trace t;
    std::exception_ptr error;
    try {
        exeunt::with([&](exit_stack& stack) {
            for (std::size_t k = 0; k != p.steps.size(); ++k)
                push_step(stack, p.steps[k], k, t);
            if (p.body)
                std::rethrow_exception(p.body);
        });
    } catch (...) {
        error = std::current_exception();
    }
    t.result = result_of(error);
    return t;
}

trace by_one_async_stack(plan const& p)
{
    trace t;
    asio::io_context context;
    outcome out;
    async_exit_stack stack(context);
    for (std::size_t k = 0; k != p.steps.size(); ++k)
        push_step(stack, p.steps[k], k, t);
    if (p.body)
        stack.async_close(p.body, into(out));
    else
        stack.async_close(into(out));
    context.run();
    out.expect_once();
    t.result = result_of(out.error);
    return t;
}

// ---- hand-nested scopes, one exit each

void nest(plan const& p, std::size_t k, trace& t)
{
    if (k == p.steps.size()) {
        if (p.body)
            std::rethrow_exception(p.body);
        return;
    }
    exeunt::with([&](exit_stack& stack) {
        push_step(stack, p.steps[k], k, t);
        nest(p, k + 1, t);
    });
}

trace by_nested_scopes(plan const& p)
{
    trace t;
    std::exception_ptr error;
    try {
        nest(p, 0, t);
    } catch (...) {
        error = std::current_exception();
    }
    t.result = result_of(error);
    return t;
}

asio::awaitable<void> async_nest(plan const& p, std::size_t k, trace& t)
{
    if (k == p.steps.size()) {
        if (p.body)
            std::rethrow_exception(p.body);
        co_return;
    }
    auto const body = [&](async_exit_stack& stack) -> asio::awaitable<void> {
        push_step(stack, p.steps[k], k, t);
        co_await async_nest(p, k + 1, t);
    };
    co_await exeunt::async_with(std::ref(body), asio::use_awaitable);
}

trace by_nested_async_scopes(plan const& p)
{
    trace t;
    asio::io_context context;
    outcome out;
    exeunt::async_with(
        context, [&](async_exit_stack&) -> asio::awaitable<void> { co_await async_nest(p, 0, t); },
        into(out));
    context.run();
    out.expect_once();
    t.result = result_of(out.error);
    return t;
}

// ---- scopes by hand: try and catch, no stack at all

// What a hand-written scope can carry: all that is in flight.
void run_by_hand(plan const& p, std::size_t k, std::vector<std::exception_ptr>& in_flight, trace& t)
{
    if (k == p.steps.size()) {
        try {
            if (p.body)
                std::rethrow_exception(p.body);
        } catch (...) {
            in_flight.push_back(std::current_exception());
        }
        return;
    }
    run_by_hand(p, k + 1, in_flight, t);
    step const& s = p.steps[k];
    if ((s.when == filter::on_failure && in_flight.empty())
        || (s.when == filter::on_success && !in_flight.empty()))
        return;
    exit_state state(primary_of(in_flight));
    note(t, k, state);
    try {
        perform(s, state);
        if (!state.failed())
            in_flight.clear();
        else if (state.error() != primary_of(in_flight))
            in_flight.assign(1, state.error());
    } catch (...) {
        if (!state.failed())
            in_flight.clear();
        add(in_flight, std::current_exception());
    }
}

trace by_hand(plan const& p)
{
    trace t;
    std::vector<std::exception_ptr> in_flight;
    run_by_hand(p, 0, in_flight, t);
    bool only_cancellations = true;
    for (std::exception_ptr const& each : in_flight)
        only_cancellations = only_cancellations && exeunt::is_cancelled(each);
    if (only_cancellations && in_flight.size() > 1)
        in_flight.resize(1);
    t.result = describe_list(in_flight);
    return t;
}

// ---- plans

class generator
{
public:
    explicit generator(unsigned seed)
        : random_(seed)
    {
    }

    // Without cancellations if they would make nested scopes forget: of several cancellations alone only
    // the first comes out of a scope.
    plan make(bool with_cancellations)
    {
        plan p;
        if (pick(2) == 0)
            p.body = with_cancellations && pick(3) == 0 ? cancellation() : failure("body");
        std::size_t const count = pick(9);
        for (std::size_t k = 0; k != count; ++k) {
            step s{static_cast<act>(pick(7)), static_cast<kind>(pick(5)),
                pick(3) == 0 ? static_cast<filter>(pick(3)) : filter::none, nullptr};
            if (s.what == act::cancelled && !with_cancellations)
                s.what = act::fails;
            s.error = s.what == act::cancelled ? cancellation() : failure("e" + number(k));
            p.steps.push_back(std::move(s));
        }
        return p;
    }

private:
    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

    std::mt19937 random_;
};

void same(trace const& expected, trace const& found, char const* what, unsigned seed)
{
    expect(expected == found,
        std::string(what) + ", seed " + std::to_string(seed) + ": expected " + expected.text()
            + ", found " + found.text());
}

constexpr unsigned plans = 2000;

} // namespace

BOOST_AUTO_TEST_SUITE(async_model)

// C46
BOOST_AUTO_TEST_CASE(stacks_give_what_hand_nested_scopes_give)
{
    unsigned const seed = first_seed();
    BOOST_TEST_MESSAGE("seed " << seed);
    for (unsigned k = 0; k != plans; ++k) {
        plan const p = generator(seed + k).make(false);
        trace const expected = by_hand(p);
        same(expected, by_the_rules(p), "the rules", seed + k);
        same(expected, by_one_stack(p), "one stack", seed + k);
        same(expected, by_nested_scopes(p), "nested scopes", seed + k);
        same(expected, by_one_async_stack(p), "one async stack", seed + k);
        same(expected, by_nested_async_scopes(p), "nested async scopes", seed + k);
    }
}

// C46, C44
BOOST_AUTO_TEST_CASE(stacks_give_what_the_rules_say_with_cancellations)
{
    unsigned const seed = first_seed();
    BOOST_TEST_MESSAGE("seed " << seed);
    for (unsigned k = 0; k != plans; ++k) {
        plan const p = generator(seed + k).make(true);
        trace const expected = by_the_rules(p);
        same(expected, by_hand(p), "by hand", seed + k);
        same(expected, by_one_stack(p), "one stack", seed + k);
        same(expected, by_one_async_stack(p), "one async stack", seed + k);
    }
}

BOOST_AUTO_TEST_SUITE_END()
