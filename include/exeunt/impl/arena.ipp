#ifndef EXEUNT_IMPL_ARENA_IPP
#define EXEUNT_IMPL_ARENA_IPP

#include <exeunt/detail/arena.hpp>

#include <algorithm>
#include <new>

namespace exeunt::detail {

inline constexpr std::size_t first_slot_offset(std::size_t header) noexcept
{
    return (header + slot_granularity - 1) / slot_granularity * slot_granularity;
}

EXEUNT_DECL arena* arena::create(std::size_t bytes)
{
    auto const offset = first_slot_offset(sizeof(arena));
    if (bytes > static_cast<std::size_t>(-1) - offset)
        throw std::bad_alloc();
    auto* memory = static_cast<std::byte*>(::operator new(offset + bytes));
    return ::new (memory) arena(memory + offset, memory + offset + bytes);
}

EXEUNT_DECL void arena::grow(std::size_t bytes)
{
    auto const offset = first_slot_offset(sizeof(chunk));
    auto const wanted = std::max(bytes, chunk_size_ * 2);
    if (wanted > static_cast<std::size_t>(-1) / 2)
        throw std::bad_alloc();
    auto* memory = static_cast<std::byte*>(::operator new(offset + wanted));
    chunks_ = ::new (memory) chunk{chunks_};
    next_ = memory + offset;
    end_ = next_ + wanted;
    chunk_size_ = wanted;
}

EXEUNT_DECL void arena::destroy() noexcept
{
    while (chunk* each = chunks_) {
        chunks_ = each->older;
        ::operator delete(each);
    }
    this->~arena();
    ::operator delete(this);
}

EXEUNT_DECL std::uint64_t arena::next_serial() noexcept
{
    static std::atomic<std::uint64_t> counter{0};
    return counter.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_ARENA_IPP
