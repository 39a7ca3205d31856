// Replaces malloc and aligned_alloc, which operator new and Asio take their memory from, by ones that
// count. Linked into a program of its own: where instructions are counted this would count along.
#include "measure.hpp"

#include <cstdlib>

extern "C" {

void* __libc_malloc(std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);

void* malloc(std::size_t size)
{
    ++performance::allocated.calls;
    performance::allocated.bytes += size;
    return __libc_malloc(size);
}

void* aligned_alloc(std::size_t alignment, std::size_t size)
{
    ++performance::allocated.calls;
    performance::allocated.bytes += size;
    return __libc_memalign(alignment, size);
}
}
