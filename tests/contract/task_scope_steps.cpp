// A scope that is cancelled, in each way, after each step of what it does: each child ends once, whoever waits
// for all is told once, after the last child, each failure comes out once, and nothing comes after that.
#include "support/scope_steps.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <boost/test/results_collector.hpp>

#include <array>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

using namespace support;
using namespace support::scope_steps;

namespace {

constexpr std::array types{asio::cancellation_type::terminal, asio::cancellation_type::partial,
    asio::cancellation_type::total};

struct scenario
{
    char const* name;
    void (*start)(world&);
};

constexpr scenario scenarios[] = {
    {"children of each kind",
        [](world& w) {
            w.make();
            w.scope().spawn(w.walker());
            w.scope().spawn(w.waiting());
            w.scope().spawn(w.deaf());
            w.join();
        }},
    {"children that wait for room",
        [](world& w) {
            w.make({.limit = 1});
            w.scope().spawn(w.waiting());
            w.scope().spawn(w.walker());
            w.scope().async_spawn(w.walker(), [](std::exception_ptr) {});
            w.scope().async_spawn(w.waiting(), [](std::exception_ptr) {});
            w.join();
        }},
    {"a child that fails",
        [](world& w) {
            w.make();
            w.scope().spawn(w.waiting());
            w.scope().spawn(w.waiting(true));
            w.scope().spawn(w.failing());
            w.scope().spawn(w.walker(4));
            w.join();
        }},
    {"children that fail and do not cancel",
        [](world& w) {
            w.make({.limit = 3, .cancel_on_failure = false});
            w.scope().spawn(w.failing(1));
            w.scope().spawn(w.waiting());
            w.scope().spawn(w.failing(3));
            w.scope().spawn(w.failing());
            w.join();
        }},
    {"a child that spawns",
        [](world& w) {
            w.make();
            w.scope().spawn(w.spawning());
            w.join();
        }},
    {"children that are scopes",
        [](world& w) {
            w.make();
            w.scope().spawn(w.nested());
            w.scope().spawn(w.nested());
            w.join();
        }},
    {"an exit",
        [](world& w) {
            w.make_exit();
            w.scope().spawn(w.waiting());
            w.scope().spawn(w.walker());
            w.close_stack();
        }},
    {"an exit with a drain",
        [](world& w) {
            w.make_exit({.drain = 3s});
            w.scope().spawn(w.deaf());
            w.scope().spawn(w.waiting(true));
            w.scope().spawn(w.spawning());
            w.scope().spawn(w.nested());
            w.close_stack();
        }},
    {"an exit after a failure",
        [](world& w) {
            w.make_exit({.limit = 2});
            w.scope().spawn(w.waiting(true));
            w.scope().spawn(w.spawning());
            w.scope().spawn(w.walker());
            w.note_cause();
            w.close_stack(failure("cause"));
        }},
    {"a scope in a body",
        [](world& w) {
            w.last([&w](auto handler) {
                exeunt::async_with(
                    w.context,
                    [&w](async_exit_stack& s) -> asio::awaitable<void> {
                        auto& children = w.enter(s, {.drain = 3s});
                        children.spawn(w.waiting());
                        children.spawn(w.spawning());
                        children.spawn(w.failing(6));
                        co_await children.async_wait(asio::use_awaitable);
                    },
                    std::move(handler));
            });
        }},
};

std::size_t failed_checks()
{
    namespace unit_test = boost::unit_test;
    auto const& here =
        unit_test::results_collector.results(unit_test::framework::current_test_case_id());
    return here.p_assertions_failed.get();
}

// Returns how many steps it took; none where it failed.
std::optional<std::size_t> run(scenario const& which, std::vector<injected> const& injections)
{
    auto const before = failed_checks();
    std::size_t steps = 0;
    world w;
    which.start(w);
    do
        for (auto const& each : injections)
            if (each.step == steps)
                w.inject(each);
    while (w.step() && ++steps != 300);
    expect(steps != 300, "it does not come to an end");
    w.check();
    return failed_checks() == before ? std::optional(steps) : std::nullopt;
}

// Stops at the first failure, so that it can be read. Returns how many runs that were.
std::size_t run_all(scenario const& which)
{
    std::size_t runs = 1;
    auto const steps = run(which, {});
    BOOST_TEST_REQUIRE(steps.has_value());
    auto const holds = [&](std::vector<injected> const& injections) {
        ++runs;
        BOOST_TEST_CONTEXT(injections.front() << ", " << injections.back())
        {
            return run(which, injections).has_value();
        }
        return false;
    };
    for (auto const whom : {what::the_children, what::who_waits, what::both})
        for (auto const type : types)
            for (std::size_t j = 0; j <= *steps; ++j) {
                if (!holds({{whom, type, j}}))
                    return runs;
                // Once more, with the same or another one.
                for (std::size_t k = j; whom != what::both && k <= *steps; ++k)
                    for (auto const second : types)
                        if (!holds({{whom, type, j}, {whom, second, k}}))
                            return runs;
            }
    return runs;
}

} // namespace

BOOST_AUTO_TEST_SUITE(task_scope_steps)

BOOST_AUTO_TEST_CASE(scope_that_is_cancelled_anywhere_loses_no_child_and_no_failure)
{
    std::size_t runs = 0;
    for (auto const& each : scenarios)
        BOOST_TEST_CONTEXT(each.name)
        {
            runs += run_all(each);
        }
    BOOST_TEST_MESSAGE(std::size(scenarios) << " scenarios, " << runs << " runs");
    BOOST_TEST(runs >= 5000u);
}

BOOST_AUTO_TEST_SUITE_END()
