// What tests have in common that let something go wrong at every step: without memory, without a context,
// cancelled.
#ifndef EXEUNT_TESTS_SUPPORT_FAULT_TOOLS_HPP
#define EXEUNT_TESTS_SUPPORT_FAULT_TOOLS_HPP

#include <exeunt/exit_observer.hpp>

#include "support/expect.hpp"

#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace support {

// Counts what is lost; allocates nothing.
struct counting_observer : exeunt::exit_observer
{
    counting_observer()
        : former(exeunt::set_default_observer(this))
    {
    }

    ~counting_observer() override { exeunt::set_default_observer(former); }

    void exit_abandoned(exeunt::exit_view const&) noexcept override { ++abandoned; }

    void failure_unreceived(exeunt::exit_view const&, std::exception_ptr) noexcept override
    {
        ++unreceived;
    }

    void stack_abandoned(std::size_t exits, std::span<std::string_view const>) noexcept override
    {
        most_at_once = std::max(most_at_once, exits);
    }

    exeunt::exit_observer* former;
    int abandoned = 0;
    std::size_t most_at_once = 0; // by a stack or group that could not even begin to close
    int unreceived = 0;
};

// A suspension that needs no memory: where starting an operation throws inside a coroutine, Asio lets the
// exception out of run() and loses the coroutine, with or without us.
class hop_initiation
{
public:
    hop_initiation() {}

    template <class Handler>
    void operator()(Handler&& handler) const
    {
        allocation_pause const pause;
        asio::post(std::forward<Handler>(handler));
    }
};

inline asio::awaitable<void> hop()
{
    return asio::async_initiate<asio::use_awaitable_t<> const, void()>(
        hop_initiation(), asio::use_awaitable);
}

// A context that has allocated what Asio allocates once and for all.
inline std::unique_ptr<asio::io_context> make_warm_context()
{
    allocation_pause const pause;
    auto made = std::make_unique<asio::io_context>();
    asio::post(*made, [] {});
    made->poll();
    return made;
}

inline bool is_out_of_memory(std::exception_ptr const& error)
{
    if (!error)
        return false;
    try {
        std::rethrow_exception(error);
    } catch (std::bad_alloc const&) {
        return true;
    } catch (...) {
        return false;
    }
}

// A handler that is called once or destroyed once: counts both.
struct answer
{
    int calls = 0;
    int drops = 0;
    bool asked = false;
    bool threw = false; // where it was asked for: then there is no other answer
    std::exception_ptr error = {};

    // Whoever asks, with memory or without.
    template <class Ask>
    void ask(Ask&& question)
    {
        asked = true;
        try {
            std::forward<Ask>(question)();
        } catch (std::bad_alloc const&) {
            threw = true;
        }
    }

    bool is_awaited() const { return asked && !threw && calls + drops == 0; }

    bool expect_called(where_t where = where_t::current()) const
    {
        allocation_pause const pause;
        return expect(calls == (threw || !asked ? 0 : 1),
            std::string(threw ? "threw, and " : "") + "was called " + std::to_string(calls)
                + " times, dropped " + std::to_string(drops) + " times, with " + describe(error),
            where);
    }

    bool expect_called_or_destroyed(where_t where = where_t::current()) const
    {
        allocation_pause const pause;
        return expect(calls + drops == (asked ? 1 : 0),
            "was called " + std::to_string(calls) + " times and destroyed " + std::to_string(drops)
                + " times",
            where);
    }
};

// Move-only, so that it is destroyed once uncalled at most.
template <class Called>
class answering
{
public:
    answering(answer& to, Called called)
        : to_(&to)
        , called_(std::move(called))
    {
    }
    answering(answering&& other) noexcept
        : to_(std::exchange(other.to_, nullptr))
        , called_(std::move(other.called_))
    {
    }
    answering& operator=(answering&&) = delete;
    ~answering()
    {
        if (to_)
            ++to_->drops;
    }

    template <class... Values>
    void operator()(std::exception_ptr error, Values&&... values)
    {
        auto* to = std::exchange(to_, nullptr);
        ++to->calls;
        to->error = std::move(error);
        called_(std::forward<Values>(values)...);
    }

private:
    answer* to_;
    Called called_;
};

inline auto answer_to(answer& to)
{
    auto nothing = [](auto&&...) {};
    return answering<decltype(nothing)>(to, nothing);
}

} // namespace support

#endif
