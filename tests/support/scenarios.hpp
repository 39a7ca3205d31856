// What can happen around stacks that close, as a list: to be run once as it is, and again with something
// done to it at each of its steps.
#ifndef EXEUNT_TESTS_SUPPORT_SCENARIOS_HPP
#define EXEUNT_TESTS_SUPPORT_SCENARIOS_HPP

#include "support/scenario_list_exits.hpp"
#include "support/scenario_list_scopes.hpp"
#include "support/scenario_list_stacks.hpp"

#include <array>

namespace support {

// Registers exits and starts operations in a world of its own.
struct scenario
{
    char const* name;
    void (*start)(scenario_world&);
    bool is_answered; // it cannot be forced to its end
};

// clang-format off
#define EXEUNT_TEST_SCENARIO(name) scenario{#name, &scenarios::name, false}
#define EXEUNT_TEST_ANSWERED(name) scenario{#name, &scenarios::name, true}
// clang-format on

inline constexpr std::array all_scenarios{
    EXEUNT_TEST_SCENARIO(exits_that_wait),
    EXEUNT_TEST_SCENARIO(exits_that_wait_and_have_a_force),
    EXEUNT_TEST_SCENARIO(exits_with_and_without_a_force),
    EXEUNT_TEST_SCENARIO(exits_that_are_synchronous),
    EXEUNT_TEST_SCENARIO(exits_that_end_at_once),
    EXEUNT_TEST_SCENARIO(exits_that_are_posted),
    EXEUNT_TEST_SCENARIO(exits_that_fail),
    EXEUNT_TEST_SCENARIO(exits_that_drop_their_handler),
    EXEUNT_TEST_SCENARIO(exits_that_ignore_their_slot),
    EXEUNT_TEST_SCENARIO(exits_whose_force_throws),
    EXEUNT_TEST_SCENARIO(exits_by_best_effort),
    EXEUNT_TEST_SCENARIO(exits_only_on_success),
    EXEUNT_TEST_SCENARIO(exits_only_on_failure),
    EXEUNT_TEST_SCENARIO(exits_with_a_filter_after_a_failure),
    EXEUNT_TEST_SCENARIO(exit_that_suppresses),
    EXEUNT_TEST_SCENARIO(exit_that_replaces),
    EXEUNT_TEST_SCENARIO(cause_that_is_a_cancellation),
    EXEUNT_TEST_SCENARIO(exit_that_is_over_its_time),
    EXEUNT_TEST_SCENARIO(exit_that_is_over_its_time_and_has_a_force),
    EXEUNT_TEST_SCENARIO(exits_that_register_exits),
    EXEUNT_TEST_SCENARIO(registering_while_an_exit_waits),
    EXEUNT_TEST_SCENARIO(registering_while_the_last_exit_waits),
    EXEUNT_TEST_SCENARIO(dismissing_while_closing),
    EXEUNT_TEST_SCENARIO(pop_all_by_an_exit),
    EXEUNT_TEST_SCENARIO(pop_all_while_an_exit_waits),
    EXEUNT_TEST_SCENARIO(stack_that_is_moved),
    EXEUNT_TEST_SCENARIO(stack_that_is_destroyed),
    EXEUNT_TEST_SCENARIO(exit_that_destroys_another_stack),
    EXEUNT_TEST_SCENARIO(exit_that_forces_its_stack),
    EXEUNT_TEST_SCENARIO(stack_that_is_forced_before),
    EXEUNT_TEST_SCENARIO(exit_that_waits_for_its_own_stack),
    EXEUNT_TEST_SCENARIO(close_that_is_joined),
    EXEUNT_TEST_SCENARIO(close_that_joins),
    EXEUNT_TEST_SCENARIO(close_that_is_joined_and_destroyed),
    EXEUNT_TEST_SCENARIO(run_now_then_close),
    EXEUNT_TEST_SCENARIO(run_now_that_a_close_waits_for),
    EXEUNT_TEST_SCENARIO(run_now_that_is_followed_by_a_close),
    EXEUNT_TEST_SCENARIO(run_now_while_closing),
    EXEUNT_TEST_SCENARIO(run_now_that_waits_for_its_turn),
    EXEUNT_TEST_SCENARIO(run_now_that_joins_its_exit),
    EXEUNT_TEST_SCENARIO(run_now_one_after_the_other),
    EXEUNT_TEST_SCENARIO(nested_stack),
    EXEUNT_TEST_SCENARIO(nested_stack_of_exits_that_are_posted),
    EXEUNT_TEST_SCENARIO(nested_stacks_three_deep),
    EXEUNT_TEST_SCENARIO(nested_stack_with_a_time_of_its_own),
    EXEUNT_TEST_SCENARIO(nested_stack_with_a_cause_of_its_own),
    EXEUNT_TEST_SCENARIO(nested_stack_that_ignores_its_slot),
    EXEUNT_TEST_SCENARIO(nested_stack_that_is_closing_already),
    EXEUNT_TEST_SCENARIO(nested_synchronous_stack),
    EXEUNT_TEST_SCENARIO(exit_that_registers_a_nested_stack),
    EXEUNT_TEST_ANSWERED(close_while_acquiring),
    EXEUNT_TEST_ANSWERED(close_that_ends_before_the_acquire),
    EXEUNT_TEST_ANSWERED(acquire_that_is_cancelled),
    EXEUNT_TEST_ANSWERED(acquire_that_comes_too_late),
    EXEUNT_TEST_ANSWERED(acquire_that_succeeds_as_it_is_cut),
    EXEUNT_TEST_ANSWERED(acquires_in_another_order),
    EXEUNT_TEST_ANSWERED(close_while_entering),
    EXEUNT_TEST_ANSWERED(enter_that_comes_too_late),
    EXEUNT_TEST_ANSWERED(scope_of_a_coroutine),
    EXEUNT_TEST_ANSWERED(scope_of_a_function_with_a_handler),
    EXEUNT_TEST_ANSWERED(scope_of_an_operation),
    EXEUNT_TEST_ANSWERED(scope_of_a_plain_function),
    EXEUNT_TEST_ANSWERED(scope_whose_body_fails),
    EXEUNT_TEST_ANSWERED(scope_with_a_commit),
    EXEUNT_TEST_ANSWERED(scope_that_acquires),
    EXEUNT_TEST_ANSWERED(scope_whose_body_closes_its_stack),
    EXEUNT_TEST_ANSWERED(scope_in_a_coroutine),
    EXEUNT_TEST_ANSWERED(scope_in_the_body_of_a_scope),
    EXEUNT_TEST_ANSWERED(scope_in_an_exit),
};

#undef EXEUNT_TEST_SCENARIO
#undef EXEUNT_TEST_ANSWERED

} // namespace support

#endif
