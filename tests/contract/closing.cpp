// closing(x) and draining(socket): the right exit of an object of Asio, against peers on loopback.
#include <exeunt/async_with.hpp>
#include <exeunt/closing.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"
#include "support/posting_executor.hpp"

#include <boost/asio/connect_pipe.hpp>
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/udp.hpp>
#include <boost/asio/local/connect_pair.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/readable_pipe.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/writable_pipe.hpp>
#include <boost/asio/write.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <utility>

#include <unistd.h>

using namespace support;
using namespace std::chrono_literals;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

struct closing_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    tcp::socket mine{context};
    tcp::socket theirs{context};

    closing_fixture() { connect(); }

    void connect()
    {
        mine = tcp::socket(context);
        theirs = tcp::socket(context);
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        mine.connect(acceptor.local_endpoint());
        acceptor.accept(theirs);
    }

    // The connection is reset.
    void reset()
    {
        theirs.set_option(tcp::socket::linger(true, 0));
        theirs.close();
    }

    // Runs until the close has completed, which takes real input and output.
    void run_until_closed()
    {
        context.restart();
        while (!result.done())
            context.run_one();
    }

    void begin_close()
    {
        result = {};
        stack.async_close(into(result));
        drive();
    }
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(closing, closing_fixture)

BOOST_AUTO_TEST_CASE(closing_a_socket_ends_the_connection)
{
    stack.push(exeunt::closing(mine));
    closed().expect_success();
    BOOST_TEST(!mine.is_open());
    char byte = 0;
    error_code ended;
    theirs.read_some(asio::buffer(&byte, 1), ended);
    BOOST_TEST(ended == asio::error::eof);
}

BOOST_AUTO_TEST_CASE(closing_works_in_a_synchronous_stack)
{
    exeunt::with([&](exeunt::exit_stack& s) { s.push(exeunt::closing(mine).named("socket")); });
    BOOST_TEST(!mine.is_open());
}

BOOST_AUTO_TEST_CASE(closing_what_is_closed_already_is_no_failure)
{
    mine.close();
    asio::steady_timer timer(context);
    stack.push(exeunt::closing(mine));
    stack.push(exeunt::closing(timer));
    stack.push(exeunt::draining(mine));
    closed().expect_success();
}

// Somebody has closed the descriptor behind the back of the object.
BOOST_AUTO_TEST_CASE(closing_that_fails_is_a_failure_unless_there_is_one)
{
    asio::posix::stream_descriptor descriptor(context, ::dup(STDIN_FILENO));
    ::close(descriptor.native_handle());
    stack.push(exeunt::closing(descriptor));
    closed().expect_code(asio::error::bad_descriptor);

    asio::posix::stream_descriptor another(context, ::dup(STDIN_FILENO));
    ::close(another.native_handle());
    exeunt::async_exit_stack failed(context);
    failed.push(exeunt::closing(another));
    outcome other;
    failed.async_close(error_code(asio::error::eof), into(other));
    drive();
    other.expect_code(asio::error::eof);
}

BOOST_AUTO_TEST_CASE(closing_after_a_reset_is_no_failure)
{
    reset();
    stack.push(exeunt::closing(mine));
    closed().expect_success();
    BOOST_TEST(!mine.is_open());
}

BOOST_AUTO_TEST_CASE(closing_ends_what_waits_for_the_object)
{
    error_code read;
    char byte = 0;
    mine.async_read_some(asio::buffer(&byte, 1), [&](error_code ec, std::size_t) { read = ec; });
    stack.push(exeunt::closing(mine));
    closed().expect_success();
    BOOST_TEST(static_cast<bool>(read)); // aborted, or the end
}

BOOST_AUTO_TEST_CASE(closing_knows_everything_that_can_be_closed_or_cancelled)
{
    tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
    asio::ip::udp::socket datagrams(context, asio::ip::udp::v4());
    asio::local::stream_protocol::socket local(context), other(context);
    asio::local::connect_pair(local, other);
    asio::readable_pipe readable(context);
    asio::writable_pipe writable(context);
    asio::connect_pipe(readable, writable);
    asio::posix::stream_descriptor descriptor(context, ::dup(0));
    asio::experimental::channel<void(error_code)> channel(context);
    asio::steady_timer timer(context, 1h);
    tcp::resolver resolver(context);
    asio::signal_set signals(context, SIGUSR1);
    error_code waited, signalled, received;
    timer.async_wait([&](error_code ec) { waited = ec; });
    signals.async_wait([&](error_code ec, int) { signalled = ec; });
    channel.async_receive([&](error_code ec) { received = ec; });

    stack.push(exeunt::closing(acceptor));
    stack.push(exeunt::closing(datagrams));
    stack.push(exeunt::closing(local));
    stack.push(exeunt::closing(readable));
    stack.push(exeunt::closing(writable));
    stack.push(exeunt::closing(descriptor));
    stack.push(exeunt::closing(channel));
    stack.push(exeunt::closing(timer));
    stack.push(exeunt::closing(resolver));
    stack.push(exeunt::closing(signals));
    closed().expect_success();

    BOOST_TEST(!acceptor.is_open());
    BOOST_TEST(!datagrams.is_open());
    BOOST_TEST(!local.is_open());
    BOOST_TEST(!readable.is_open());
    BOOST_TEST(!writable.is_open());
    BOOST_TEST(!descriptor.is_open());
    BOOST_TEST(!channel.is_open());
    BOOST_TEST(waited == asio::error::operation_aborted);
    BOOST_TEST(signalled == asio::error::operation_aborted);
    BOOST_TEST(received == asio::experimental::error::channel_closed);
}

// ---- as a release

BOOST_AUTO_TEST_CASE(closing_is_a_release)
{
    auto const fd = mine.native_handle();
    auto& owned = stack.adopt(std::move(mine), exeunt::closing);
    BOOST_TEST(owned.native_handle() == fd);
    auto const handle = stack.handle_of(&owned);
    BOOST_TEST((handle != exit_handle()));
    closed().expect_success();
    char byte = 0;
    error_code ended;
    theirs.read_some(asio::buffer(&byte, 1), ended);
    BOOST_TEST(ended == asio::error::eof);

    exeunt::exit_stack sync;
    sync.adopt(std::move(theirs), exeunt::on_exit(exeunt::closing).named("theirs"));
    BOOST_TEST(sync.pending().front().name == "theirs");
    sync.close();
}

BOOST_AUTO_TEST_CASE(closing_is_a_release_of_what_is_acquired)
{
    auto const take = [this]() -> asio::awaitable<tcp::socket> { co_return std::move(mine); };
    outcome_of<tcp::socket*> got;
    stack.async_acquire(
        take(), exeunt::on_exit(exeunt::draining).named("peer").within(2s), into(got));
    drive();
    got.expect_success();
    BOOST_TEST((*got.value)->is_open());
    BOOST_TEST(stack.pending().front().name == "peer");
    begin_close();
    result.expect_pending(); // the peer has not said its end
    clock.advance(2s); // which was said last, of two times
    drive();
    result.expect_success(); // forced
}

BOOST_AUTO_TEST_CASE(closing_that_is_said_to_be_best_effort_is)
{
    stack.push(exeunt::on_exit([&](exit_state&) { throw test_error("x"); }).best_effort());
    stack.adopt(std::move(mine),
        exeunt::on_exit(exeunt::closing).named("x").only_on_failure().best_effort());
    closed().expect_success();
    BOOST_TEST(observer.failures.size() == 1u);
    observer.clear();
}

// ---- draining

BOOST_AUTO_TEST_CASE(draining_lets_the_last_words_arrive)
{
    std::string const last_words(100'000, 'x');
    asio::write(theirs, asio::buffer("unread", 6)); // which would reset the connection
    std::string heard;
    std::size_t heard_size = 0;
    asio::async_read(theirs, asio::dynamic_buffer(heard), [&](error_code ec, std::size_t size) {
        BOOST_TEST(ec == asio::error::eof);
        heard_size = size;
        theirs.close();
    });
    asio::async_write(mine, asio::buffer(last_words), [&](error_code, std::size_t) {
        stack.push(exeunt::draining(mine));
        stack.async_close(into(result));
    });
    run_until_closed();
    result.expect_success();
    BOOST_TEST(heard_size == last_words.size());
    BOOST_TEST(!mine.is_open());
}

BOOST_AUTO_TEST_CASE(draining_a_peer_that_never_ends_is_bounded)
{
    stack.push(exeunt::draining(mine));
    begin_close();
    clock.advance(exeunt::polite_time - 1s);
    drive();
    result.expect_pending();
    BOOST_TEST(mine.is_open());
    clock.advance(1s);
    drive();
    result.expect_success();
    BOOST_TEST(!mine.is_open());
}

BOOST_AUTO_TEST_CASE(draining_a_peer_that_talks_for_ever_is_bounded)
{
    std::string const chatter(64 * 1024, 'x');
    auto talk = [&](auto& self, error_code failed) -> void {
        if (!failed)
            asio::async_write(
                theirs, asio::buffer(chatter), [&](error_code ec, std::size_t) { self(self, ec); });
    };
    talk(talk, {});
    stack.push(exeunt::draining(mine).within(2s));
    result = {};
    stack.async_close(into(result));
    for (int i = 0; i != 200; ++i)
        context.run_one();
    result.expect_pending();
    clock.advance(2s);
    run_until_closed();
    result.expect_success();
    BOOST_TEST(!mine.is_open());
    theirs.close();
}

BOOST_AUTO_TEST_CASE(draining_a_socket_that_was_never_connected_closes_it)
{
    tcp::socket never(context, tcp::v4());
    stack.push(exeunt::draining(never));
    closed().expect_success();
    BOOST_TEST(!never.is_open());
}

BOOST_AUTO_TEST_CASE(draining_a_connection_that_is_reset_adds_no_second_failure)
{
    stack.push(exeunt::draining(mine));
    close(failure("body"));
    reset();
    run_until_closed();
    result.expect_error("body");
    BOOST_TEST(!mine.is_open());
}

BOOST_AUTO_TEST_CASE(draining_a_connection_that_is_reset_has_failed_where_nothing_else_has)
{
    stack.push(exeunt::draining(mine));
    begin_close();
    asio::write(theirs, asio::buffer("unread", 6));
    theirs.set_option(tcp::socket::linger(true, 0));
    theirs.close();
    run_until_closed();
    result.expect_code(asio::error::connection_reset);
    BOOST_TEST(!mine.is_open());
}

// What it waits for may have come already, and only wait for its turn: then a cancellation finds nothing.
BOOST_AUTO_TEST_CASE(draining_that_is_cut_at_any_step_ends)
{
    for (int steps = 0; steps != 20; ++steps) {
        BOOST_TEST_CONTEXT("after " << steps << " steps")
        {
            connect();
            stack = async_exit_stack(posting_executor(context));
            stack.push(exeunt::draining(mine));
            begin_close();
            asio::write(theirs, asio::buffer("x", 1));
            for (int k = 0; k != steps; ++k)
                context.poll_one();
            stack.force();
            drive();
            result.expect_success();
            BOOST_TEST(!mine.is_open());
        }
    }
}

BOOST_AUTO_TEST_SUITE_END()
