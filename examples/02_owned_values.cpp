// What an exit touches is owned by the stack: a value and what gives it back are one registration.

#include <exeunt/async_with.hpp>
#include <exeunt/exit_stack.hpp>

#include "show.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <cstdio>
#include <string>

namespace asio = boost::asio;

// A value of C, and the function that gives it back.
void write_notes()
{
    // [adopt]
    exeunt::with([](exeunt::exit_stack& stack) {
        std::FILE* file = stack.adopt(std::tmpfile(), [](std::FILE* open) {
            if (open)
                std::fclose(open);
            show("file closed");
        });
        auto& text = stack.emplace<std::string>("notes"); // destroyed before the file is closed
        if (file)
            std::fputs(text.c_str(), file);
        show("written");
    });
    // [/adopt]
}

struct seat
{
    int number;
};

asio::awaitable<seat> reserve_seat()
{
    co_await asio::post(asio::use_awaitable);
    show("seat reserved");
    co_return seat{7};
}

asio::awaitable<void> free_seat(seat& reserved)
{
    co_await asio::post(asio::use_awaitable);
    show("seat " + std::to_string(reserved.number) + " freed");
}

// A value that comes out of an asynchronous operation, and goes by another one. Between the two no
// failure and no cancellation finds a gap: the value is registered in the moment it is there.
asio::awaitable<void> see_the_play()
{
    // [acquire]
    co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto* mine = co_await stack.async_acquire(reserve_seat(), free_seat);
        show("watching from seat " + std::to_string(mine->number));
    });
    // [/acquire]
}

int main()
{
    write_notes();

    asio::io_context context;
    asio::co_spawn(context, see_the_play(), asio::detached);
    context.run();

    return expect_shown({
        "written",
        "file closed",

        "seat reserved",
        "watching from seat 7",
        "seat 7 freed",
    });
}
