#ifndef LEASE_SERVER_TALLY_HPP
#define LEASE_SERVER_TALLY_HPP

#include <exeunt/pool_options.hpp>

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace lease_server {

// Connections of one kind.
struct connection_tally
{
    std::uint64_t opened = 0;
    std::uint64_t closed = 0;
};

// What is counted while the program runs. It outlives the io_context, so that what is still missing
// at the very end is seen.
struct tally
{
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
    bool started = false;
    bool stopping = false; // a signal has come, and the program unwinds ...
    std::chrono::steady_clock::time_point stopping_since; // ... since this time

    std::uint64_t requests = 0; // read whole
    std::map<unsigned, std::uint64_t> answers; // written whole, by status
    std::uint64_t turned_away = 0; // no room for another session

    exeunt::pool_counts leases;

    connection_tally http; // the server's side
    connection_tally pooled; // to the upstream
    connection_tally upstream; // the built-in upstream's side

    std::uint64_t client_requests = 0;
    std::uint64_t client_answers = 0; // as expected
    std::uint64_t client_hung_up = 0; // on purpose, without waiting for the answer
    std::uint64_t client_refused = 0; // 503
    std::uint64_t client_cut = 0; // sent while the server was stopping, and not read by it
    std::uint64_t client_surprises = 0; // anything else
    std::string first_surprise;

    struct stage
    {
        std::string name;
        std::chrono::steady_clock::duration took;
    };
    std::vector<stage> stages;
};

std::uint64_t answered(tally const& count);

// Counts one connection as long as it lives.
class open_connection
{
public:
    explicit open_connection(connection_tally& count)
        : count_(&count)
    {
        ++count.opened;
    }

    open_connection(open_connection&& other) noexcept
        : count_(std::exchange(other.count_, nullptr))
    {
    }

    open_connection& operator=(open_connection&&) = delete;

    ~open_connection()
    {
        if (count_)
            ++count_->closed;
    }

private:
    connection_tally* count_;
};

// Adds a line to the table of stages when it goes.
class stopwatch
{
public:
    stopwatch(tally& count, std::string name)
        : count_(count)
        , name_(std::move(name))
    {
    }

    stopwatch(stopwatch const&) = delete;
    stopwatch& operator=(stopwatch const&) = delete;

    ~stopwatch()
    {
        count_.stages.push_back({std::move(name_), std::chrono::steady_clock::now() - began_});
    }

private:
    tally& count_;
    std::string name_;
    std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

} // namespace lease_server

#endif // LEASE_SERVER_TALLY_HPP
