#include "upstream.hpp"

#include <exeunt/on_exit.hpp>
#include <exeunt/task_scope.hpp>

#include "limits.hpp"
#include "listener.hpp"

#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace lease_server {

namespace {

// What all connections share.
struct store
{
    std::unordered_map<std::string, std::string> values;
    std::optional<std::uint64_t> resets_left; // and then it hangs
};

// The first word of a line, which loses it.
std::string_view next_word(std::string_view& line)
{
    auto const end = line.find(' ');
    auto const word = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
    return word;
}

std::optional<std::size_t> size_of_value(std::string_view word)
{
    std::size_t size = 0;
    auto const [end, error] = std::from_chars(word.data(), word.data() + word.size(), size);
    if (error != std::errc() || end != word.data() + word.size() || size > limits::value)
        return std::nullopt;
    return size;
}

// One connection of a client.
class upstream_session
{
public:
    upstream_session(tcp::socket socket, store& shared, tally& count)
        : socket_(std::move(socket))
        , shared_(shared)
        , counted_(count.upstream)
    {
    }

    // Completes when the connection has come to an end.
    asio::awaitable<void> run()
    {
        while (!finished_) {
            auto const line = co_await read_line();
            auto const answer = co_await obey(line);
            if (hangs_)
                co_await ignore_all();
            co_await asio::async_write(socket_, asio::buffer(answer), asio::use_awaitable);
        }
    }

private:
    asio::awaitable<std::string> read_line()
    {
        auto const size = co_await asio::async_read_until(socket_,
            asio::dynamic_buffer(received_, limits::upstream_line), '\n', asio::use_awaitable);
        auto line = received_.substr(0, size - 1);
        received_.erase(0, size);
        co_return line;
    }

    asio::awaitable<std::string> obey(std::string_view line)
    {
        auto const command = next_word(line);
        if (command == "GET") {
            auto const found = shared_.values.find(std::string(line));
            if (found == shared_.values.end())
                co_return "NONE\n";
            auto const& value = found->second;
            co_return "VALUE " + std::to_string(value.size()) + '\n' + value + '\n';
        }
        if (command == "SET") {
            std::string key(next_word(line));
            auto const size = size_of_value(line);
            if (key.empty() || !size)
                co_return refuse("SET takes a key and a size");
            auto value = co_await read_value(*size);
            auto& values = shared_.values;
            if (values.size() >= limits::stored_keys && !values.contains(key))
                co_return refuse("the store is full");
            values.insert_or_assign(std::move(key), std::move(value));
            co_return "STORED\n";
        }
        if (command == "RESET") {
            hangs_ = shared_.resets_left == 0U;
            if (shared_.resets_left && !hangs_)
                --*shared_.resets_left;
            co_return "READY\n";
        }
        if (command == "QUIT") {
            finished_ = true;
            co_return "BYE\n";
        }
        co_return refuse("no such command");
    }

    // The value and the '\n' after it.
    asio::awaitable<std::string> read_value(std::size_t size)
    {
        if (received_.size() < size + 1) {
            co_await asio::async_read(socket_, asio::dynamic_buffer(received_),
                asio::transfer_exactly(size + 1 - received_.size()), asio::use_awaitable);
        }
        auto value = received_.substr(0, size);
        received_.erase(0, size + 1);
        co_return value;
    }

    // Reads until the client has left, which is an error.
    asio::awaitable<void> ignore_all()
    {
        for (std::array<char, 512> ignored;;)
            co_await socket_.async_read_some(asio::buffer(ignored), asio::use_awaitable);
    }

    std::string refuse(std::string const& why)
    {
        finished_ = true;
        return "ERROR " + why + '\n';
    }

    tcp::socket socket_;
    store& shared_;
    open_connection counted_;
    std::string received_;
    bool finished_ = false;
    bool hangs_ = false;
};

asio::awaitable<void> serve(tcp::socket socket, store& shared, tally& count)
{
    upstream_session session(std::move(socket), shared, count);
    try {
        co_await session.run();
    } catch (boost::system::system_error const&) {
        // The client has left, or the upstream is stopping.
    }
}

} // namespace

tcp::endpoint start_upstream(exeunt::async_exit_stack& stack, unsigned short port,
    std::optional<std::uint64_t> hang_after_resets, tally& count)
{
    auto& shared = stack.emplace<store>();
    shared.resets_left = hang_after_resets;
    exeunt::task_scope_options at_once;
    at_once.cancel_on_failure = false;
    at_once.drain = std::chrono::seconds(0); // its clients have left
    auto& sessions = stack.enter(exeunt::on_exit(exeunt::task_scope(stack.get_executor(), at_once))
                                     .named("stop the upstream"));
    return listen(stack, port, "close the upstream's door",
        [&](tcp::socket socket) { sessions.spawn(serve(std::move(socket), shared, count)); });
}

} // namespace lease_server
