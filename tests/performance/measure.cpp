#include "measure.hpp"

#include <valgrind/callgrind.h>

namespace performance {

void sampler::begin() noexcept
{
    switch (mode_) {
    case mode::instructions: CALLGRIND_TOGGLE_COLLECT; break;
    case mode::allocations: calls_before_ = allocated.calls; break;
    case mode::time: began_ = std::chrono::steady_clock::now(); break;
    }
}

void sampler::end() noexcept
{
    using nanoseconds = std::chrono::duration<double, std::nano>;
    switch (mode_) {
    case mode::instructions: CALLGRIND_TOGGLE_COLLECT; break;
    case mode::allocations: total_ += static_cast<double>(allocated.calls - calls_before_); break;
    case mode::time:
        total_ += nanoseconds(std::chrono::steady_clock::now() - began_).count();
        break;
    }
}

} // namespace performance
