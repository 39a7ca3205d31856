// The report of several failures, as a value.
#include <exeunt/exit_errors.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/asio/multiple_exceptions.hpp>
#include <boost/test/unit_test.hpp>

#include <cstdlib>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_errors;
using exeunt::exit_failure;

static_assert(std::is_base_of_v<boost::asio::multiple_exceptions, exit_errors>);
static_assert(std::is_base_of_v<std::logic_error, exeunt::stack_closed>);
static_assert(std::is_nothrow_copy_constructible_v<exit_errors>);
static_assert(std::is_nothrow_copy_assignable_v<exit_errors>);
static_assert(std::is_nothrow_destructible_v<exit_errors>);

std::vector<exit_failure> several(int count)
{
    std::vector<exit_failure> failures;
    for (int i = 0; i != count; ++i)
        failures.push_back(
            {make_boom(1000 + i), "exit-" + std::to_string(i) + ".", {"file.cpp", 10}});
    return failures;
}

bool contains(std::string const& text, std::string const& part)
{
    return text.find(part) != std::string::npos;
}

} // namespace

BOOST_AUTO_TEST_CASE(exit_errors_made_of_failures_lists_them_in_order)
{
    exit_errors const errors(several(3));
    BOOST_TEST(describe(errors.failures()) == "[exit-0.=1000, exit-1.=1001, exit-2.=1002]");
    BOOST_TEST(errors.dropped() == 0u);
    BOOST_TEST(errors.failures()[1].where.line == 10u);
    BOOST_TEST(std::string(errors.failures()[1].where.file) == "file.cpp");
}

// C43
BOOST_AUTO_TEST_CASE(exit_errors_first_exception_is_the_first_in_time_C43)
{
    std::vector<exit_failure> failures = several(3);
    std::exception_ptr const first = failures[0].error;
    exit_errors const errors(std::move(failures));
    BOOST_TEST((errors.first_exception() == first));
}

// C44
BOOST_AUTO_TEST_CASE(
    exit_errors_that_begins_with_cancellations_has_the_first_real_failure_as_primary_C44)
{
    std::vector<exit_failure> failures = several(2);
    std::exception_ptr const real = failures[0].error;
    failures.insert(failures.begin(), {make_cancellation(), "body", {}});
    failures.insert(failures.begin() + 1, {make_cancellation(), "second", {}});
    exit_errors const errors(std::move(failures));
    BOOST_TEST((errors.first_exception() == real));
    BOOST_TEST(describe(errors.failures())
        == "[body=cancelled, second=cancelled, exit-0.=1000, exit-1.=1001]");
}

// C43
BOOST_AUTO_TEST_CASE(exit_errors_made_of_reports_is_flat_C43)
{
    std::vector<exit_failure> outer;
    outer.push_back({make_cancellation(), "first", {}});
    outer.push_back({std::make_exception_ptr(exit_errors(several(2))), "report", {}});
    outer.push_back({make_boom(7), "last", {}});
    exit_errors const errors(std::move(outer));
    BOOST_TEST(
        describe(errors.failures()) == "[first=cancelled, exit-0.=1000, exit-1.=1001, last=7]");
    BOOST_TEST(describe(errors.first_exception()) == "1000");
}

BOOST_AUTO_TEST_CASE(exit_errors_caught_as_multiple_exceptions_gives_the_primary)
{
    std::vector<exit_failure> failures = several(2);
    std::exception_ptr const first = failures[0].error;
    try {
        throw exit_errors(std::move(failures));
    } catch (boost::asio::multiple_exceptions const& e) {
        BOOST_TEST((e.first_exception() == first));
        return;
    }
    BOOST_ERROR("not caught");
}

BOOST_AUTO_TEST_CASE(exit_errors_copied_without_memory_is_complete)
{
    exit_errors const errors(several(5));
    std::optional<exit_errors> copy;
    std::optional<exit_errors> assigned{std::in_place, several(2)};
    {
        failing_allocations none(0, true);
        copy.emplace(errors);
        *assigned = errors;
    }
    BOOST_TEST(describe(copy->failures()) == describe(errors.failures()));
    BOOST_TEST(describe(assigned->failures()) == describe(errors.failures()));
    BOOST_TEST((copy->first_exception() == errors.first_exception()));
    BOOST_TEST((assigned->first_exception() == errors.first_exception()));
    BOOST_TEST(std::string(assigned->what()) == errors.what());
}

BOOST_AUTO_TEST_CASE(exit_errors_copy_outlives_its_original)
{
    std::optional<exit_errors> original{std::in_place, several(3)};
    exit_errors const copy(*original);
    original.reset();
    BOOST_TEST(describe(copy.failures()) == "[exit-0.=1000, exit-1.=1001, exit-2.=1002]");
    BOOST_TEST(contains(copy.what(), "exit-2."));
}

BOOST_AUTO_TEST_CASE(exit_errors_moved_from_and_moved_to_both_stay_usable)
{
    exit_errors original(several(2));
    exit_errors const moved(std::move(original));
    BOOST_TEST(moved.failures().size() == 2u);
    BOOST_TEST(original.failures().size() == 2u);
    BOOST_TEST((original.what() != nullptr));
}

BOOST_AUTO_TEST_CASE(exit_errors_of_sixteen_failures_shows_them_all)
{
    exit_errors const errors(several(16));
    std::string const text = errors.what();
    for (int i = 0; i != 16; ++i) {
        BOOST_TEST(contains(text, "exit-" + std::to_string(i) + "."));
        BOOST_TEST(contains(text, "boom " + std::to_string(1000 + i)));
    }
    BOOST_TEST(!contains(text, " more"));
}

BOOST_AUTO_TEST_CASE(exit_errors_of_seventeen_failures_shows_sixteen_and_one_more)
{
    exit_errors const errors(several(17));
    std::string const text = errors.what();
    BOOST_TEST(contains(text, "boom 1015"));
    BOOST_TEST(!contains(text, "exit-16."));
    BOOST_TEST(!contains(text, "boom 1016"));
    BOOST_TEST(contains(text, "and 1 more"));
}

BOOST_AUTO_TEST_CASE(exit_errors_of_two_hundred_failures_shows_sixteen_in_order)
{
    exit_errors const errors(several(200));
    std::string const text = errors.what();
    std::size_t last = 0;
    for (int i = 0; i != 16; ++i) {
        std::size_t const place = text.find("exit-" + std::to_string(i) + ".");
        BOOST_REQUIRE(place != std::string::npos);
        BOOST_TEST((i == 0 || place > last));
        last = place;
    }
    BOOST_TEST(contains(text, "and 184 more"));
}

BOOST_AUTO_TEST_CASE(exit_errors_with_dropped_failures_counts_them_among_the_rest)
{
    exit_errors const errors(several(17), 5);
    BOOST_TEST(errors.dropped() == 5u);
    BOOST_TEST(errors.failures().size() == 17u);
    BOOST_TEST(contains(errors.what(), "and 6 more"));
}

BOOST_AUTO_TEST_CASE(exit_errors_few_and_some_dropped_says_that_there_were_more)
{
    exit_errors const errors(several(2), 3);
    BOOST_TEST(contains(errors.what(), "3"));
    BOOST_TEST(contains(errors.what(), "more"));
}

// C41
BOOST_AUTO_TEST_CASE(exit_errors_of_objects_that_are_no_exceptions_has_a_text_C41)
{
    std::vector<exit_failure> failures;
    failures.push_back({std::make_exception_ptr(42), "answer", {}});
    failures.push_back({std::make_exception_ptr(std::string("text")), "poet", {}});
    exit_errors const errors(std::move(failures));
    BOOST_TEST(contains(errors.what(), "answer"));
    BOOST_TEST(contains(errors.what(), "poet"));
    BOOST_TEST(describe(errors.failures()) == "[answer=int 42, poet=unknown]");
}

BOOST_AUTO_TEST_CASE(exit_errors_what_without_memory_still_gives_a_text)
{
    exit_errors const errors(several(20));
    char const* text = nullptr;
    {
        failing_allocations none(0, true);
        text = errors.what();
    }
    BOOST_REQUIRE(text);
    BOOST_TEST(*text != '\0');
    // Copies that look on from now on see it whole or short, but never nothing.
    exit_errors const copy(errors);
    BOOST_TEST(*copy.what() != '\0');
}

BOOST_AUTO_TEST_CASE(exit_errors_what_keeps_its_pointer)
{
    exit_errors const errors(several(3));
    char const* const first = errors.what();
    std::string const text = first;
    exit_errors const copy(errors);
    BOOST_TEST(text == copy.what());
    BOOST_TEST(text == errors.what());
    BOOST_TEST(text == first);
}

// C50
BOOST_AUTO_TEST_CASE(exit_errors_text_tells_name_and_place_of_an_exit_C50)
{
    std::vector<exit_failure> failures;
    failures.push_back({make_boom(1), "tls shutdown", {"some/where.cpp", 4711}});
    failures.push_back({make_boom(2), "", {"no/name.cpp", 4712}});
    exit_errors const errors(std::move(failures));
    BOOST_TEST(contains(errors.what(), "tls shutdown"));
    BOOST_TEST(contains(errors.what(), "where.cpp"));
    BOOST_TEST(contains(errors.what(), "4711"));
    BOOST_TEST(contains(errors.what(), "4712"));
}

// C51
BOOST_AUTO_TEST_CASE(exit_errors_of_20000_failures_is_copied_and_destroyed_on_a_small_stack_C51)
{
    std::size_t seen = 0;
    bool text = false;
    std::size_t left = 1;
    on_small_stack([&] {
        std::size_t const before = allocations().blocks;
        {
            std::optional<exit_errors> errors{std::in_place, several(20000)};
            std::exception_ptr const thrown = std::make_exception_ptr(*errors);
            exit_errors const copy(*errors);
            errors.reset();
            text = contains(copy.what(), "and 19984 more");
            seen = copy.failures().size();
        }
        left = allocations().blocks - before;
    });
    BOOST_TEST(seen == 20000u);
    BOOST_TEST(text);
    BOOST_TEST(left == 0u);
}

BOOST_AUTO_TEST_CASE(stack_closed_is_a_logic_error_with_a_text)
{
    try {
        throw exeunt::stack_closed();
    } catch (std::logic_error const& e) {
        BOOST_TEST(std::string(e.what()).size() > 0u);
    }
}
