// How often random tests repeat.
#ifndef EXEUNT_TESTS_SUPPORT_COUNT_HPP
#define EXEUNT_TESTS_SUPPORT_COUNT_HPP

#include <cstdlib>

namespace support {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool with_address_sanitizer = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool with_address_sanitizer = true;
#else
inline constexpr bool with_address_sanitizer = false;
#endif
#else
inline constexpr bool with_address_sanitizer = false;
#endif

// As many times as the environment says, else `usual`.
inline unsigned count_from(char const* variable, unsigned usual)
{
    char const* const wanted = std::getenv(variable);
    return wanted ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : usual;
}

} // namespace support

#endif
