#ifndef EXEUNT_IMPL_PROGRESS_OBSERVER_IPP
#define EXEUNT_IMPL_PROGRESS_OBSERVER_IPP

#include <exeunt/detail/event_text.hpp>
#include <exeunt/progress_observer.hpp>

#include <algorithm>
#include <utility>

#if defined(_WIN32)
#include <io.h>
#else
#include <unistd.h>
#endif

namespace exeunt {

namespace detail {

EXEUNT_DECL bool is_terminal(std::FILE* file) noexcept
{
#if defined(_WIN32)
    return ::_isatty(::_fileno(file)) != 0;
#else
    return ::isatty(::fileno(file)) != 0;
#endif
}

} // namespace detail

// Where there is no memory for a line it is not written.
template <class Change>
void progress_observer::change(std::uint64_t unwinding, Change&& change) noexcept
{
    if (!out_)
        return;
    std::lock_guard const lock(mutex_);
    auto const found = std::find_if(
        open_.begin(), open_.end(), [&](progress const& each) { return each.id == unwinding; });
    if (found == open_.end())
        return;
    try {
        std::forward<Change>(change)(found);
        show();
    } catch (...) {
        // Nobody can be told.
    }
}

EXEUNT_DECL void progress_observer::show()
{
    std::string line = "\r\x1b[K";
    duration elapsed = duration::zero();
    for (std::uint64_t parent = 0;;) {
        auto const shown = std::find_if(open_.begin(), open_.end(),
            [&](progress const& each) { return each.parent == parent && !each.running.empty(); });
        if (shown == open_.end())
            break;
        line += parent == 0 ? "" : " > ";
        line += std::to_string(shown->ended + 1) + " of "
            + std::to_string(shown->ended + 1 + shown->to_come) + ": " + shown->running;
        elapsed = shown->elapsed;
        parent = shown->id;
    }
    if (elapsed != duration::zero())
        line += ", " + detail::seconds(elapsed);
    std::fwrite(line.data(), 1, line.size(), out_);
    std::fflush(out_);
}

EXEUNT_DECL progress_observer::progress_observer(std::FILE* out) noexcept
    : out_(detail::is_terminal(out) ? out : nullptr)
{
}

EXEUNT_DECL void progress_observer::unwinding_began(unwinding_view const& unwinding) noexcept
{
    if (!out_)
        return;
    std::lock_guard const lock(mutex_);
    try {
        open_.push_back({.id = unwinding.id, .parent = unwinding.parent, .running = {}});
    } catch (...) {
        // It is not shown.
    }
}

EXEUNT_DECL void progress_observer::unwinding_ended(
    unwinding_view const& unwinding, std::exception_ptr, duration) noexcept
{
    change(unwinding.id, [this](auto ended) { open_.erase(ended); });
}

EXEUNT_DECL void progress_observer::exit_began(exit_view const& exit) noexcept
{
    change(exit.unwinding, [&](auto mine) {
        mine->to_come = exit.position;
        mine->elapsed = duration::zero();
        mine->running = detail::name_of(exit);
        // One line is one line.
        std::replace_if(
            mine->running.begin(), mine->running.end(), [](unsigned char c) { return c < 0x20; },
            ' ');
    });
}

EXEUNT_DECL void progress_observer::exit_slow(exit_view const& exit, duration elapsed) noexcept
{
    change(exit.unwinding, [&](auto mine) { mine->elapsed = elapsed; });
}

EXEUNT_DECL void progress_observer::exit_ended(
    exit_view const& exit, std::exception_ptr, duration) noexcept
{
    exit_abandoned(exit);
}

EXEUNT_DECL void progress_observer::exit_abandoned(exit_view const& exit) noexcept
{
    change(exit.unwinding, [](auto mine) {
        ++mine->ended;
        mine->running.clear();
    });
}

} // namespace exeunt

#endif // EXEUNT_IMPL_PROGRESS_OBSERVER_IPP
