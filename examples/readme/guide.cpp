// The README's way from callbacks to scopes, as far as the numbered examples do not show it.

#include <exeunt/exeunt.hpp>

#include "../show.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <chrono>
#include <exception>
#include <functional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace asio = boost::asio;
using namespace std::chrono_literals;

void rethrow(std::exception_ptr failure)
{
    if (failure)
        std::rethrow_exception(failure);
}

asio::awaitable<void> say(std::string line)
{
    co_await asio::post(asio::use_awaitable);
    show(line);
}

void said_about_an_exit()
{
    // [on_exit]
    exeunt::with([](exeunt::exit_stack& stack) {
        stack.push(exeunt::on_exit([] { show("unlock"); }).named("lock"));
        stack.push(exeunt::on_exit([] { show("remove the draft"); }).only_on_failure());
        stack.push(exeunt::on_exit([] { show("publish"); }).only_on_success());
        stack.push(exeunt::on_exit([] { throw std::runtime_error("no log"); }).best_effort());
    });
    // [/on_exit]
}

void single_exits()
{
    // [handles]
    exeunt::with([](exeunt::exit_stack& stack) {
        auto const remove = stack.push([] { show("remove the old file"); });
        auto const keep = stack.push([] { show("restore the old file"); });
        stack.dismiss(keep); // forgotten: it does not run
        stack.run_now(remove); // runs here, and not again
        show("end of the body");
    });
    // [/handles]
}

// A context of the user's: entered by one operation, left by another.
struct session
{
    asio::awaitable<std::string> async_enter()
    {
        co_await say("log in");
        co_return "hamlet";
    }

    asio::awaitable<void> async_exit(exeunt::exit_state&) { co_await say("log out"); }
};

asio::awaitable<void> shapes()
{
    co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& timer = stack.emplace<asio::steady_timer>(stack.get_executor(), 0ms);
        auto& login = stack.emplace<session>();
        // [shapes]
        stack.push([] { show("a function"); });
        stack.push([]() -> asio::awaitable<void> { co_await say("an awaitable"); });
        stack.push([&] { return timer.async_wait(asio::deferred); }); // returns an operation
        stack.push(timer.async_wait(asio::deferred)); // is an operation
        stack.push([&](auto handler) { timer.async_wait(std::move(handler)); });
        stack.push([](exeunt::exit_state& state) { show(state.failed() ? "failed" : "fine"); });
        stack.push(std::ref(login)); // a context: its async_exit
        // [/shapes]
        co_return;
    });
}

asio::awaitable<void> contexts()
{
    co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        // [async_enter]
        session login;
        std::string const user = co_await stack.async_enter(std::move(login));
        show(user + " is here");
        // [/async_enter]
    });
}

asio::awaitable<int> count()
{
    // [value]
    int const words =
        co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<int> {
            stack.push([] { return say("close the book"); });
            co_await say("count");
            co_return 3;
        });
    // [/value]
    co_return words;
}

void without_a_coroutine()
{
    // [without_coroutine]
    asio::io_context context;
    exeunt::async_with(
        context,
        [](exeunt::async_exit_stack& stack) {
            stack.push([] { show("closed"); });
            auto& timer = stack.emplace<asio::steady_timer>(stack.get_executor(), 10ms);
            return timer.async_wait(asio::deferred);
        },
        [](std::exception_ptr failure) { show(failure ? "failed" : "done"); });
    context.run();
    // [/without_coroutine]
}

void without_a_scope()
{
    // [by_itself]
    asio::io_context context;
    exeunt::async_exit_stack stack(context);
    stack.push([] { return say("say goodbye"); });
    stack.async_close([](std::exception_ptr failure) { show(failure ? "failed" : "closed"); });
    context.run();
    // [/by_itself]
}

// [replace]
void read_all()
{
    exeunt::with([](exeunt::exit_stack& stack) {
        stack.push([](exeunt::exit_state& state) {
            if (state.code() == asio::error::eof)
                state.replace(std::make_exception_ptr(std::runtime_error("the peer hung up")));
        });
        throw boost::system::system_error(asio::error::eof);
    });
}
// [/replace]

void primary_alone()
{
    // [primary_only]
    try {
        exeunt::with({.primary_only = true}, [](exeunt::exit_stack& stack) {
            stack.push(exeunt::on_exit([] { throw std::runtime_error("no log"); }).named("log"));
            throw std::invalid_argument("no such file");
        });
    } catch (std::invalid_argument const& error) { // not wrapped; "no log" goes to the observer
        show(error.what());
    }
    // [/primary_only]
}

asio::awaitable<std::string> enter_stage(std::string actor)
{
    co_await asio::post(asio::use_awaitable);
    if (actor == "banquo")
        throw std::runtime_error("banquo is dead");
    show(actor + " enters");
    co_return actor;
}

asio::awaitable<void> leave_stage(std::string& actor)
{
    co_await say(actor + " leaves");
}

// [hand_over]
asio::awaitable<exeunt::async_exit_stack> gather(std::vector<std::string> actors)
{
    exeunt::async_exit_stack on_stage;
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        for (std::string const& actor : actors)
            co_await stack.async_acquire(enter_stage(actor), leave_stage);
        on_stage = stack.pop_all(); // from here on nothing is left to unwind here
    });
    co_return on_stage;
}
// [/hand_over]

asio::awaitable<void> play(std::vector<std::string> actors)
{
    auto on_stage = co_await gather(std::move(actors));
    show("a scene");
    co_await on_stage.async_close();
}

asio::awaitable<void> nested()
{
    co_await exeunt::async_with([](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        // [nest]
        stack.push([] { show("the house closes"); });
        auto& act = stack.emplace<exeunt::async_exit_stack>(stack.get_executor());
        stack.push(std::ref(act)); // closes here: after the bar, before the house
        stack.push([] { show("the bar closes"); });

        act.push([] { return say("the curtain falls"); });
        // [/nest]
        co_return;
    });
}

int main()
{
    said_about_an_exit();
    single_exits();
    without_a_coroutine();
    without_a_scope();
    try {
        read_all();
    } catch (std::runtime_error const& error) {
        show(error.what());
    }
    primary_alone();

    asio::io_context context;
    asio::co_spawn(context, shapes(), rethrow);
    context.run();
    context.restart();
    asio::co_spawn(context, contexts(), rethrow);
    context.run();
    context.restart();
    asio::co_spawn(context, count(),
        [](std::exception_ptr, int words) { show(std::to_string(words) + " words"); });
    context.run();
    context.restart();
    asio::co_spawn(context, play({"hamlet", "ophelia"}), rethrow);
    context.run();
    context.restart();
    asio::co_spawn(context, play({"macbeth", "banquo"}),
        [](std::exception_ptr failure) { show(failure ? "no scene" : "?"); });
    context.run();
    context.restart();
    asio::co_spawn(context, nested(), rethrow);
    context.run();

    return expect_shown({
        "publish",
        "unlock",

        "remove the old file",
        "end of the body",

        "closed",
        "done",

        "say goodbye",
        "closed",

        "the peer hung up",
        "no such file",

        "log out",
        "fine",
        "an awaitable",
        "a function",

        "log in",
        "hamlet is here",
        "log out",

        "count",
        "close the book",
        "3 words",

        "hamlet enters",
        "ophelia enters",
        "a scene",
        "ophelia leaves",
        "hamlet leaves",

        "macbeth enters",
        "macbeth leaves",
        "no scene",

        "the bar closes",
        "the curtain falls",
        "the house closes",
    });
}
