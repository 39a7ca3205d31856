#ifndef EXEUNT_DETAIL_BLOCK_ALLOCATOR_HPP
#define EXEUNT_DETAIL_BLOCK_ALLOCATOR_HPP

#include <exeunt/detail/block_cache.hpp>

#include <cstddef>
#include <new>
#include <type_traits>

namespace exeunt::detail {

// Allocates one object at a time, from what the thread has kept of objects of about this size.
template <class T>
class block_allocator
{
public:
    using value_type = T;

    block_allocator() noexcept = default;
    template <class U>
    block_allocator(block_allocator<U> const&) noexcept
    {
    }

    T* allocate(std::size_t /*one*/)
    {
        if constexpr (is_over_aligned())
            return static_cast<T*>(::operator new(sizeof(T), std::align_val_t(alignof(T))));
        else
            return static_cast<T*>(cache<rounded()>::allocate(rounded()));
    }

    void deallocate(T* memory, std::size_t /*one*/) noexcept
    {
        if constexpr (is_over_aligned())
            ::operator delete(memory, std::align_val_t(alignof(T)));
        else
            cache<rounded()>::deallocate(memory);
    }

    template <class U>
    bool operator==(block_allocator<U> const&) const noexcept
    {
        return true;
    }

private:
    template <std::size_t Size>
    using cache = block_cache<std::integral_constant<std::size_t, Size>>;

    static constexpr bool is_over_aligned()
    {
        return alignof(T) > __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    }
    static constexpr std::size_t rounded() { return (sizeof(T) + 63) / 64 * 64; }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_BLOCK_ALLOCATOR_HPP
