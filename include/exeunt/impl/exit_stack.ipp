#ifndef EXEUNT_IMPL_EXIT_STACK_IPP
#define EXEUNT_IMPL_EXIT_STACK_IPP

#include <exeunt/exit_stack.hpp>

namespace exeunt {

EXEUNT_DECL bool exit_stack::run_now(exit_handle handle)
{
    auto* e = list_.find(handle);
    if (!e)
        return false;
    exit_state outcome(cause_);
    detail::exit_state_access::leave_cause_unreported(outcome);
    detail::run_sync_exit(list_, *e, outcome, options_);
    if (auto error = detail::outcome_of(outcome, options_))
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
    unwind(outcome);
    if (auto error = detail::outcome_of(outcome, options_))
        std::rethrow_exception(std::move(error));
}

EXEUNT_DECL void exit_stack::exit(exit_state& outer)
{
    if (state_ != state::open)
        return;
    detail::exit_state_access::enter_nested(outer);
    depth_ = detail::exit_state_access::depth(outer);
    if (!cause_) {
        unwind(outer);
    } else {
        // Its exits see what this stack was told; what they fail with is in flight outside.
        exit_state own(std::exchange(cause_, nullptr), outer.forced());
        detail::exit_state_access::leave_cause_unreported(own);
        unwind(own);
        detail::exit_state_access::add(outer, detail::outcome_of(own, options_), {}, {});
    }
    detail::exit_state_access::leave_nested(outer);
}

EXEUNT_DECL std::vector<exit_view> exit_stack::pending() const
{
    auto const* running = list_.running();
    return detail::pending_exits(list_, running ? running->running : nullptr, {}, depth_);
}

EXEUNT_DECL void exit_stack::unwind(exit_state& outcome) noexcept
{
    state_ = state::closing;
    detail::run_sync_exits(list_, outcome, options_);
    state_ = state::closed;
}

EXEUNT_DECL void exit_stack::unwind_unclosed() noexcept
{
    exit_state outcome(std::exchange(cause_, nullptr));
    detail::exit_state_access::leave_cause_unreported(outcome);
    detail::exit_state_access::set_unknown(outcome);
    unwind(outcome);
    detail::report_unreceived(outcome, options_);
}

} // namespace exeunt

#endif // EXEUNT_IMPL_EXIT_STACK_IPP
