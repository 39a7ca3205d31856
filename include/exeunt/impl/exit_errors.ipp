#ifndef EXEUNT_IMPL_EXIT_ERRORS_IPP
#define EXEUNT_IMPL_EXIT_ERRORS_IPP

#include <exeunt/exit_errors.hpp>

#include <boost/system/errc.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <atomic>
#include <string_view>
#include <system_error>
#include <utility>

namespace exeunt {

EXEUNT_DECL exit_errors::record::~record()
{
    delete text.load(std::memory_order_relaxed);
}

namespace detail {

EXEUNT_DECL std::string message_of(std::exception_ptr const& error)
{
    try {
        std::rethrow_exception(error);
    } catch (std::exception const& exception) {
        return exception.what();
    } catch (...) {
        return "an exception that is no std::exception";
    }
}

EXEUNT_DECL std::string describe(std::span<exit_failure const> failures, std::size_t dropped)
{
    constexpr std::size_t shown_at_most = 16;
    auto const shown = std::min(failures.size(), shown_at_most);
    auto const all = failures.size() + dropped;

    std::string text = std::to_string(all);
    text += " failures while unwinding";
    for (auto const& failure : failures.first(shown)) {
        text += "\n  ";
        text += failure.name.empty() ? "exit" : failure.name;
        if (failure.where.line != 0) {
            text += " (";
            text += failure.where.file;
            text += ':';
            text += std::to_string(failure.where.line);
            text += ')';
        }
        text += ": ";
        text += message_of(failure.error);
    }
    if (all > shown) {
        text += "\n  and ";
        text += std::to_string(all - shown);
        text += " more";
    }
    return text;
}

} // namespace detail

EXEUNT_DECL exit_errors::exit_errors(std::vector<exit_failure> failures, std::size_t dropped)
    : exit_errors(nullptr, make_record(std::move(failures)), dropped)
{
}

EXEUNT_DECL exit_errors::exit_errors(
    std::exception_ptr primary, std::shared_ptr<record> shared, std::size_t dropped) noexcept
    : asio::multiple_exceptions(primary ? std::move(primary) : first_of(*shared))
    , record_(std::move(shared))
    , dropped_(dropped)
{
}

EXEUNT_DECL std::shared_ptr<exit_errors::record> exit_errors::make_record(
    std::vector<exit_failure> failures)
{
    auto made = std::make_shared<record>();
    made->failures.reserve(failures.size());
    for (auto& failure : failures) {
        try {
            std::rethrow_exception(failure.error);
        } catch (exit_errors const& report) {
            auto const several = report.failures();
            made->failures.insert(made->failures.end(), several.begin(), several.end());
        } catch (...) {
            made->failures.push_back(std::move(failure));
        }
    }
    return made;
}

EXEUNT_DECL std::exception_ptr exit_errors::first_of(record const& shared) noexcept
{
    for (auto const& failure : shared.failures)
        if (!is_cancelled(failure.error))
            return failure.error;
    return shared.failures.empty() ? nullptr : shared.failures.front().error;
}

EXEUNT_DECL std::span<exit_failure const> exit_errors::failures() const noexcept
{
    if (!record_)
        return {};
    return record_->failures;
}

EXEUNT_DECL std::size_t exit_errors::dropped() const noexcept
{
    return dropped_;
}

EXEUNT_DECL char const* exit_errors::what() const noexcept
{
    constexpr auto plain = "several failures while unwinding";
    if (!record_)
        return plain;
    if (auto const* text = record_->text.load(std::memory_order_acquire))
        return text->c_str();
    try {
        auto made = std::make_unique<std::string const>(detail::describe(failures(), dropped()));
        std::string const* expected = nullptr;
        if (record_->text.compare_exchange_strong(
                expected, made.get(), std::memory_order_acq_rel, std::memory_order_acquire))
            expected = made.release();
        return expected->c_str();
    } catch (...) {
        return plain;
    }
}

EXEUNT_DECL stack_closed::stack_closed()
    : std::logic_error("the exit stack is closed: what is registered now would never run")
{
}

EXEUNT_DECL boost::system::error_code code_of(std::exception_ptr const& error) noexcept
{
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (asio::multiple_exceptions const& several) {
        return code_of(several.first_exception());
    } catch (boost::system::system_error const& failure) {
        return failure.code();
    } catch (std::system_error const& failure) {
        auto const& code = failure.code();
        if (code.category() == std::system_category())
            return {code.value(), boost::system::system_category()};
        if (code.category() == std::generic_category())
            return {code.value(), boost::system::generic_category()};
        return boost::system::error_code(code);
    } catch (...) {
        return {};
    }
}

namespace detail {

// Asio's channels have a code of their own for it, in a category that is known by its name: nothing of
// them is included here.
EXEUNT_DECL bool is_channel_cancelled(boost::system::error_code const& code) noexcept
{
    constexpr int channel_cancelled = 2;
    return code.value() == channel_cancelled
        && std::string_view(code.category().name()) == "asio.channel";
}

} // namespace detail

EXEUNT_DECL bool is_cancelled(std::exception_ptr const& error) noexcept
{
    auto const code = code_of(error);
    return code == boost::system::errc::operation_canceled || detail::is_channel_cancelled(code);
}

EXEUNT_DECL std::exception_ptr primary(std::exception_ptr const& error) noexcept
{
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (asio::multiple_exceptions const& several) {
        return several.first_exception();
    } catch (...) {
        return error;
    }
}

} // namespace exeunt

#endif // EXEUNT_IMPL_EXIT_ERRORS_IPP
