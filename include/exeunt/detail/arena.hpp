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

    // The sizes of the first two chunks, if they are made for no special number of exits: memory of these
    // sizes is kept for the next arena.
    static constexpr std::size_t usual_chunk = 16 * smallest_slot;
    static constexpr std::size_t usual_second_chunk = 2 * usual_chunk;

    // No size that is asked for is more than a quarter of what can be addressed: none overflows below.

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

    // A part of a chunk that is cut from its begin.
    struct space
    {
        std::byte* next = nullptr;
        std::byte* end = nullptr;

        bool has(std::size_t bytes) const noexcept
        {
            return static_cast<std::size_t>(end - next) >= bytes;
        }
    };

    // The first chunk, before anything has been cut from it.
    space first_chunk() noexcept;
    // A further one, that has at least this size.
    space grow(std::size_t bytes);

    // Whether there is one of any size.
    bool has_free() const noexcept
    {
        for (entry* each : free_)
            if (each)
                return true;
        return false;
    }

    // A slot that has been given back; null if there is none of this size.
    entry* take(std::size_t slot_class) noexcept
    {
        entry* slot = free_[slot_class];
        if (slot)
            free_[slot_class] = slot->older;
        return slot;
    }

    // The slot's generation must be 0 from here until it is taken again.
    void give_back(entry& e, std::size_t slot_class) noexcept
    {
        e.older = free_[slot_class];
        free_[slot_class] = &e;
    }

private:
    struct chunk
    {
        chunk* older;
        std::size_t size;
    };

    explicit arena(std::size_t bytes) noexcept
        : first_chunk_size_(bytes)
        , chunk_size_(bytes)
    {
    }

    ~arena() = default;

    void destroy() noexcept;

    std::atomic<std::size_t> references_{1};
    std::uint64_t serial_ = next_serial();
    // Given back, by size; linked by entry::older.
    entry* free_[slot_classes] = {};
    // All chunks but the first, which this object lies in front of.
    chunk* chunks_ = nullptr;
    std::size_t const first_chunk_size_;
    std::size_t chunk_size_;
};

} // namespace exeunt::detail

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/arena.ipp>
#endif

#endif // EXEUNT_DETAIL_ARENA_HPP
