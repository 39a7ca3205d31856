// G1, G2, G3 and the synchronous part of G13.
#include <exeunt/exit_stack.hpp>

#include "measure.hpp"
#include "reference_function_array.hpp"
#include "reference_function_vector.hpp"

namespace performance {

namespace {

std::size_t runs = 0;

// An exit with 8 bytes of captures, and one with more than a std::function holds without allocating.
auto small_exit(std::size_t& count)
{
    return [&count] { ++count; };
}

auto large_exit(std::size_t& count, std::size_t a, std::size_t b, std::size_t c)
{
    return [&count, a, b, c] { count += a + b + c; };
}

void run_small(void* count)
{
    ++*static_cast<std::size_t*>(count);
}

[[gnu::noinline]] void library_cycle(std::size_t n)
{
    exeunt::exit_stack stack;
    for (std::size_t i = 0; i != n; ++i)
        stack.push(small_exit(runs));
    touch(stack);
    stack.close();
}

[[gnu::noinline]] void library_cycle_large(std::size_t n)
{
    exeunt::exit_stack stack;
    for (std::size_t i = 0; i != n; ++i)
        stack.push(large_exit(runs, i, i, i));
    touch(stack);
    stack.close();
}

[[gnu::noinline]] void array_cycle(std::size_t n)
{
    reference::function_array exits;
    for (std::size_t i = 0; i != n; ++i)
        exits.push(&run_small, &runs);
    touch(exits);
    exits.close();
}

[[gnu::noinline]] void vector_cycle(std::size_t n)
{
    reference::function_vector exits;
    for (std::size_t i = 0; i != n; ++i)
        exits.push(small_exit(runs));
    touch(exits);
    exits.close();
}

[[gnu::noinline]] void vector_cycle_large(std::size_t n)
{
    reference::function_vector exits;
    for (std::size_t i = 0; i != n; ++i)
        exits.push(large_exit(runs, i, i, i));
    touch(exits);
    exits.close();
}

[[gnu::noinline]] void empty_cycle(std::size_t n)
{
    touch(n);
}

[[gnu::noinline]] void unused_stack(std::size_t)
{
    exeunt::exit_stack stack;
    touch(stack);
}

// Registering alone; what comes before and after is not counted.
void register_small(sampler& samples, std::size_t n, bool measured)
{
    exeunt::exit_stack stack;
    if (measured)
        samples.begin();
    for (std::size_t i = 0; i != n; ++i)
        stack.push(small_exit(runs));
    if (measured)
        samples.end();
    stack.close();
}

auto cycle(void (*run)(std::size_t))
{
    return
        [=](std::size_t n) { return [=](sampler& samples) { repeat(samples, [=] { run(n); }); }; };
}

auto registering(std::size_t n)
{
    return [n](sampler& samples) {
        for (std::size_t i = 0; i != samples.warm_up() + samples.cycles(); ++i)
            register_small(samples, n, i >= samples.warm_up());
    };
}

auto registering_nothing(std::size_t)
{
    return registering(0);
}

} // namespace

void add_sync_rows(suite& all)
{
    all.push_back({"G1", "harness", {16}, registering_nothing});
    all.push_back({"G1", "library", {16}, registering});
    std::vector<std::size_t> const at = {0, 16, 1024};
    all.push_back({"G2,G3.small,G3.heap", "harness", at, cycle(empty_cycle)});
    all.push_back({"G2,G3.small", "library", at, cycle(library_cycle)});
    all.push_back({"G2", "reference", at, cycle(array_cycle), reference::function_array::room});
    all.push_back({"G3.small", "reference", at, cycle(vector_cycle)});
    all.push_back({"G3.heap", "library", at, cycle(library_cycle_large)});
    all.push_back({"G3.heap", "reference", at, cycle(vector_cycle_large)});
    all.push_back({"G13.sync", "harness", {1}, cycle(empty_cycle), 0});
    all.push_back({"G13.sync", "library", {1}, cycle(unused_stack), 0});
}

} // namespace performance
