#ifndef EXEUNT_IMPL_EXIT_LIST_IPP
#define EXEUNT_IMPL_EXIT_LIST_IPP

#include <exeunt/detail/exit_list.hpp>

#include <algorithm>
#include <new>

namespace exeunt::detail {

EXEUNT_DECL void exit_list::reserve(std::size_t exits)
{
    constexpr auto slot = (sizeof(entry) + small_capture + slot_granularity - 1) / slot_granularity
        * slot_granularity;
    if (exits > static_cast<std::size_t>(-1) / 4 / slot)
        throw std::bad_alloc();
    auto const bytes = exits * slot;
    if (!memory_) {
        memory_ = arena::create(std::max(bytes, arena::usual_chunk));
        space_.restart(memory_->first_chunk());
    } else if (!space_.has(bytes)) {
        space_.restart(memory_->grow(bytes));
    }
}

EXEUNT_DECL entry& exit_list::allocate_slowly(std::size_t slot_class)
{
    auto const size = slot_size(slot_class);
    if (!memory_) {
        memory_ = arena::create(arena::usual_chunk);
        space_.restart(memory_->first_chunk());
        space_.limit = space_.end;
        return *static_cast<entry*>(space_.cut(size));
    }
    // That a generation comes again after this many does no harm; that one is 0 would.
    if (generation_ >= std::uint32_t{1} << 31)
        generation_ = 0;
    if (entry* slot = memory_->take(slot_class))
        return *slot;
    if (!space_.has(size))
        space_.restart(memory_->grow(size));
    if (!memory_->has_free())
        space_.limit = space_.end;
    return *static_cast<entry*>(space_.cut(size));
}

} // namespace exeunt::detail

#endif // EXEUNT_IMPL_EXIT_LIST_IPP
