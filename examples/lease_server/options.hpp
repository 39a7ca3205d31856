#ifndef LEASE_SERVER_OPTIONS_HPP
#define LEASE_SERVER_OPTIONS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace lease_server {

// Where another upstream is, as it was written: host:port.
struct host_and_port
{
    std::string host;
    std::string port;
};

// What was asked for on the command line.
struct options
{
    bool help = false;
    bool serve = false;
    bool upstream_only = false;
    unsigned short port = 0; // 0: one that is free
    std::size_t pool = 8;
    std::size_t connections = 16;
    std::chrono::seconds seconds{5};
    std::optional<host_and_port> upstream;
    std::optional<std::uint64_t> hang_after_resets; // of the built-in upstream
    std::chrono::milliseconds grace{10'000};
    std::optional<std::chrono::milliseconds> timeout;
    std::optional<std::string> trace; // the file
};

// The command line cannot be obeyed; what() is the one line to show.
class bad_option : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

extern std::string_view const usage;

options parse_options(std::span<char const* const> arguments);

} // namespace lease_server

#endif // LEASE_SERVER_OPTIONS_HPP
