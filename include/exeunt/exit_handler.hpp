#ifndef EXEUNT_EXIT_HANDLER_HPP
#define EXEUNT_EXIT_HANDLER_HPP

#include <exeunt/config.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

namespace exeunt {

namespace asio = boost::asio;

namespace detail {

// Memory from the associated allocator of a handler whose type is not known.
class handler_memory
{
public:
    virtual void* allocate(std::size_t size, std::size_t alignment) = 0;
    virtual void deallocate(void* memory, std::size_t size, std::size_t alignment) noexcept = 0;

protected:
    handler_memory() = default;
    handler_memory(handler_memory const&) = delete;
    handler_memory& operator=(handler_memory const&) = delete;
    ~handler_memory() = default;
};

// Who is told that an asynchronous exit has ended: the operation that unwinds.
class exit_target : public handler_memory
{
public:
    // They may go on with what comes after the exit, up to the final handler, which may throw.
    virtual void succeed() = 0;
    virtual void complete(std::exception_ptr error) = 0;
    virtual void drop() = 0;
    virtual asio::any_io_executor any_executor() const noexcept = 0;

    asio::cancellation_slot slot() noexcept { return signal_.slot(); }

protected:
    exit_target() = default;
    ~exit_target() = default;

    asio::cancellation_signal signal_;
};

// The executor of an operation, until that needs it no longer.
template <class Executor>
class kept_executor
{
public:
    explicit kept_executor(Executor const& executor)
        : executor_(executor)
    {
    }
    kept_executor(kept_executor const&) = delete;
    kept_executor& operator=(kept_executor const&) = delete;

    Executor const& executor() const noexcept { return *executor_; }
    void drop_executor() noexcept { executor_.reset(); }

protected:
    ~kept_executor() = default;

private:
    std::optional<Executor> executor_;
};

template <class Executor>
class executor_target : public exit_target, public kept_executor<Executor>
{
public:
    explicit executor_target(Executor const& executor)
        : kept_executor<Executor>(executor)
    {
    }

    asio::any_io_executor any_executor() const noexcept final
    {
        if constexpr (std::is_constructible_v<asio::any_io_executor, Executor const&>)
            return asio::any_io_executor(this->executor());
        else
            return {};
    }

protected:
    ~executor_target() = default;
};

// Memory from the allocator of the final handler, whatever its type.
template <class T>
class exit_allocator
{
public:
    using value_type = T;

    explicit exit_allocator(handler_memory* memory) noexcept
        : memory_(memory)
    {
    }

    template <class U>
    exit_allocator(exit_allocator<U> const& other) noexcept
        : memory_(other.memory_)
    {
    }

    T* allocate(std::size_t count)
    {
        if (count > static_cast<std::size_t>(-1) / sizeof(T))
            throw std::bad_array_new_length();
        return static_cast<T*>(memory_->allocate(count * sizeof(T), alignof(T)));
    }

    void deallocate(T* memory, std::size_t count) noexcept
    {
        memory_->deallocate(memory, count * sizeof(T), alignof(T));
    }

    template <class U>
    bool operator==(exit_allocator<U> const& other) const noexcept
    {
        return memory_ == other.memory_;
    }

private:
    template <class>
    friend class exit_allocator;

    handler_memory* memory_;
};

template <>
class exit_allocator<void>
{
public:
    using value_type = void;

    explicit exit_allocator(handler_memory* memory) noexcept
        : memory_(memory)
    {
    }

    template <class U>
    exit_allocator(exit_allocator<U> const& other) noexcept
        : memory_(other.memory_)
    {
    }

    template <class U>
    bool operator==(exit_allocator<U> const& other) const noexcept
    {
        return memory_ == other.memory_;
    }

private:
    template <class>
    friend class exit_allocator;

    handler_memory* memory_;
};

inline std::exception_ptr failure_of() noexcept
{
    return nullptr;
}

// A set error_code or an exception_ptr in the first place is a failure; other values are ignored.
template <class First, class... Rest>
std::exception_ptr failure_of(First&& first, Rest&&...) noexcept
{
    try {
        if constexpr (std::is_convertible_v<First, std::exception_ptr>) {
            return std::forward<First>(first);
        } else if constexpr (std::is_same_v<std::remove_cvref_t<First>, std::error_code>) {
            // It stays one, although Boost's can be made of it.
            std::error_code const code = std::forward<First>(first);
            return code ? std::make_exception_ptr(std::system_error(code)) : nullptr;
        } else if constexpr (std::is_convertible_v<First, boost::system::error_code>) {
            boost::system::error_code const code = std::forward<First>(first);
            return code ? std::make_exception_ptr(boost::system::system_error(code)) : nullptr;
        } else {
            return nullptr;
        }
    } catch (...) {
        return std::current_exception();
    }
}

struct exit_handler_access;

// Whom an exit handler owes its call. It is still known when the handler has been moved from: where an
// operation cannot begin, Asio gives memory back by what is left of its handler.
class owed_target
{
public:
    explicit owed_target(exit_target* target) noexcept
        : bits_(reinterpret_cast<std::uintptr_t>(target))
    {
    }
    owed_target(owed_target&& other) noexcept
        : bits_(std::exchange(other.bits_, other.bits_ | released))
    {
    }
    owed_target& operator=(owed_target&& other) noexcept
    {
        bits_ = std::exchange(other.bits_, other.bits_ | released);
        return *this;
    }

    exit_target* get() const noexcept { return reinterpret_cast<exit_target*>(bits_ & ~released); }

    // Null if it is owed nothing any more.
    exit_target* release() noexcept
    {
        bool const is_owed = (std::exchange(bits_, bits_ | released) & released) == 0;
        return is_owed ? get() : nullptr;
    }

private:
    static constexpr std::uintptr_t released = 1;
    static_assert(alignof(exit_target) > released);

    std::uintptr_t bits_;
};

} // namespace detail

/// The completion handler that is given to an asynchronous exit.
/**
 * Move-only. Completed by a call without arguments, with something convertible to `error_code` or
 * `std::exception_ptr` first, of which a set one is the exit's failure, or with values, which are
 * ignored. Call it through its associated executor, as every asynchronous operation does.
 *
 * Carries the stack's executor, the allocator of the handler that waits for the unwinding, and a
 * cancellation slot of its own: `terminal` says that the exit is cut.
 *
 * Destroyed without having been called while the exit's initiating call runs: that is the exit's
 * failure (`std::future_errc::broken_promise`), and the next exit runs. Destroyed later: the exit can
 * never end, and the unwinding is abandoned.
 *
 * @tparam Executor The executor type of the stack. Each converts to `exit_handler`, so that a function
 * in a source file can take it.
 *
 * @par Lifetimes
 * Must not outlive its execution context.
 *
 * @par Thread safety
 * Distinct objects: safe. Shared objects: unsafe.
 */
template <class Executor = asio::any_io_executor>
class basic_exit_handler
{
public:
    using executor_type = Executor;
    using allocator_type = detail::exit_allocator<void>;
    using cancellation_slot_type = asio::cancellation_slot;

    basic_exit_handler(basic_exit_handler&& other) noexcept
        : target_(std::move(other.target_))
    {
    }

    /// Converts the handler of a stack with another executor type.
    template <class Other>
        requires(
            !std::is_same_v<Other, Executor> && std::is_same_v<Executor, asio::any_io_executor>)
    basic_exit_handler(basic_exit_handler<Other>&& other)
    noexcept
        : target_(std::move(other.target_))
    {
    }

    basic_exit_handler& operator=(basic_exit_handler&& other) noexcept
    {
        basic_exit_handler(std::move(other)).swap(*this);
        return *this;
    }

    ~basic_exit_handler()
    {
        if (auto* target = target_.release())
            target->drop();
    }

    /// Ends the exit.
    template <class... Args>
    void operator()(Args&&... args)
    {
        auto* const target = target_.release();
        if (!target)
            return;
        if constexpr (sizeof...(Args) != 0)
            if (auto error = detail::failure_of(std::forward<Args>(args)...))
                return target->complete(std::move(error));
        target->succeed();
    }

    executor_type get_executor() const noexcept
    {
        if constexpr (std::is_same_v<Executor, asio::any_io_executor>)
            return target_.get()->any_executor();
        else
            return static_cast<detail::executor_target<Executor>*>(target_.get())->executor();
    }

    allocator_type get_allocator() const noexcept { return allocator_type(target_.get()); }

    cancellation_slot_type get_cancellation_slot() const noexcept { return target_.get()->slot(); }

    void swap(basic_exit_handler& other) noexcept { std::swap(target_, other.target_); }

private:
    template <class>
    friend class basic_exit_handler;
    friend struct detail::exit_handler_access;

    explicit basic_exit_handler(detail::exit_target* target) noexcept
        : target_(target)
    {
    }

    detail::owed_target target_;
};

/// The handler as functions in source files take it.
using exit_handler = basic_exit_handler<>;

namespace detail {

template <class T>
inline constexpr bool is_exit_handler = false;
template <class Executor>
inline constexpr bool is_exit_handler<basic_exit_handler<Executor>> = true;

// The handler of an exit, or of what a stack acquires, on executors of this type.
template <class T, class Executor>
inline constexpr bool is_exit_handler_on = false;
template <class Executor>
inline constexpr bool is_exit_handler_on<basic_exit_handler<Executor>, Executor> = true;

struct exit_handler_access
{
    template <class Executor>
    static basic_exit_handler<Executor> make(executor_target<Executor>& target) noexcept
    {
        return basic_exit_handler<Executor>(&target);
    }
};

} // namespace detail

} // namespace exeunt

#endif // EXEUNT_EXIT_HANDLER_HPP
