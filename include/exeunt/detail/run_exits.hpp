#ifndef EXEUNT_DETAIL_RUN_EXITS_HPP
#define EXEUNT_DETAIL_RUN_EXITS_HPP

#include <exeunt/config.hpp>
#include <exeunt/detail/exit_list.hpp>
#include <exeunt/detail/observation.hpp>
#include <exeunt/exit_state.hpp>

#include <cstddef>
#include <exception>
#include <vector>

namespace exeunt::detail {

// Enters the failure of an exit in the state, or tells it to the observer alone.
void record_failure(entry& e, std::exception_ptr const& error, std::size_t position,
    exit_state& state, observation& seen) noexcept;

// Runs one registered synchronous exit; what it throws is recorded.
void run_sync_exit(exit_list& list, entry& e, exit_state& state, observation& seen) noexcept;

// Runs all, newest first, also those that are registered meanwhile. All must be synchronous. The memory of
// the list is of no further use then.
void run_sync_exits(exit_list& list, exit_state& state, observation& seen) noexcept;

// What comes out of an unwinding; what does not come out is told to the observer.
std::exception_ptr outcome_of(
    exit_state& state, bool primary_only, exit_observer* observer) noexcept;

// Tells the observer all that is in flight: nobody else can be told.
void report_unreceived(exit_state& state, exit_observer* observer) noexcept;

// Unwinds where nothing can be awaited: synchronous exits run, asynchronous ones are destroyed unrun
// and reported. `running`, if any, is one that began and can never end; it counts as the newest.
void abandon_exits(
    exit_list& list, running_exit* running, exit_state& state, observation& seen) noexcept;

// Gives up an exit that began and can never end.
void abandon_running(
    exit_list& list, running_exit& running, exit_state& state, observation& seen) noexcept;

// What is left to run, newest first; `running` stands in front.
std::vector<exit_view> pending_exits(exit_list const& list, entry* running,
    std::optional<std::chrono::steady_clock::time_point> since, std::size_t depth);

} // namespace exeunt::detail

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/run_exits.ipp>
#endif

#endif // EXEUNT_DETAIL_RUN_EXITS_HPP
