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

void witness::unwinding_began(exeunt::unwinding_view const& unwinding) noexcept
{
    registered += unwinding.exits;
}

void witness::exit_began(exeunt::exit_view const&) noexcept
{
    ++begun;
}

void witness::exit_cut(exeunt::exit_view const& exit, duration) noexcept
{
    ++bad_endings[std::string(exit.name)].cut;
}

void witness::exit_forced(exeunt::exit_view const& exit, duration) noexcept
{
    ++forced;
    ++bad_endings[std::string(exit.name)].forced;
}

void witness::exit_ended(exeunt::exit_view const& exit, std::exception_ptr error, duration) noexcept
{
    ++ended;
    if (error)
        ++bad_endings[std::string(exit.name)].failed;
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
