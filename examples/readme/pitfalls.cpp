// The safe forms of what the README warns of.

#include <exeunt/async_with.hpp>

#include "../show.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <functional>
#include <string>
#include <utility>

namespace asio = boost::asio;

asio::awaitable<void> say(std::string line)
{
    co_await asio::post(asio::use_awaitable);
    show(line);
}

// [named_body]
asio::awaitable<void> greet(std::string name)
{
    auto body = [name = std::move(name)](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        stack.push([&] { return say("goodbye " + name); });
        co_await say("hello " + name);
    };
    co_await exeunt::async_with(std::ref(body)); // not: async_with([name = ...] { ... })
}
// [/named_body]

void write_index()
{
    show("index written");
}

asio::awaitable<void> leave_to_a_worker(asio::thread_pool& workers)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        // [handler]
        stack.push([&](exeunt::exit_handler handler) {
            asio::post(workers, [handler = std::move(handler)]() mutable {
                write_index(); // blocks, on another thread
                asio::post(std::move(handler)); // back on the stack's executor
            });
        });
        // [/handler]
        co_return;
    });
}

void on_several_threads()
{
    // [strand]
    asio::thread_pool threads(3);
    auto const body = [](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        stack.push([] { return say("closed on the strand"); });
        co_await say("run on the strand");
    };
    asio::any_io_executor const strand = asio::make_strand(threads);
    exeunt::async_with(
        strand, body, [](std::exception_ptr failure) { show(failure ? "?" : "done"); });
    threads.join();
    // [/strand]
}

int main()
{
    asio::io_context context;
    asio::co_spawn(context, greet("horatio"), asio::detached);
    context.run();
    context.restart();

    asio::thread_pool workers(1);
    asio::co_spawn(context, leave_to_a_worker(workers), asio::detached);
    context.run();
    workers.join();

    on_several_threads();

    return expect_shown({
        "hello horatio",
        "goodbye horatio",

        "index written",

        "run on the strand",
        "closed on the strand",
        "done",
    });
}
