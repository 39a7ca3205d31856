#ifndef EXEUNT_EXIT_STATE_HPP
#define EXEUNT_EXIT_STATE_HPP

#include <exeunt/exit_errors.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

namespace exeunt {

/// What an exit sees of the unwinding that runs it, and where it changes the outcome.
/**
 * A stack makes one of these when it closes and passes it by reference to each exit that takes it.
 * What is in flight is the failure that began the unwinding, and those of newer exits.
 *
 * 1. It begins with the cause: nothing, a failure or a cancellation.
 * 2. A newer exit that fails adds its failure.
 * 3. An exit may end what is in flight (`suppress`) or put its own in place of it (`replace`).
 * 4. What is still in flight at the end comes out of the close.
 *
 * Constructible, so that exits can be unit-tested.
 *
 * @par Lifetimes
 * An exit may use the reference until it has completed, and no longer.
 *
 * @par Thread safety
 * None of its own: an exit uses it on the stack's executor.
 */
class exit_state
{
public:
    /// Begins with `cause` in flight, under the name "body".
    explicit exit_state(std::exception_ptr cause = {}, bool forced = false);

    exit_state(exit_state const&) = delete;
    exit_state& operator=(exit_state const&) = delete;

    /// What is in flight now; of several the primary; null if nothing is.
    std::exception_ptr error() const noexcept;

    /// What began the unwinding; never changes. Null if nothing failed before it.
    std::exception_ptr cause() const noexcept { return cause_; }

    /// Whether anything is in flight.
    bool failed() const noexcept { return single_.error || several_; }

    /// Whether error() is a cancellation.
    bool cancelled() const noexcept;

    /// The code of error(): `code_of(error())`.
    boost::system::error_code code() const noexcept;

    /// All that is in flight, oldest first; valid until it changes.
    std::span<exit_failure const> failures() const noexcept;

    /// Whether the unwinding no longer waits for grace: be quick, still give everything back.
    bool forced() const noexcept { return forced_.load(std::memory_order_relaxed) != 0; }

    /// Nothing is in flight any more. Harmless if nothing was.
    void suppress() noexcept;

    /// From now on `error` stands for all that is in flight, which is not reported.
    /** No effect if nothing is in flight, or if `error` is null. */
    void replace(std::exception_ptr error) noexcept;

private:
    friend struct detail::exit_state_access;

    enum class classified : unsigned char { not_yet, cancellation, failure };
    enum class handled : unsigned char { no, suppressed, replaced };

    void add(
        std::exception_ptr const& error, std::string_view name, source_location where) noexcept;
    void add_all_of(exit_errors const& report, std::exception_ptr const& error) noexcept;
    void add_one(exit_failure&& failure) noexcept;
    bool append(exit_failure& failure) noexcept;
    void make_own_record();
    void put_in_place(exit_failure&& failure) noexcept;
    bool is_in_flight(std::exception_ptr const& error) const noexcept;
    bool outranks_primary(std::exception_ptr const& error) noexcept;
    void drop_unreported() noexcept;
    void clear() noexcept;

    std::exception_ptr cause_;
    // One failure needs no memory; from the second on all are in the record that may come out. States of
    // unwindings within this one share the record until something is added.
    exit_failure single_;
    std::shared_ptr<exit_errors::record> several_;
    // The exit_errors whose failures are, all and alone, what is in flight: it comes out as it is.
    std::exception_ptr whole_;
    std::size_t primary_ = 0;
    std::size_t dropped_ = 0;
    // How many failures at the front of the list the exits see but the close does not rethrow.
    std::size_t unreported_ = 0;
    // How many of those that were dropped belong to them.
    std::size_t unreported_dropped_ = 0;
    std::size_t depth_ = 0;
    detail::observation* observed_by_ = nullptr;
    classified primary_is_ = classified::not_yet;
    // By how many of the unwindings that share this state: those of nested stacks do.
    std::atomic<unsigned> forced_;
    // Why what runs has been cut, for a stack that is nested in it.
    std::atomic<bool> cut_for_time_{false};
    // Why the unwinding that owns this is forced: a stop_reason.
    std::atomic<unsigned char> forced_by_;
    bool replaced_ = false;
    // What an exit has done last to what was in flight.
    handled handled_ = handled::no;
    // The scope's own outcome is not known: it was destroyed without being closed.
    bool unknown_ = false;
};

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/exit_state.ipp>
#endif

#endif // EXEUNT_EXIT_STATE_HPP
