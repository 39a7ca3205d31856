#ifndef LEASE_SERVER_OBSERVERS_HPP
#define LEASE_SERVER_OBSERVERS_HPP

#include <exeunt/exit_observer.hpp>

#include <cstddef>
#include <exception>
#include <initializer_list>
#include <span>
#include <string_view>
#include <vector>

namespace lease_server {

// Several observers as one: each of them is told everything, in this order.
class observers : public exeunt::exit_observer
{
public:
    observers(std::initializer_list<exeunt::exit_observer*> all);

    void add(exeunt::exit_observer& one) { all_.push_back(&one); }

    void unwinding_began(exeunt::unwinding_view const& unwinding) noexcept override;
    void unwinding_forced(
        exeunt::unwinding_view const& unwinding, duration elapsed) noexcept override;
    void unwinding_ended(exeunt::unwinding_view const& unwinding, std::exception_ptr error,
        duration elapsed) noexcept override;
    void exit_began(exeunt::exit_view const& exit) noexcept override;
    void exit_slow(exeunt::exit_view const& exit, duration elapsed) noexcept override;
    void exit_cut(exeunt::exit_view const& exit, duration elapsed) noexcept override;
    void exit_forced(exeunt::exit_view const& exit, duration elapsed) noexcept override;
    void exit_ended(exeunt::exit_view const& exit, std::exception_ptr error,
        duration elapsed) noexcept override;
    void exit_abandoned(exeunt::exit_view const& exit) noexcept override;
    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override;
    void failure_unreceived(
        exeunt::exit_view const& exit, std::exception_ptr error) noexcept override;

private:
    std::vector<exeunt::exit_observer*> all_;
};

} // namespace lease_server

#endif // LEASE_SERVER_OBSERVERS_HPP
