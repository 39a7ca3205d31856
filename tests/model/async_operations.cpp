// Every public operation of async_exit_stack, in random sequences, against a model of plain vectors. A sequence
// that tells them apart is printed with its seed, shrunk.
#include "support/async_operations.hpp"

#include <exeunt/async_exit_stack.hpp>

#include "support/async_operations_library.hpp"
#include "support/async_operations_model.hpp"
#include "support/op_sequence.hpp"

#include <boost/test/unit_test.hpp>

using namespace support;

namespace {

struct world
{
    static int_log by_the_library(op_sequence const& ops)
    {
        return async_operations::library(ops).run(ops);
    }
    static int_log by_the_model(op_sequence const& ops)
    {
        return async_operations::model(ops).run(ops);
    }
    static constexpr auto const& words = async_operations::words;
};

} // namespace

BOOST_AUTO_TEST_SUITE(async_operations_model)

BOOST_AUTO_TEST_CASE(async_exit_stack_in_random_sequences_of_operations_does_what_the_model_says)
{
    expect_no_difference<world>(300000, 12);
}

BOOST_AUTO_TEST_SUITE_END()
