// Prints one figure a line: row, who, number of exits, value for one cycle. Of instructions it prints
// none: for each measurement callgrind writes a file that bears its name and how many cycles it had.
#include "measure.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>

#include <valgrind/callgrind.h>

namespace performance {

allocations allocated;

namespace {

void count_instructions(suite const& all, std::size_t cycles, std::size_t warm_up)
{
    for (auto const& each : all) {
        sampler samples(mode::instructions, cycles, warm_up);
        CALLGRIND_ZERO_STATS;
        each.run(samples);
        auto const label = each.row + ' ' + each.who + ' ' + std::to_string(each.n) + ' '
            + std::to_string(samples.cycles());
        CALLGRIND_DUMP_STATS_AT(label.c_str());
    }
}

suite growing()
{
    suite all;
    for (std::size_t const n : {1000u, 10000u, 100000u, 1000000u}) {
        add_sync_growth(all, n);
        add_async_growth(all, n);
        add_coroutine_growth(all, n);
    }
    return all;
}

void count_allocations(suite const& all)
{
    for (auto const& each : all) {
        sampler samples(mode::allocations, 10);
        each.run(samples);
        std::printf("%s %s %zu %g\n", each.row.c_str(), each.who.c_str(), each.n,
            samples.total() / static_cast<double>(samples.cycles()));
    }
}

// One after the other in each round, so that what disturbs the machine disturbs all alike.
void measure_time(suite const& all, std::size_t rounds)
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
        std::printf("%s %s %zu %g\n", all[i].row.c_str(), all[i].who.c_str(), all[i].n, *middle);
    }
}

} // namespace

} // namespace performance

int main(int argc, char** argv)
{
    using namespace performance;
    char const* const what = argc > 1 ? argv[1] : "";
    suite all;
    add_sync_rows(all);
    add_async_rows(all);
    add_coroutine_rows(all);
    add_pool_rows(all);
    if (argc > 2)
        std::erase_if(all, [&](measurement const& each) {
            return each.row != argv[2] || (argc > 3 && each.who != argv[3])
                || (argc > 4 && std::to_string(each.n) != argv[4]);
        });
    if (std::strcmp(what, "instructions") == 0)
        count_instructions(all, 10, 3);
    else if (std::strcmp(what, "growth") == 0)
        count_instructions(growing(), 1, 1);
    else if (std::strcmp(what, "allocations") == 0)
        count_allocations(all), print_memory();
    else if (std::strcmp(what, "time") == 0)
        measure_time(all, 31);
    else
        return std::fprintf(stderr,
                   "usage: %s instructions|growth|allocations|time [row [who [n]]]\n", argv[0]),
               2;
}
