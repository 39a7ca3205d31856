// G11 and G12: what a million exits need.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_stack.hpp>

#include "measure.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <functional>
#include <vector>

#include <pthread.h>

namespace performance {

namespace {

std::size_t runs = 0;
constexpr std::size_t many = 1000000;

// Bytes at the moment when all that has been allocated is in use: before the last block is asked for.
void print_bytes_of_entries()
{
    exeunt::exit_stack stack;
    auto const before = allocated;
    auto last = before;
    std::size_t entries = 0;
    double bytes = 0;
    for (std::size_t i = 0; i != many; ++i) {
        stack.push([count = &runs] { ++*count; });
        if (allocated.calls != last.calls) {
            entries = i;
            bytes = static_cast<double>(last.bytes - before.bytes);
            last = allocated;
        }
    }
    std::printf("G11.bytes library %zu %g\n", many, bytes / static_cast<double>(entries));
    std::printf("G11.mallocs library %zu %g\n", many,
        static_cast<double>(allocated.calls - before.calls) / static_cast<double>(many));
    stack.close();
}

// How much of a thread's stack f() uses: what it has overwritten of a pattern.
std::size_t stack_used_by(std::function<void()> f)
{
    std::vector<unsigned char> memory(1 << 20, 0xA5);
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, memory.data(), memory.size());
    pthread_t thread;
    auto const run = [](void* function) -> void* {
        (*static_cast<std::function<void()>*>(function))();
        return nullptr;
    };
    pthread_create(&thread, &attributes, run, &f);
    pthread_join(thread, nullptr);
    pthread_attr_destroy(&attributes);
    auto const used =
        std::find_if(memory.begin(), memory.end(), [](unsigned char byte) { return byte != 0xA5; });
    return static_cast<std::size_t>(memory.end() - used);
}

void unwind_sync(std::size_t n)
{
    exeunt::exit_stack stack;
    for (std::size_t i = 0; i != n; ++i)
        stack.push([count = &runs] { ++*count; });
    stack.close();
}

template <class Exit>
void unwind_async(std::size_t n, Exit exit)
{
    asio::io_context context;
    exeunt::async_exit_stack stack(context);
    for (std::size_t i = 0; i != n; ++i)
        stack.push(exit);
    stack.async_close([](std::exception_ptr) {});
    context.run();
}

void unwind_inline(std::size_t n)
{
    unwind_async(n, [](exeunt::exit_handler done) {
        ++runs;
        std::move(done)();
    });
}

void unwind_coroutines(std::size_t n)
{
    unwind_async(n, []() -> asio::awaitable<void> {
        ++runs;
        co_return;
    });
}

void print_stack(char const* row, void (*unwind)(std::size_t))
{
    unwind(1024); // what is done once only
    auto const few = stack_used_by([=] { unwind(1024); });
    auto const all = stack_used_by([=] { unwind(many); });
    std::printf("%s few %zu %zu\n", row, many, few);
    std::printf("%s library %zu %zu\n", row, many, all);
}

} // namespace

void print_memory()
{
    print_bytes_of_entries();
    print_stack("G12.sync", unwind_sync);
    print_stack("G12.inline", unwind_inline);
    print_stack("G12.coroutine", unwind_coroutines);
    std::printf("sizes exit_stack 0 %zu\n", sizeof(exeunt::exit_stack));
    std::printf("sizes async_exit_stack<io_context::executor_type> 0 %zu\n",
        sizeof(exeunt::basic_async_exit_stack<asio::io_context::executor_type>));
    std::printf("sizes async_exit_stack 0 %zu\n", sizeof(exeunt::async_exit_stack));
}

} // namespace performance
