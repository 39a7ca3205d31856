// G8 and G9.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>

#include "measure.hpp"
#include "reference_coroutines.hpp"

#include <boost/asio/detached.hpp>

namespace performance {

namespace {

std::size_t runs = 0;

auto coroutine_exit(std::size_t& count)
{
    return [&count]() -> asio::awaitable<void> {
        ++count;
        co_return;
    };
}

auto library_scope(std::size_t n)
{
    return in_context([=](asio::io_context& context) {
        return [=, &context](auto done) {
            auto body = [n](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
                for (std::size_t i = 0; i != n; ++i)
                    stack.push(coroutine_exit(runs));
                co_return;
            };
            exeunt::async_with(context.get_executor(), body, done);
        };
    });
}

auto scope_by_hand(std::size_t n)
{
    return in_context([=](asio::io_context& context) {
        return [=, &context](auto done) {
            auto body = [n](reference::coroutine_exits& exits) -> asio::awaitable<void> {
                for (std::size_t i = 0; i != n; ++i)
                    exits.push_back(coroutine_exit(runs));
                co_return;
            };
            asio::co_spawn(context, reference::scope(body), done);
        };
    });
}

auto library_close(std::size_t n)
{
    return in_context([=](asio::io_context& context) {
        return [=, &context](auto done) {
            exeunt::async_exit_stack stack(context);
            for (std::size_t i = 0; i != n; ++i)
                stack.push(coroutine_exit(runs));
            touch(stack);
            stack.async_close(done);
        };
    });
}

asio::awaitable<void> close_by_hand(sampler& samples, std::size_t n)
{
    for (std::size_t i = 0; i != samples.warm_up() + samples.cycles(); ++i) {
        if (i == samples.warm_up())
            samples.begin();
        reference::coroutine_exits exits;
        std::vector<std::exception_ptr> errors;
        for (std::size_t k = 0; k != n; ++k)
            exits.push_back(coroutine_exit(runs));
        touch(exits);
        for (; !exits.empty(); exits.pop_back()) {
            try {
                co_await exits.back()();
            } catch (...) {
                errors.push_back(std::current_exception());
            }
        }
        reference::report(errors);
    }
    samples.end();
}

auto in_coroutine(asio::awaitable<void> (*run)(sampler&, std::size_t), std::size_t n)
{
    return [=](sampler& samples) {
        asio::io_context context;
        asio::steady_timer first(context);
        asio::co_spawn(context, run(samples, n), asio::detached);
        context.run();
    };
}

} // namespace

void add_coroutine_rows(suite& all)
{
    std::vector<std::size_t> const few = {0, 1, 4, 16};
    all.push_back({"G8", "library", few, library_scope});
    all.push_back({"G8", "reference", few, scope_by_hand});
    auto const by_hand = [](std::size_t n) { return in_coroutine(close_by_hand, n); };
    std::vector<std::size_t> const many = {0, 16, 1024};
    all.push_back({"G9", "library", many, library_close});
    all.push_back({"G9", "reference", many, by_hand});
}

} // namespace performance
