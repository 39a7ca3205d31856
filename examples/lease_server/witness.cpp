#include "witness.hpp"

#include <boost/system/system_error.hpp>

namespace lease_server {

std::string message_of(std::exception_ptr failure)
{
    try {
        std::rethrow_exception(failure);
    } catch (boost::system::system_error const& error) {
        return error.code().message(); // what() adds the place in Asio's headers
    } catch (std::exception const& error) {
        return error.what();
    } catch (...) {
        return "an exception of unknown type";
    }
}

void witness::stack_abandoned(std::size_t count, std::span<std::string_view const>) noexcept
{
    abandoned += count;
}

void witness::failure_unreceived(exeunt::exit_view const& exit, std::exception_ptr error) noexcept
{
    if (unreceived++ == 0)
        first_unreceived = std::string(exit.name) + ": " + message_of(error);
}

} // namespace lease_server
