#include "report.hpp"

#include <algorithm>
#include <chrono>
#include <iomanip>
#include <ostream>
#include <sstream>
#include <string_view>

namespace lease_server {

namespace {

using milliseconds = std::chrono::duration<double, std::milli>;
using seconds = std::chrono::duration<double>;

std::uint64_t leaked_leases(tally const& count)
{
    return count.leases.leased - count.leases.returned - count.leases.discarded;
}

std::uint64_t leaked_connections(tally const& count)
{
    std::uint64_t open = 0;
    for (auto const& kind : {count.http, count.pooled, count.upstream})
        open += kind.opened - kind.closed;
    return open;
}

// Those that were registered while others ran are not among those that an unwinding begins with.
std::uint64_t exits_registered(witness const& seen)
{
    return std::max(seen.registered, seen.begun);
}

std::uint64_t exits_never_ended(witness const& seen)
{
    return exits_registered(seen) - seen.ended;
}

// A line of the table: a title, then numbers with their names.
class row
{
public:
    row(std::ostream& out, std::string_view title)
        : out_(out)
    {
        out_ << "  " << std::left << std::setw(22) << title << std::right;
    }

    row(row const&) = delete;
    row& operator=(row const&) = delete;

    ~row() { out_ << '\n'; }

    row& cell(std::string_view name, std::uint64_t number)
    {
        out_ << std::setw(9) << number << ' ' << std::left << std::setw(12) << name << std::right;
        return *this;
    }

private:
    std::ostream& out_;
};

void connections_row(std::ostream& out, std::string_view title, connection_tally const& count)
{
    row(out, title).cell("opened", count.opened).cell("closed", count.closed);
}

void print_traffic(std::ostream& out, tally const& count)
{
    if (count.http.opened != 0 || count.pooled.opened != 0) {
        row(out, "requests").cell("read", count.requests).cell("answered", answered(count));
        for (auto const& [status, answers] : count.answers)
            row(out, "").cell("with " + std::to_string(status), answers);
        row(out, "leases")
            .cell("out", count.leases.leased)
            .cell("in", count.leases.returned)
            .cell("discarded", count.leases.discarded)
            .cell("leaked", leaked_leases(count));
        connections_row(out, "HTTP connections", count.http);
        if (count.turned_away != 0)
            row(out, "").cell("turned away", count.turned_away);
        connections_row(out, "pooled connections", count.pooled);
    }
    if (count.upstream.opened != 0)
        connections_row(out, "upstream's side", count.upstream);
}

void print_clients(std::ostream& out, tally const& count)
{
    if (count.client_requests == 0)
        return;
    row(out, "own client")
        .cell("requests", count.client_requests)
        .cell("as expected", count.client_answers)
        .cell("refused", count.client_refused);
    row(out, "")
        .cell("hung up", count.client_hung_up)
        .cell("cut", count.client_cut)
        .cell("surprises", count.client_surprises);
}

// Each of these tables ends in an empty line.
void print_stages(std::ostream& out, tally const& count)
{
    for (auto const& stage : count.stages) {
        out << "  " << std::left << std::setw(34) << stage.name << std::right << std::fixed
            << std::setprecision(1) << std::setw(10) << milliseconds(stage.took).count() << " ms\n";
    }
    out << '\n';
}

void print_bad_endings(std::ostream& out, witness const& seen)
{
    for (auto const& [name, how] : seen.bad_endings) {
        out << "  " << std::left << std::setw(34) << name << std::right << std::setw(6) << how.cut
            << " cut  " << std::setw(6) << how.forced << " forced  " << std::setw(6) << how.failed
            << " failed\n";
    }
    if (!seen.bad_endings.empty())
        out << '\n';
}

} // namespace

std::uint64_t leaked(tally const& count, witness const& seen)
{
    return leaked_leases(count) + leaked_connections(count) + exits_never_ended(seen);
}

std::string progress_line(tally const& count, std::uint64_t requests_per_second)
{
    seconds const since = std::chrono::steady_clock::now() - count.began;
    std::ostringstream line;
    line << std::fixed << std::setprecision(1) << std::setw(6) << since.count() << " s  "
         << count.requests << " requests  " << requests_per_second << "/s  "
         << count.http.opened - count.http.closed << " sessions  " << leaked_leases(count)
         << " leases out";
    return line.str();
}

void print_report(std::ostream& out, tally const& count, witness const& seen)
{
    print_traffic(out, count);
    // The QUIT of a connection that is discarded is forgotten.
    auto const dismissed = count.leases.discarded;
    row(out, "exits")
        .cell("registered", exits_registered(seen) + dismissed)
        .cell("run", seen.ended - seen.forced)
        .cell("forced", seen.forced);
    row(out, "").cell("dismissed", dismissed).cell("abandoned", seen.abandoned);
    print_clients(out, count);
    out << '\n';
    print_stages(out, count);
    print_bad_endings(out, seen);
    if (seen.unreceived != 0)
        out << seen.unreceived << " failed goodbyes, the first: " << seen.first_unreceived << '\n';
    if (count.client_surprises != 0)
        out << count.client_surprises << " wrong answers, the first: " << count.first_surprise
            << '\n';
    if (auto const missing = leaked(count, seen))
        out << missing << " leaked\n";
    else
        out << "nothing leaked\n";
}

} // namespace lease_server
