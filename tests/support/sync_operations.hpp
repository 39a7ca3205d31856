// What random sequences of operations do with synchronous stacks: the words that the library and the model of
// it have in common.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_HPP

#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <cstddef>

namespace support::sync_operations {

constexpr unsigned slots = 3;

enum class verb {
    add,
    nest,
    nest_owned,
    dismiss,
    run_now,
    pop_all,
    move,
    close,
    close_with_cause,
    fail,
    destroy,
    exit_with_state,
    with,
    look,
    reserve,
    renew,
    count
};

// How an exit is registered.
enum class shape {
    plain,
    seeing,
    named,
    on_failure,
    on_success,
    best_effort,
    callback,
    emplaced,
    adopted,
    adopted_seeing,
    entered,
    entered_by_reference,
    pushed_by_reference,
    owned,
    failing_to_enter,
    no_function,
    count
};

enum class action {
    nothing,
    fails,
    fails_oddly,
    is_cancelled,
    suppresses,
    replaces,
    rethrows_error,
    rethrows_cause,
    suppresses_and_fails,
    replaces_and_rethrows,
    adds, // from here on it does something to a slot
    dismisses,
    runs,
    hands_over,
    moves_away,
    closes,
    closes_with_cause,
    tells_failure,
    looks,
    count
};
// Those that do nothing to a slot.
constexpr unsigned simple_actions = static_cast<unsigned>(action::adds);

struct behaviour
{
    action what = action::nothing;
    unsigned target = 0; // a slot
    unsigned which = 0; // of the exits that there have been; of the simple actions
};

inline verb verb_of(op const& o)
{
    return weighted_verb<verb>(o);
}
inline unsigned slot_of(op const& o)
{
    return o.a() % slots;
}
inline unsigned other_slot_of(op const& o)
{
    return o.b() % slots;
}
inline shape shape_of(op const& o)
{
    return static_cast<shape>(o.a() / slots % static_cast<unsigned>(shape::count));
}
inline behaviour behaviour_of(op const& o)
{
    constexpr auto actions = static_cast<unsigned>(action::count);
    return {static_cast<action>(o.b() % actions), o.b() / actions % slots, o.c()};
}
// Of what an exit registers.
inline behaviour simple_behaviour(behaviour const& b)
{
    return {static_cast<action>(b.which % simple_actions), 0, 0};
}

constexpr bool sees_state(shape s)
{
    return s != shape::plain && s != shape::callback && s != shape::emplaced && s != shape::adopted
        && s != shape::owned;
}
// Whether its name, which is its number, is said.
constexpr bool is_named(shape s)
{
    return s == shape::named || s == shape::on_failure || s == shape::best_effort;
}

// The number of the failure that a sequence's operation gives.
inline int cause_of(std::size_t position, op const& o)
{
    return (o.c() % 2 == 0 ? plain_failures : cancellations) + 60 + static_cast<int>(position);
}

// What is logged: a word, and numbers behind it.
enum word {
    began = first_word,
    ended,
    gone,
    entered,
    refused,
    empty_function,
    result,
    outcome_word,
    told, // to the observer
    in_flight,
    view,
    running_view,
    sizes,
};
inline constexpr char const* words[] = {"began", "ended", "gone", "entered", "refused",
    "empty_function", "result", "outcome", "told", "in_flight", "view", "running", "sizes"};

} // namespace support::sync_operations

#endif
