// The probe: a completion handler that checks how it is completed.
#ifndef EXEUNT_TESTS_SUPPORT_PROBE_HPP
#define EXEUNT_TESTS_SUPPORT_PROBE_HPP

#include "support/expect.hpp"
#include "support/tracking_executor.hpp"

#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/io_context.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <new>
#include <tuple>
#include <utility>

namespace support {

// What went through a counting_allocator; outlives it.
struct allocation_record
{
    std::atomic<std::size_t> allocations{0};
    std::atomic<std::size_t> live{0}; // blocks

    allocation_record() = default;
    allocation_record(allocation_record const&) = delete;
    allocation_record& operator=(allocation_record const&) = delete;
};

template <class T = void>
class counting_allocator
{
public:
    using value_type = T;

    explicit counting_allocator(allocation_record& record) noexcept
        : record_(&record)
    {
    }

    template <class U>
    counting_allocator(counting_allocator<U> const& other) noexcept
        : record_(other.record_)
    {
    }

    T* allocate(std::size_t n)
    {
        void* const p = ::operator new(n * sizeof(T), std::align_val_t(alignof(T)));
        ++record_->allocations;
        ++record_->live;
        return static_cast<T*>(p);
    }

    void deallocate(T* p, std::size_t) noexcept
    {
        --record_->live;
        ::operator delete(p, std::align_val_t(alignof(T)));
    }

    template <class U>
    bool operator==(counting_allocator<U> const& other) const noexcept
    {
        return record_ == other.record_;
    }

private:
    template <class>
    friend class counting_allocator;

    allocation_record* record_;
};

// Checks, of the one completion it is for: called exactly once, not inside the initiating function,
// on the handler's executor, all memory taken through the handler's allocator given back before.
class probe
{
public:
    explicit probe(asio::io_context& context, event_log* log = nullptr)
        : executor_(track(context, executor))
        , log_(log)
    {
    }

    probe(probe const&) = delete;
    probe& operator=(probe const&) = delete;

    // Move-only.
    class handler
    {
    public:
        using executor_type = tracking_executor<>;
        using allocator_type = counting_allocator<>;
        using cancellation_slot_type = asio::cancellation_slot;

        explicit handler(probe& owner) noexcept
            : owner_(&owner)
        {
        }

        handler(handler&& other) noexcept
            : owner_(std::exchange(other.owner_, nullptr))
            , last_(other.last_)
        {
        }

        handler& operator=(handler&&) = delete;

        ~handler()
        {
            if (owner_)
                owner_->dropped();
        }

        executor_type get_executor() const noexcept { return home()->executor_; }
        allocator_type get_allocator() const noexcept
        {
            return allocator_type(home()->allocations);
        }
        cancellation_slot_type get_cancellation_slot() const noexcept
        {
            return home()->signal_.slot();
        }

        template <class... Values>
        void operator()(std::exception_ptr error, Values&&...) &&
        {
            std::exchange(owner_, nullptr)->called(std::move(error));
        }

    private:
        // Asio asks a handler that was moved from for its executor, too.
        probe* home() const noexcept { return last_; }

        probe* owner_;
        probe* last_ = owner_;
    };

    // Hands a handler to the initiating function.
    template <class Initiate>
    void initiate(Initiate&& start, where_t where = where_t::current())
    {
        where_ = where;
        initiating_ = true;
        started_ = true;
        std::forward<Initiate>(start)(handler(*this));
        initiating_ = false;
    }

    // What a user does to cancel.
    void emit(asio::cancellation_type type) { signal_.emit(type); }
    bool slot_in_use() { return signal_.slot().has_handler(); }

    bool expect_pending(where_t where = where_t::current())
    {
        return result.expect_pending(where) && expect(drops == 0, "the handler was dropped", where);
    }

    // Completed, as it should be, with an error or without.
    bool expect_completed(where_t where = where_t::current())
    {
        return result.expect_once(where) && expect(drops == 0, "the handler was dropped", where)
            && expect(
                allocations.allocations != 0, "the handler's allocator has not been used", where)
            && expect(executor.works == 0, "work of the handler's executor is still held", where);
    }

    bool expect_dropped(where_t where = where_t::current())
    {
        return result.expect_pending(where)
            && expect(drops == 1, "dropped " + std::to_string(drops) + " times", where)
            && expect(allocations.live == 0, "memory of the handler's allocator leaked", where);
    }

    outcome result;
    int drops = 0;
    executor_record executor;
    allocation_record allocations;
    std::size_t submits_before_completion = 0;

private:
    void called(std::exception_ptr error)
    {
        ++result.calls;
        result.error = std::move(error);
        expect(result.calls == 1, "the handler was called a second time", where_);
        expect(!initiating_, "completed inside the initiating function", where_);
        expect(executor.running_here(), "not completed on the handler's executor", where_);
        expect(allocations.live == 0, "memory is still held when the handler is invoked", where_);
        if (log_)
            log_->add("done");
    }

    void dropped()
    {
        ++drops;
        if (log_)
            log_->add("dropped");
    }

    tracking_executor<> executor_;
    asio::cancellation_signal signal_;
    event_log* log_;
    where_t where_;
    bool initiating_ = false;
    bool started_ = false;
};

} // namespace support

#endif
