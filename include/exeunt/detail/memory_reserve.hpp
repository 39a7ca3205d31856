#ifndef EXEUNT_DETAIL_MEMORY_RESERVE_HPP
#define EXEUNT_DETAIL_MEMORY_RESERVE_HPP

#include <atomic>
#include <cstddef>
#include <new>

namespace exeunt::detail {

// Memory that is set aside for what has to be queued where there is no memory any more.
class memory_reserve
{
public:
    memory_reserve()
        : block_(::operator new(size))
    {
    }
    memory_reserve(memory_reserve const&) = delete;
    memory_reserve& operator=(memory_reserve const&) = delete;
    ~memory_reserve() { spend(); }

    // Frees it for others to use. Returns whether there was any. On any thread.
    bool spend() noexcept
    {
        auto* const block = block_.exchange(nullptr, std::memory_order_acq_rel);
        ::operator delete(block);
        return block != nullptr;
    }

    // Sets some aside again, if there is any. By one thread at a time.
    void refill() noexcept
    {
        if (!block_.load(std::memory_order_acquire))
            block_.store(::operator new(size, std::nothrow), std::memory_order_release);
    }

private:
    // More than malloc keeps for requests of the same size alone.
    static constexpr std::size_t size = 2048;

    std::atomic<void*> block_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_MEMORY_RESERVE_HPP
