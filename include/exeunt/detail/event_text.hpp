#ifndef EXEUNT_DETAIL_EVENT_TEXT_HPP
#define EXEUNT_DETAIL_EVENT_TEXT_HPP

#include <exeunt/config.hpp>
#include <exeunt/exit_observer.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>

namespace exeunt::detail {

// What observers write, in words. Each may throw std::bad_alloc.

// "name (file:line)", as far as they are known.
std::string text_of(exit_view const& exit);

// What an exception says, on one line.
std::string line_of(std::exception_ptr const& error);

// So many units, with three digits behind the point.
std::string decimal(std::chrono::steady_clock::duration time, std::chrono::nanoseconds unit);

// "1.234 s"
std::string seconds(std::chrono::steady_clock::duration time);

// "a, b, c and 4 more"
std::string names_of(std::size_t count, std::span<std::string_view const> first_names);

inline std::string_view name_of(exit_view const& exit) noexcept
{
    return exit.name.empty() ? std::string_view("(unnamed)") : exit.name;
}

} // namespace exeunt::detail

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/event_text.ipp>
#endif

#endif // EXEUNT_DETAIL_EVENT_TEXT_HPP
