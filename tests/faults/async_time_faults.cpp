// bad_alloc where time and force are at work: what is forced, cut or waited for without memory is so with
// one that is short, and no close hangs for it (C93 with section 7).
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/testing.hpp>

#include "support/faults.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <utility>

using namespace support;
using namespace std::chrono_literals;
using exeunt::async_exit_stack;
using exeunt::exit_handler;

namespace {

struct silent_observer : exeunt::exit_observer
{
    silent_observer()
        : former(exeunt::set_default_observer(this))
    {
    }

    ~silent_observer() override { exeunt::set_default_observer(former); }

    exeunt::exit_observer* former;
};

// More than any of the operations that fail here allocates.
constexpr std::size_t enough = 8;

struct time_faults_fixture
{
    silent_observer observer;
    asio::io_context context;
    exeunt::manual_clock clock{context};
    int completed = 0;

    auto completion()
    {
        return [this](std::exception_ptr) { ++completed; };
    }

    void drive() { drive(context); }

    static void drive(asio::io_context& of)
    {
        of.restart();
        while (true) {
            try {
                of.poll();
                return;
            } catch (std::bad_alloc const&) {
            }
        }
    }
};

// An exit whose handler the test has.
auto keeping(std::optional<exit_handler>& in)
{
    return [&in](exit_handler handler) { in.emplace(std::move(handler)); };
}

void answer(std::optional<exit_handler>& waiting)
{
    BOOST_REQUIRE(waiting.has_value());
    auto handler = std::exchange(waiting, std::nullopt);
    std::move (*handler)();
}

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_time_faults, time_faults_fixture)

BOOST_AUTO_TEST_CASE(exit_that_is_lost_without_memory_is_forced_at_once)
{
    for (bool const for_ever : {false, true}) {
        for (std::size_t k = 0; k != enough; ++k) {
            BOOST_TEST_CONTEXT("allocation " << k << " fails" << (for_ever ? ", as do others" : ""))
            {
                async_exit_stack stack(context);
                std::optional<exit_handler> waiting;
                int forced = 0;
                stack.push(exeunt::on_exit(keeping(waiting)).only_on_success().or_force([&] {
                    ++forced;
                }));
                stack.async_close(completion());
                drive();
                {
                    faults::plan const plan(k, for_ever);
                    waiting.reset();
                }
                drive();
                BOOST_TEST(forced == 1);
                BOOST_TEST(completed == 0);
            }
        }
    }
}

// The executor of the stack posts what the timer calls, which may fail; Asio then lets bad_alloc out of
// run(), and the time is over all the same.
BOOST_AUTO_TEST_CASE(exits_over_time_on_a_strand_without_memory_do_not_keep_their_close_from_ending)
{
    asio::io_context real;
    for (std::size_t k = 0; k != enough; ++k) {
        BOOST_TEST_CONTEXT("allocation " << k << " fails")
        {
            completed = 0;
            asio::any_io_executor const strand = asio::make_strand(real);
            async_exit_stack stack(strand);
            std::optional<exit_handler> newer;
            std::optional<exit_handler> older;
            stack.push(exeunt::on_exit(keeping(older)).within(1h));
            stack.push(exeunt::on_exit(keeping(newer)).within(1ns));
            asio::post(strand, [&] { stack.async_close(completion()); });
            real.restart();
            while (!newer)
                real.poll_one();
            {
                faults::plan const plan(k);
                try {
                    real.run_one();
                } catch (std::bad_alloc const&) {
                }
                drive(real);
            }
            asio::post(strand, [&] { answer(newer); });
            drive(real);
            asio::post(strand, [&] { answer(older); });
            drive(real);
            BOOST_TEST(completed == 1);
        }
    }
}

namespace {

// Forces its stack, while allocation number `first` fails, because an exit takes long.
struct forcing_observer : exeunt::exit_observer
{
    forcing_observer(async_exit_stack& of, std::size_t number, bool all)
        : stack(of)
        , first(number)
        , for_ever(all)
    {
    }

    void exit_slow(exeunt::exit_view const&, duration) noexcept override
    {
        // So that Asio has no memory at hand, by which it would do without new one.
        for (int k = 0; k != 8; ++k)
            asio::post(
                stack.get_executor(), [occupied = std::array<char, 40>()] { (void)occupied; });
        faults::plan const plan(first, for_ever);
        stack.force();
    }

    async_exit_stack& stack;
    std::size_t first;
    bool for_ever;
};

} // namespace

BOOST_AUTO_TEST_CASE(
    exit_that_ends_within_a_force_without_memory_does_not_keep_its_close_from_ending)
{
    for (bool const for_ever : {false, true}) {
        for (std::size_t k = 0; k != enough; ++k) {
            BOOST_TEST_CONTEXT("allocation " << k << " fails" << (for_ever ? ", as do others" : ""))
            {
                completed = 0;
                async_exit_stack stack(context);
                forcing_observer forcing(stack, k, for_ever);
                stack.options() = {.report_after = 1s, .observer = &forcing};
                std::optional<exit_handler> waiting;
                stack.push([&](exit_handler handler) {
                    auto slot = handler.get_cancellation_slot();
                    waiting.emplace(std::move(handler));
                    slot.assign([&](asio::cancellation_type) { answer(waiting); });
                });
                stack.async_close(completion());
                drive();
                for (int seconds = 0; seconds != 3; ++seconds) {
                    clock.advance(1s);
                    drive();
                }
                BOOST_TEST(completed == 1);
            }
        }
    }
}

BOOST_AUTO_TEST_CASE(manual_clock_that_advances_without_memory_loses_no_wait)
{
    std::optional<exit_handler> waiting[3];
    async_exit_stack stacks[3] = {
        async_exit_stack(context), async_exit_stack(context), async_exit_stack(context)};
    int cut = 0;
    for (int k = 0; k != 3; ++k) {
        stacks[k].push(exeunt::on_exit(keeping(waiting[k])).within(1s).on_cut([&] { ++cut; }));
        stacks[k].async_close(completion());
    }
    drive();
    {
        faults::plan const no_memory(0, true);
        BOOST_CHECK_THROW(clock.advance(1s), std::bad_alloc);
    }
    drive();
    BOOST_TEST(cut == 0);
    clock.advance(0s);
    drive();
    BOOST_TEST(cut == 3);
    for (auto& each : waiting)
        answer(each);
    drive();
    BOOST_TEST(completed == 3);
}

BOOST_AUTO_TEST_SUITE_END()
