// Prints one figure a line: rows, who, number of exits, value for one cycle. Of instructions it prints
// none: for each measurement callgrind writes a file that bears its name and how many cycles it had.
#include "measure.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <valgrind/callgrind.h>

namespace performance {

allocations allocated;

namespace {

// One number: who does the work of these rows, and how many exits there are.
struct measurement
{
    std::string rows;
    std::string who;
    std::size_t n;
    std::function<void(sampler&)> run;
};

suite all_subjects()
{
    suite all;
    add_sync_rows(all);
    add_async_rows(all);
    add_coroutine_rows(all);
    add_pool_rows(all);
    add_held_rows(all);
    exeunt_rows::add(all, "library");
    bare_rows::add(all, "reference");
    return all;
}

bool stands_in(std::string const& rows, std::string const& row)
{
    return (',' + rows + ',').find(',' + row + ',') != std::string::npos;
}

std::vector<measurement> measurements()
{
    std::vector<measurement> all;
    for (auto const& each : all_subjects())
        for (auto const n : each.at)
            all.push_back({each.rows, each.who, n, each.with(n)});
    return all;
}

// All that has room for so many exits; of what has not it is said how many there is room for.
std::vector<measurement> growing()
{
    std::vector<measurement> all;
    for (auto const& each : all_subjects()) {
        if (each.who == "harness")
            continue;
        if (each.room != subject::any_number)
            std::printf("room %s %s 0 %zu\n", each.rows.c_str(), each.who.c_str(), each.room);
        else
            for (std::size_t const n : {1000u, 10000u, 100000u, 1000000u})
                all.push_back({each.rows, each.who, n, each.with(n)});
    }
    return all;
}

void count_instructions(
    std::vector<measurement> const& all, std::size_t cycles, std::size_t warm_up)
{
    for (auto const& each : all) {
        sampler samples(mode::instructions, cycles, warm_up);
        CALLGRIND_ZERO_STATS;
        each.run(samples);
        auto const label = each.rows + ' ' + each.who + ' ' + std::to_string(each.n) + ' '
            + std::to_string(samples.cycles());
        CALLGRIND_DUMP_STATS_AT(label.c_str());
    }
}

void print(measurement const& which, double value)
{
    std::printf("%s %s %zu %g\n", which.rows.c_str(), which.who.c_str(), which.n, value);
}

void count_allocations(std::vector<measurement> const& all)
{
    for (auto const& each : all) {
        sampler samples(mode::allocations, 10);
        each.run(samples);
        print(each, samples.total() / static_cast<double>(samples.cycles()));
    }
}

// One after the other in each round, so that what disturbs the machine disturbs all alike.
void measure_time(std::vector<measurement> const& all, std::size_t rounds)
{
    std::vector<std::vector<double>> times(all.size());
    for (std::size_t round = 0; round != rounds; ++round)
        for (std::size_t i = 0; i != all.size(); ++i) {
            sampler samples(mode::time, 1 + 20000 / (all[i].n + 1));
            all[i].run(samples);
            times[i].push_back(samples.total() / static_cast<double>(samples.cycles()));
        }
    for (std::size_t i = 0; i != all.size(); ++i) {
        auto const middle = times[i].begin() + static_cast<std::ptrdiff_t>(rounds / 2);
        std::nth_element(times[i].begin(), middle, times[i].end());
        print(all[i], *middle);
    }
}

} // namespace

} // namespace performance

int main(int argc, char** argv)
{
    using namespace performance;
    char const* const what = argc > 1 ? argv[1] : "";
    bool const grows = std::strcmp(what, "growth") == 0;
    auto all = grows ? growing() : measurements();
    if (argc > 2)
        std::erase_if(all, [&](measurement const& each) {
            return !stands_in(each.rows, argv[2]) || (argc > 3 && each.who != argv[3])
                || (argc > 4 && std::to_string(each.n) != argv[4]);
        });
    if (grows)
        count_instructions(all, 1, 1);
    else if (std::strcmp(what, "instructions") == 0)
        count_instructions(all, 10, 3);
    else if (std::strcmp(what, "allocations") == 0)
        count_allocations(all), print_memory();
    else if (std::strcmp(what, "time") == 0)
        measure_time(all, 31);
    else
        return std::fprintf(stderr,
                   "usage: %s instructions|growth|allocations|time [row [who [n]]]\n", argv[0]),
               2;
}
