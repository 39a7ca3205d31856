#ifndef EXEUNT_IMPL_OBSERVATION_IPP
#define EXEUNT_IMPL_OBSERVATION_IPP

#include <exeunt/detail/arena.hpp>
#include <exeunt/detail/exit_state_access.hpp>
#include <exeunt/detail/observation.hpp>

#include <new>
#include <string>
#include <utility>

namespace exeunt::detail {

EXEUNT_DECL exit_view view_of(entry& e, std::size_t position, std::size_t depth) noexcept
{
    return {e.name(), e.where(), position, depth, e.table->async};
}

struct observation::followed
{
    followed(clock read, void const* read_from) noexcept
        : read_clock(read)
        , source(read_from)
    {
    }

    time_point now() const noexcept { return read_clock(source); }
    auto elapsed() const noexcept { return now() - unwinding.began; }
    auto exit_elapsed() const noexcept { return now() - *exit.running_since; }

    // The exit that runs, if one does.
    void set_exit(exit_view const& view) noexcept
    {
        exit = view;
        exit.running = true;
        exit.running_since = now();
        exit.unwinding = unwinding.id;
        // What holds the name may be gone before the end is told.
        try {
            name = view.name;
        } catch (...) {
            name = view.name.substr(0, name.capacity());
        }
        exit.name = name;
    }

    unwinding_view unwinding;
    exit_view exit;
    std::string name;
    std::exception_ptr error;
    clock read_clock;
    void const* source;
};

EXEUNT_DECL void observation::forget::operator()(followed* what) const noexcept
{
    delete what;
}

EXEUNT_DECL void observation::begin(close_options const& options, exit_state& state,
    std::size_t exits, bool async, clock read_clock, void const* source) noexcept
{
    outer_ = exit_state_access::observe(state, this);
    observer_ = options.observer ? options.observer
        : outer_                 ? outer_->observer_
                                 : default_observer();
    if (!observer_)
        return;
    report_after_ = options.report_after;
    if (report_after_ == duration::max() && outer_)
        report_after_ = outer_->report_after_;
    if (observer_->observes() != observed::everything)
        return;
    followed_.reset(new (std::nothrow) followed(read_clock, source));
    if (!followed_)
        return;
    auto& view = followed_->unwinding;
    view.id = arena::next_serial();
    if (outer_ && outer_->followed_ && outer_->observer_ == observer_)
        view.parent = outer_->followed_->unwinding.id;
    view.exits = exits;
    view.depth = exit_state_access::depth(state);
    view.async = async;
    view.began = followed_->now();
    view.cause = state.cause();
    observer_->unwinding_began(view);
}

EXEUNT_DECL void observation::end(exit_state& state, std::exception_ptr const& error) noexcept
{
    // Not always the innermost: unwindings that are nested in one may end in any order.
    for (auto** link = &exit_state_access::observed_by(state); *link; link = &(*link)->outer_)
        if (*link == this) {
            *link = outer_;
            break;
        }
    if (auto const ended = std::exchange(followed_, nullptr))
        observer_->unwinding_ended(ended->unwinding, error, ended->elapsed());
}

EXEUNT_DECL void observation::tell_forced() noexcept
{
    observer_->unwinding_forced(followed_->unwinding, followed_->elapsed());
}

EXEUNT_DECL void observation::tell_exit_began(entry& e, std::size_t position) noexcept
{
    followed_->set_exit(view_of(e, position, followed_->unwinding.depth));
    observer_->exit_began(followed_->exit);
}

EXEUNT_DECL void observation::note_failure(std::exception_ptr const& error) noexcept
{
    if (!followed_->error)
        followed_->error = error;
}

EXEUNT_DECL void observation::tell_exit_cut() noexcept
{
    observer_->exit_cut(followed_->exit, followed_->exit_elapsed());
}

EXEUNT_DECL void observation::tell_exit_forced() noexcept
{
    observer_->exit_forced(followed_->exit, followed_->exit_elapsed());
}

EXEUNT_DECL void observation::tell_exit_ended() noexcept
{
    auto const elapsed = followed_->exit_elapsed();
    observer_->exit_ended(followed_->exit, std::exchange(followed_->error, nullptr), elapsed);
    followed_->exit.running = false;
}

EXEUNT_DECL void observation::exit_slow(
    entry& e, std::size_t position, std::size_t depth, time_point since, time_point now) noexcept
{
    if (!observer_)
        return;
    if (followed_)
        return observer_->exit_slow(followed_->exit, now - since);
    auto view = view_of(e, position, depth);
    view.running = true;
    view.running_since = since;
    observer_->exit_slow(view, now - since);
}

EXEUNT_DECL void observation::exit_abandoned(
    entry& e, std::size_t position, std::size_t depth) noexcept
{
    if (!observer_)
        return;
    auto view = view_of(e, position, depth);
    if (followed_) {
        view.unwinding = followed_->unwinding.id;
        if (followed_->exit.running) {
            view.running_since = followed_->exit.running_since;
            followed_->exit.running = false;
        }
    }
    observer_->exit_abandoned(view);
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_OBSERVATION_IPP
