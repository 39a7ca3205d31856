// Every public operation of exit_stack, in random sequences, against a model of plain vectors. A sequence that
// tells them apart is printed with its seed, shrunk.
#include "support/sync_operations.hpp"

#include <exeunt/exit_stack.hpp>

#include "support/op_sequence.hpp"
#include "support/sync_operations_library.hpp"
#include "support/sync_operations_model.hpp"

#include <boost/test/unit_test.hpp>

using namespace support;

namespace {

struct world
{
    static int_log by_the_library(op_sequence const& ops)
    {
        using exeunt::observed;
        return sync_operations::library(
            ops.size() % 2 == 0 ? observed::losses : observed::everything)
            .run(ops);
    }
    static int_log by_the_model(op_sequence const& ops)
    {
        return sync_operations::model().run(ops);
    }
    static constexpr auto const& words = sync_operations::words;
};

} // namespace

BOOST_AUTO_TEST_SUITE(sync_operations_model)

BOOST_AUTO_TEST_CASE(exit_stack_in_random_sequences_of_operations_does_what_the_model_says)
{
    expect_no_difference<world>(700000, 12);
}

BOOST_AUTO_TEST_SUITE_END()
