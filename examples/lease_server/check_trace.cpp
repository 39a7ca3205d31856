// check_trace FILE [EXITS]: whether a trace that lease_server has written is what trace viewers open,
// and whether nothing is missing. It must
//
// - be one array of JSON objects;
// - have a complete event for each unwinding that began, and one for each exit in it;
// - show each cut and each force in the complete event of its exit as well;
// - hold EXITS exits in all, if that is given.

#include <boost/json/src.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>

namespace {

namespace json = boost::json;

// What is drawn of one unwinding.
struct lane
{
    bool ended = false;
    std::uint64_t exits_at_begin = 0;
    std::uint64_t exits = 0;
    std::uint64_t cuts_marked = 0;
    std::uint64_t cuts = 0;
    std::uint64_t forces_marked = 0;
    std::uint64_t forces = 0;
};

using lanes = std::map<std::int64_t, lane>;

void require(bool holds, std::string const& what)
{
    if (!holds)
        throw std::runtime_error(what);
}

bool is_set(json::object const& arguments, std::string_view name)
{
    auto const* value = arguments.if_contains(name);
    return value && value->as_bool();
}

void read_slice(json::object const& event, lane& in)
{
    auto const& arguments = event.at("args").as_object();
    require(event.at("ts").to_number<double>() >= 0, "an event before the begin");
    require(event.at("dur").to_number<double>() >= 0, "an event that ends before it begins");
    if (event.at("cat").as_string() == "unwinding") {
        require(!in.ended, "an unwinding that ends twice");
        in.ended = true;
        in.exits_at_begin = arguments.at("exits").to_number<std::uint64_t>();
    } else {
        ++in.exits;
        in.cuts += is_set(arguments, "cut");
        in.forces += is_set(arguments, "forced");
    }
}

void read_event(json::object const& event, lanes& all)
{
    auto const phase = event.at("ph").as_string();
    auto const name = event.at("name").as_string();
    auto& in = all[event.at("tid").as_int64()];
    if (phase == "X")
        read_slice(event, in);
    else if (phase == "i" && name == "cut")
        ++in.cuts_marked;
    else if (phase == "i" && name == "force")
        ++in.forces_marked;
}

void check(lane const& one, std::string const& number)
{
    require(one.ended, "no complete event for unwinding " + number);
    require(one.exits >= one.exits_at_begin, "an exit is missing in unwinding " + number);
    require(one.cuts == one.cuts_marked, "a cut is missing in unwinding " + number);
    require(one.forces == one.forces_marked, "a force is missing in unwinding " + number);
}

json::value parse(char const* name)
{
    std::ifstream file(name);
    require(file.is_open(), std::string("cannot read ") + name);
    std::string const text(std::istreambuf_iterator<char>(file), {});
    return json::parse(text);
}

int program(std::span<char const* const> arguments)
{
    require(arguments.size() == 1 || arguments.size() == 2, "usage: check_trace FILE [EXITS]");
    auto const trace = parse(arguments[0]);
    lanes all;
    for (auto const& event : trace.as_array())
        read_event(event.as_object(), all);

    lane sum;
    for (auto const& [number, one] : all) {
        check(one, std::to_string(number));
        sum.exits += one.exits;
        sum.cuts += one.cuts;
        sum.forces += one.forces;
    }
    std::cout << trace.as_array().size() << " events: " << all.size() << " unwindings, "
              << sum.exits << " exits, " << sum.cuts << " cut, " << sum.forces << " forced\n";
    if (arguments.size() == 2)
        require(std::to_string(sum.exits) == arguments[1],
            std::string("exits that began: ") + arguments[1]);
    return EXIT_SUCCESS;
}

} // namespace

int main(int argc, char** argv)
{
    try {
        return program({argv + 1, static_cast<std::size_t>(argc - 1)});
    } catch (std::exception const& error) {
        std::cerr << "check_trace: " << error.what() << '\n';
        return EXIT_FAILURE;
    }
}
