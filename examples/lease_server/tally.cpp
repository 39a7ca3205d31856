#include "tally.hpp"

namespace lease_server {

std::uint64_t answered(tally const& count)
{
    std::uint64_t sum = 0;
    for (auto const& [status, answers] : count.answers)
        sum += answers;
    return sum;
}

void witness::stack_abandoned(std::size_t count, std::span<std::string_view const>) noexcept
{
    abandoned += count;
}

void witness::failure_unreceived(exeunt::exit_view const& exit, std::exception_ptr error) noexcept
{
    if (unreceived++ != 0)
        return;
    try {
        first_unreceived = std::string(exit.name) + ": ";
        std::rethrow_exception(error);
    } catch (boost::system::system_error const& failure) {
        first_unreceived += failure.code().message();
    } catch (std::exception const& failure) {
        first_unreceived += failure.what();
    } catch (...) {
        first_unreceived += "unknown";
    }
}

} // namespace lease_server
