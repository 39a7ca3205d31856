// The asynchronous stack: whatever is done at whatever step of a scenario, each exit runs once or is forced,
// none is skipped and the final handler is called once (C81, C82, C86, C87).
#include <exeunt/async_with.hpp>

#include "support/scenarios.hpp"

#include <boost/test/results_collector.hpp>

#include <array>
#include <cstddef>
#include <optional>
#include <ostream>
#include <span>
#include <utility>
#include <vector>

using namespace support;

namespace {

enum class injection {
    terminal,
    two_terminals,
    terminal_and_grace,
    timeout,
    force,
    partial,
    total,
    move,
};

constexpr std::array all_injections{injection::terminal, injection::two_terminals,
    injection::terminal_and_grace, injection::timeout, injection::force, injection::partial,
    injection::total, injection::move};

// What has an effect within the call, or forces.
constexpr std::array quick_injections{
    injection::two_terminals, injection::timeout, injection::force};

enum class moment {
    step, // before this step, that is after the one before it
    start, // as this exit begins, from within it
    event, // as the observer is told of this, from within that
};

struct injected
{
    injection what;
    moment at;
    std::size_t number;
};

std::ostream& operator<<(std::ostream& out, injected const& each)
{
    constexpr std::array whats{"terminal", "two terminals", "terminal, then the end of the grace",
        "end of the timeout", "force()", "partial", "total", "moved"};
    constexpr std::array moments{"before step ", "within start ", "within event "};
    return out << whats[static_cast<std::size_t>(each.what)] << ' '
               << moments[static_cast<std::size_t>(each.at)] << each.number;
}

// How many moments of each kind a run has.
struct run_length
{
    std::size_t steps = 0;
    std::size_t starts = 0;
    std::size_t events = 0;
};

std::size_t failures()
{
    namespace unit_test = boost::unit_test;
    auto const& here =
        unit_test::results_collector.results(unit_test::framework::current_test_case_id());
    return here.p_assertions_failed.get();
}

class scenario_run
{
public:
    scenario_run(scenario const& which, scenario_flavour const& flavour, std::size_t turn,
        std::vector<injected> const& injections)
        : which_(which)
        , world_(flavour, turn)
        , injections_(injections)
    {
        world_.at_start = [this] { inject(moment::start, length_.starts++); };
        world_.at_event = [this] { inject(moment::event, length_.events++); };
    }

    // Returns whether everything held.
    bool run()
    {
        world_.begin(which_.start);
        do
            inject(moment::step, length_.steps);
        while (world_.step() && held() && ++length_.steps != 1000);
        world_.holds(length_.steps != 1000, "does not come to an end", which_.name);
        if (held())
            world_.check_end();
        return held();
    }

    run_length const& length() const { return length_; }
    bool anything_forced() const { return world_.anything_forced; }

private:
    bool held() const { return failures() == before_; }

    void inject(moment at, std::size_t number)
    {
        for (injected const& each : injections_)
            if (each.at == at && each.number == number)
                inject(each.what);
    }

    void inject(injection what)
    {
        switch (what) {
        case injection::terminal: return world_.emit();
        case injection::two_terminals: return world_.emit(), world_.emit();
        case injection::terminal_and_grace: return world_.emit_and_let_grace_pass();
        case injection::timeout: return world_.advance(scenario_world::timeout);
        case injection::force: return world_.force();
        case injection::partial: return world_.emit_softly(asio::cancellation_type::partial);
        case injection::total: return world_.emit_softly(asio::cancellation_type::total);
        case injection::move: return world_.move_main();
        }
    }

    scenario const& which_;
    scenario_world world_;
    std::vector<injected> const& injections_;
    run_length length_;
    std::size_t before_ = failures();
};

// All runs of one scenario.
class campaign
{
public:
    campaign(scenario const& which, scenario_flavour const& flavour, std::size_t turn)
        : which_(which)
        , flavour_(flavour)
        , turn_(turn)
    {
    }

    // Stops at the first failure, so that it can be read.
    void run()
    {
        auto const length = try_with({});
        if (!length)
            return;
        BOOST_TEST(length->steps != 0u);
        BOOST_TEST(length->starts != 0u);
        bool const held = once_at_each(moment::step, length->steps + 1, all_injections)
            && once_at_each(moment::start, length->starts, all_injections)
            && once_at_each(moment::event, length->events, quick_injections)
            && twice(length->steps);
        BOOST_TEST((forced_ != 0u || !held), "nothing has been forced");
    }

    std::size_t runs() const { return runs_; }
    std::size_t forced() const { return forced_; }

private:
    std::optional<run_length> try_with(std::vector<injected> const& injections)
    {
        ++runs_;
        scenario_run one(which_, flavour_, turn_, injections);
        bool const held = one.run();
        forced_ += one.anything_forced() ? 1u : 0u;
        return held ? std::optional(one.length()) : std::nullopt;
    }

    bool once_at_each(moment at, std::size_t count, std::span<injection const> injections)
    {
        for (std::size_t k = 0; k != count; ++k)
            for (injection const what : injections)
                BOOST_TEST_CONTEXT((injected{what, at, k}))
                {
                    if (!try_with({{what, at, k}}))
                        return false;
                }
        return true;
    }

    // A terminal before each of two steps.
    bool twice(std::size_t steps)
    {
        for (std::size_t j = 0; j != steps; ++j)
            for (std::size_t k = j + 1; k != steps + 1; ++k)
                BOOST_TEST_CONTEXT("terminal before step " << j << " and before step " << k)
                {
                    if (!try_with({{injection::terminal, moment::step, j},
                            {injection::terminal, moment::step, k}}))
                        return false;
                }
        return true;
    }

    scenario const& which_;
    scenario_flavour const& flavour_;
    std::size_t turn_;
    std::size_t runs_ = 0;
    std::size_t forced_ = 0; // runs in which an unwinding was
};

} // namespace

BOOST_AUTO_TEST_SUITE(async_scenarios)

// C81, C82, C86, C87
BOOST_AUTO_TEST_CASE(scenario_that_is_interrupted_anywhere_loses_no_exit)
{
    std::size_t runs = 0;
    std::size_t forced = 0;
    for (scenario_flavour const& flavour : scenario_flavours)
        for (std::size_t k = 0; k != all_scenarios.size(); ++k) {
            if (flavour.queues && all_scenarios[k].is_answered)
                continue;
            BOOST_TEST_CONTEXT(all_scenarios[k].name << " (" << flavour.name << ")")
            {
                campaign all(all_scenarios[k], flavour, k);
                all.run();
                runs += all.runs();
                forced += all.forced();
            }
        }
    BOOST_TEST_MESSAGE(all_scenarios.size()
        << " scenarios in " << scenario_flavours.size() << " flavours, " << runs << " runs, "
        << forced << " of them forced");
    BOOST_TEST(all_scenarios.size() >= 30u);
    BOOST_TEST(runs >= 5000u);
}

BOOST_AUTO_TEST_SUITE_END()
