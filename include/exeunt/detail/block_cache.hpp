#ifndef EXEUNT_DETAIL_BLOCK_CACHE_HPP
#define EXEUNT_DETAIL_BLOCK_CACHE_HPP

#include <cstddef>
#include <new>
#include <utility>

namespace exeunt::detail {

// Memory for objects of one kind that come and go. Each thread keeps a few blocks for its next ones, as
// Asio does for its handlers; where Asio is told not to, nothing is kept here either.
template <class Kind>
class block_cache
{
public:
    // All blocks of a kind are of the same size.
    static void* allocate(std::size_t size)
    {
        if (block* kept = first_) {
            first_ = kept->next;
            ++room_;
            return kept;
        }
        return ::operator new(size);
    }

    static void deallocate(void* memory) noexcept
    {
        if (room_ == 0 && !make_room())
            return ::operator delete(memory);
        first_ = ::new (memory) block{first_};
        --room_;
    }

private:
    struct block
    {
        block* next;
    };

    // Frees what a thread has kept when that ends.
    struct keeper
    {
        keeper() noexcept { room_ = most; }
        keeper(keeper const&) = delete;
        keeper& operator=(keeper const&) = delete;
        ~keeper()
        {
            room_ = 0;
            while (block* kept = first_) {
                first_ = kept->next;
                ::operator delete(kept);
            }
        }
    };

    // Whether there is room for another one. Only the first call of a thread finds any.
    static bool make_room() noexcept
    {
#if defined(BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING)
        return false;
#else
        if (std::exchange(has_keeper_, true))
            return false;
        static thread_local keeper const here;
        static_cast<void>(&here);
        return true;
#endif
    }

    static constexpr std::size_t most = 4;

    static constinit inline thread_local block* first_ = nullptr;
    // For how many more there is room.
    static constinit inline thread_local std::size_t room_ = 0;
    static constinit inline thread_local bool has_keeper_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_BLOCK_CACHE_HPP
