#ifndef EXEUNT_IMPL_RUN_EXITS_IPP
#define EXEUNT_IMPL_RUN_EXITS_IPP

#include <exeunt/detail/run_exits.hpp>

#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>

namespace exeunt::detail {

EXEUNT_DECL void record_failure(entry& e, std::exception_ptr const& error, std::size_t position,
    exit_state& state, observation& seen) noexcept
{
    seen.exit_failed(error);
    // What it replaced others with before it failed is named while that still stands alone.
    if (exit_state_access::has_replacement(state))
        exit_state_access::name_replacement(state, e.name(), e.where());
    if (!e.table->best_effort)
        exit_state_access::add(state, error, e.name(), e.where());
    else if (auto* observer = seen.observer())
        observer->failure_unreceived(view_of(e, position, exit_state_access::depth(state)), error);
}

// Its filter, if it has one, has been found to hold, or nobody wants to be told of it.
inline void call_exit(exit_list& list, entry& e, exit_state& state, observation& seen) noexcept
{
    try {
        e.table->run(e, state);
    } catch (...) {
        record_failure(e, std::current_exception(), list.size(), state, seen);
        e.destroy();
    }
}

inline void run_seen(exit_list& list, entry& e, exit_state& state, observation& seen) noexcept
{
    if (!exit_state_access::wants(state, e.table->filter))
        return list.forget(e);
    seen.exit_began(e, list.size() - 1);
    running_exit exit;
    list.begin(e, exit);
    call_exit(list, e, state, seen);
    list.end(exit);
    seen.exit_ended();
}

EXEUNT_DECL void run_sync_exit(
    exit_list& list, entry& e, exit_state& state, observation& seen) noexcept
{
    if (seen.follows())
        return run_seen(list, e, state, seen);
    running_exit exit;
    list.begin(e, exit);
    call_exit(list, e, state, seen);
    list.end(exit);
}

EXEUNT_DECL void run_sync_exits(exit_list& list, exit_state& state, observation& seen) noexcept
{
    if (seen.follows()) {
        while (entry* e = list.newest())
            run_seen(list, *e, state, seen);
        return;
    }
    running_exit exit;
    list.enter(exit);
    for (entry* e = list.newest(); e;) {
        auto* next = list.begin_newest(exit);
        call_exit(list, *e, state, seen);
        // Slots go with all of the memory, unless more is registered: that could go on for ever.
        if (next != list.newest()) {
            list.give_back(exit);
            next = list.newest();
        }
        e = next;
    }
    list.leave(exit);
    if (exit.memory)
        exit.memory->release();
}

EXEUNT_DECL std::exception_ptr outcome_of(
    exit_state& state, bool primary_only, exit_observer* observer) noexcept
{
    return exit_state_access::outcome(state, primary_only, [&](exit_failure const& failure) {
        if (observer)
            observer->failure_unreceived({failure.name, failure.where}, failure.error);
    });
}

EXEUNT_DECL void report_unreceived(exit_state& state, exit_observer* observer) noexcept
{
    exit_state_access::drop_unreported(state);
    if (observer)
        for (auto const& failure : state.failures())
            observer->failure_unreceived({failure.name, failure.where}, failure.error);
}

// Counts what a destroyed stack has lost, and keeps the names of the first few.
class losses
{
public:
    losses(observation& seen, std::size_t depth) noexcept
        : seen_(seen)
        , depth_(depth)
    {
    }

    void add(entry& e, std::size_t position) noexcept
    {
        if (count_ < names_.size()) {
            auto const name = e.name();
            auto& text = texts_[count_];
            auto const size = std::min(name.size(), text.size());
            std::copy_n(name.data(), size, text.data());
            names_[count_] = {text.data(), size};
        }
        ++count_;
        seen_.exit_abandoned(e, position, depth_);
    }

    void report() const noexcept
    {
        if (auto* observer = seen_.observer(); observer && count_ != 0)
            observer->stack_abandoned(
                count_, std::span(names_).first(std::min(count_, names_.size())));
    }

private:
    observation& seen_;
    std::size_t depth_;
    std::size_t count_ = 0;
    // The names are copied: each is destroyed with its exit, before the report.
    std::array<std::array<char, 64>, 4> texts_;
    std::array<std::string_view, 4> names_;
};

// Asio's operation_aborted, of which nothing is included here.
inline std::exception_ptr make_cancellation() noexcept
{
    try {
        throw boost::system::system_error(
            boost::system::errc::operation_canceled, boost::system::system_category());
    } catch (...) {
        return std::current_exception();
    }
}

// The last resort of an exit that cannot run, or has begun and cannot end.
inline void run_force(exit_list& list, entry& e, exit_state& state, observation& seen) noexcept
{
    seen.exit_forced();
    if (e.table->filter == exit_filter::only_on_success)
        record_failure(e, make_cancellation(), list.size(), state, seen);
    try {
        e.table->force(e);
    } catch (...) {
        record_failure(e, std::current_exception(), list.size(), state, seen);
    }
}

inline void give_up(exit_list& list, running_exit& running, losses& lost, exit_state& state,
    observation& seen) noexcept
{
    entry& e = *running.running;
    bool const forced = e.table->force != nullptr;
    if (forced)
        run_force(list, e, state, seen);
    else
        lost.add(e, list.size());
    e.destroy();
    list.end(running);
    if (forced)
        seen.exit_ended();
}

EXEUNT_DECL void abandon_running(
    exit_list& list, running_exit& running, exit_state& state, observation& seen) noexcept
{
    losses lost(seen, exit_state_access::depth(state));
    give_up(list, running, lost, state, seen);
    lost.report();
}

EXEUNT_DECL void abandon_exits(
    exit_list& list, running_exit* running, exit_state& state, observation& seen) noexcept
{
    losses lost(seen, exit_state_access::depth(state));
    if (running)
        give_up(list, *running, lost, state, seen);
    while (entry* e = list.newest()) {
        if (!e->table->async) {
            run_sync_exit(list, *e, state, seen);
            continue;
        }
        bool const wanted = exit_state_access::wants(state, e->table->filter);
        if (wanted && e->table->force) {
            // It is not in the list while its force runs: that may look at the stack.
            running_exit forced;
            list.begin(*e, forced);
            seen.exit_began(*e, list.size());
            give_up(list, forced, lost, state, seen);
            continue;
        }
        if (wanted)
            lost.add(*e, list.size() - 1);
        list.forget(*e);
    }
    lost.report();
}

EXEUNT_DECL std::vector<exit_view> pending_exits(exit_list const& list, entry* running,
    std::optional<std::chrono::steady_clock::time_point> since, std::size_t depth)
{
    std::vector<exit_view> views;
    views.reserve(list.size() + 1);
    std::size_t position = list.size();
    if (running) {
        views.push_back(view_of(*running, position, depth));
        views.back().running = true;
        views.back().running_since = since;
    }
    for (entry* e = list.newest(); e; e = e->older)
        views.push_back(view_of(*e, --position, depth));
    return views;
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_RUN_EXITS_IPP
