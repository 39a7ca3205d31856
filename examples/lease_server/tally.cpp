#include "tally.hpp"

namespace lease_server {

std::uint64_t answered(tally const& count)
{
    std::uint64_t sum = 0;
    for (auto const& [status, answers] : count.answers)
        sum += answers;
    return sum;
}

} // namespace lease_server
