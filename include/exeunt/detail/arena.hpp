#ifndef EXEUNT_DETAIL_ARENA_HPP
#define EXEUNT_DETAIL_ARENA_HPP

#include <exeunt/config.hpp>
#include <exeunt/detail/entry.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace exeunt::detail {

// The memory of a stack's entries: chunks that grow by doubling, cut into slots that never move.
//
// A slot that has been given back is kept for its size and never split or merged. So an address that
// once was an entry of this arena stays one as long as the arena lives, and a handle can be checked
// by reading the generation there.
//
// Shared by reference count: an exit may run in an arena that a pop_all has handed to another stack.
class arena
{
public:
    arena(arena const&) = delete;
    arena& operator=(arena const&) = delete;

    // Makes an arena whose first chunk has room for `bytes`.
    static arena* create(std::size_t bytes);

    void add_ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept
    {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            destroy();
    }

    // A number that has not been given out before in this process.
    static std::uint64_t next_serial() noexcept;

    // Differs for all arenas of the process.
    std::uint64_t serial() const noexcept { return serial_; }

    std::uint32_t next_generation() noexcept
    {
        if (++generation_ == 0)
            generation_ = 1;
        return generation_;
    }

    entry* allocate(std::size_t slot_class)
    {
        if (entry* slot = free_[slot_class]) {
            free_[slot_class] = slot->older;
            return slot;
        }
        auto const size = slot_size(slot_class);
        if (static_cast<std::size_t>(end_ - next_) < size)
            grow(size);
        void* place = next_;
        next_ += size;
        return static_cast<entry*>(place);
    }

    // The slot's generation must be 0 from here until it is allocated again.
    void deallocate(entry& e, std::size_t slot_class) noexcept
    {
        e.older = free_[slot_class];
        free_[slot_class] = &e;
    }

    // Has room for `bytes` more without allocating.
    void reserve(std::size_t bytes)
    {
        if (static_cast<std::size_t>(end_ - next_) < bytes)
            grow(bytes);
    }

private:
    struct chunk
    {
        chunk* older;
    };

    arena(std::byte* begin, std::byte* end) noexcept
        : next_(begin)
        , end_(end)
        , chunk_size_(static_cast<std::size_t>(end - begin))
    {
    }

    ~arena() = default;

    void grow(std::size_t bytes);
    void destroy() noexcept;

    std::atomic<std::size_t> references_{1};
    std::uint64_t serial_ = next_serial();
    std::byte* next_;
    std::byte* end_;
    // Given back, by size; linked by entry::older.
    entry* free_[slot_classes] = {};
    // All chunks but the first, which this object lies in front of.
    chunk* chunks_ = nullptr;
    std::size_t chunk_size_;
    std::uint32_t generation_ = 0;
};

} // namespace exeunt::detail

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/arena.ipp>
#endif

#endif // EXEUNT_DETAIL_ARENA_HPP
