#ifndef LEASE_SERVER_SHUTDOWN_HPP
#define LEASE_SERVER_SHUTDOWN_HPP

#include <exeunt/exit_observer.hpp>

#include "options.hpp"
#include "tally.hpp"

#include <exception>

namespace lease_server {

// Watches the program's own unwinding: says when it begins because of a signal and when it is forced,
// and notes how long each of its named exits has taken.
class shutdown : public exeunt::exit_observer
{
public:
    shutdown(options const& chosen, tally& count)
        : chosen_(chosen)
        , count_(count)
    {
    }

    void unwinding_began(exeunt::unwinding_view const& unwinding) noexcept override;
    void unwinding_forced(
        exeunt::unwinding_view const& unwinding, duration elapsed) noexcept override;
    void unwinding_ended(exeunt::unwinding_view const& unwinding, std::exception_ptr error,
        duration elapsed) noexcept override;
    void exit_ended(exeunt::exit_view const& exit, std::exception_ptr error,
        duration elapsed) noexcept override;

private:
    options const& chosen_;
    tally& count_;
};

} // namespace lease_server

#endif // LEASE_SERVER_SHUTDOWN_HPP
