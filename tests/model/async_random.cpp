// Random programs: whatever exits do to the stack that runs them, and wherever the context goes away,
// each handler is called or destroyed exactly once. The seed is printed where one fails.
#include "support/random_program.hpp"
#include "support/seed.hpp"

using namespace support;

namespace {

constexpr unsigned programs = 3000;

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_random, no_observer)

BOOST_AUTO_TEST_CASE(random_programs_call_or_destroy_each_handler_once)
{
    unsigned const first = first_seed();
    BOOST_TEST_MESSAGE("seed " << first);
    for (unsigned seed = first; seed != first + programs; ++seed) {
        BOOST_TEST_INFO_SCOPE("seed " << seed);
        random_program program(seed, seed % 3 == 0);
        for (unsigned steps = program.pick(60); steps != 0; --steps)
            program.step();
        if (seed % 2 == 0)
            program.run_to_the_end();
        program.destroy();
    }
}

BOOST_AUTO_TEST_SUITE_END()
