// A connection is leased from a pool, and what is done with it is one transaction. The body commits;
// on every other way out the rollback runs. The connection goes back to the pool in any case.

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <stdexcept>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;

// Stands for a connection to a database, which can be lost, and has its own opinion of large amounts.
struct connection
{
    bool broken = false;

    asio::awaitable<void> execute(std::string command)
    {
        co_await asio::post(asio::use_awaitable);
        if (command == "GIVE 13")
            broken = true;
        if (broken)
            throw std::runtime_error("connection lost");
        if (command == "TAKE 500")
            throw std::runtime_error("not enough money");
        show(command);
    }
};

struct connection_pool
{
    asio::awaitable<connection> lease()
    {
        co_await asio::post(asio::use_awaitable);
        co_return connection();
    }

    void give_back(connection& used) { show(used.broken ? "thrown away" : "given back"); }
};

// [lease_with_rollback]
asio::awaitable<void> transfer(connection_pool& pool, int amount)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto* db = co_await stack.async_acquire(
            pool.lease(), [&](connection& used) { pool.give_back(used); });

        auto const rollback = stack.push( // before BEGIN, which makes it necessary
            exeunt::on_exit([db] { return db->execute("ROLLBACK"); })
                .named("rollback")
                .within(2s)
                .or_force([db] { db->broken = true; })); // nobody is to get this one again
        co_await db->execute("BEGIN");
        co_await db->execute("TAKE " + std::to_string(amount));
        co_await db->execute("GIVE " + std::to_string(amount));
        co_await db->execute("COMMIT"); // work: if it fails, the body has failed
        stack.dismiss(rollback);
    });
}
// [/lease_with_rollback]

int main()
{
    connection_pool pool;
    for (int const amount : {50, 500, 13}) {
        asio::io_context context;
        asio::co_spawn(context, transfer(pool, amount), [](std::exception_ptr failure) {
            try {
                if (failure)
                    std::rethrow_exception(failure);
                show("transferred");
            } catch (exeunt::exit_errors const& errors) {
                for (exeunt::exit_failure const& failed : errors.failures())
                    show(failed.name + ": failed");
            } catch (std::exception const& error) {
                show(error.what());
            }
        });
        context.run();
    }

    return expect_shown({
        "BEGIN",
        "TAKE 50",
        "GIVE 50",
        "COMMIT",
        "given back",
        "transferred",

        "BEGIN",
        "ROLLBACK",
        "given back",
        "not enough money",

        "BEGIN",
        "TAKE 13",
        "thrown away",
        "body: failed",
        "rollback: failed",
    });
}
