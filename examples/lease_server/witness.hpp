#ifndef LEASE_SERVER_WITNESS_HPP
#define LEASE_SERVER_WITNESS_HPP

#include <exeunt/exit_observer.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>

namespace lease_server {

// What went wrong, in words.
std::string message_of(std::exception_ptr failure);

// Counts the exits of this program, and those by name that did not end as they should: cut, given back
// by force, failed. Hears of exits that can never run, and of the failures that stop nothing, such as
// a QUIT without an answer. Knows of all exits that there are when an unwinding begins, so that it sees
// which of them never end.
class witness : public exeunt::exit_observer
{
public:
    struct endings
    {
        std::uint64_t cut = 0;
        std::uint64_t forced = 0;
        std::uint64_t failed = 0;
    };

    std::uint64_t registered = 0; // with what has been unwound
    std::uint64_t begun = 0;
    std::uint64_t ended = 0;
    std::uint64_t forced = 0; // the force instead, or after a run that did not succeed
    std::map<std::string, endings, std::less<>> bad_endings;
    std::uint64_t abandoned = 0;
    std::uint64_t unreceived = 0;
    std::string first_unreceived;

    void unwinding_began(exeunt::unwinding_view const& unwinding) noexcept override;
    void exit_began(exeunt::exit_view const& exit) noexcept override;
    void exit_cut(exeunt::exit_view const& exit, duration elapsed) noexcept override;
    void exit_forced(exeunt::exit_view const& exit, duration elapsed) noexcept override;
    void exit_ended(exeunt::exit_view const& exit, std::exception_ptr error,
        duration elapsed) noexcept override;
    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override;
    void failure_unreceived(
        exeunt::exit_view const& exit, std::exception_ptr error) noexcept override;
};

} // namespace lease_server

#endif // LEASE_SERVER_WITNESS_HPP
