// C46: what a stack makes of a plan equals what scopes nested by hand make of it.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::close_options;
using exeunt::exit_errors;
using exeunt::exit_failure;
using exeunt::exit_stack;
using exeunt::exit_state;

enum class action {
    nothing,
    fail,
    rethrow_error,
    rethrow_cause,
    suppress,
    replace,
    replace_and_fail,
    suppress_and_fail,
    adopt_and_fail,
    emplace,
    child,
    late,
};

enum class filter { always, only_on_failure, only_on_success };

struct step
{
    action what = action::nothing;
    filter when = filter::always;
    int number = 0;
    std::exception_ptr error; // the object that it throws, the same in both worlds
    std::exception_ptr other; // what it replaces with
    std::vector<step> inside; // of a child, or registered late; oldest first
};

enum class ending { returns, throws, fails_by_hand, destroyed };

struct plan
{
    ending end = ending::returns;
    std::exception_ptr error; // of the body
    std::vector<step> steps;
};

// A scope nested by hand keeps what is in flight in the plainest way there is.
class model_state
{
public:
    explicit model_state(std::exception_ptr cause, bool reported)
        : cause_(cause)
    {
        if (cause)
            add(cause, reported);
    }

    std::exception_ptr cause() const { return cause_; }

    std::exception_ptr error() const
    {
        for (auto const& [error, reported] : flight_) {
            if (describe(error) != "cancelled")
                return error;
        }
        return flight_.empty() ? nullptr : flight_[0].first;
    }

    bool failed() const { return !flight_.empty(); }

    std::string text() const
    {
        std::string all;
        for (auto const& [error, reported] : flight_)
            all += describe(error) + ",";
        return all;
    }

    void suppress() { flight_.clear(); }

    void replace(std::exception_ptr error)
    {
        if (flight_.empty())
            return;
        flight_.clear();
        add(error, true);
    }

    void add(std::exception_ptr const& error, bool reported)
    {
        bool const several = with_report(error, [&](exit_errors const& e) {
            for (exit_failure const& failure : e.failures())
                add(failure.error, reported);
        });
        if (several)
            return;
        for (auto const& known : flight_) {
            if (known.first == error)
                return;
        }
        flight_.emplace_back(error, reported);
    }

    bool in_flight(std::exception_ptr const& error) const
    {
        return std::any_of(flight_.begin(), flight_.end(),
            [&](auto const& known) { return known.first == error; });
    }

    std::vector<std::exception_ptr> outcome() const
    {
        std::vector<std::exception_ptr> out;
        bool real = false;
        for (auto const& [error, reported] : flight_) {
            if (!reported)
                continue;
            out.push_back(error);
            real = real || describe(error) != "cancelled";
        }
        if (!real && out.size() > 1)
            out.resize(1);
        return out;
    }

private:
    std::exception_ptr cause_;
    std::vector<std::pair<std::exception_ptr, bool>> flight_;
};

std::string text_of(model_state const& state)
{
    return state.text();
}

std::string text_of(exit_state const& state)
{
    std::string all;
    for (exit_failure const& failure : state.failures())
        all += describe(failure.error) + ",";
    return all;
}

// The code of an exit, the same in both worlds.
template <class State>
void act(step const& s, State& state, journal& book)
{
    book.note(
        std::to_string(s.number) + ":" + text_of(state) + describe(exeunt::primary(state.error())));
    switch (s.what) {
    case action::nothing:
    case action::emplace:
    case action::child:
    case action::late: break;
    case action::fail:
    case action::adopt_and_fail: std::rethrow_exception(s.error);
    case action::rethrow_error:
        if (state.error())
            std::rethrow_exception(state.error());
        break;
    case action::rethrow_cause:
        if (state.cause())
            std::rethrow_exception(state.cause());
        break;
    case action::suppress: state.suppress(); break;
    case action::replace: state.replace(s.other); break;
    case action::replace_and_fail: state.replace(s.other); std::rethrow_exception(s.error);
    case action::suppress_and_fail: state.suppress(); std::rethrow_exception(s.error);
    }
}

// By hand: scope i is around the scopes i + 1 to n, and runs its exit when they have ended.
void by_hand(std::vector<step> const& steps, std::size_t i, model_state& state, bool outcome_known,
    journal& book)
{
    if (i == steps.size())
        return;
    by_hand(steps, i + 1, state, outcome_known, book);
    step const& s = steps[i];
    bool const holds = s.when == filter::always
        || (s.when == filter::only_on_failure && (!outcome_known || state.failed()))
        || (s.when == filter::only_on_success && outcome_known && !state.failed());
    if (!holds)
        return;
    if (s.what == action::emplace) {
        book.note("gone" + std::to_string(s.number));
        return;
    }
    if (s.what == action::child) {
        by_hand(s.inside, 0, state, outcome_known, book);
        return;
    }
    try {
        act(s, state, book);
    } catch (...) {
        state.add(std::current_exception(), true);
    }
    if (s.what == action::late)
        by_hand(s.inside, 0, state, outcome_known, book);
}

void build(exit_stack& stack, std::vector<step> const& steps,
    std::vector<std::unique_ptr<exit_stack>>& children, journal& book)
{
    auto const add = [&](step const& s, auto&& exit) {
        auto spec = exeunt::on_exit(std::forward<decltype(exit)>(exit));
        switch (s.when) {
        case filter::always: stack.push(std::move(spec)); break;
        case filter::only_on_failure: stack.push(std::move(spec).only_on_failure()); break;
        case filter::only_on_success: stack.push(std::move(spec).only_on_success()); break;
        }
    };
    for (step const& s : steps) {
        switch (s.what) {
        case action::child:
            children.push_back(std::make_unique<exit_stack>());
            {
                exit_stack& child = *children.back();
                build(child, s.inside, children, book);
                add(s, std::ref(child));
            }
            break;
        case action::late:
            add(s, [&](exit_state& state) {
                act(s, state, book);
                build(stack, s.inside, children, book);
            });
            break;
        case action::adopt_and_fail:
            if (s.when == filter::always)
                stack.adopt(int(s.number), [&](int&, exit_state& state) { act(s, state, book); });
            else
                add(s, [&](exit_state& state) { act(s, state, book); });
            break;
        case action::emplace:
            stack.emplace<last_word>(book, "gone" + std::to_string(s.number));
            break;
        default: add(s, [&](exit_state& state) { act(s, state, book); });
        }
    }
}

class planner
{
public:
    explicit planner(unsigned seed)
        : random_(seed)
    {
    }

    plan next()
    {
        plan p;
        errors_.clear();
        number_ = 0;
        p.end = static_cast<ending>(below(4));
        by_hand_ = p.end == ending::fails_by_hand;
        if (p.end == ending::throws || p.end == ending::fails_by_hand)
            p.error = error();
        p.steps = steps(0);
        return p;
    }

private:
    std::size_t below(std::size_t n)
    {
        return std::uniform_int_distribution<std::size_t>(0, n - 1)(random_);
    }

    std::exception_ptr lone_error()
    {
        if (!errors_.empty() && below(5) == 0)
            return errors_[below(errors_.size())];
        std::exception_ptr const fresh = below(3) == 0 ? make_cancellation()
            : below(6) == 0 ? std::make_exception_ptr(static_cast<int>(errors_.size()))
                            : make_boom(static_cast<int>(errors_.size()));
        errors_.push_back(fresh);
        return fresh;
    }

    std::exception_ptr error()
    {
        if (below(6) != 0)
            return lone_error();
        std::vector<exit_failure> failures;
        // A report lists each failure once.
        for (std::size_t n = 1 + below(3); n != 0; --n) {
            std::exception_ptr const part = lone_error();
            if (std::none_of(failures.begin(), failures.end(),
                    [&](exit_failure const& f) { return f.error == part; }))
                failures.push_back({part, "inner", {}});
        }
        failures.push_back({make_boom(900 + static_cast<int>(below(90))), "inner", {}});
        return std::make_exception_ptr(exit_errors(std::move(failures)));
    }

    std::vector<step> steps(int depth)
    {
        std::vector<step> all(below(depth == 0 ? 12 : 4));
        for (step& s : all) {
            s.number = ++number_;
            s.what = static_cast<action>(below(depth < 2 ? 12 : 10));
            // What stands for a failure that is not rethrown is nowhere said.
            if (by_hand_ && (s.what == action::replace || s.what == action::replace_and_fail))
                s.what = action::fail;
            if (s.what != action::emplace && below(3) == 0)
                s.when = below(2) == 0 ? filter::only_on_failure : filter::only_on_success;
            s.error = error();
            s.other = lone_error();
            if (s.what == action::child || s.what == action::late)
                s.inside = steps(depth + 1);
        }
        return all;
    }

    std::mt19937 random_;
    std::vector<std::exception_ptr> errors_;
    int number_ = 0;
    bool by_hand_ = false;
};

std::vector<std::exception_ptr> all_of(std::exception_ptr const& error)
{
    std::vector<std::exception_ptr> all;
    bool const several = with_report(error, [&](exit_errors const& e) {
        for (exit_failure const& failure : e.failures())
            all.push_back(failure.error);
    });
    if (!several && error)
        all.push_back(error);
    return all;
}

std::string text_of(std::vector<std::exception_ptr> const& errors)
{
    std::string all;
    for (std::exception_ptr const& error : errors)
        all += describe(error) + ",";
    return all;
}

bool equals_the_nested_scopes(plan const& p, close_options options)
{
    journal expected_book;
    bool const reported = p.end != ending::fails_by_hand;
    model_state model(p.error, reported);
    by_hand(p.steps, 0, model, p.end != ending::destroyed, expected_book);
    std::vector<std::exception_ptr> const expected = model.outcome();

    journal book;
    std::vector<std::unique_ptr<exit_stack>> children;
    writing_observer observer;
    options.observer = &observer;
    std::exception_ptr out;
    if (p.end == ending::destroyed) {
        exit_stack stack(options);
        build(stack, p.steps, children, book);
    } else {
        exit_stack stack(options);
        build(stack, p.steps, children, book);
        if (p.end == ending::fails_by_hand)
            stack.fail(p.error);
        out = caught([&] { p.end == ending::throws ? stack.close(p.error) : stack.close(); });
    }

    std::vector<std::exception_ptr> got = all_of(out);
    bool same = book.text() == expected_book.text();
    if (p.end == ending::destroyed) {
        // Each failure goes to the observer; of cancellations alone, that some were lost is nobody's loss.
        got = observer.errors;
        same = same && got.size() >= expected.size();
        for (std::exception_ptr const& error : expected)
            same = same && std::find(got.begin(), got.end(), error) != got.end();
        for (std::exception_ptr const& error : got)
            same = same && model.in_flight(error);
    } else if (options.primary_only) {
        std::exception_ptr primary;
        for (std::exception_ptr const& error : expected) {
            if (!primary || (describe(primary) == "cancelled" && describe(error) != "cancelled"))
                primary = error;
        }
        same = same && out == primary;
    } else {
        same = same && got == expected;
        // One alone is never wrapped.
        same = same && (expected.size() != 1 || out == expected[0]);
    }
    if (!same) {
        BOOST_TEST_MESSAGE("expected " << expected_book.text() << " -> " << text_of(expected));
        BOOST_TEST_MESSAGE("got      " << book.text() << " -> " << text_of(got));
    }
    // The older ones first, as the exits of those are newer ones. A vector may do it either way.
    for (auto& child : children)
        child.reset();
    return same;
}

} // namespace

// C46
BOOST_AUTO_TEST_CASE(exit_stack_with_random_plans_equals_scopes_nested_by_hand_C46)
{
    default_observer_guard silent(nullptr);
    planner plans(20240611);
    for (int i = 0; i != 4000; ++i) {
        plan const p = plans.next();
        BOOST_REQUIRE_MESSAGE(equals_the_nested_scopes(p, {}),
            "plan " << i << ", ending " << static_cast<int>(p.end));
    }
}

// C46
BOOST_AUTO_TEST_CASE(exit_stack_with_random_plans_and_primary_only_gives_their_primary_C46)
{
    default_observer_guard silent(nullptr);
    planner plans(7);
    for (int i = 0; i != 2000; ++i) {
        plan const p = plans.next();
        BOOST_REQUIRE_MESSAGE(equals_the_nested_scopes(p, close_options{.primary_only = true}),
            "plan " << i << ", ending " << static_cast<int>(p.end));
    }
}

// C46
BOOST_AUTO_TEST_CASE(exit_stack_nested_by_hand_in_one_example_C46)
{
    // The same three scopes, once as C++ has them, once as a stack.
    std::exception_ptr const body = make_boom(1);
    std::exception_ptr const inner = make_boom(2);
    std::exception_ptr const outer = make_boom(3);
    std::vector<std::exception_ptr> nested;
    try {
        try {
            try {
                std::rethrow_exception(body);
            } catch (...) {
                nested.push_back(std::current_exception());
                std::rethrow_exception(inner);
            }
        } catch (...) {
            nested.push_back(std::current_exception());
            std::rethrow_exception(outer);
        }
    } catch (...) {
        nested.push_back(std::current_exception());
    }
    exit_stack stack;
    stack.push(failing(outer));
    stack.push(failing(inner));
    BOOST_TEST((all_of(caught([&] { stack.close(body); })) == nested));
}
