// is_cancelled, code_of and primary.
#include <exeunt/exit_errors.hpp>

#include "support/sync_tools.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/experimental/channel_error.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/test/unit_test.hpp>

#include <future>
#include <system_error>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::code_of;
using exeunt::exit_errors;
using exeunt::exit_failure;
using exeunt::is_cancelled;
using exeunt::primary;

std::exception_ptr boost_failure(boost::system::error_code code)
{
    return std::make_exception_ptr(boost::system::system_error(code));
}

std::exception_ptr std_failure(std::error_code code)
{
    return std::make_exception_ptr(std::system_error(code));
}

std::exception_ptr both(std::exception_ptr a, std::exception_ptr b)
{
    std::vector<exit_failure> failures;
    failures.push_back({a, "a", {}});
    failures.push_back({b, "b", {}});
    return std::make_exception_ptr(exit_errors(std::move(failures)));
}

} // namespace

// C39
BOOST_AUTO_TEST_CASE(is_cancelled_of_operation_aborted_is_true_C39)
{
    BOOST_TEST(is_cancelled(boost_failure(boost::asio::error::operation_aborted)));
    BOOST_TEST(is_cancelled(make_cancellation()));
}

// C39
BOOST_AUTO_TEST_CASE(is_cancelled_of_a_standard_operation_canceled_is_true_C39)
{
    BOOST_TEST(is_cancelled(std_failure(std::make_error_code(std::errc::operation_canceled))));
}

// C39
BOOST_AUTO_TEST_CASE(is_cancelled_of_anything_else_is_false_C39)
{
    BOOST_TEST(!is_cancelled(nullptr));
    BOOST_TEST(!is_cancelled(make_boom(1)));
    BOOST_TEST(!is_cancelled(std::make_exception_ptr(42)));
    BOOST_TEST(!is_cancelled(boost_failure(boost::asio::error::timed_out)));
    BOOST_TEST(!is_cancelled(boost_failure(boost::asio::error::eof)));
    BOOST_TEST(!is_cancelled(boost_failure({})));
    // The same number in a category of its own means something else.
    BOOST_TEST(!is_cancelled(boost_failure(
        boost::system::error_code(ECANCELED, boost::asio::error::get_misc_category()))));
    BOOST_TEST(!is_cancelled(std_failure(std::make_error_code(std::future_errc::broken_promise))));
}

// C44
BOOST_AUTO_TEST_CASE(is_cancelled_of_a_report_with_a_real_failure_is_false_C44)
{
    BOOST_TEST(!is_cancelled(both(make_cancellation(), make_boom(1))));
    BOOST_TEST(!is_cancelled(both(make_boom(1), make_cancellation())));
}

BOOST_AUTO_TEST_CASE(is_cancelled_leaves_the_error_as_it_was)
{
    std::exception_ptr const error = make_boom(7);
    std::exception_ptr const same = error;
    static_cast<void>(is_cancelled(error));
    static_cast<void>(code_of(error));
    BOOST_TEST((primary(error) == same));
    BOOST_TEST(describe(error) == "7");
}

BOOST_AUTO_TEST_CASE(is_cancelled_called_inside_a_handler_leaves_the_current_exception)
{
    try {
        throw boom(3);
    } catch (...) {
        BOOST_TEST(is_cancelled(make_cancellation()));
        BOOST_TEST((code_of(std::current_exception()) == boost::system::error_code()));
        BOOST_TEST(describe(std::current_exception()) == "3");
    }
}

BOOST_AUTO_TEST_CASE(code_of_a_boost_system_error_is_its_code)
{
    boost::system::error_code const code = boost::asio::error::eof;
    BOOST_TEST((code_of(boost_failure(code)) == code));
}

BOOST_AUTO_TEST_CASE(code_of_a_standard_system_error_is_the_same_condition)
{
    boost::system::error_code const code =
        code_of(std_failure(std::make_error_code(std::errc::timed_out)));
    BOOST_TEST(code.failed());
    BOOST_TEST((code == boost::system::errc::timed_out));
}

BOOST_AUTO_TEST_CASE(code_of_a_type_derived_from_system_error_is_its_code)
{
    struct derived : boost::system::system_error
    {
        using system_error::system_error;
    };
    boost::system::error_code const code = boost::asio::error::connection_reset;
    BOOST_TEST((code_of(std::make_exception_ptr(derived(code))) == code));
    BOOST_TEST(code_of(std::make_exception_ptr(std::ios_base::failure("f"))).failed());
}

// C39: a channel says it in words of its own
BOOST_AUTO_TEST_CASE(is_cancelled_of_a_cancelled_channel_is_true_and_of_a_closed_one_false)
{
    namespace channel = boost::asio::experimental::error;
    BOOST_TEST(is_cancelled(boost_failure(make_error_code(channel::channel_cancelled))));
    BOOST_TEST(!is_cancelled(boost_failure(make_error_code(channel::channel_closed))));
}

BOOST_AUTO_TEST_CASE(code_of_nothing_is_success)
{
    BOOST_TEST(!code_of(nullptr).failed());
}

BOOST_AUTO_TEST_CASE(code_of_a_report_is_that_of_its_primary)
{
    boost::system::error_code const code = boost::asio::error::connection_reset;
    BOOST_TEST((code_of(both(boost_failure(code), make_boom(1))) == code));
    BOOST_TEST((code_of(both(make_cancellation(), boost_failure(code))) == code));
}

BOOST_AUTO_TEST_CASE(primary_of_a_lone_error_is_itself)
{
    std::exception_ptr const error = make_boom(1);
    BOOST_TEST((primary(error) == error));
    BOOST_TEST((primary(nullptr) == nullptr));
    std::exception_ptr const number = std::make_exception_ptr(42);
    BOOST_TEST((primary(number) == number));
}

// C44
BOOST_AUTO_TEST_CASE(primary_of_a_report_is_its_first_real_failure_C44)
{
    std::exception_ptr const real = make_boom(1);
    BOOST_TEST((primary(both(make_cancellation(), real)) == real));
    BOOST_TEST((primary(both(real, make_boom(2))) == real));
}
