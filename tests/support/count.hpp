// How often random tests repeat.
#ifndef EXEUNT_TESTS_SUPPORT_COUNT_HPP
#define EXEUNT_TESTS_SUPPORT_COUNT_HPP

#include <cstdlib>

namespace support {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool with_address_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool with_address_sanitizer = __has_feature(address_sanitizer);
#else
inline constexpr bool with_address_sanitizer = false;
#endif

#if defined(__SANITIZE_THREAD__)
inline constexpr bool with_thread_sanitizer = true;
#elif defined(__has_feature)
inline constexpr bool with_thread_sanitizer = __has_feature(thread_sanitizer);
#else
inline constexpr bool with_thread_sanitizer = false;
#endif

// As many times as the environment says, else `usual`.
inline unsigned count_from(char const* variable, unsigned usual)
{
    char const* const wanted = std::getenv(variable);
    return wanted ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : usual;
}

} // namespace support

#endif
