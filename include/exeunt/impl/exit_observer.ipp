#ifndef EXEUNT_IMPL_EXIT_OBSERVER_IPP
#define EXEUNT_IMPL_EXIT_OBSERVER_IPP

#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_observer.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdio>
#include <system_error>

namespace exeunt {

EXEUNT_DECL void exit_observer::unwinding_began(unwinding_view const&) noexcept {}

EXEUNT_DECL void exit_observer::unwinding_forced(unwinding_view const&, duration) noexcept {}

EXEUNT_DECL void exit_observer::unwinding_ended(
    unwinding_view const&, std::exception_ptr, duration) noexcept
{
}

EXEUNT_DECL void exit_observer::exit_began(exit_view const&) noexcept {}

EXEUNT_DECL void exit_observer::exit_slow(exit_view const&, duration) noexcept {}

EXEUNT_DECL void exit_observer::exit_cut(exit_view const&, duration) noexcept {}

EXEUNT_DECL void exit_observer::exit_forced(exit_view const&, duration) noexcept {}

EXEUNT_DECL void exit_observer::exit_ended(exit_view const&, std::exception_ptr, duration) noexcept
{
}

EXEUNT_DECL void exit_observer::exit_abandoned(exit_view const&) noexcept {}

EXEUNT_DECL void exit_observer::stack_abandoned(
    std::size_t, std::span<std::string_view const>) noexcept
{
}

EXEUNT_DECL void exit_observer::failure_unreceived(exit_view const&, std::exception_ptr) noexcept {}

namespace detail {

// A text of a fixed size, built without allocating: its lines are written when memory may be gone.
class line_buffer
{
public:
    void append(std::string_view text) noexcept
    {
        auto const size = std::min(text.size(), sizeof text_ - 1 - used_);
        std::copy_n(text.data(), size, text_ + used_);
        used_ += size;
    }

    void append(std::size_t number) noexcept
    {
        auto const [end, error] = std::to_chars(text_ + used_, text_ + sizeof text_ - 1, number);
        if (error == std::errc())
            used_ = static_cast<std::size_t>(end - text_);
    }

    void append(exit_view const& exit) noexcept
    {
        append(exit.name.empty() ? "(unnamed)" : exit.name);
        if (exit.where.line == 0)
            return;
        append(" (");
        append(exit.where.file);
        append(":");
        append(std::size_t{exit.where.line});
        append(")");
    }

    // In seconds, to a tenth.
    void append(exit_observer::duration time) noexcept
    {
        using tenths = std::chrono::duration<std::size_t, std::deci>;
        auto const count = std::chrono::duration_cast<tenths>(time).count();
        append(count / 10);
        append(".");
        append(count % 10);
        append(" s");
    }

    void write_to(std::FILE* file) noexcept
    {
        // One line is one line, whatever the message of an exception holds.
        for (std::size_t i = 0; i != used_; ++i)
            if (text_[i] == '\n')
                text_[i] = ' ';
        text_[used_++] = '\n';
        std::fwrite(text_, 1, used_, file);
    }

private:
    char text_[1024];
    std::size_t used_ = 0;
};

class stderr_observer final : public exit_observer
{
public:
    constexpr stderr_observer() noexcept
        : exit_observer(observed::losses)
    {
    }

    void exit_slow(exit_view const& exit, duration elapsed) noexcept override
    {
        line_buffer line;
        line.append("exeunt: exit ");
        line.append(exit);
        line.append(" has been running for ");
        line.append(elapsed);
        line.write_to(stderr);
    }

    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override
    {
        line_buffer line;
        line.append("exeunt: a stack was destroyed with ");
        line.append(count);
        line.append(count == 1 ? " asynchronous exit" : " asynchronous exits");
        line.append(" that never ended: ");
        std::string_view separator;
        for (auto name : first_names) {
            line.append(separator);
            line.append(name.empty() ? "(unnamed)" : name);
            separator = ", ";
        }
        if (count > first_names.size()) {
            line.append(" and ");
            line.append(count - first_names.size());
            line.append(" more");
        }
        line.write_to(stderr);
    }

    void failure_unreceived(exit_view const& exit, std::exception_ptr error) noexcept override
    {
        line_buffer line;
        line.append("exeunt: a failure that no one receives, of exit ");
        line.append(exit);
        line.append(": ");
        try {
            std::rethrow_exception(error);
        } catch (std::exception const& exception) {
            line.append(exception.what());
        } catch (...) {
            line.append("an exception that is no std::exception");
        }
        line.write_to(stderr);
    }
};

// Never destroyed: stacks with static storage may outlive anything that is.
union built_in_observer
{
    constexpr built_in_observer() noexcept
        : observer()
    {
    }
    constexpr ~built_in_observer() {}

    stderr_observer observer;
};

constinit inline built_in_observer built_in;
constinit inline std::atomic<exit_observer*> default_observer_slot{&built_in.observer};

} // namespace detail

EXEUNT_DECL exit_observer* default_observer() noexcept
{
    return detail::default_observer_slot.load(std::memory_order_acquire);
}

EXEUNT_DECL exit_observer* set_default_observer(exit_observer* observer) noexcept
{
    return detail::default_observer_slot.exchange(observer, std::memory_order_acq_rel);
}

} // namespace exeunt

#endif // EXEUNT_IMPL_EXIT_OBSERVER_IPP
