#ifndef EXEUNT_SOURCE_LOCATION_HPP
#define EXEUNT_SOURCE_LOCATION_HPP

#include <cstdint>

namespace exeunt {

/// Where in the source an exit was registered.
/**
 * Taken by a default argument, so that it names the caller. An own type, because clang 14 has no
 * `std::source_location`. A default-constructed location is unknown: an empty file, line 0.
 */
struct source_location
{
    /// The file as the compiler was given it; a string that lives for ever.
    char const* file = "";
    /// The line, from 1; 0 where it is unknown.
    std::uint32_t line = 0;

    /// The location of the call in whose default argument this stands.
    static constexpr source_location current(
        char const* file = __builtin_FILE(), std::uint32_t line = __builtin_LINE()) noexcept
    {
        return source_location{file, line};
    }
};

} // namespace exeunt

#endif // EXEUNT_SOURCE_LOCATION_HPP
