// Counts what goes through operator new, and lets a chosen one fail.
// Replaces operator new: for programs of one source file, which each test of tests/unit is.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_ALLOCATIONS_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_ALLOCATIONS_HPP

#include <cstddef>
#include <cstdlib>
#include <new>

namespace sync_support {

struct allocation_counts
{
    std::size_t allocations = 0; // calls of operator new that succeeded
    std::size_t bytes = 0; // what they asked for, in all
    std::size_t blocks = 0; // alive now
    std::size_t live = 0; // bytes alive now
    std::size_t peak = 0; // the most bytes alive since the last mark_peak()
};

// Of this thread alone, so that a helper thread of a test disturbs nothing.
allocation_counts allocations() noexcept;
void mark_peak() noexcept;

// While one of these lives, the allocation number `first` (0 = the next one) of this thread fails,
// and with `forever` all that follow it.
class failing_allocations
{
public:
    explicit failing_allocations(std::size_t first, bool forever = false) noexcept;
    ~failing_allocations();
    failing_allocations(failing_allocations const&) = delete;
    failing_allocations& operator=(failing_allocations const&) = delete;

    bool failed() const noexcept; // one has been refused
    void stop() noexcept; // no more of them
};

// How many allocations `f` makes.
template <class F>
std::size_t allocations_of(F&& f)
{
    std::size_t const before = allocations().allocations;
    static_cast<F&&>(f)();
    return allocations().allocations - before;
}

} // namespace sync_support

namespace {

// A block carries its size in front, so that the bytes alive can be counted.
constexpr std::size_t header = alignof(std::max_align_t);
static_assert(header >= sizeof(std::size_t));

thread_local sync_support::allocation_counts counts;
thread_local std::size_t until_failure = 0;
thread_local bool armed = false;
thread_local bool for_good = false;
thread_local bool refused = false;

bool must_fail() noexcept
{
    if (!armed)
        return false;
    if (until_failure != 0) {
        --until_failure;
        return false;
    }
    armed = for_good;
    refused = true;
    return true;
}

void* take(std::size_t size, std::size_t alignment) noexcept
{
    if (must_fail())
        return nullptr;
    std::size_t const front = alignment > header ? alignment : header;
    std::size_t const whole = (front + size + front - 1) / front * front;
    void* block = std::aligned_alloc(front, whole);
    if (!block)
        return nullptr;
    ++counts.allocations;
    counts.bytes += size;
    ++counts.blocks;
    counts.live += size;
    if (counts.live > counts.peak)
        counts.peak = counts.live;
    char* data = static_cast<char*>(block) + front;
    *reinterpret_cast<std::size_t*>(data - sizeof(std::size_t)) = size;
    return data;
}

// Where it is inlined g++ 12 takes what new has given for something that free must not be given.
[[gnu::noinline]] void give_back(void* data, std::size_t alignment) noexcept
{
    if (!data)
        return;
    std::size_t const front = alignment > header ? alignment : header;
    --counts.blocks;
    counts.live -= *reinterpret_cast<std::size_t*>(static_cast<char*>(data) - sizeof(std::size_t));
    std::free(static_cast<char*>(data) - front);
}

} // namespace

namespace sync_support {

allocation_counts allocations() noexcept
{
    return counts;
}

void mark_peak() noexcept
{
    counts.peak = counts.live;
}

failing_allocations::failing_allocations(std::size_t first, bool forever) noexcept
{
    until_failure = first;
    for_good = forever;
    refused = false;
    armed = true;
}

failing_allocations::~failing_allocations()
{
    stop();
}

bool failing_allocations::failed() const noexcept
{
    return refused;
}

void failing_allocations::stop() noexcept
{
    armed = false;
}

} // namespace sync_support

void* operator new(std::size_t size)
{
    if (void* data = take(size, header))
        return data;
    throw std::bad_alloc();
}

void* operator new[](std::size_t size)
{
    return operator new(size);
}

void* operator new(std::size_t size, std::align_val_t alignment)
{
    if (void* data = take(size, static_cast<std::size_t>(alignment)))
        return data;
    throw std::bad_alloc();
}

void* operator new[](std::size_t size, std::align_val_t alignment)
{
    return operator new(size, alignment);
}

void* operator new(std::size_t size, std::nothrow_t const&) noexcept
{
    return take(size, header);
}

void* operator new[](std::size_t size, std::nothrow_t const&) noexcept
{
    return take(size, header);
}

void* operator new(std::size_t size, std::align_val_t alignment, std::nothrow_t const&) noexcept
{
    return take(size, static_cast<std::size_t>(alignment));
}

void* operator new[](std::size_t size, std::align_val_t alignment, std::nothrow_t const&) noexcept
{
    return take(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* data) noexcept
{
    give_back(data, header);
}

void operator delete[](void* data) noexcept
{
    give_back(data, header);
}

void operator delete(void* data, std::size_t) noexcept
{
    give_back(data, header);
}

void operator delete[](void* data, std::size_t) noexcept
{
    give_back(data, header);
}

void operator delete(void* data, std::align_val_t alignment) noexcept
{
    give_back(data, static_cast<std::size_t>(alignment));
}

void operator delete[](void* data, std::align_val_t alignment) noexcept
{
    give_back(data, static_cast<std::size_t>(alignment));
}

void operator delete(void* data, std::size_t, std::align_val_t alignment) noexcept
{
    give_back(data, static_cast<std::size_t>(alignment));
}

void operator delete[](void* data, std::size_t, std::align_val_t alignment) noexcept
{
    give_back(data, static_cast<std::size_t>(alignment));
}

void operator delete(void* data, std::nothrow_t const&) noexcept
{
    give_back(data, header);
}

void operator delete[](void* data, std::nothrow_t const&) noexcept
{
    give_back(data, header);
}

void operator delete(void* data, std::align_val_t alignment, std::nothrow_t const&) noexcept
{
    give_back(data, static_cast<std::size_t>(alignment));
}

void operator delete[](void* data, std::align_val_t alignment, std::nothrow_t const&) noexcept
{
    give_back(data, static_cast<std::size_t>(alignment));
}

#endif
