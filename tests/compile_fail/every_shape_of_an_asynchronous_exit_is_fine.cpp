// The control: what the rejected files here come close to.
#include <exeunt/exeunt.hpp>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace asio = boost::asio;

struct door
{
    void exit(exeunt::exit_state&);
};

struct pool
{
    asio::awaitable<void> async_exit(exeunt::exit_state&);
};

struct channel
{
    template <class Token>
    auto async_exit(exeunt::exit_state&, Token&& token)
    {
        return timer.async_wait(std::forward<Token>(token));
    }

    asio::steady_timer& timer;
};

asio::awaitable<void> clean_up();
asio::awaitable<void> give_back(int);
void close_file(int);
void wait_for(exeunt::exit_handler handler);

void f(exeunt::async_exit_stack& stack, pool& connections, door& front, asio::steady_timer& timer)
{
    stack.push([] {});
    stack.push([](exeunt::exit_state& state) { state.suppress(); });
    stack.push([](auto& state) { state.suppress(); });
    stack.push([unique = std::make_unique<int>(1)] {});
    stack.push(clean_up);
    stack.push([](exeunt::exit_state&) { return clean_up(); });
    stack.push([&] { return timer.async_wait(asio::deferred); });
    stack.push(timer.async_wait(asio::deferred));
    stack.push([&](auto handler) { timer.async_wait(std::move(handler)); });
    stack.push([&](auto&& handler) { timer.async_wait(std::move(handler)); });
    stack.push(wait_for);
    stack.push(
        [](exeunt::exit_state&, exeunt::exit_handler handler) { wait_for(std::move(handler)); });
    stack.push(exeunt::on_exit(clean_up).named("exit").only_on_failure().best_effort());
    stack.push(std::ref(connections));
    stack.push(std::ref(front));
    stack.push(channel{timer});
    stack.push(exeunt::exit_stack());
    stack.callback(close_file, 1);
    stack.push_async_callback(give_back, 1);
    stack.push_async_exit(clean_up);
    stack.push_async_exit(std::ref(connections));
    stack.adopt(1, close_file);
    stack.adopt(1, give_back);
    stack.adopt(1, [](int&, exeunt::exit_handler handler) { wait_for(std::move(handler)); });
}
