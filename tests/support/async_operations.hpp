// What random sequences of operations do with asynchronous stacks: the words that the library and the model of
// it have in common.
//
// Exits end at once, or wait until an operation of the sequence answers them, or until they are cut. So that a
// model need not know how many times something is posted, a sequence does not do everything that there is:
// which of the modes it is in says what.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_HPP

#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace support::async_operations {

enum class mode {
    timed, // one stack, and a clock
    nested, // stacks in stacks
    crossing, // exits that close other stacks, or run exits of those
    count
};

enum class verb {
    add,
    nest,
    dismiss,
    run_now,
    pop_all,
    move,
    close,
    close_with_cause,
    fail,
    destroy,
    force,
    terminal,
    advance,
    answer,
    acquire,
    enter,
    with,
    look,
    set_options,
    count
};

// How an exit is registered. From handler on it is an asynchronous one.
enum class shape {
    sync,
    sync_best_effort,
    sync_on_failure,
    emplaced,
    handler,
    named_handler,
    on_success_forced,
    forced,
    within,
    within_forced,
    best_effort,
    async_callback,
    adopted,
    coroutine,
    coroutine_within_forced,
    count,
    acquired, // what async_acquire registers
    nested, // a stack that is owned
};

enum class action {
    nothing,
    fails,
    suppresses,
    replaces,
    suppresses_and_fails,
    adds,
    dismisses,
    hands_over,
    closes_own,
    forces,
    tells_failure,
    looks,
    closes_other, // where sequences cross, else nothing
    runs_other,
    count
};

// What it comes to in the end.
enum class ending { succeeds, fails, is_cancelled, succeeds_too };

struct behaviour
{
    action what = action::nothing;
    unsigned target = 0; // a slot
    unsigned which = 0; // of the exits that there have been
    bool waits = false; // of an asynchronous exit
    ending end = ending::succeeds;
    bool ignores_cut = false;
};

// One sequence's way to read its bytes.
class reader
{
public:
    explicit reader(op_sequence const& ops)
        : mode_(ops.empty() ? mode::timed
                            : static_cast<mode>(ops[0].c() % static_cast<unsigned>(mode::count)))
    {
    }

    bool is_timed() const { return mode_ == mode::timed; }
    unsigned slots() const { return is_timed() ? 1 : 3; }

    verb verb_of(op const& o) const
    {
        auto const v = weighted_verb<verb>(o);
        if (is_timed())
            return v == verb::nest                      ? verb::set_options
                : v == verb::look || v == verb::dismiss ? verb::advance
                                                        : v;
        if (v == verb::advance)
            return verb::close;
        if ((v == verb::nest && mode_ != mode::nested)
            || (v == verb::enter && mode_ == mode::crossing))
            return verb::look;
        return v;
    }

    unsigned slot_of(op const& o) const { return o.a() % slots(); }
    unsigned other_slot_of(op const& o) const { return o.b() % slots(); }

    shape shape_of(op const& o) const
    {
        auto const s = static_cast<shape>(o.a() / 3 % static_cast<unsigned>(shape::count));
        if (mode_ != mode::crossing)
            return s;
        return s == shape::coroutine              ? shape::handler
            : s == shape::coroutine_within_forced ? shape::within_forced
                                                  : s;
    }

    behaviour behaviour_of(op const& o) const
    {
        constexpr auto actions = static_cast<unsigned>(action::count);
        auto what = static_cast<action>(o.b() % actions);
        if (mode_ != mode::crossing && what >= action::closes_other)
            what = action::nothing;
        unsigned const c = o.c();
        return {what, o.b() / actions % slots(), c / 16, c % 2 != 0, static_cast<ending>(c / 2 % 4),
            c / 8 % 2 != 0};
    }

private:
    mode mode_;
};

constexpr bool is_async(shape s)
{
    return s >= shape::handler && s != shape::acquired;
}
constexpr bool sees_state(shape s)
{
    return s != shape::emplaced && s != shape::async_callback;
}
constexpr bool is_named(shape s)
{
    return s == shape::sync_best_effort || s == shape::named_handler || s == shape::forced
        || s == shape::best_effort;
}
constexpr bool is_best_effort(shape s)
{
    return s == shape::sync_best_effort || s == shape::best_effort;
}
constexpr bool has_force(shape s)
{
    return s == shape::on_success_forced || s == shape::forced || s == shape::within_forced
        || s == shape::coroutine_within_forced;
}
constexpr bool has_on_cut(shape s)
{
    return s == shape::within_forced || s == shape::coroutine_within_forced;
}
// In seconds.
constexpr int within_of(shape s)
{
    return s == shape::within || has_on_cut(s) ? 2 : 0;
}

struct limits
{
    int timeout = 0; // none
    int grace = 0;
    bool primary_only = false;
};

inline limits limits_of(op const& o)
{
    return {static_cast<int>(o.b() % 3) * 3, static_cast<int>(o.b() / 3 % 3) * 4, o.c() % 2 != 0};
}

inline int cause_of(std::size_t position, op const& o)
{
    return (o.c() % 2 == 0 ? plain_failures : cancellations) + 60 + static_cast<int>(position);
}

inline int seconds_of(op const& o)
{
    return 1 + static_cast<int>(o.c() % 5);
}

// What is logged: a word, and numbers behind it.
enum word {
    began = first_word,
    ended,
    gone,
    cut,
    on_cut,
    force_ran,
    entered,
    refused,
    result,
    outcome_word,
    told, // to the observer
    abandoned,
    lost,
    in_flight,
    is_forced,
    view,
    running_view,
    sizes,
    completed,
    pending,
};
inline constexpr char const* words[] = {"began", "ended", "gone", "cut", "on_cut", "force",
    "entered", "refused", "result", "outcome", "told", "abandoned", "lost", "in_flight", "forced",
    "view", "running", "sizes", "completed", "pending"};

// The completions of operations: in the order in which those were begun, apart from what exits do.
class completions
{
public:
    int begin()
    {
        ++pending_;
        return begun_++;
    }

    void end(int operation, int_log what)
    {
        --pending_;
        ended_.emplace_back(operation, std::move(what));
    }

    int begun() const { return begun_; }
    int pending() const { return pending_; }

    void write(int_log& log)
    {
        std::sort(ended_.begin(), ended_.end(),
            [](auto const& a, auto const& b) { return a.first < b.first; });
        for (auto const& [operation, what] : ended_) {
            log.push_back(completed);
            log.push_back(operation);
            log.insert(log.end(), what.begin(), what.end());
        }
        ended_.clear();
    }

private:
    int begun_ = 0;
    int pending_ = 0;
    std::vector<std::pair<int, int_log>> ended_;
};

} // namespace support::async_operations

#endif
