#ifndef EXEUNT_DETAIL_PARKED_COROUTINE_HPP
#define EXEUNT_DETAIL_PARKED_COROUTINE_HPP

#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

namespace asio = boost::asio;

// The handler of a coroutine that waits for its next job. Holds it without allocating: parking must
// not fail.
class parked_coroutine
{
public:
    parked_coroutine() = default;
    parked_coroutine(parked_coroutine const&) = delete;
    parked_coroutine& operator=(parked_coroutine const&) = delete;

    // Destroying a parked coroutine destroys its frame, through its executor.
    ~parked_coroutine() { reset(); }

    bool is_parked() const noexcept { return act_ != nullptr; }

    template <class Handler>
    void park(Handler&& handler) noexcept
    {
        using type = std::decay_t<Handler>;
        static_assert(
            sizeof(type) <= sizeof storage_ && alignof(type) <= alignof(std::max_align_t));
        static_assert(std::is_nothrow_move_constructible_v<type>);
        ::new (static_cast<void*>(storage_)) type(std::forward<Handler>(handler));
        act_ = [](void* storage, bool resume) {
            auto* parked = std::launder(static_cast<type*>(storage));
            type taken(std::move(*parked));
            std::destroy_at(parked);
            if (resume)
                std::move(taken)();
        };
    }

    void resume() { std::exchange(act_, nullptr)(storage_, true); }

    void reset() noexcept
    {
        if (act_)
            std::exchange(act_, nullptr)(storage_, false);
    }

private:
    alignas(std::max_align_t) std::byte storage_[32];
    void (*act_)(void*, bool) = nullptr;
};

// Awaited by a driver coroutine that has ended a job: hands its handler to the runner, which resumes
// it for the next job or for good.
template <class Runner>
class park_operation
{
public:
    explicit park_operation(Runner* runner) noexcept
        : runner_(runner)
    {
    }

    template <asio::completion_token_for<void()> Token>
    auto operator()(Token&& token) const
    {
        return asio::async_initiate<Token, void()>(
            [](auto handler, Runner* runner) { runner->coroutine_parked(std::move(handler)); },
            token, runner_);
    }

private:
    Runner* runner_;
};

// The completion handler of a driver: nothing is left to do when it ends. Carries the slot by which a
// job is cut.
class driver_ended
{
public:
    using cancellation_slot_type = asio::cancellation_slot;

    explicit driver_ended(asio::cancellation_slot slot) noexcept
        : slot_(slot)
    {
    }

    cancellation_slot_type get_cancellation_slot() const noexcept { return slot_; }
    void operator()(std::exception_ptr) const noexcept {}

private:
    asio::cancellation_slot slot_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_PARKED_COROUTINE_HPP
