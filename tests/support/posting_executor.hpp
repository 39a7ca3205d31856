// An executor that never calls at once, and that may refuse.
#ifndef EXEUNT_TESTS_SUPPORT_POSTING_EXECUTOR_HPP
#define EXEUNT_TESTS_SUPPORT_POSTING_EXECUTOR_HPP

#include "support/expect.hpp"

#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/context.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <utility>

namespace support {

// Posts whatever is given to it, or destroys it where it refuses.
class posting_executor
{
public:
    explicit posting_executor(asio::io_context& context, bool const& refuses = never)
        : context_(&context)
        , refuses_(&refuses)
    {
    }

    asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }

    static constexpr asio::execution::blocking_t query(asio::execution::blocking_t) noexcept
    {
        return asio::execution::blocking.never;
    }

    template <class Function>
    void execute(Function function) const
    {
        if (!*refuses_)
            asio::post(*context_, std::move(function));
    }

    bool operator==(posting_executor const& other) const noexcept
    {
        return context_ == other.context_;
    }
    bool operator!=(posting_executor const& other) const noexcept { return !(*this == other); }

private:
    static constexpr bool never = false;

    asio::io_context* context_;
    bool const* refuses_;
};

} // namespace support

#endif
