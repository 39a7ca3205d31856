#ifndef EXEUNT_IMPL_EXIT_STATE_IPP
#define EXEUNT_IMPL_EXIT_STATE_IPP

#include <exeunt/exit_state.hpp>

#include <algorithm>
#include <cstring>
#include <utility>

namespace exeunt {

namespace detail {

// The address of the exception object tells whether two pointers share one. exception_ptr compares
// that but has no hash; every implementation supported holds the address as its only member.
inline void const* identity(std::exception_ptr const& error) noexcept
{
    static_assert(sizeof(std::exception_ptr) == sizeof(void const*));
    void const* address = nullptr;
    std::memcpy(&address, &error, sizeof address);
    return address;
}

inline exit_failure make_failure(
    std::exception_ptr const& error, std::string_view name, source_location where) noexcept
{
    exit_failure failure{error, {}, where};
    try {
        failure.name = name;
    } catch (...) {
        // The failure is worth more than its name.
    }
    return failure;
}

} // namespace detail

EXEUNT_DECL exit_state::exit_state(std::exception_ptr cause, bool forced)
    : cause_(std::move(cause))
    , forced_(forced ? 1 : 0)
    , forced_by_(forced ? 1 : 0)
{
    if (cause_)
        add(cause_, "body", {});
}

EXEUNT_DECL std::exception_ptr exit_state::error() const noexcept
{
    return whole_ ? whole_ : several_ ? several_->failures[primary_].error : single_.error;
}

EXEUNT_DECL bool exit_state::cancelled() const noexcept
{
    return failed() && is_cancelled(error());
}

EXEUNT_DECL boost::system::error_code exit_state::code() const noexcept
{
    return code_of(error());
}

EXEUNT_DECL std::span<exit_failure const> exit_state::failures() const noexcept
{
    if (several_)
        return several_->failures;
    return {&single_, single_.error ? std::size_t{1} : std::size_t{0}};
}

EXEUNT_DECL void exit_state::suppress() noexcept
{
    if (!failed())
        return;
    clear();
    handled_ = handled::suppressed;
}

EXEUNT_DECL void exit_state::replace(std::exception_ptr error) noexcept
{
    if (!error || !failed())
        return;
    clear();
    add(error, {}, {});
    replaced_ = true;
    handled_ = handled::replaced;
}

EXEUNT_DECL void exit_state::clear() noexcept
{
    single_ = exit_failure{};
    several_.reset();
    whole_ = nullptr;
    primary_ = 0;
    dropped_ = 0;
    unreported_ = 0;
    unreported_dropped_ = 0;
    primary_is_ = classified::not_yet;
    replaced_ = false;
}

EXEUNT_DECL void exit_state::add(
    std::exception_ptr const& error, std::string_view name, source_location where) noexcept
{
    if (!error || is_in_flight(error))
        return;
    try {
        std::rethrow_exception(error);
    } catch (exit_errors const& report) {
        if (!report.failures().empty())
            return add_all_of(report, error);
    } catch (...) {
    }
    add_one(detail::make_failure(error, name, where));
}

EXEUNT_DECL void exit_state::add_all_of(
    exit_errors const& report, std::exception_ptr const& error) noexcept
{
    bool const alone = !failed();
    bool known = false;
    for (auto const& failure : report.failures())
        if (is_in_flight(failure.error))
            known = true;
        else
            add_one(detail::make_failure(failure.error, failure.name, failure.where));
    // A later report of what is in flight counts what an earlier one has counted.
    dropped_ = known ? std::max(dropped_, report.dropped()) : dropped_ + report.dropped();
    if (alone)
        whole_ = error;
}

EXEUNT_DECL void exit_state::add_one(exit_failure&& failure) noexcept
{
    whole_ = nullptr;
    if (!failed()) {
        single_ = std::move(failure);
        return;
    }
    bool const outranks = outranks_primary(failure.error);
    if (append(failure)) {
        if (outranks)
            primary_ = several_->failures.size() - 1;
    } else if (unreported_ != 0 && unreported_ == failures().size()) {
        return put_in_place(std::move(failure));
    } else {
        ++dropped_;
        if (outranks) {
            if (primary_ < unreported_)
                primary_ = failures().size() - 1;
            (several_ ? several_->failures[primary_] : single_) = std::move(failure);
            if (several_)
                several_->known.clear();
        }
    }
    if (outranks)
        primary_is_ = classified::failure;
}

EXEUNT_DECL void exit_state::make_own_record()
{
    auto several = std::make_shared<exit_errors::record>();
    if (several_) {
        several->failures = several_->failures;
        several->known = several_->known;
    } else {
        several->failures.reserve(4);
        several->failures.push_back(std::move(single_));
        single_ = exit_failure{};
    }
    several_ = std::move(several);
}

// What comes out is worth more than the sight of what does not.
EXEUNT_DECL void exit_state::put_in_place(exit_failure&& failure) noexcept
{
    several_.reset();
    single_ = std::move(failure);
    primary_ = 0;
    unreported_ = 0;
    dropped_ -= std::exchange(unreported_dropped_, 0);
    primary_is_ = classified::not_yet;
}

EXEUNT_DECL bool exit_state::append(exit_failure& failure) noexcept
{
    constexpr std::size_t looked_through_at_most = 32;
    try {
        if (!several_ || several_.use_count() > 1)
            make_own_record();
        several_->failures.push_back(std::move(failure));
    } catch (...) {
        return false;
    }
    auto& failures = several_->failures;
    auto& known = several_->known;
    try {
        if (failures.size() == looked_through_at_most)
            for (auto const& each : failures)
                known.insert(detail::identity(each.error));
        else if (failures.size() > looked_through_at_most)
            known.insert(detail::identity(failures.back().error));
    } catch (...) {
        // Without the index they are looked through one by one: slower, nothing is lost.
        known.clear();
    }
    return true;
}

EXEUNT_DECL bool exit_state::is_in_flight(std::exception_ptr const& error) const noexcept
{
    if (whole_ == error)
        return true;
    if (several_ && several_->known.size() == several_->failures.size())
        return several_->known.count(detail::identity(error)) != 0;
    for (auto const& failure : failures())
        if (failure.error == error)
            return true;
    return false;
}

EXEUNT_DECL bool exit_state::outranks_primary(std::exception_ptr const& error) noexcept
{
    if (primary_is_ == classified::not_yet)
        primary_is_ = is_cancelled(failures()[primary_].error) ? classified::cancellation
                                                               : classified::failure;
    return primary_is_ == classified::cancellation && !is_cancelled(error);
}

EXEUNT_DECL void exit_state::drop_unreported() noexcept
{
    if (unreported_ == 0)
        return;
    if (!several_ || unreported_ >= several_->failures.size())
        return clear();
    auto& failures = several_->failures;
    failures.erase(failures.begin(), failures.begin() + static_cast<std::ptrdiff_t>(unreported_));
    several_->known.clear();
    unreported_ = 0;
    dropped_ -= std::exchange(unreported_dropped_, 0);
    whole_ = nullptr;
    primary_ = 0;
    primary_is_ = classified::not_yet;
    for (std::size_t i = 1; i < failures.size(); ++i)
        if (outranks_primary(failures[i].error)) {
            primary_ = i;
            primary_is_ = classified::failure;
        }
}

} // namespace exeunt

#endif // EXEUNT_IMPL_EXIT_STATE_IPP
