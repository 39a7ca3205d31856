#ifndef EXEUNT_DETAIL_OBSERVATION_HPP
#define EXEUNT_DETAIL_OBSERVATION_HPP

// Takes the place of the library's: nobody is told anything.

#include <exeunt/close_options.hpp>
#include <exeunt/detail/arena.hpp>
#include <exeunt/detail/entry.hpp>
#include <exeunt/detail/exit_state_access.hpp>

#include <chrono>
#include <cstddef>
#include <exception>

namespace exeunt::detail {

inline exit_observer* observer_of(close_options const&) noexcept
{
    return nullptr;
}

inline exit_view view_of(entry& e, std::size_t position, std::size_t depth) noexcept
{
    return {e.name(), e.where(), position, depth, e.table->async};
}

class observation
{
public:
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;
    using clock = time_point (*)(void const*);

    static void begin(close_options const&, exit_state&, std::size_t, bool, clock, void const*) {}
    static void end(exit_state&, std::exception_ptr const&) {}
    static constexpr exit_observer* observer() { return nullptr; }
    static constexpr bool follows() { return false; }
    static constexpr duration report_after() { return duration::max(); }
    static void forced() {}
    static void exit_began(entry&, std::size_t) {}
    static void exit_failed(std::exception_ptr const&) {}
    static void exit_cut() {}
    static void exit_forced() {}
    static void exit_ended() {}
    static void exit_slow(entry&, std::size_t, std::size_t, time_point, time_point) {}
    static void exit_abandoned(entry&, std::size_t, std::size_t) {}
    static bool is_around(observation const*) { return false; }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_OBSERVATION_HPP
