#ifndef EXEUNT_DETAIL_EXIT_LIST_HPP
#define EXEUNT_DETAIL_EXIT_LIST_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/config.hpp>
#include <exeunt/detail/arena.hpp>
#include <exeunt/detail/entry.hpp>
#include <exeunt/detail/exit_state_access.hpp>
#include <exeunt/exit_handle.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace exeunt::detail {

// An exit that has been taken off its list and runs, or is about to.
struct running_exit
{
    entry* running = nullptr;
    // The list's arena, if that was handed over meanwhile: this one holds a reference of its own.
    arena* memory = nullptr;
    // Of the handle that names it: the entry's own is 0 as soon as it runs.
    std::uint32_t generation = 0;
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

    void reserve(std::size_t exits);

    // Makes an entry that holds a Payload; not registered yet.
    template <class Payload, class... Args>
    entry& create(exit_table const& table, source_location where, Args&&... args)
    {
        entry& e = allocate(stored<Payload>::slot_class);
        e.generation = 0;
        try {
            stored<Payload>::construct(e, std::forward<Args>(args)...);
        } catch (...) {
            return_slot(e, stored<Payload>::slot_class);
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
        entry& e = allocate(slot_class);
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
        memory_->give_back(e, slot_class);
        // What has been given back is used before anything else.
        space_.limit = nullptr;
    }

    // Destroys an entry that was never registered.
    void discard(entry& e) noexcept
    {
        auto const slot_class = e.table->slot_class;
        e.destroy();
        return_slot(e, slot_class);
    }

    // Registers an entry as the newest.
    exit_handle link(entry& e) noexcept
    {
        e.generation = ++generation_;
        e.older = newest_;
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

    // Whether a handle names this exit of the list, which runs.
    bool names(exit_handle handle, running_exit const& exit) const noexcept
    {
        auto* const memory = exit.memory ? exit.memory : memory_;
        return handle.entry_ == exit.running && handle.arena_ == memory->serial()
            && handle.generation_ == exit.generation;
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

    // Takes a registered exit off the list, to run it.
    void begin(entry& e, running_exit& exit) noexcept
    {
        if (&e == newest_) {
            newest_ = e.older;
            --size_;
        } else {
            unlink(e);
        }
        exit.running = &e;
        exit.generation = std::exchange(e.generation, 0);
        enter(exit);
    }

    // An exit that has ended, and whose payload has been destroyed, is gone.
    EXEUNT_EACH_EXIT void end(running_exit& exit) noexcept
    {
        leave(exit);
        give_back(exit);
        exit.running = nullptr;
    }

    // Forgets the memory: nothing is registered, and nothing will be.
    void drop_memory() noexcept
    {
        keep_running();
        if (memory_)
            std::exchange(memory_, nullptr)->release();
        space_ = {};
    }

    // The same in parts, for one exit after the other.
    void enter(running_exit& exit) noexcept
    {
        exit.outer = running_;
        running_ = &exit;
    }
    // Returns the one that is the newest then. No handle names the exit while it runs.
    entry* begin_newest(running_exit& exit) noexcept
    {
        entry& e = *newest_;
        exit.running = &e;
        e.generation = 0;
        --size_;
        return newest_ = e.older;
    }
    EXEUNT_EACH_EXIT void give_back(running_exit& exit) noexcept
    {
        if (exit.memory)
            std::exchange(exit.memory, nullptr)->release();
        else
            return_slot(*exit.running, exit.running->table->slot_class);
    }
    EXEUNT_EACH_EXIT void leave(running_exit& exit) noexcept
    {
        // Not always the innermost: exits that were begun by different operations end in any order.
        running_exit** link = &running_;
        while (*link != &exit)
            link = &(*link)->outer;
        *link = exit.outer;
    }

    // Forgets a registered exit without running it.
    void forget(entry& e) noexcept
    {
        running_exit exit;
        begin(e, exit);
        e.destroy();
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
        space_ = std::exchange(other.space_, {});
        generation_ = other.generation_;
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
        newest_ = &e;
        size_ = 1;
    }

private:
    // Fresh memory. `limit` is where it ends, or null: then a slow look is due before it is used.
    struct space : arena::space
    {
        std::byte* limit = nullptr;

        void restart(arena::space const& fresh) noexcept
        {
            next = fresh.next;
            end = fresh.end;
            limit = nullptr;
        }
        void* cut(std::size_t bytes) noexcept { return std::exchange(next, next + bytes); }
    };

    // What runs stays in the memory that this list gives away.
    void keep_running() noexcept
    {
        for (running_exit* exit = running_; exit; exit = exit->outer)
            if (!exit->memory) {
                exit->memory = memory_;
                memory_->add_ref();
            }
    }

    entry& allocate(std::size_t slot_class)
    {
        auto const size = slot_size(slot_class);
        if (reinterpret_cast<std::uintptr_t>(space_.next) + size
            > reinterpret_cast<std::uintptr_t>(space_.limit))
            return allocate_slowly(slot_class);
        return *static_cast<entry*>(space_.cut(size));
    }

    // Where there is no memory yet, or not enough, or a slot that may be used again.
    entry& allocate_slowly(std::size_t slot_class);

    void unlink(entry& e) noexcept
    {
        (&e == newest_ ? newest_ : e.newer->older) = e.older;
        if (e.older)
            e.older->newer = e.newer;
        --size_;
    }

    arena* memory_ = nullptr;
    entry* newest_ = nullptr;
    std::size_t size_ = 0;
    running_exit* running_ = nullptr;
    space space_;
    // Of the entry that was registered last.
    std::uint32_t generation_ = 0;
};

} // namespace exeunt::detail

#if defined(EXEUNT_HEADER_ONLY)
#include <exeunt/impl/exit_list.ipp>
#endif

#endif // EXEUNT_DETAIL_EXIT_LIST_HPP
