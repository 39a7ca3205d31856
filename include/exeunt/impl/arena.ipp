#ifndef EXEUNT_IMPL_ARENA_IPP
#define EXEUNT_IMPL_ARENA_IPP

#include <exeunt/detail/arena.hpp>
#include <exeunt/detail/block_cache.hpp>

#include <algorithm>
#include <new>

namespace exeunt::detail {

inline constexpr std::size_t first_slot_offset(std::size_t header) noexcept
{
    return (header + slot_granularity - 1) / slot_granularity * slot_granularity;
}

EXEUNT_DECL arena* arena::create(std::size_t bytes)
{
    auto const size = first_slot_offset(sizeof(arena)) + bytes;
    void* const block =
        bytes == usual_chunk ? block_cache<arena>::allocate(size) : ::operator new(size);
    return ::new (block) arena(bytes);
}

EXEUNT_DECL arena::space arena::first_chunk() noexcept
{
    auto* const begin = reinterpret_cast<std::byte*>(this) + first_slot_offset(sizeof(arena));
    return {begin, begin + first_chunk_size_};
}

EXEUNT_DECL arena::space arena::grow(std::size_t bytes)
{
    auto const offset = first_slot_offset(sizeof(chunk));
    auto const wanted = std::max(bytes, chunk_size_ * 2);
    auto const size = offset + wanted;
    void* const block =
        wanted == usual_second_chunk ? block_cache<chunk>::allocate(size) : ::operator new(size);
    chunks_ = ::new (block) chunk{chunks_, wanted};
    chunk_size_ = wanted;
    auto* const memory = static_cast<std::byte*>(block) + offset;
    return {memory, memory + wanted};
}

EXEUNT_DECL void arena::destroy() noexcept
{
    while (chunk* each = chunks_) {
        chunks_ = each->older;
        if (each->size == usual_second_chunk)
            block_cache<chunk>::deallocate(each);
        else
            ::operator delete(each);
    }
    bool const usual = first_chunk_size_ == usual_chunk;
    this->~arena();
    if (usual)
        block_cache<arena>::deallocate(this);
    else
        ::operator delete(this);
}

EXEUNT_DECL std::uint64_t arena::next_serial() noexcept
{
    static std::atomic<std::uint64_t> counter{0};
    return counter.fetch_add(1, std::memory_order_relaxed) + 1;
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_ARENA_IPP
