// What an exit sees: exit_state made by hand, as the unit test of an exit makes it.
#include <exeunt/exit_state.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <type_traits>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_state;

static_assert(
    !std::is_convertible_v<std::exception_ptr, exit_state>, "the constructor is explicit");
static_assert(noexcept(std::declval<exit_state&>().suppress()));
static_assert(noexcept(std::declval<exit_state&>().replace({})));
static_assert(noexcept(std::declval<exit_state const&>().error()));
static_assert(noexcept(std::declval<exit_state const&>().cause()));
static_assert(noexcept(std::declval<exit_state const&>().failed()));
static_assert(noexcept(std::declval<exit_state const&>().cancelled()));
static_assert(noexcept(std::declval<exit_state const&>().code()));
static_assert(noexcept(std::declval<exit_state const&>().failures()));
static_assert(noexcept(std::declval<exit_state const&>().forced()));

} // namespace

// C26
BOOST_AUTO_TEST_CASE(exit_state_by_default_has_nothing_in_flight_C26)
{
    exit_state const state;
    BOOST_TEST((state.error() == nullptr));
    BOOST_TEST((state.cause() == nullptr));
    BOOST_TEST(!state.failed());
    BOOST_TEST(!state.cancelled());
    BOOST_TEST(!state.code().failed());
    BOOST_TEST(state.failures().empty());
    BOOST_TEST(!state.forced());
}

// C27
BOOST_AUTO_TEST_CASE(exit_state_with_a_cause_shows_the_identical_object_C27)
{
    std::exception_ptr const error = make_boom(1);
    exit_state const state(error);
    BOOST_TEST((state.error() == error));
    BOOST_TEST((state.cause() == error));
    BOOST_TEST(state.failed());
    BOOST_TEST(!state.cancelled());
    BOOST_TEST(describe(state.failures()) == "[body=1]");
    BOOST_TEST((state.failures()[0].error == error));
}

// C39
BOOST_AUTO_TEST_CASE(exit_state_with_a_cancellation_is_failed_and_cancelled_C39)
{
    exit_state const state(make_cancellation());
    BOOST_TEST(state.failed());
    BOOST_TEST(state.cancelled());
    BOOST_TEST((state.code() == boost::system::errc::operation_canceled));
}

BOOST_AUTO_TEST_CASE(exit_state_with_a_system_error_tells_its_code)
{
    boost::system::error_code const code(ETIMEDOUT, boost::system::system_category());
    exit_state const state(std::make_exception_ptr(boost::system::system_error(code)));
    BOOST_TEST((state.code() == code));
    BOOST_TEST(!state.cancelled());
}

BOOST_AUTO_TEST_CASE(exit_state_made_forced_says_so)
{
    exit_state const state({}, true);
    BOOST_TEST(state.forced());
    BOOST_TEST(!state.failed());
}

// C31
BOOST_AUTO_TEST_CASE(exit_state_suppressed_keeps_only_the_cause_C31)
{
    std::exception_ptr const error = make_boom(1);
    exit_state state(error);
    state.suppress();
    BOOST_TEST((state.error() == nullptr));
    BOOST_TEST((state.cause() == error));
    BOOST_TEST(!state.failed());
    BOOST_TEST(!state.cancelled());
    BOOST_TEST(!state.code().failed());
    BOOST_TEST(state.failures().empty());
}

// C34
BOOST_AUTO_TEST_CASE(exit_state_suppressed_with_nothing_in_flight_is_unchanged_C34)
{
    exit_state state;
    state.suppress();
    state.suppress();
    BOOST_TEST(!state.failed());
    BOOST_TEST((state.cause() == nullptr));
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replaced_has_the_new_error_alone_in_flight_C37)
{
    std::exception_ptr const cause = make_boom(1);
    std::exception_ptr const other = make_boom(2);
    exit_state state(cause);
    state.replace(other);
    BOOST_TEST((state.error() == other));
    BOOST_TEST((state.cause() == cause));
    BOOST_TEST(state.failures().size() == 1u);
    BOOST_TEST((state.failures()[0].error == other));
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replaced_twice_keeps_the_last_C37)
{
    exit_state state(make_boom(1));
    state.replace(make_boom(2));
    std::exception_ptr const last = make_boom(3);
    state.replace(last);
    BOOST_TEST((state.error() == last));
    BOOST_TEST(state.failures().size() == 1u);
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replaced_with_nothing_in_flight_is_unchanged_C37)
{
    exit_state state;
    state.replace(make_boom(1));
    BOOST_TEST(!state.failed());
    BOOST_TEST(state.failures().empty());

    exit_state suppressed(make_boom(1));
    suppressed.suppress();
    suppressed.replace(make_boom(2));
    BOOST_TEST(!suppressed.failed());
    BOOST_TEST((suppressed.error() == nullptr));
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replaced_with_nothing_is_unchanged_C37)
{
    std::exception_ptr const cause = make_boom(1);
    exit_state state(cause);
    state.replace(nullptr);
    BOOST_TEST((state.error() == cause));
    BOOST_TEST(state.failures().size() == 1u);
}

// C37
BOOST_AUTO_TEST_CASE(exit_state_replacing_a_failure_with_a_cancellation_is_cancelled_C37)
{
    exit_state state(make_boom(1));
    state.replace(make_cancellation());
    BOOST_TEST(state.cancelled());
    state.replace(make_boom(2));
    BOOST_TEST(!state.cancelled());
    BOOST_TEST(describe(state.error()) == "2");
}

// C43
BOOST_AUTO_TEST_CASE(exit_state_of_a_report_has_its_failures_flat_in_flight_C43)
{
    std::vector<exeunt::exit_failure> failures;
    failures.push_back({make_cancellation(), "a", {}});
    failures.push_back({make_boom(2), "b", {}});
    std::exception_ptr const real = failures[1].error;
    std::exception_ptr const cause =
        std::make_exception_ptr(exeunt::exit_errors(std::move(failures)));
    exit_state const state(cause);
    BOOST_TEST((state.cause() == cause));
    BOOST_TEST(describe(state.failures()) == "[a=cancelled, b=2]");
    BOOST_TEST((exeunt::primary(state.error()) == real));
    BOOST_TEST(!state.cancelled());
}

BOOST_AUTO_TEST_CASE(exit_state_made_and_used_without_memory_works)
{
    std::exception_ptr const cause = make_boom(1);
    std::exception_ptr const other = make_boom(2);
    bool error_seen = false;
    bool replaced = false;
    bool suppressed = false;
    {
        failing_allocations none(0, true);
        exit_state state(cause);
        error_seen = state.error() == cause && state.failed();
        state.replace(other);
        replaced = state.error() == other && state.cause() == cause;
        state.suppress();
        suppressed = !state.failed();
    }
    BOOST_TEST(error_seen);
    BOOST_TEST(replaced);
    BOOST_TEST(suppressed);
}

// An exit under test: what it does is seen in the state that was given to it.
BOOST_AUTO_TEST_CASE(exit_state_given_to_an_exit_by_hand_tells_what_it_did)
{
    auto const forgives_cancellation = [](exit_state& state) {
        if (state.cancelled())
            state.suppress();
    };
    exit_state cancelled(make_cancellation());
    forgives_cancellation(cancelled);
    BOOST_TEST(!cancelled.failed());

    exit_state failed(make_boom(1));
    forgives_cancellation(failed);
    BOOST_TEST(failed.failed());
}
