#ifndef EXEUNT_IMPL_EVENT_TEXT_IPP
#define EXEUNT_IMPL_EVENT_TEXT_IPP

#include <exeunt/detail/event_text.hpp>
#include <exeunt/exit_errors.hpp>

#include <algorithm>

namespace exeunt::detail {

EXEUNT_DECL std::string text_of(exit_view const& exit)
{
    std::string text(name_of(exit));
    if (exit.where.line != 0) {
        text += " (";
        text += exit.where.file;
        text += ':';
        text += std::to_string(exit.where.line);
        text += ')';
    }
    return text;
}

EXEUNT_DECL std::string line_of(std::exception_ptr const& error)
{
    // A report has a line for each failure, indented.
    std::string line;
    bool at_begin = false;
    for (char const c : message_of(error)) {
        if (c == '\n' || c == '\r') {
            at_begin = true;
        } else if (!at_begin || (c != ' ' && c != '\t')) {
            if (std::exchange(at_begin, false))
                line += "; ";
            line += c;
        }
    }
    return line;
}

EXEUNT_DECL std::string decimal(
    std::chrono::steady_clock::duration time, std::chrono::nanoseconds unit)
{
    auto const thousandths = std::chrono::nanoseconds(time).count() / (unit.count() / 1000);
    auto const magnitude = thousandths < 0 ? -thousandths : thousandths;
    std::string fraction = std::to_string(magnitude % 1000);
    fraction.insert(0, 3 - fraction.size(), '0');
    std::string text(thousandths < 0 ? "-" : "");
    text += std::to_string(magnitude / 1000);
    text += '.';
    text += fraction;
    return text;
}

EXEUNT_DECL std::string seconds(std::chrono::steady_clock::duration time)
{
    return decimal(time, std::chrono::seconds(1)) + " s";
}

EXEUNT_DECL std::string names_of(std::size_t count, std::span<std::string_view const> first_names)
{
    std::string text;
    for (auto const name : first_names) {
        if (!text.empty())
            text += ", ";
        text += name.empty() ? "(unnamed)" : name;
    }
    if (count > first_names.size())
        text += " and " + std::to_string(count - first_names.size()) + " more";
    return text;
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_EVENT_TEXT_IPP
