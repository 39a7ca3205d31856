#ifndef EXEUNT_DETAIL_EXIT_LIST_HPP
#define EXEUNT_DETAIL_EXIT_LIST_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/detail/arena.hpp>
#include <exeunt/detail/entry.hpp>
#include <exeunt/detail/exit_state_access.hpp>
#include <exeunt/exit_handle.hpp>

#include <chrono>
#include <cstddef>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace exeunt::detail {

// An exit that has been taken off its list and runs, or is about to.
struct running_exit
{
    entry* running = nullptr;
    arena* memory = nullptr;
    // Of the handle that names it: the entry's own is 0 as soon as it runs.
    std::uint32_t generation = 0;
    // The list's arena was handed over meanwhile: this one holds a reference of its own.
    bool holds_memory = false;
    // Runs around this one: an exit may run another one.
    running_exit* outer = nullptr;
};

// The registered exits of one stack, newest first, and the memory they lie in.
class exit_list
{
public:
    // Room for this many bytes of captures is what reserve() promises for each exit.
    static constexpr std::size_t small_capture = 40;

    exit_list() = default;
    exit_list(exit_list&& other) noexcept { take(other); }
    exit_list& operator=(exit_list&&) = delete;
    ~exit_list()
    {
        if (memory_)
            memory_->release();
    }

    bool empty() const noexcept { return newest_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    entry* newest() const noexcept { return newest_; }
    running_exit const* running() const noexcept { return running_; }

    // Whether it has begun and not ended.
    bool runs(entry const& e) const noexcept
    {
        for (auto const* exit = running_; exit; exit = exit->outer)
            if (exit->running == &e)
                return true;
        return false;
    }

    void reserve(std::size_t exits)
    {
        constexpr auto slot = (sizeof(entry) + small_capture + slot_granularity - 1)
            / slot_granularity * slot_granularity;
        if (exits > static_cast<std::size_t>(-1) / 4 / slot)
            throw std::bad_alloc();
        if (memory_)
            memory_->reserve(exits * slot);
        else
            memory_ = arena::create(std::max(exits * slot, first_chunk));
    }

    // Makes an entry that holds a Payload; not registered yet.
    template <class Payload, class... Args>
    entry& create(exit_table const& table, source_location where, Args&&... args)
    {
        if (!memory_)
            memory_ = arena::create(first_chunk);
        entry& e = *memory_->allocate(stored<Payload>::slot_class);
        e.generation = 0;
        try {
            stored<Payload>::construct(e, std::forward<Args>(args)...);
        } catch (...) {
            memory_->deallocate(e, stored<Payload>::slot_class);
            throw;
        }
        e.table = &table;
        e.file = where.file;
        e.line = where.line;
        return e;
    }

    // A slot for an entry that is made later, without allocating then.
    entry& reserve_slot(std::size_t slot_class)
    {
        if (!memory_)
            memory_ = arena::create(first_chunk);
        entry& e = *memory_->allocate(slot_class);
        e.generation = 0;
        return e;
    }

    // Registers what has been made in a reserved slot.
    exit_handle adopt(entry& e, exit_table const& table, source_location where) noexcept
    {
        e.table = &table;
        e.file = where.file;
        e.line = where.line;
        return link(e);
    }

    void return_slot(entry& e, std::size_t slot_class) noexcept
    {
        memory_->deallocate(e, slot_class);
    }

    // Destroys an entry that was never registered.
    void discard(entry& e) noexcept
    {
        auto const slot_class = e.table->slot_class;
        e.table->destroy(e);
        memory_->deallocate(e, slot_class);
    }

    // Registers an entry as the newest.
    exit_handle link(entry& e) noexcept
    {
        e.generation = memory_->next_generation();
        e.older = newest_;
        e.newer = nullptr;
        if (newest_)
            newest_->newer = &e;
        newest_ = &e;
        ++size_;
        return handle(e);
    }

    exit_handle handle(entry& e) const noexcept
    {
        return exit_handle(&e, memory_->serial(), e.generation);
    }

    // The registered exit that a handle names; null if there is none in this list.
    entry* find(exit_handle handle) const noexcept
    {
        if (!memory_ || handle.arena_ != memory_->serial()
            || handle.entry_->generation != handle.generation_)
            return nullptr;
        return handle.entry_;
    }

    // Whether a handle names the exit that runs.
    static bool names(exit_handle handle, running_exit const& exit) noexcept
    {
        return exit.running && handle.entry_ == exit.running
            && handle.arena_ == exit.memory->serial() && handle.generation_ == exit.generation;
    }

    entry* owner_of(void const* value) const noexcept
    {
        if (!value)
            return nullptr;
        for (entry* e = newest_; e; e = e->older)
            if (e->table->value && e->table->value(*e) == value)
                return e;
        return nullptr;
    }

    // Lets a registered exit run next.
    void move_to_front(entry& e) noexcept
    {
        if (&e == newest_)
            return;
        unlink(e);
        e.older = newest_;
        e.newer = nullptr;
        newest_->newer = &e;
        newest_ = &e;
        ++size_;
    }

    // Takes a registered exit off the list, to run it.
    void begin(entry& e, running_exit& exit) noexcept
    {
        unlink(e);
        exit.running = &e;
        exit.memory = memory_;
        exit.generation = std::exchange(e.generation, 0u);
        exit.holds_memory = false;
        exit.outer = std::exchange(running_, &exit);
    }

    // The exit has ended and what it held has been destroyed.
    void end(running_exit& exit) noexcept
    {
        // Not always the innermost: exits that were begun by different operations end in any order.
        running_exit** link = &running_;
        while (*link != &exit)
            link = &(*link)->outer;
        *link = exit.outer;
        if (exit.holds_memory)
            exit.memory->release();
        else
            exit.memory->deallocate(*exit.running, exit.running->table->slot_class);
        exit.running = nullptr;
    }

    // Forgets a registered exit without running it.
    void forget(entry& e) noexcept
    {
        running_exit exit;
        begin(e, exit);
        e.table->destroy(e);
        end(exit);
    }

    // Takes over all exits of `other`, with their memory; what runs there stays its own.
    void take(exit_list& other) noexcept
    {
        other.keep_running();
        keep_running();
        if (memory_)
            memory_->release();
        memory_ = std::exchange(other.memory_, nullptr);
        newest_ = std::exchange(other.newest_, nullptr);
        size_ = std::exchange(other.size_, 0);
    }

    // Takes over one registered exit of `other`, in whose memory it stays: both lists must be used by one
    // thread at a time. This list is empty and has no memory. No handle names the exit any more.
    void take_one(exit_list& other, entry& e) noexcept
    {
        other.unlink(e);
        memory_ = other.memory_;
        memory_->add_ref();
        e.generation = 0;
        e.older = nullptr;
        e.newer = nullptr;
        newest_ = &e;
        size_ = 1;
    }

private:
    // What runs stays in the memory that this list gives away.
    void keep_running() noexcept
    {
        for (running_exit* exit = running_; exit; exit = exit->outer)
            if (!std::exchange(exit->holds_memory, true))
                exit->memory->add_ref();
    }

    // With the arena's own data less than the largest block that malloc keeps for a thread.
    static constexpr std::size_t first_chunk = 16 * smallest_slot;

    void unlink(entry& e) noexcept
    {
        (e.newer ? e.newer->older : newest_) = e.older;
        if (e.older)
            e.older->newer = e.newer;
        --size_;
    }

    arena* memory_ = nullptr;
    entry* newest_ = nullptr;
    std::size_t size_ = 0;
    running_exit* running_ = nullptr;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_EXIT_LIST_HPP
