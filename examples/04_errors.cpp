// No failure is lost: one comes out as it is, several as one report. Every exit runs, whatever those
// before it threw.

#include <exeunt/async_with.hpp>
#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "show.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <stdexcept>

namespace asio = boost::asio;

void one_failure_comes_out_as_it_is()
{
    try {
        exeunt::with([](exeunt::exit_stack& stack) {
            stack.push([] { show("still run"); });
            stack.push([] { throw std::invalid_argument("cannot unlock"); });
        });
    } catch (std::invalid_argument const& error) {
        show(error.what());
    }
}

asio::awaitable<void> all_of_several_come_out()
{
    // [errors]
    try {
        co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
            stack.push(
                exeunt::on_exit([] { throw std::runtime_error("disk full"); }).named("save"));
            stack.push(exeunt::on_exit([]() -> asio::awaitable<void> {
                co_await asio::post(asio::use_awaitable);
                throw std::runtime_error("no route");
            }).named("say goodbye"));

            co_await asio::post(asio::use_awaitable);
            throw std::runtime_error("out of paper");
        });
    } catch (exeunt::exit_errors const& errors) {
        for (exeunt::exit_failure const& failure : errors.failures()) { // oldest first
            try {
                std::rethrow_exception(failure.error);
            } catch (std::exception const& error) {
                show(failure.name + ": " + error.what());
            }
        }
    }
    // [/errors]
}

int main()
{
    one_failure_comes_out_as_it_is();

    asio::io_context context;
    asio::co_spawn(context, all_of_several_come_out(), [](std::exception_ptr failure) {
        if (failure)
            std::rethrow_exception(failure);
    });
    context.run();

    return expect_shown({
        "still run",
        "cannot unlock",

        "body: out of paper",
        "say goodbye: no route",
        "save: disk full",
    });
}
