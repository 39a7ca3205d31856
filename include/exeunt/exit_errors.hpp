#ifndef EXEUNT_EXIT_ERRORS_HPP
#define EXEUNT_EXIT_ERRORS_HPP

#include <exeunt/config.hpp>
#include <exeunt/source_location.hpp>

#include <boost/asio/multiple_exceptions.hpp>
#include <boost/system/error_code.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <vector>

namespace exeunt {

namespace asio = boost::asio;

class exit_state;

namespace detail {

struct exit_state_access;
class observation;

// What an exception says of itself.
std::string message_of(std::exception_ptr const& error);

} // namespace detail

/// One failure and the exit that it came from.
struct exit_failure
{
    /// What was thrown, or the `system_error` made of a set error_code.
    std::exception_ptr error;
    /// The exit's name: empty where it has none; "body" for the cause of the unwinding.
    std::string name;
    /// Where the exit was registered.
    source_location where;
};

/// Several failures of one unwinding, as one exception.
/**
 * Thrown by a closing stack that ends with two or more failures in flight of which at least one is
 * not a cancellation. One failure alone comes out as it is, never wrapped.
 *
 * `failures()` is a flat list, oldest first: an `exit_errors` that an exit throws is spliced in, and
 * what is in flight already is not added again. `first_exception()` is the primary failure: the
 * first in time that is not a cancellation.
 *
 * @par Exception safety
 * Copying does not throw: the copies share one immutable record.
 *
 * @par Thread safety
 * Distinct objects: safe, also if they share a record. Shared objects: safe, all members are const.
 */
class exit_errors : public asio::multiple_exceptions
{
public:
    /// Makes a report of `failures`, oldest first, of which none may be null.
    /** Reports among them are spliced in. `dropped` tells how many more there were for which no
     * memory could be had. */
    explicit exit_errors(std::vector<exit_failure> failures, std::size_t dropped = 0);

    // No move: one that was moved from would have nothing to say.
    exit_errors(exit_errors const&) noexcept = default;
    exit_errors& operator=(exit_errors const&) noexcept = default;
    ~exit_errors() override = default;

    /// All failures, oldest first; valid as long as a copy of this exception lives.
    std::span<exit_failure const> failures() const noexcept;

    /// How many failures are missing from `failures()` because memory ran out.
    /** Where there was none at all, `failures()` is empty, and the primary is not counted. */
    std::size_t dropped() const noexcept;

    /// A text of several lines: the first 16 failures with name and place, then "and n more".
    char const* what() const noexcept override;

private:
    friend class exit_state;
    friend struct detail::exit_state_access;

    // Shared by all copies. While an unwinding fills it, it is that one's alone.
    struct record
    {
        record() = default;
        record(record const&) = delete;
        record& operator=(record const&) = delete;
        ~record();

        std::vector<exit_failure> failures;
        // The exception objects among them, once they are too many to look through.
        std::unordered_set<void const*> known;
        // Made by the first call of what(), of which there may be several at once.
        std::atomic<std::string const*> text{nullptr};
    };

    // Without a record: memory ran out, and nothing is left but the primary.
    exit_errors(
        std::exception_ptr primary, std::shared_ptr<record> shared, std::size_t dropped) noexcept;

    static std::shared_ptr<record> make_record(std::vector<exit_failure> failures);
    static std::exception_ptr first_of(record const& shared) noexcept;

    std::shared_ptr<record> record_;
    std::size_t dropped_;
};

/// Thrown where an exit is registered with a stack that is closed: it would never run.
class stack_closed : public std::logic_error
{
public:
    stack_closed();
};

/// Whether `error` is a cancellation: its code is `operation_aborted` (ECANCELED), or the one that
/// Asio's channels have for it.
/** Of an `exit_errors` the primary failure decides. Null is none. */
bool is_cancelled(std::exception_ptr const& error) noexcept;

/// The code of a Boost or standard `system_error`; of several failures that of the primary one.
/** A default-constructed code where `error` is null or carries none. */
boost::system::error_code code_of(std::exception_ptr const& error) noexcept;

/// The primary failure of an `exit_errors` (or of another `multiple_exceptions`), else `error`.
std::exception_ptr primary(std::exception_ptr const& error) noexcept;

} // namespace exeunt

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/exit_errors.ipp>
#endif

#endif // EXEUNT_EXIT_ERRORS_HPP
