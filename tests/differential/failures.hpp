// The failures of a plan, and how a log names them.
#ifndef EXEUNT_TESTS_DIFFERENTIAL_FAILURES_HPP
#define EXEUNT_TESTS_DIFFERENTIAL_FAILURES_HPP

#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_state.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <exception>
#include <string>

namespace differential {

namespace asio = boost::asio;
using exeunt::exit_state;

// The failure of an exit is known by the exit's number; that of the body is 0.
struct numbered
{
    int number;
};

struct plain_failure : numbered
{
};

struct cancelled_failure : boost::system::system_error, numbered
{
    explicit cancelled_failure(int n)
        : boost::system::system_error(asio::error::operation_aborted)
        , numbered{n}
    {
    }
};

inline std::exception_ptr make_failure(int number, bool cancels)
{
    return cancels ? std::make_exception_ptr(cancelled_failure(number))
                   : std::make_exception_ptr(plain_failure{{number}});
}

// "e3[e0,e3]": what is primary, and all that there is, oldest first.
inline std::string name_of(std::exception_ptr const& error)
{
    try {
        std::rethrow_exception(error);
    } catch (numbered const& failure) {
        return "e" + std::to_string(failure.number);
    } catch (exeunt::exit_errors const& several) {
        return name_of(several.first_exception());
    } catch (...) {
        return "unknown";
    }
}

template <class Failures>
std::string list_of(Failures const& failures)
{
    std::string text;
    for (exeunt::exit_failure const& each : failures)
        text += (text.empty() ? "" : ",") + name_of(each.error);
    return "[" + text + "]";
}

inline std::string text_of(exit_state const& state)
{
    return state.failed() ? name_of(state.error()) + list_of(state.failures()) : "-";
}

inline std::string text_of(std::exception_ptr const& error)
{
    if (!error)
        return "-";
    try {
        std::rethrow_exception(error);
    } catch (exeunt::exit_errors const& several) {
        return name_of(error) + list_of(several.failures());
    } catch (...) {
        return name_of(error) + "[" + name_of(error) + "]";
    }
}

} // namespace differential

#endif
