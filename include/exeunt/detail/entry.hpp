#ifndef EXEUNT_DETAIL_ENTRY_HPP
#define EXEUNT_DETAIL_ENTRY_HPP

#include <exeunt/exit_state.hpp>
#include <exeunt/on_exit.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string_view>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

struct entry;

// What is known of an exit by its type. One static object for each type of exit.
struct exit_table
{
    // Runs a synchronous exit if its filter holds, then destroys what it holds. If it throws, what it
    // holds is still there. Null for an asynchronous exit.
    void (*run)(entry&, exit_state&);
    // Destroys what the exit holds; null if there is nothing to do.
    void (*destroy)(entry&) noexcept;
    // The value that the exit owns; null if it owns none.
    void* (*value)(entry&) noexcept;
    // Its name; null if it has none.
    std::string_view (*name)(entry&) noexcept;
    std::uint8_t slot_class;
    exit_filter filter;
    bool best_effort;
    bool async;
    // Of an asynchronous exit: its last resort, and what is called before it is cut; may throw.
    void (*force)(entry&) = nullptr;
    void (*on_cut)(entry&) = nullptr;
    // How long it may take; null where it has no limit of its own.
    std::chrono::steady_clock::duration (*within)(entry&) noexcept = nullptr;
    // Takes what the exit fails with, which is of no concern to the stack then; null if it is.
    void (*absorb)(entry&, std::exception_ptr const&) noexcept = nullptr;
};

// One registered exit: this header, then what it holds, in one slot of an arena.
struct entry
{
    exit_table const* table;
    entry* older;
    entry* newer; // unless it is the newest
    char const* file;
    std::uint32_t line;
    // Differs for each registration in one arena; 0 while the slot holds no registered exit.
    std::uint32_t generation;

    source_location where() const noexcept { return {file, line}; }
    // Destroys what it holds.
    void destroy() noexcept
    {
        if (table->destroy)
            table->destroy(*this);
    }
    std::string_view name() noexcept
    {
        return table->name ? table->name(*this) : std::string_view();
    }
};

// Slots are multiples of 16 bytes, of a few sizes; what does not fit is held by pointer.
inline constexpr std::size_t slot_granularity = 16;
inline constexpr std::size_t smallest_slot = 48;
inline constexpr std::size_t slot_classes = 6;
inline constexpr std::size_t largest_slot = smallest_slot + (slot_classes - 1) * slot_granularity;

constexpr std::size_t slot_size(std::size_t slot_class) noexcept
{
    return smallest_slot + slot_class * slot_granularity;
}

// Where a payload begins within its slot: directly after the header if its alignment allows that.
template <class T>
inline constexpr std::size_t payload_offset = (sizeof(entry) + alignof(T) - 1) / alignof(T)
    * alignof(T);

template <class T>
inline constexpr bool fits_in_slot = alignof(T) <= slot_granularity&& payload_offset<T> + sizeof(T)
    <= largest_slot;

template <class T>
T* payload_at(entry& e) noexcept
{
    auto* bytes = reinterpret_cast<std::byte*>(&e);
    return std::launder(reinterpret_cast<T*>(bytes + payload_offset<T>));
}

// What an entry holds: a Payload in the slot, or, where it does not fit, a pointer to one.
template <class Payload>
struct stored
{
    static_assert(std::is_nothrow_destructible_v<Payload>,
        "exeunt: what an exit holds must have a destructor that does not throw: give back in the "
        "exit "
        "or in a release, which may throw");

    static constexpr bool boxed = !fits_in_slot<Payload>;
    using type = std::conditional_t<boxed, Payload*, Payload>;

    static constexpr std::uint8_t slot_class =
        static_cast<std::uint8_t>(payload_offset<type> + sizeof(type) <= smallest_slot
                ? 0
                : (payload_offset<type> + sizeof(type) - smallest_slot + slot_granularity - 1)
                    / slot_granularity);

    static Payload& get(entry& e) noexcept
    {
        if constexpr (boxed)
            return **payload_at<Payload*>(e);
        else
            return *payload_at<Payload>(e);
    }

    // Memory for a payload that does not lie in the slot; null where it does.
    static void* allocate_box()
    {
        if constexpr (!boxed)
            return nullptr;
        else if constexpr (alignof(Payload) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
            return ::operator new(sizeof(Payload), std::align_val_t(alignof(Payload)));
        else
            return ::operator new(sizeof(Payload));
    }

    static void deallocate_box(void* box) noexcept
    {
        if constexpr (alignof(Payload) > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
            ::operator delete(box, std::align_val_t(alignof(Payload)));
        else
            ::operator delete(box);
    }

    // Constructs in `box`, which the entry owns from then on, or in the slot.
    template <class... Args>
    static void construct_with(void* box, entry& e, Args&&... args)
    {
        void* place = reinterpret_cast<std::byte*>(&e) + payload_offset<type>;
        if constexpr (boxed)
            ::new (place) type(::new (box) Payload(std::forward<Args>(args)...));
        else
            ::new (place) type(std::forward<Args>(args)...);
    }

    template <class... Args>
    static void construct(entry& e, Args&&... args)
    {
        void* box = allocate_box();
        try {
            construct_with(box, e, std::forward<Args>(args)...);
        } catch (...) {
            if constexpr (boxed)
                deallocate_box(box);
            throw;
        }
    }

    static void destroy(entry& e) noexcept
    {
        Payload* payload = std::addressof(get(e));
        std::destroy_at(payload);
        if constexpr (boxed)
            deallocate_box(payload);
    }

    static std::string_view name(entry& e) noexcept { return get(e).name(); }
    static void* value(entry& e) noexcept { return get(e).value(); }
};

template <class Payload>
consteval auto destroy_of() noexcept -> void (*)(entry&) noexcept
{
    if constexpr (std::is_trivially_destructible_v<Payload> && !stored<Payload>::boxed)
        return nullptr;
    else
        return &stored<Payload>::destroy;
}

// A payload names itself and owns a value if it has these members.
template <class Payload>
consteval auto name_of() noexcept -> std::string_view (*)(entry&) noexcept
{
    if constexpr (Payload::is_named)
        return &stored<Payload>::name;
    else
        return nullptr;
}

template <class Payload>
consteval auto value_of() noexcept -> void* (*)(entry&) noexcept
{
    if constexpr (requires(Payload & p) { p.value(); })
        return &stored<Payload>::value;
    else
        return nullptr;
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_ENTRY_HPP
