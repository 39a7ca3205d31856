// G14. This file is compiled as it is, and once more against a copy of the library that lacks what is not
// used here: then all in it bears the name of that copy.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_stack.hpp>

#include "measure.hpp"

#include <cstdio>
#include <cstdlib>

namespace performance::exeunt_rows {

namespace {

using context_executor = asio::io_context::executor_type;

std::size_t runs = 0;

// Both engines have to do the work that is compared.
void require_runs(std::size_t wanted)
{
    if (runs != wanted) {
        std::fprintf(stderr, "%zu exits have run, not %zu\n", runs, wanted);
        std::abort();
    }
}

[[gnu::noinline]] void close_sync(std::size_t n)
{
    exeunt::exit_stack stack;
    for (std::size_t i = 0; i != n; ++i)
        stack.push([count = &runs] { ++*count; });
    touch(stack);
    stack.close();
}

auto sync(std::size_t n)
{
    return [n](sampler& samples) {
        runs = 0;
        repeat(samples, [n] { close_sync(n); });
        require_runs(n * (samples.warm_up() + samples.cycles()));
    };
}

template <class Exit>
auto async(Exit exit)
{
    return [exit](std::size_t n) {
        auto const cycles = in_context([n, exit](asio::io_context& context) {
            return [n, exit, &context](auto done) {
                exeunt::basic_async_exit_stack<context_executor> stack(context.get_executor());
                for (std::size_t i = 0; i != n; ++i)
                    stack.push(exit);
                touch(stack);
                stack.async_close(done);
            };
        });
        return [n, cycles](sampler& samples) {
            runs = 0;
            cycles(samples);
            require_runs(n * (samples.warm_up() + samples.cycles()));
        };
    };
}

} // namespace

void add(suite& all, char const* who)
{
    auto const count = &runs;
    std::vector<std::size_t> const at = {0, 16};
    all.push_back({"G14.sync", who, at, sync});
    all.push_back({"G14.inline", who, at, async([count](auto done) {
                       ++*count;
                       std::move(done)();
                   })});
    all.push_back({"G14.posted", who, at, async([count](auto done) {
                       ++*count;
                       asio::post(std::move(done));
                   })});
    all.push_back({"G14.coroutine", who, at, async([count]() -> asio::awaitable<void> {
                       ++*count;
                       co_return;
                   })});
}

} // namespace performance::exeunt_rows
