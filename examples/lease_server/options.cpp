#include "options.hpp"

#include <algorithm>
#include <charconv>
#include <system_error>
#include <utility>

namespace lease_server {

std::string_view const usage =
    R"(lease_server: an HTTP server whose requests lease connections to an upstream

  lease_server [options]           drive the server with its own client, then stop it
  lease_server --serve [options]   serve until Ctrl-C, for curl or wrk
  lease_server --upstream-only     run the upstream alone, until Ctrl-C

  --port N              listen on this loopback port (default: 8080 with --serve, else a free one)
  --pool N              connections to the upstream, 1 to 64 (default 8)
  --upstream HOST:PORT  use this upstream instead of the built-in one
  --hang-after-resets N the built-in upstream answers RESET N times, and then never again
  --connections N       keep-alive connections of the own client, 1 to 256 (default 16)
  --seconds N           how long the own client drives, 1 to 3600 (default 5)
  --grace SECONDS       how long stopping may be graceful after a signal, 0 to 3600 (default 10)
  --timeout SECONDS     how long stopping may be graceful, whatever began it (default: no limit)
  --trace FILE          write a picture of everything that is unwound, for a viewer of Chrome traces
  --help                show this

  The first Ctrl-C, or SIGTERM, stops: everything is given back, in reverse order. The second one
  forces: everything is given back at once. A third one kills.

  curl -T file http://127.0.0.1:8080/kv/name     store a value
  curl http://127.0.0.1:8080/kv/name             fetch it
  curl http://127.0.0.1:8080/fail                fail in the middle of a command

Exit status: 0 all is well; 1 something failed or leaked; 2 the options make no sense.
)";

namespace {

template <class Number>
Number number_of(std::string_view option, std::string_view text, Number least, Number most)
{
    Number value{};
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size() || value < least || value > most) {
        throw bad_option(std::string(option) + " takes a number from " + std::to_string(least)
            + " to " + std::to_string(most) + ", not '" + std::string(text) + "'");
    }
    return value;
}

// Seconds, to a thousandth: digits, perhaps a point and up to three more.
std::chrono::milliseconds seconds_of(std::string_view option, std::string_view text)
{
    constexpr std::chrono::milliseconds most = std::chrono::hours(1);
    constexpr std::string_view digits = "0123456789";
    auto const point = std::min(text.find('.'), text.size());
    std::string thousandths(text.substr(0, point));
    if (point != text.size())
        thousandths += text.substr(point + 1);
    auto const decimals = thousandths.size() - point;

    std::chrono::milliseconds::rep value = 0;
    bool const is_number = point != 0 && decimals <= 3 && (point == text.size()) == (decimals == 0)
        && thousandths.find_first_not_of(digits) == std::string::npos;
    thousandths.append(3 - std::min<std::size_t>(decimals, 3), '0');
    auto const last = thousandths.data() + thousandths.size();
    if (!is_number || std::from_chars(thousandths.data(), last, value).ec != std::errc()
        || value > most.count())
    {
        throw bad_option(std::string(option) + " takes seconds from 0 to 3600, such as 0.5, not '"
            + std::string(text) + "'");
    }
    return std::chrono::milliseconds(value);
}

host_and_port host_and_port_of(std::string_view text)
{
    auto const colon = text.rfind(':');
    auto host = text.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']')
        host = host.substr(1, host.size() - 2);
    if (colon == std::string_view::npos || host.empty())
        throw bad_option("--upstream takes HOST:PORT, not '" + std::string(text) + "'");
    auto const port = number_of<unsigned>("--upstream HOST:PORT", text.substr(colon + 1), 1, 65535);
    return {std::string(host), std::to_string(port)};
}

// The words of the command line one by one; --name=value counts as two.
class words
{
public:
    explicit words(std::span<char const* const> arguments)
        : rest_(arguments)
    {
    }

    bool empty() const { return rest_.empty(); }

    std::string_view option()
    {
        std::string_view const word = take();
        auto const equals = word.starts_with("--") ? word.find('=') : std::string_view::npos;
        if (equals == std::string_view::npos)
            return word;
        value_ = word.substr(equals + 1);
        return word.substr(0, equals);
    }

    std::string_view value_of(std::string_view option)
    {
        if (value_)
            return *std::exchange(value_, std::nullopt);
        if (rest_.empty())
            throw bad_option(std::string(option) + " needs a value");
        return take();
    }

    void no_value(std::string_view option) const
    {
        if (value_)
            throw bad_option(std::string(option) + " takes no value");
    }

private:
    std::string_view take()
    {
        std::string_view const word = rest_.front();
        rest_ = rest_.subspan(1);
        return word;
    }

    std::span<char const* const> rest_;
    std::optional<std::string_view> value_;
};

} // namespace

options parse_options(std::span<char const* const> arguments)
{
    options chosen;
    bool port_given = false;
    for (words line(arguments); !line.empty();) {
        auto const option = line.option();
        auto const number = [&]<class Number>(Number least, Number most) {
            return number_of(option, line.value_of(option), least, most);
        };
        if (option == "--port") {
            chosen.port = number.operator()<unsigned short>(0, 65535);
            port_given = true;
        } else if (option == "--pool") {
            chosen.pool = number.operator()<std::size_t>(1, 64);
        } else if (option == "--connections") {
            chosen.connections = number.operator()<std::size_t>(1, 256);
        } else if (option == "--seconds") {
            chosen.seconds = std::chrono::seconds(number.operator()<int>(1, 3600));
        } else if (option == "--upstream") {
            chosen.upstream = host_and_port_of(line.value_of(option));
        } else if (option == "--hang-after-resets") {
            chosen.hang_after_resets = number.operator()<std::uint64_t>(0, 1'000'000'000);
        } else if (option == "--grace") {
            chosen.grace = seconds_of(option, line.value_of(option));
        } else if (option == "--timeout") {
            chosen.timeout = seconds_of(option, line.value_of(option));
        } else if (option == "--trace") {
            chosen.trace = line.value_of(option);
        } else if (option == "--serve" || option == "--upstream-only" || option == "--help") {
            line.no_value(option);
            chosen.serve |= option == "--serve";
            chosen.upstream_only |= option == "--upstream-only";
            chosen.help |= option == "--help";
        } else {
            throw bad_option("unknown option '" + std::string(option) + "'");
        }
    }
    if (chosen.upstream_only && (chosen.serve || chosen.upstream))
        throw bad_option("--upstream-only goes with neither --serve nor --upstream");
    if (chosen.upstream && chosen.hang_after_resets)
        throw bad_option("--hang-after-resets is for the built-in upstream, without --upstream");
    if (chosen.serve && !port_given)
        chosen.port = 8080;
    return chosen;
}

} // namespace lease_server
