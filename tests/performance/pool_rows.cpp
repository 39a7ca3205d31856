// G15.
#include <exeunt/resource_pool.hpp>

#include "measure.hpp"
#include "reference_free_list.hpp"

#include <memory>

namespace performance {

namespace {

using context_executor = asio::io_context::executor_type;

// A lease is got, used, and given back before the next one is wanted.
auto library()
{
    return in_context([](asio::io_context& context) {
        using pool = exeunt::basic_resource_pool<std::unique_ptr<int>, context_executor>;
        auto open = [&context] {
            return asio::async_initiate<asio::deferred_t const, void(std::unique_ptr<int>)>(
                [&context](auto handler) {
                    asio::post(context, [handler = std::move(handler)]() mutable {
                        std::move(handler)(std::make_unique<int>());
                    });
                },
                asio::deferred);
        };
        auto shared = std::make_shared<pool>(context.get_executor(), open);
        return [shared](auto done) {
            shared->async_acquire([done](std::exception_ptr error, auto lease) {
                if (auto const used = std::move(lease); !error)
                    ++**used;
                done();
            });
        };
    });
}

auto free_list()
{
    return in_context([](asio::io_context& context) {
        using list = reference::free_list<int, context_executor>;
        auto shared = std::make_shared<list>(context.get_executor());
        shared->add(std::make_unique<int>());
        return [shared](auto done) {
            shared->async_acquire([done](boost::system::error_code error, auto lease) {
                if (auto const used = std::move(lease); !error)
                    ++*used;
                done();
            });
        };
    });
}

} // namespace

void add_pool_rows(suite& all)
{
    auto const with = [](auto make) { return [make](std::size_t) { return make(); }; };
    all.push_back({"G15", "library", {1}, with(library), 0});
    all.push_back({"G15", "reference", {1}, with(free_list), 0});
}

} // namespace performance
