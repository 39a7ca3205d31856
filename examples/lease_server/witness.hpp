#ifndef LEASE_SERVER_WITNESS_HPP
#define LEASE_SERVER_WITNESS_HPP

#include <exeunt/exit_observer.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <span>
#include <string>
#include <string_view>

namespace lease_server {

// What went wrong, in words.
std::string message_of(std::exception_ptr failure);

// The default observer of this program: hears of exits that can never run, and of the failures that
// stop nothing, such as a QUIT without an answer.
class witness : public exeunt::exit_observer
{
public:
    std::uint64_t abandoned = 0;
    std::uint64_t unreceived = 0;
    std::string first_unreceived;

    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override;
    void failure_unreceived(
        exeunt::exit_view const& exit, std::exception_ptr error) noexcept override;
};

} // namespace lease_server

#endif // LEASE_SERVER_WITNESS_HPP
