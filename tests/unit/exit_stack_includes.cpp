// exit_stack.hpp is for programs without Asio: it brings no executor and no io_context.
#include <exeunt/exit_stack.hpp>

#if defined(BOOST_ASIO_IO_CONTEXT_HPP) || defined(BOOST_ASIO_EXECUTION_CONTEXT_HPP)                \
    || defined(BOOST_ASIO_ANY_IO_EXECUTOR_HPP) || defined(BOOST_ASIO_EXECUTION_EXECUTOR_HPP)       \
    || defined(BOOST_ASIO_AWAITABLE_HPP) || defined(BOOST_ASIO_ASYNC_RESULT_HPP)                   \
    || defined(BOOST_ASIO_ASSOCIATED_EXECUTOR_HPP)
#error "exit_stack.hpp includes what needs an executor"
#endif

#include <boost/test/unit_test.hpp>

BOOST_AUTO_TEST_CASE(exit_stack_header_alone_is_enough)
{
    int runs = 0;
    exeunt::with([&](exeunt::exit_stack& stack) {
        stack.push(exeunt::on_exit([&] { ++runs; }).named("x"));
        exeunt::exit_handle const handle = stack.push([](exeunt::exit_state&) {});
        stack.dismiss(handle);
    });
    BOOST_TEST(runs == 1);
}
