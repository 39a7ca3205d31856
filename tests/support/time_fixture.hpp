// What tests of force, cancellation and time limits begin with: a clock that the test advances.
#ifndef EXEUNT_TESTS_SUPPORT_TIME_FIXTURE_HPP
#define EXEUNT_TESTS_SUPPORT_TIME_FIXTURE_HPP

#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>

#include <chrono>
#include <string>
#include <utility>

namespace support {

inline constexpr auto terminal = asio::cancellation_type::terminal;

struct time_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;

    void fresh()
    {
        stack = async_exit_stack(context);
        log.clear();
        result = {};
    }

    template <class Handler>
    auto cancelled_by_signal(Handler handler)
    {
        return asio::bind_cancellation_slot(signal.slot(), std::move(handler));
    }

    // With the signal as what cancels it.
    void begin_close()
    {
        result = {};
        stack.async_close(cancelled_by_signal(into(result)));
        drive();
    }

    void advance(std::chrono::steady_clock::duration time)
    {
        clock.advance(time);
        drive();
    }

    void emit()
    {
        signal.emit(terminal);
        drive();
    }

    // Its force notes "^name".
    exit_handle forceable(scripted_exit const& exit, shape s) { return forceable(stack, exit, s); }

    exit_handle forceable(async_exit_stack& on, scripted_exit const& exit, shape s)
    {
        return in_async_shape(exit, s, [&](auto callable) {
            return on.push(exeunt::on_exit(std::move(callable))
                               .named(exit.name())
                               .or_force([this, name = exit.name()] { log("^" + name); }));
        });
    }
};

} // namespace support

#endif
