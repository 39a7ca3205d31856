// A stack that closes a stream whose peer is read here, too: what only real input and output brings about.
#ifndef EXEUNT_TESTS_SUPPORT_PEER_FIXTURE_HPP
#define EXEUNT_TESTS_SUPPORT_PEER_FIXTURE_HPP

#include <exeunt/closing.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"
#include "support/following_observer.hpp"

#include <boost/system/error_code.hpp>

#include <exception>
#include <utility>

namespace support {

struct peer_fixture : async_fixture
{
    using error_code = boost::system::error_code;

    exeunt::manual_clock clock{context};
    // What the peer's reading has ended with.
    error_code end_of_theirs;
    bool theirs_ended = false;

    template <class Condition>
    void run_until(Condition&& holds)
    {
        context.restart();
        while (!holds() && context.run_one() != 0) {
        }
        expect(holds(), "nothing is left that could make it so");
    }

    // Both sides have begun with the handler that `begin` is called with.
    template <class Begin>
    void run_both(Begin&& begin)
    {
        int done = 0;
        std::forward<Begin>(begin)([&done](error_code failed) {
            BOOST_TEST(!failed);
            ++done;
        });
        run_until([&] { return done == 2; });
    }

    void begin_close(std::exception_ptr cause = {})
    {
        result = {};
        stack.async_close(std::move(cause), into(result));
        drive();
    }
};

// What a close waits for may have come already, and only wait for its turn: it finds the socket closed then.
template <class Fixture>
void expect_no_failure_where_closing_is_cut()
{
    for (int steps = 0; steps != 10; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            Fixture one;
            event_log events;
            following_observer watcher(events);
            one.shake_hands();
            one.stack.options().observer = &watcher;
            one.stack.push(exeunt::closing(one.mine).named("mine"));
            one.stack.async_close(into(one.result));
            one.context.restart();
            for (int k = 0; k != steps; ++k)
                one.context.poll_one();
            one.stack.force();
            one.run_until_closed();
            one.result.expect_success();
            BOOST_TEST(events.has("1-mine"), "found " << events.text());
        }
    }
}

} // namespace support

#endif
