#ifndef LEASE_SERVER_REPORT_HPP
#define LEASE_SERVER_REPORT_HPP

#include "tally.hpp"
#include "witness.hpp"

#include <cstdint>
#include <iosfwd>
#include <string>

namespace lease_server {

std::string progress_line(tally const& count, std::uint64_t requests_per_second);

// The table at the end.
void print_report(std::ostream& out, tally const& count, witness const& seen);

// What was taken and not given back: leases, connections, exits that never ended.
std::uint64_t leaked(tally const& count, witness const& seen);

} // namespace lease_server

#endif // LEASE_SERVER_REPORT_HPP
