#ifndef EXEUNT_IMPL_TRACE_OBSERVER_IPP
#define EXEUNT_IMPL_TRACE_OBSERVER_IPP

#include <exeunt/detail/event_text.hpp>
#include <exeunt/trace_observer.hpp>

#include <algorithm>
#include <ostream>
#include <utility>

namespace exeunt {

namespace detail {

// How many bytes a UTF-8 sequence has that begins here; 0 if none does.
EXEUNT_DECL std::size_t utf8_size(std::string_view text) noexcept
{
    auto const byte = [text](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
    };
    auto const first = byte(0);
    std::size_t const size = first < 0x80 ? 1
        : first >= 0xc2 && first < 0xe0   ? 2
        : first >= 0xe0 && first < 0xf0   ? 3
        : first >= 0xf0 && first < 0xf5   ? 4
                                          : 0;
    for (std::size_t i = 1; i < size; ++i)
        if ((byte(i) & 0xc0) != 0x80)
            return 0;
    // Overlong forms, surrogates, and what lies beyond Unicode.
    bool const wrong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) >= 0xa0)
        || (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) >= 0x90);
    return wrong ? 0 : size;
}

// A JSON string. Bytes that are no text become question marks.
EXEUNT_DECL std::string json_string(std::string_view text)
{
    constexpr std::string_view digits = "0123456789abcdef";
    std::string json = "\"";
    while (!text.empty()) {
        auto const size = utf8_size(text);
        auto const c = text.front();
        if (size == 0) {
            json += '?';
        } else if (c == '"' || c == '\\') {
            json += '\\';
            json += c;
        } else if (static_cast<unsigned char>(c) < 0x20) {
            json += "\\u00";
            json += digits[static_cast<unsigned char>(c) / 16];
            json += digits[static_cast<unsigned char>(c) % 16];
        } else {
            json += text.substr(0, size);
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
    json += '"';
    return json;
}

EXEUNT_DECL std::string microseconds(std::chrono::steady_clock::duration time)
{
    return decimal(time, std::chrono::microseconds(1));
}

// One more argument of an event: its error.
EXEUNT_DECL std::string error_argument(char const* name, std::exception_ptr const& error)
{
    return error ? ",\"" + std::string(name) + "\":" + json_string(line_of(error)) : std::string();
}

} // namespace detail

template <class Work>
void trace_observer::in_lane(std::uint64_t unwinding, Work&& work) noexcept
{
    std::lock_guard const lock(mutex_);
    try {
        auto const found = lanes_.find(unwinding);
        if (found != lanes_.end() && !finished_)
            std::forward<Work>(work)(found->second);
    } catch (...) {
        // Nobody can be told.
    }
}

EXEUNT_DECL void trace_observer::write(std::string const& event)
{
    out_ << (std::exchange(empty_, false) ? "[\n" : ",\n") << event;
}

EXEUNT_DECL std::string trace_observer::event(
    char const* phase, std::string_view name, lane const& in, time_point at) const
{
    return "{\"ph\":\"" + std::string(phase) + "\",\"pid\":1,\"tid\":" + std::to_string(in.number)
        + ",\"ts\":" + detail::microseconds(at - began_) + ",\"name\":" + detail::json_string(name);
}

// `more`: what is added to the arguments.
EXEUNT_DECL std::string trace_observer::slice(
    exit_view const& exit, lane const& in, std::string_view more) const
{
    std::string text = event("X", detail::name_of(exit), in, exit.running_since.value_or(in.now));
    text += ",\"cat\":\"exit\",\"args\":{\"position\":" + std::to_string(exit.position);
    text += exit.async ? ",\"async\":true" : ",\"async\":false";
    if (exit.where.line != 0)
        text += ",\"where\":"
            + detail::json_string(exit.where.file + (':' + std::to_string(exit.where.line)));
    if (in.cut)
        text += ",\"cut\":true";
    if (in.forced)
        text += ",\"forced\":true";
    if (in.reports != 0)
        text += ",\"slow\":" + std::to_string(in.reports);
    text += more;
    text += "},\"dur\":";
    return text;
}

EXEUNT_DECL trace_observer::trace_observer(std::ostream& out) noexcept
    : out_(out)
{
}

EXEUNT_DECL trace_observer::~trace_observer()
{
    finish();
}

EXEUNT_DECL void trace_observer::finish() noexcept
{
    std::lock_guard const lock(mutex_);
    if (std::exchange(finished_, true))
        return;
    try {
        out_ << (empty_ ? "[]\n" : "\n]\n") << std::flush;
    } catch (...) {
        // Nobody can be told.
    }
}

EXEUNT_DECL void trace_observer::unwinding_began(unwinding_view const& unwinding) noexcept
{
    std::lock_guard const lock(mutex_);
    if (finished_)
        return;
    try {
        auto& in = lanes_[unwinding.id];
        in.number = ++lanes_opened_;
        in.now = unwinding.began;
        auto const parent = lanes_.find(unwinding.parent);
        std::string name = "unwinding " + std::to_string(in.number);
        if (parent != lanes_.end())
            name += " in " + std::to_string(parent->second.number);
        write("{\"ph\":\"M\",\"pid\":1,\"tid\":" + std::to_string(in.number)
            + ",\"name\":\"thread_name\",\"args\":{\"name\":" + detail::json_string(name) + "}}");
    } catch (...) {
        // Nobody can be told.
    }
}

EXEUNT_DECL void trace_observer::unwinding_forced(
    unwinding_view const& unwinding, duration elapsed) noexcept
{
    in_lane(unwinding.id, [&](lane& in) {
        in.now = unwinding.began + elapsed;
        write(event("i", "forced", in, in.now) + ",\"s\":\"t\"}");
    });
}

EXEUNT_DECL void trace_observer::unwinding_ended(
    unwinding_view const& unwinding, std::exception_ptr error, duration elapsed) noexcept
{
    in_lane(unwinding.id, [&](lane& in) {
        in.now = unwinding.began + elapsed;
        if (!in.unended.empty())
            write(in.unended + detail::microseconds(in.now - in.unended_since) + '}');
        write(event("X", "unwinding", in, unwinding.began)
            + ",\"cat\":\"unwinding\",\"dur\":" + detail::microseconds(elapsed)
            + ",\"args\":{\"exits\":" + std::to_string(unwinding.exits) + ",\"depth\":"
            + std::to_string(unwinding.depth) + detail::error_argument("cause", unwinding.cause)
            + detail::error_argument("error", error) + "}}");
        out_ << std::flush;
    });
    std::lock_guard const lock(mutex_);
    lanes_.erase(unwinding.id);
}

EXEUNT_DECL void trace_observer::exit_began(exit_view const& exit) noexcept
{
    in_lane(exit.unwinding, [&](lane& in) {
        in.now = *exit.running_since;
        in.cut = false;
        in.forced = false;
        in.reports = 0;
    });
}

EXEUNT_DECL void trace_observer::exit_slow(exit_view const& exit, duration elapsed) noexcept
{
    in_lane(exit.unwinding, [&](lane& in) {
        in.now = *exit.running_since + elapsed;
        ++in.reports;
    });
}

EXEUNT_DECL void trace_observer::exit_cut(exit_view const& exit, duration elapsed) noexcept
{
    in_lane(exit.unwinding, [&](lane& in) {
        in.now = *exit.running_since + elapsed;
        in.cut = true;
        write(event("i", "cut", in, in.now) + ",\"s\":\"t\"}");
    });
}

EXEUNT_DECL void trace_observer::exit_forced(exit_view const& exit, duration elapsed) noexcept
{
    in_lane(exit.unwinding, [&](lane& in) {
        in.now = *exit.running_since + elapsed;
        in.forced = true;
        write(event("i", "force", in, in.now) + ",\"s\":\"t\"}");
    });
}

EXEUNT_DECL void trace_observer::exit_ended(
    exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept
{
    in_lane(exit.unwinding, [&](lane& in) {
        in.now = *exit.running_since + elapsed;
        write(slice(exit, in, detail::error_argument("error", error))
            + detail::microseconds(elapsed) + '}');
    });
}

EXEUNT_DECL void trace_observer::exit_abandoned(exit_view const& exit) noexcept
{
    in_lane(exit.unwinding, [&](lane& in) {
        constexpr std::string_view abandoned = ",\"abandoned\":true";
        if (exit.running_since) {
            in.unended = slice(exit, in, abandoned);
            in.unended_since = *exit.running_since;
        } else {
            lane never_run = in;
            never_run.cut = never_run.forced = false;
            never_run.reports = 0;
            write(slice(exit, never_run, abandoned) + "0.000}");
        }
    });
}

} // namespace exeunt

#endif // EXEUNT_IMPL_TRACE_OBSERVER_IPP
