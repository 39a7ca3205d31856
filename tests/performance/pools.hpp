// What G15 and its growth measure: a pool of the library, and a free list by hand.
#ifndef EXEUNT_TESTS_PERFORMANCE_POOLS_HPP
#define EXEUNT_TESTS_PERFORMANCE_POOLS_HPP

#include <exeunt/resource_pool.hpp>

#include "measure.hpp"
#include "reference_free_list.hpp"

#include <cstddef>
#include <memory>

namespace performance {

inline auto make_pool(asio::io_context& context, std::size_t size)
{
    auto open = [&context] {
        return asio::async_initiate<asio::deferred_t const, void(std::unique_ptr<int>)>(
            [&context](auto handler) {
                asio::post(context, [handler = std::move(handler)]() mutable {
                    std::move(handler)(std::make_unique<int>());
                });
            },
            asio::deferred);
    };
    using executor = asio::io_context::executor_type;
    using pool = exeunt::basic_resource_pool<std::unique_ptr<int>, executor>;
    return std::make_shared<pool>(
        context.get_executor(), open, exeunt::pool_options{.max_size = size});
}

inline auto make_list(asio::io_context& context, std::size_t size)
{
    using list = reference::free_list<int, asio::io_context::executor_type>;
    auto made = std::make_shared<list>(context.get_executor());
    for (std::size_t i = 0; i != size; ++i)
        made->add(std::make_unique<int>());
    return made;
}

} // namespace performance

#endif
