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

// One in millions.
BOOST_AUTO_TEST_CASE(sequences_that_were_hard_to_find_do_what_the_model_says)
{
    op_sequence const two_deadlines_in_one_step{{{0, 130, 0, 237}}, {{139, 0, 124, 0}},
        {{156, 0, 0, 0}}, {{0, 251, 0, 133}}, {{251, 0, 0, 0}}, {{104, 0, 0, 67}}};
    op_sequence const nested_stack_that_another_exit_forces{{{0, 0, 0, 100}}, {{0, 5, 93, 0}},
        {{0, 28, 0, 109}}, {{103, 0, 223, 0}}, {{108, 0, 0, 0}}, {{222, 44, 0, 0}}};
    BOOST_TEST(!differ<world>(two_deadlines_in_one_step));
    BOOST_TEST(!differ<world>(nested_stack_that_another_exit_forces));
}

BOOST_AUTO_TEST_SUITE_END()
