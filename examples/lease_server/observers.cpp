#include "observers.hpp"

namespace lease_server {

observers::observers(std::initializer_list<exeunt::exit_observer*> all)
    : all_(all)
{
}

void observers::unwinding_began(exeunt::unwinding_view const& unwinding) noexcept
{
    for (auto* each : all_)
        each->unwinding_began(unwinding);
}

void observers::unwinding_forced(exeunt::unwinding_view const& unwinding, duration elapsed) noexcept
{
    for (auto* each : all_)
        each->unwinding_forced(unwinding, elapsed);
}

void observers::unwinding_ended(
    exeunt::unwinding_view const& unwinding, std::exception_ptr error, duration elapsed) noexcept
{
    for (auto* each : all_)
        each->unwinding_ended(unwinding, error, elapsed);
}

void observers::exit_began(exeunt::exit_view const& exit) noexcept
{
    for (auto* each : all_)
        each->exit_began(exit);
}

void observers::exit_slow(exeunt::exit_view const& exit, duration elapsed) noexcept
{
    for (auto* each : all_)
        each->exit_slow(exit, elapsed);
}

void observers::exit_cut(exeunt::exit_view const& exit, duration elapsed) noexcept
{
    for (auto* each : all_)
        each->exit_cut(exit, elapsed);
}

void observers::exit_forced(exeunt::exit_view const& exit, duration elapsed) noexcept
{
    for (auto* each : all_)
        each->exit_forced(exit, elapsed);
}

void observers::exit_ended(
    exeunt::exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept
{
    for (auto* each : all_)
        each->exit_ended(exit, error, elapsed);
}

void observers::exit_abandoned(exeunt::exit_view const& exit) noexcept
{
    for (auto* each : all_)
        each->exit_abandoned(exit);
}

void observers::stack_abandoned(
    std::size_t count, std::span<std::string_view const> first_names) noexcept
{
    for (auto* each : all_)
        each->stack_abandoned(count, first_names);
}

void observers::failure_unreceived(exeunt::exit_view const& exit, std::exception_ptr error) noexcept
{
    for (auto* each : all_)
        each->failure_unreceived(exit, error);
}

} // namespace lease_server
