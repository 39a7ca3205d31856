// Replaces operator new and what else Asio allocates by for the whole program: counts, and lets a chosen
// allocation fail. To be included by one source file of a program.
#ifndef EXEUNT_TESTS_SUPPORT_FAULTS_HPP
#define EXEUNT_TESTS_SUPPORT_FAULTS_HPP

#include "support/expect.hpp"

#include <boost/asio/detail/config.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <new>

#include <malloc.h>

namespace support {

namespace faults {

inline std::atomic<std::size_t> allocations{0}; // that succeeded, of both kinds
inline std::atomic<std::size_t> blocks{0}; // alive, of operator new

// Of the thread that made the plan.
inline thread_local bool armed = false;
inline thread_local std::size_t left = 0;
inline thread_local bool forever = false;
inline thread_local std::size_t refused = 0;

inline bool refuse() noexcept
{
    if (!armed || allocation_pause::active())
        return false;
    if (left != 0) {
        --left;
        return false;
    }
    ++refused;
    if (!forever)
        armed = false;
    return true;
}

// While it lives, allocation number `first` (from 0) fails, and all that follow it if `for_ever`.
class plan
{
public:
    explicit plan(std::size_t first, bool for_ever = false) noexcept
    {
        left = first;
        forever = for_ever;
        refused = 0;
        armed = true;
    }

    plan(plan const&) = delete;
    plan& operator=(plan const&) = delete;
    ~plan() { armed = false; }

    void stop() noexcept { armed = false; }
    bool hit() const noexcept { return refused != 0; }
};

inline void* allocate(std::size_t size, std::size_t alignment) noexcept
{
    if (refuse())
        return nullptr;
    void* memory = nullptr;
    if (alignment <= alignof(std::max_align_t))
        memory = std::malloc(size == 0 ? 1 : size);
    else
        memory = ::memalign(alignment, size);
    if (memory)
        ++allocations;
    return memory;
}

inline void* allocate_or_throw(std::size_t size, std::size_t alignment)
{
    void* const memory = allocate(size, alignment);
    if (!memory)
        throw std::bad_alloc();
    ++blocks;
    return memory;
}

inline void* allocate_or_null(std::size_t size, std::size_t alignment) noexcept
{
    void* const memory = allocate(size, alignment);
    if (memory)
        ++blocks;
    return memory;
}

inline void release(void* memory) noexcept
{
    if (!memory)
        return;
    --blocks;
    std::free(memory);
}

// How many allocations f makes.
template <class F>
std::size_t allocations_of(F&& f)
{
    std::size_t const before = allocations;
    f();
    return allocations - before;
}

// Runs the scenario once for each allocation that it makes, and lets that one fail; ends with a run in
// which none fails. Each run checks itself.
template <class Scenario>
std::size_t at_every_allocation(Scenario scenario, where_t where = where_t::current())
{
    for (std::size_t k = 0; k != 20000; ++k) {
        bool hit = false;
        BOOST_TEST_CONTEXT("allocation " << k << " fails")
        {
            std::size_t const before = blocks;
            scenario(k, hit);
            std::size_t const after = blocks;
            expect(after == before,
                std::to_string(static_cast<long>(after) - static_cast<long>(before))
                    + " blocks leaked where allocation " + std::to_string(k) + " failed",
                where);
        }
        if (!hit)
            return k;
    }
    expect(false, "the scenario never ends", where);
    return 0;
}

} // namespace faults

} // namespace support

void* operator new(std::size_t size)
{
    return support::faults::allocate_or_throw(size, alignof(std::max_align_t));
}

void* operator new[](std::size_t size)
{
    return support::faults::allocate_or_throw(size, alignof(std::max_align_t));
}

void* operator new(std::size_t size, std::nothrow_t const&) noexcept
{
    return support::faults::allocate_or_null(size, alignof(std::max_align_t));
}

void* operator new[](std::size_t size, std::nothrow_t const&) noexcept
{
    return support::faults::allocate_or_null(size, alignof(std::max_align_t));
}

void* operator new(std::size_t size, std::align_val_t alignment)
{
    return support::faults::allocate_or_throw(size, static_cast<std::size_t>(alignment));
}

void* operator new[](std::size_t size, std::align_val_t alignment)
{
    return support::faults::allocate_or_throw(size, static_cast<std::size_t>(alignment));
}

void operator delete(void* memory) noexcept
{
    support::faults::release(memory);
}

void operator delete[](void* memory) noexcept
{
    support::faults::release(memory);
}

void operator delete(void* memory, std::size_t) noexcept
{
    support::faults::release(memory);
}

void operator delete[](void* memory, std::size_t) noexcept
{
    support::faults::release(memory);
}

void operator delete(void* memory, std::nothrow_t const&) noexcept
{
    support::faults::release(memory);
}

void operator delete[](void* memory, std::nothrow_t const&) noexcept
{
    support::faults::release(memory);
}

void operator delete(void* memory, std::align_val_t) noexcept
{
    support::faults::release(memory);
}

void operator delete[](void* memory, std::align_val_t) noexcept
{
    support::faults::release(memory);
}

void operator delete(void* memory, std::size_t, std::align_val_t) noexcept
{
    support::faults::release(memory);
}

void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept
{
    support::faults::release(memory);
}

// Asio's way; it is that of operator new and exceptions of another library. Given back by free(), which is
// left alone: such blocks are not counted as alive.
#if defined(BOOST_ASIO_HAS_STD_ALIGNED_ALLOC)
extern "C" void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept
{
    return support::faults::allocate(size, alignment < sizeof(void*) ? sizeof(void*) : alignment);
}
#else
extern "C" int posix_memalign(void** memory, std::size_t alignment, std::size_t size) noexcept
{
    *memory = support::faults::allocate(size, alignment);
    return *memory ? 0 : ENOMEM;
}
#endif

#endif
