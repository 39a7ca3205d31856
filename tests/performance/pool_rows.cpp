// G15.
#include "pools.hpp"

#include <exception>
#include <utility>

namespace performance {

namespace {

// A lease is got, used, and given back before the next one is wanted.
auto library()
{
    return in_context([](asio::io_context& context) {
        auto shared = make_pool(context, 1);
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
        auto shared = make_list(context, 1);
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
