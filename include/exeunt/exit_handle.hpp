#ifndef EXEUNT_EXIT_HANDLE_HPP
#define EXEUNT_EXIT_HANDLE_HPP

#include <cstdint>

namespace exeunt {

namespace detail {
struct entry;
class exit_list;
} // namespace detail

/// Names one registered exit, to dismiss it or to run it early.
/**
 * A passive value: it keeps nothing alive, and follows its exit when the stack is moved or the exits
 * are handed over by `pop_all`. Once the exit has ended, or in the hands of a stack that does not
 * hold it, it names nothing, and using it does nothing.
 *
 * @par Thread safety
 * That of an integer.
 */
class exit_handle
{
public:
    /// A handle that names nothing.
    exit_handle() = default;

    /// Whether both name the same registration.
    friend bool operator==(exit_handle const&, exit_handle const&) = default;

private:
    friend class detail::exit_list;

    exit_handle(detail::entry* entry, std::uint64_t arena, std::uint32_t generation) noexcept
        : entry_(entry)
        , arena_(arena)
        , generation_(generation)
    {
    }

    detail::entry* entry_ = nullptr;
    std::uint64_t arena_ = 0;
    std::uint32_t generation_ = 0;
};

} // namespace exeunt

#endif // EXEUNT_EXIT_HANDLE_HPP
