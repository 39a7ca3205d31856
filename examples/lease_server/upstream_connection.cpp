#include "upstream_connection.hpp"

#include "limits.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <charconv>
#include <stdexcept>
#include <utility>

namespace lease_server {

namespace {

[[noreturn]] void misunderstood(std::string const& answer)
{
    throw boost::system::system_error(
        make_error_code(boost::system::errc::protocol_error), "the upstream says: " + answer);
}

} // namespace

asio::awaitable<upstream_address> resolve(host_and_port where)
{
    tcp::resolver resolver(co_await asio::this_coro::executor);
    boost::system::error_code failed;
    auto const found = co_await resolver.async_resolve(
        where.host, where.port, asio::redirect_error(asio::use_awaitable, failed));
    if (failed) {
        throw std::runtime_error(
            "cannot find the upstream " + where.host + ": " + failed.message());
    }
    upstream_address address;
    for (auto const& entry : found)
        address.push_back(entry.endpoint());
    co_return address;
}

upstream_connection::upstream_connection(boost::beast::tcp_stream stream, tally& count)
    : stream_(std::move(stream))
    , counted_(count.pooled)
{
}

asio::awaitable<std::unique_ptr<upstream_connection>> upstream_connection::open(
    upstream_address const& where, tally& count)
{
    boost::beast::tcp_stream stream(co_await asio::this_coro::executor);
    stream.expires_after(limits::upstream_connect);
    co_await stream.async_connect(where, asio::use_awaitable);
    stream.socket().set_option(tcp::no_delay(true));
    co_return std::make_unique<upstream_connection>(std::move(stream), count);
}

asio::awaitable<std::optional<std::string>> upstream_connection::get(std::string_view key)
{
    co_await send("GET " + std::string(key) + '\n', limits::upstream_command);
    auto const line = co_await answer();
    if (line == "NONE")
        co_return std::nullopt;

    constexpr std::string_view found = "VALUE ";
    std::size_t size = 0;
    if (!line.starts_with(found))
        misunderstood(line);
    auto const last = line.data() + line.size();
    auto const [end, error] = std::from_chars(line.data() + found.size(), last, size);
    if (error != std::errc() || end != last || size > limits::value)
        misunderstood(line);
    co_return co_await value(size);
}

asio::awaitable<void> upstream_connection::set(std::string_view key, std::string_view value)
{
    auto command = "SET " + std::string(key) + ' ' + std::to_string(value.size()) + '\n';
    command.append(value).append(1, '\n');
    co_await send(std::move(command), limits::upstream_command);
    co_await expect("STORED");
}

asio::awaitable<void> upstream_connection::reset(duration limit)
{
    co_await send("RESET\n", limit);
    co_await expect("READY");
}

asio::awaitable<void> upstream_connection::quit(duration limit)
{
    co_await send("QUIT\n", limit);
    co_await expect("BYE");
}

void upstream_connection::close()
{
    stream_.close();
}

asio::awaitable<void> upstream_connection::set_without_its_value(std::string_view key)
{
    co_await send("SET " + std::string(key) + " 1000\n", limits::upstream_command);
}

asio::awaitable<void> upstream_connection::send(std::string command, duration limit)
{
    // For the answer too.
    if (limit == duration::max())
        stream_.expires_never();
    else
        stream_.expires_after(limit);
    co_await asio::async_write(stream_, asio::buffer(command), asio::use_awaitable);
}

asio::awaitable<std::string> upstream_connection::answer()
{
    auto const size = co_await asio::async_read_until(stream_,
        asio::dynamic_buffer(received_, limits::upstream_line + limits::value), '\n',
        asio::use_awaitable);
    auto line = received_.substr(0, size - 1);
    received_.erase(0, size);
    co_return line;
}

asio::awaitable<void> upstream_connection::expect(std::string_view expected)
{
    auto const line = co_await answer();
    if (line != expected)
        misunderstood(line);
}

asio::awaitable<std::string> upstream_connection::value(std::size_t size)
{
    if (received_.size() < size + 1) {
        co_await asio::async_read(stream_, asio::dynamic_buffer(received_),
            asio::transfer_exactly(size + 1 - received_.size()), asio::use_awaitable);
    }
    auto value = received_.substr(0, size);
    received_.erase(0, size + 1);
    co_return value;
}

} // namespace lease_server
