// Random programs in which memory is out now and then: even so each handler is called or destroyed exactly
// once, and nothing is waited for that never comes. The seed is printed where one fails.
#include "support/faults.hpp"
#include "support/random_program.hpp"
#include "support/seed.hpp"

#include <new>

using namespace support;

namespace {

constexpr unsigned programs = 10000;

} // namespace

BOOST_FIXTURE_TEST_SUITE(async_random_faults, no_observer)

// On no strand: where Asio 1.81 has no memory for the invoker of a strand, that stays locked for ever.
BOOST_AUTO_TEST_CASE(random_programs_without_memory_call_or_destroy_each_handler_once)
{
    unsigned const first = first_seed();
    BOOST_TEST_MESSAGE("seed " << first);
    for (unsigned seed = first; seed != first + programs; ++seed) {
        BOOST_TEST_INFO_SCOPE("seed " << seed);
        random_program program(seed, false);
        for (unsigned steps = program.pick(60); steps != 0; --steps) {
            try {
                faults::plan const plan(program.pick(60));
                program.step();
            } catch (std::bad_alloc const&) {
            }
            program.ensure_stack();
        }
        if (seed % 2 == 0)
            program.run_to_the_end();
        program.destroy();
    }
}

BOOST_AUTO_TEST_SUITE_END()
