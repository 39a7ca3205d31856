// G4 to G7 and the asynchronous part of G13.
#include <exeunt/async_exit_stack.hpp>

#include "measure.hpp"
#include "reference_compose.hpp"
#include "reference_handler_vector.hpp"
#include "reference_trampoline.hpp"

#include <boost/asio/any_io_executor.hpp>

namespace performance {

namespace {

using context_executor = asio::io_context::executor_type;

std::size_t runs = 0;

// An exit that completes while it is being started.
auto inline_exit(std::size_t& count)
{
    return [&count](auto handler) {
        ++count;
        std::move(handler)();
    };
}

// One that takes a hop through its executor.
auto posted_exit(std::size_t& count)
{
    return [&count](auto handler) {
        ++count;
        asio::post(std::move(handler));
    };
}

template <class Executor, class MakeExit>
auto library(std::size_t n, MakeExit make_exit)
{
    return in_context([=](asio::io_context& context) {
        return [=, &context](auto done) {
            exeunt::basic_async_exit_stack<Executor> stack(Executor(context.get_executor()));
            for (std::size_t i = 0; i != n; ++i)
                stack.push(make_exit(runs));
            touch(stack);
            stack.async_close(done);
        };
    });
}

// The object of a hand-written operation outlives it; it is made once, and used again.
template <template <class...> class Form, class Fill, class Executor>
auto by_hand(asio::io_context& context, Fill fill, std::type_identity<Executor>)
{
    return [&context, fill, form = std::shared_ptr<void>()](auto done) mutable {
        using type = Form<Executor, decltype(done)>;
        if (!form)
            form = std::make_shared<type>(Executor(context.get_executor()));
        auto& exits = *static_cast<type*>(form.get());
        fill(exits);
        touch(exits);
        exits.async_close(done);
    };
}

template <class Executor, class Handler>
class composed_for : public reference::composed<Executor>
{
    using reference::composed<Executor>::composed;
};

auto trampoline(std::size_t n)
{
    return in_context([=](asio::io_context& context) {
        auto const fill = [n](auto& exits) {
            using loop = std::remove_reference_t<decltype(exits)>;
            for (std::size_t i = 0; i != n; ++i)
                exits.push(
                    [](void* count, loop& running) {
                        ++*static_cast<std::size_t*>(count);
                        running.complete();
                    },
                    &runs);
        };
        return by_hand<reference::trampoline>(
            context, fill, std::type_identity<context_executor>());
    });
}

auto handler_vector(std::size_t n)
{
    return in_context([=](asio::io_context& context) {
        auto const fill = [n](auto& exits) {
            using handler = typename std::remove_reference_t<decltype(exits)>::exit_handler;
            for (std::size_t i = 0; i != n; ++i)
                exits.push([](handler done) {
                    ++runs;
                    std::move(done)(boost::system::error_code());
                });
        };
        return by_hand<reference::handler_vector>(
            context, fill, std::type_identity<context_executor>());
    });
}

template <class Executor>
auto compose(std::size_t n)
{
    return in_context([=](asio::io_context& context) {
        auto const fill = [n](auto& exits) {
            for (std::size_t i = 0; i != n; ++i)
                exits.push([](void* count) { ++*static_cast<std::size_t*>(count); }, &runs);
        };
        return by_hand<composed_for>(context, fill, std::type_identity<Executor>());
    });
}

[[gnu::noinline]] void unused_stack(context_executor const& executor)
{
    exeunt::basic_async_exit_stack<context_executor> stack(executor);
    touch(stack);
}

[[gnu::noinline]] void no_stack(context_executor const& executor)
{
    touch(executor);
}

template <class Use>
auto on_executor(Use use)
{
    return [use](sampler& samples) {
        asio::io_context context;
        auto const executor = context.get_executor();
        repeat(samples, [&] { use(executor); });
    };
}

} // namespace

void add_async_rows(suite& all)
{
    auto const inline_ = [](std::size_t n) {
        return library<context_executor>(n, [](std::size_t& count) { return inline_exit(count); });
    };
    auto const posted = [](auto executor) {
        using type = typename decltype(executor)::type;
        return [](std::size_t n) {
            return library<type>(n, [](std::size_t& count) { return posted_exit(count); });
        };
    };
    using any = asio::any_io_executor;
    constexpr auto room = reference::composed<any>::room;
    std::vector<std::size_t> const at = {0, 16};
    all.push_back({"G4,G5", "library", at, inline_});
    all.push_back({"G4", "reference", at, trampoline, room});
    all.push_back({"G5", "reference", at, handler_vector});
    std::vector<std::size_t> const few = {0, 1, 4, 16};
    all.push_back({"G6", "library", few, posted(std::type_identity<context_executor>())});
    all.push_back({"G6,G7", "reference", few, compose<context_executor>, room});
    all.push_back({"G7,G7.any", "library", at, posted(std::type_identity<any>())});
    all.push_back({"G7.any", "reference", at, compose<any>, room});
    auto const harness = [](std::size_t) { return on_executor(no_stack); };
    auto const unused = [](std::size_t) { return on_executor(unused_stack); };
    all.push_back({"G13.async", "harness", {1}, harness, 0});
    all.push_back({"G13.async", "library", {1}, unused, 0});
}

} // namespace performance
