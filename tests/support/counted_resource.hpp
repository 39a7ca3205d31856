// A resource that counts how many of its kind there are.
#ifndef EXEUNT_TESTS_SUPPORT_COUNTED_RESOURCE_HPP
#define EXEUNT_TESTS_SUPPORT_COUNTED_RESOURCE_HPP

#include <utility>

namespace support {

class counted_resource
{
public:
    explicit counted_resource(int& alive) noexcept
        : alive_(&alive)
    {
        ++*alive_;
    }
    counted_resource(counted_resource&& other) noexcept
        : alive_(std::exchange(other.alive_, nullptr))
    {
    }
    counted_resource& operator=(counted_resource&&) = delete;
    ~counted_resource()
    {
        if (alive_)
            --*alive_;
    }

private:
    int* alive_;
};

} // namespace support

#endif
