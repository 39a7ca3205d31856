// A stack that has a group is cancelled or forced at every step: each exit runs or is forced once, none is
// skipped, and the close completes once.
#include "support/group_world.hpp"

#include <cstddef>
#include <string>

using namespace support;

namespace {

// 0 terminals: forced.
struct interference
{
    int terminals;
    bool is_nested;
    std::size_t limit;
};

void expect_each_once(group_world& world, group_situation const& situation, int terminals)
{
    int forced = 0;
    for (std::size_t number = 0; number != world.count; ++number) {
        auto const& each = world.records[number];
        bool const done = each.began + each.forced != 0;
        expect(each.dismissed ? !done : done && each.began == each.ended,
            "exit " + std::to_string(number) + " was skipped");
        forced += each.forced;
    }
    expect(forced == 0 || situation.hangs, "what does not hang was forced");
    expect(terminals != 1 || world.lost() == 0, "one terminal has cut something");
    world.closed.expect_called();
    world.check();
}

// Returns whether it ended before.
bool interfere_after(group_situation const& situation, interference how, std::size_t steps)
{
    group_world world;
    world.make(how.limit, situation.exits, how.is_nested);
    world.close();
    std::size_t taken = 0;
    while (taken != steps && world.step())
        ++taken;
    bool const has_ended = taken != steps;
    if (how.terminals == 0)
        world.stack->force();
    for (int k = 0; k != how.terminals; ++k)
        world.emit();
    world.drive();
    if (how.terminals != 1 || !situation.hangs)
        world.closed.expect_called();
    world.finish();
    expect_each_once(world, situation, how.terminals);
    return has_ended;
}

} // namespace

BOOST_AUTO_TEST_SUITE(exit_group_cancelled)

// C81, C86, C87
BOOST_AUTO_TEST_CASE(group_cancelled_or_forced_at_every_step_skips_no_exit)
{
    std::size_t runs = 0;
    for (auto const& situation : group_situations())
        for (auto const limit : group_limits)
            for (bool const is_nested : {false, true})
                for (int const terminals : {0, 1, 2})
                    for (std::size_t steps = 0;; ++steps, ++runs)
                        BOOST_TEST_CONTEXT(situation.name
                            << ", limit " << limit << (is_nested ? ", nested: " : ": ") << terminals
                            << " terminals after " << steps << " steps")
    if (interfere_after(situation, {terminals, is_nested, limit}, steps))
        break;
    BOOST_TEST_MESSAGE(runs << " runs");
    BOOST_TEST(runs > 500u);
}

BOOST_AUTO_TEST_SUITE_END()
