// Work belongs in the body, giving back in exits: the body commits, and dismisses the rollback. An
// exit can see what failed, and end it there.

#include <exeunt/async_with.hpp>

#include "show.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <stdexcept>
#include <string>

namespace asio = boost::asio;

asio::awaitable<void> send(std::string command)
{
    co_await asio::post(asio::use_awaitable);
    show(command);
}

// [rule_three]
asio::awaitable<void> transfer(int amount)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto const rollback = stack.push([] { return send("ROLLBACK"); });
        co_await send("BEGIN");
        co_await send("TAKE " + std::to_string(amount));
        if (amount > 100)
            throw std::invalid_argument("not enough money");
        co_await send("GIVE " + std::to_string(amount));

        co_await send("COMMIT"); // work: if it fails, that is the body's failure
        stack.dismiss(rollback);
    });
}
// [/rule_three]

// [suppress]
asio::awaitable<void> try_to_transfer(int amount)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        stack.push([](exeunt::exit_state& state) {
            if (state.failed()) {
                show("never mind");
                state.suppress(); // a call, never a return value
            }
        });
        co_await transfer(amount);
    });
}
// [/suppress]

int main()
{
    asio::io_context context;
    auto const rethrow = [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    };
    asio::co_spawn(context, transfer(50), rethrow);
    context.run();
    context.restart();
    asio::co_spawn(context, try_to_transfer(500), rethrow);
    context.run();

    return expect_shown({
        "BEGIN",
        "TAKE 50",
        "GIVE 50",
        "COMMIT",

        "BEGIN",
        "TAKE 500",
        "ROLLBACK",
        "never mind",
    });
}
