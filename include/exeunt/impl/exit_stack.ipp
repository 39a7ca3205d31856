#ifndef EXEUNT_IMPL_EXIT_STACK_IPP
#define EXEUNT_IMPL_EXIT_STACK_IPP

#include <exeunt/exit_stack.hpp>

namespace exeunt {

namespace detail {

inline std::chrono::steady_clock::time_point read_real_clock(void const*)
{
    return std::chrono::steady_clock::now();
}

} // namespace detail

EXEUNT_DECL bool exit_stack::run_now(exit_handle handle)
{
    auto* e = list_.find(handle);
    if (!e)
        return false;
    exit_state outcome(cause_);
    detail::exit_state_access::leave_cause_unreported(outcome);
    detail::exit_state_access::set_depth(outcome, depth_);
    detail::observation seen;
    seen.begin(options_, outcome, 1, false, detail::read_real_clock, nullptr);
    detail::run_sync_exit(list_, *e, outcome, seen);
    auto error = detail::outcome_of(outcome, options_.primary_only, seen.observer());
    seen.end(outcome, error);
    if (error)
        std::rethrow_exception(std::move(error));
    return true;
}

EXEUNT_DECL void exit_stack::close(std::exception_ptr cause)
{
    if (state_ != state::open) {
        if (cause)
            std::rethrow_exception(std::move(cause));
        return;
    }
    bool const reported = cause != nullptr;
    exit_state outcome(reported ? std::move(cause) : std::exchange(cause_, nullptr));
    if (!reported)
        detail::exit_state_access::leave_cause_unreported(outcome);
    if (auto error = unwind(outcome, ending::reported))
        std::rethrow_exception(std::move(error));
}

EXEUNT_DECL void exit_stack::exit(exit_state& outer)
{
    if (state_ != state::open)
        return;
    detail::exit_state_access::enter_nested(outer);
    depth_ = detail::exit_state_access::depth(outer);
    if (!cause_) {
        unwind(outer, ending::nested);
    } else {
        // Its exits see what this stack was told; what they fail with is in flight outside.
        exit_state own(std::exchange(cause_, nullptr), outer.forced());
        detail::exit_state_access::leave_cause_unreported(own);
        detail::exit_state_access::nest(own, outer);
        detail::exit_state_access::add(outer, unwind(own, ending::reported), {}, {});
    }
    detail::exit_state_access::leave_nested(outer);
}

EXEUNT_DECL std::vector<exit_view> exit_stack::pending() const
{
    auto const* running = list_.running();
    return detail::pending_exits(list_, running ? running->running : nullptr, {}, depth_);
}

EXEUNT_DECL std::exception_ptr exit_stack::unwind(exit_state& outcome, ending how) noexcept
{
    detail::observation seen;
    seen.begin(options_, outcome, list_.size(), false, detail::read_real_clock, nullptr);
    state_ = state::under_way;
    detail::run_sync_exits(list_, outcome, seen);
    list_.drop_memory();
    state_ = state::closed;
    std::exception_ptr error;
    if (how == ending::reported)
        error = detail::outcome_of(outcome, options_.primary_only, seen.observer());
    else if (how == ending::unclosed)
        detail::report_unreceived(outcome, seen.observer());
    seen.end(outcome, error);
    return error;
}

EXEUNT_DECL void exit_stack::unwind_unclosed() noexcept
{
    exit_state outcome(std::exchange(cause_, nullptr));
    detail::exit_state_access::leave_cause_unreported(outcome);
    detail::exit_state_access::set_unknown(outcome);
    unwind(outcome, ending::unclosed);
}

} // namespace exeunt

#endif // EXEUNT_IMPL_EXIT_STACK_IPP
