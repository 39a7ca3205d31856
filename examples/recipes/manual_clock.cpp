// A unit test of a shutdown that takes thirty seconds, in no time. It needs no test framework; with
// one, check(...) is BOOST_TEST(...), REQUIRE(...) or EXPECT_TRUE(...).

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/testing.hpp>

#include "../show.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <exception>
#include <string>

namespace asio = boost::asio;
using namespace std::chrono_literals;

void check(bool holds, std::string claim)
{
    show((holds ? "holds: " : "FAILS: ") + claim);
}

// The code under test: a peer is asked to leave, and is dropped if it has not left in half a minute.
template <class Peer>
void see_off(exeunt::async_exit_stack& stack, Peer& peer)
{
    auto const leave = [&] { return peer.leave(); };
    auto const drop = [&] { peer.drop(); };
    stack.push(exeunt::on_exit(leave).named("see off").within(30s).or_force(drop));
}

constexpr auto at_once = asio::steady_timer::time_point::min();
constexpr auto never = asio::steady_timer::time_point::max();

// A peer that leaves at once or never, as the test says.
struct scripted_peer
{
    asio::steady_timer leaving;
    bool dropped = false;

    scripted_peer(asio::io_context& context, asio::steady_timer::time_point when)
        : leaving(context, when)
    {
    }

    auto leave() { return leaving.async_wait(asio::deferred); }
    void drop() { dropped = true; }
};

// [manual_clock]
void a_peer_that_stays_is_dropped_after_thirty_seconds()
{
    asio::io_context context;
    exeunt::manual_clock clock(context); // before anything closes on this context
    scripted_peer peer(context, never);
    exeunt::async_exit_stack stack(context);
    see_off(stack, peer);
    bool closed = false;
    stack.async_close([&](std::exception_ptr failure) { closed = !failure; });

    context.poll(); // as far as it comes without time
    clock.advance(29s);
    context.poll();
    check(!peer.dropped && !closed, "after 29 s it is waited for");

    clock.advance(1s);
    context.run();
    check(peer.dropped && closed, "after 30 s it is dropped, and that is no failure");
}
// [/manual_clock]

void a_peer_that_leaves_is_not_dropped()
{
    asio::io_context context;
    exeunt::manual_clock clock(context);
    scripted_peer peer(context, at_once);
    exeunt::async_exit_stack stack(context);
    see_off(stack, peer);
    bool closed = false;
    stack.async_close([&](std::exception_ptr failure) { closed = !failure; });

    context.run();
    clock.advance(30s);
    context.poll();
    check(!peer.dropped && closed, "it has left in time");
}

int main()
{
    auto const began = std::chrono::steady_clock::now();
    a_peer_that_stays_is_dropped_after_thirty_seconds();
    a_peer_that_leaves_is_not_dropped();
    check(std::chrono::steady_clock::now() - began < 10s, "all that in no time");

    return expect_shown({
        "holds: after 29 s it is waited for",
        "holds: after 30 s it is dropped, and that is no failure",
        "holds: it has left in time",
        "holds: all that in no time",
    });
}
