#ifndef LEASE_SERVER_STOP_SIGNALS_HPP
#define LEASE_SERVER_STOP_SIGNALS_HPP

#include <exeunt/async_exit_stack.hpp>

#include "tally.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/signal_set.hpp>

namespace lease_server {

// What SIGINT and SIGTERM do. The first one cancels the program: its stack unwinds, gracefully for a
// while. The second one forces that. From then on they kill, as ever.
//
// The oldest value of the program's stack, so that it is there until everything else has ended.
class stop_signals
{
public:
    stop_signals(
        exeunt::async_exit_stack& program, asio::cancellation_signal& cancel, tally& count);

private:
    void first();
    void second();

    exeunt::async_exit_stack& program_;
    asio::cancellation_signal& cancel_;
    tally& count_;
    asio::signal_set signals_;
};

} // namespace lease_server

#endif // LEASE_SERVER_STOP_SIGNALS_HPP
