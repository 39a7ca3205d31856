#ifndef LEASE_SERVER_UPSTREAM_CONNECTION_HPP
#define LEASE_SERVER_UPSTREAM_CONNECTION_HPP

#include "options.hpp"
#include "tally.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/tcp_stream.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lease_server {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;

// Where the upstream is: the addresses to try, one after the other.
using upstream_address = std::vector<tcp::endpoint>;

// Throws std::runtime_error, with one clear line.
asio::awaitable<upstream_address> resolve(host_and_port where);

// The client's side of one connection to the upstream. One command at a time; what goes wrong is a
// system_error, after which the connection is good for nothing. Commands have a deadline; those that
// give something back only if that is asked for: the exits that they are have a limit.
class upstream_connection
{
public:
    static asio::awaitable<std::unique_ptr<upstream_connection>> open(
        upstream_address const& where, tally& count);

    upstream_connection(boost::beast::tcp_stream stream, tally& count);

    asio::awaitable<std::optional<std::string>> get(std::string_view key);
    asio::awaitable<void> set(std::string_view key, std::string_view value);

    using duration = std::chrono::steady_clock::duration;

    // Whoever has it next finds it as new.
    asio::awaitable<void> reset(duration limit = duration::max());

    asio::awaitable<void> quit(duration limit = duration::max());

    void close();

    // For requests that fail on purpose: nobody can tell what the next command would get to read.
    asio::awaitable<void> set_without_its_value(std::string_view key);

private:
    asio::awaitable<void> send(std::string command, duration limit);
    asio::awaitable<std::string> answer();
    asio::awaitable<void> expect(std::string_view answer);
    asio::awaitable<std::string> value(std::size_t size);

    boost::beast::tcp_stream stream_;
    open_connection counted_;
    std::string received_;
};

} // namespace lease_server

#endif // LEASE_SERVER_UPSTREAM_CONNECTION_HPP
