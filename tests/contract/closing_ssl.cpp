// closing(stream) of a TLS stream, against real peers on loopback, openssl s_client among them.
#include <exeunt/async_with.hpp>
#include <exeunt/closing_ssl.hpp>
#include <exeunt/testing.hpp>

#include "support/peer_fixture.hpp"
#include "support/tls.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <optional>
#include <string>
#include <utility>

#include <unistd.h>

using namespace support;
using namespace std::chrono_literals;
using asio::ip::tcp;
using boost::system::error_code;
using tls_stream = asio::ssl::stream<tcp::socket>;

namespace {

struct tls_fixture : peer_fixture
{
    asio::ssl::context server_context = make_server_context();
    asio::ssl::context client_context = make_client_context();
    tls_stream mine{context, server_context};
    tls_stream theirs{context, client_context};
    tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), 0}};

    void connect()
    {
        theirs.next_layer().connect(acceptor.local_endpoint());
        acceptor.accept(mine.next_layer());
    }

    void shake_hands()
    {
        connect();
        run_both([this](auto shaken) {
            mine.async_handshake(tls_stream::server, shaken);
            theirs.async_handshake(tls_stream::client, shaken);
        });
    }

    // The peer reads to the end.
    void read_theirs()
    {
        theirs.async_read_some(asio::buffer(buffer_), [this](error_code ended, std::size_t) {
            if (!ended)
                return read_theirs();
            end_of_theirs = ended;
            theirs_ended = true;
        });
    }

    void run_until_closed()
    {
        run_until([this] { return result.done(); });
        BOOST_TEST(!mine.next_layer().is_open());
    }

private:
    std::array<char, 4096> buffer_;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(closing_ssl, tls_fixture)

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_exchanges_goodbyes)
{
    shake_hands();
    read_theirs();
    bool answered = false;
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until([this] { return theirs_ended; });
    BOOST_TEST(end_of_theirs == asio::error::eof); // and not stream_truncated
    theirs.async_shutdown([&](error_code) { answered = true; });
    run_until_closed();
    result.expect_success();
    run_until([&] { return answered; });
}

// Most peers do not answer, but hang up.
BOOST_AUTO_TEST_CASE(closing_a_tls_stream_whose_peer_hangs_up_is_a_success)
{
    shake_hands();
    read_theirs();
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until([this] { return theirs_ended; });
    theirs.next_layer().close();
    run_until_closed();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_whose_peer_has_hung_up_before_is_a_success)
{
    shake_hands();
    theirs.next_layer().close();
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until_closed();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_whose_peer_never_answers_is_bounded)
{
    shake_hands();
    stack.push(exeunt::closing(mine).named("tls"));
    begin_close();
    clock.advance(exeunt::polite_time - 1s);
    drive();
    result.expect_pending();
    clock.advance(1s);
    run_until_closed();
    result.expect_success(); // forced
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_whose_peer_never_answers_ends_with_the_grace)
{
    shake_hands();
    stack.options().grace = 2s;
    stack.push(exeunt::closing(mine));
    begin_close(cancellation());
    clock.advance(2s);
    run_until_closed();
    result.expect_code(asio::error::operation_aborted);
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_without_a_handshake_closes_at_once)
{
    connect();
    stack.push(exeunt::closing(mine));
    begin_close();
    result.expect_success();
    BOOST_TEST(!mine.next_layer().is_open());

    stack = async_exit_stack(context);
    stack.push(exeunt::closing(mine)); // never connected, or closed already
    begin_close();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_that_was_reset_closes_at_once_and_adds_no_failure)
{
    shake_hands();
    theirs.next_layer().set_option(tcp::socket::linger(true, 0));
    theirs.next_layer().close();
    error_code read;
    bool done = false;
    std::array<char, 16> buffer;
    mine.async_read_some(asio::buffer(buffer), [&](error_code ec, std::size_t) {
        read = ec;
        done = true;
    });
    run_until([&] { return done; });
    BOOST_TEST(read == asio::error::connection_reset);
    stack.push(exeunt::closing(mine));
    begin_close(failure(read));
    result.expect_code(asio::error::connection_reset);
    BOOST_TEST(!mine.next_layer().is_open());
}

// It has not heard yet that this is the end.
BOOST_AUTO_TEST_CASE(closing_a_tls_stream_whose_peer_goes_on_talking_is_a_success)
{
    shake_hands();
    bool written = false;
    asio::async_write(theirs, asio::buffer("and another thing", 17),
        [&](error_code, std::size_t) { written = true; });
    run_until([&] { return written; });
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until_closed();
    result.expect_success();
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_whose_peer_talks_nonsense_is_a_failure)
{
    shake_hands();
    asio::write(theirs.next_layer(), asio::buffer("this is no record", 17));
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until_closed();
    result.expect_once();
    BOOST_TEST((exeunt::code_of(result.error).category() == asio::error::get_ssl_category()));
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_that_is_cut_at_any_step_tells_of_no_failure)
{
    expect_no_failure_where_closing_is_cut<tls_fixture>();
}

// Cut in the middle of a write: half of a record is on the wire, and the peer cannot read on.
BOOST_AUTO_TEST_CASE(closing_a_tls_stream_in_the_middle_of_a_write_is_bounded)
{
    shake_hands();
    std::string const large(4 * 1024 * 1024, 'x');
    asio::cancellation_signal cut;
    bool written = false;
    asio::async_write(mine, asio::buffer(large),
        asio::bind_cancellation_slot(cut.slot(), [&](error_code failed, std::size_t) {
            BOOST_TEST(failed == asio::error::operation_aborted);
            written = true;
        }));
    drive(); // until the buffers of both sides are full
    cut.emit(asio::cancellation_type::terminal);
    run_until([&] { return written; });
    stack.options().grace = 2s;
    stack.push(exeunt::closing(mine).named("tls"));
    begin_close(cancellation());
    clock.advance(2s);
    run_until_closed();
    result.expect_code(asio::error::operation_aborted);
}

BOOST_AUTO_TEST_CASE(closing_a_tls_stream_is_a_release)
{
    shake_hands();
    read_theirs();
    stack.adopt(std::move(mine), exeunt::on_exit(exeunt::closing).named("tls").within(5s));
    BOOST_TEST(stack.pending().front().name == "tls");
    begin_close();
    run_until([this] { return theirs_ended; });
    BOOST_TEST(end_of_theirs == asio::error::eof);
    theirs.next_layer().close();
    run_until([this] { return result.done(); });
    result.expect_success();
}

// What a program that knows nothing of us makes of it.
BOOST_AUTO_TEST_CASE(closing_a_tls_stream_is_understood_by_openssl)
{
    auto const port = std::to_string(acceptor.local_endpoint().port());
    int silence[2];
    BOOST_REQUIRE(::pipe(silence) == 0);
    auto const command = "openssl s_client -connect 127.0.0.1:" + port + " 2>&1 </dev/fd/"
        + std::to_string(silence[0]);
    std::FILE* const client = ::popen(command.c_str(), "r");
    BOOST_REQUIRE(client != nullptr);
    auto const serve = [this]() -> asio::awaitable<void> {
        co_await exeunt::async_with([&](async_exit_stack& s) -> asio::awaitable<void> {
            s.push(exeunt::closing(mine));
            co_await acceptor.async_accept(mine.next_layer(), asio::use_awaitable);
            co_await mine.async_handshake(tls_stream::server, asio::use_awaitable);
            co_await asio::async_write(mine, asio::buffer("welcome\n", 8), asio::use_awaitable);
        });
    };
    asio::co_spawn(context, serve, into(result));
    run_until_closed();
    result.expect_success();
    std::string said;
    std::array<char, 4096> part;
    while (auto const size = std::fread(part.data(), 1, part.size(), client))
        said.append(part.data(), size);
    ::pclose(client);
    ::close(silence[0]);
    ::close(silence[1]);
    BOOST_TEST(said.find("welcome") != std::string::npos);
    BOOST_TEST(said.find("\nclosed\n") != std::string::npos, said);
    BOOST_TEST(said.find("read:errno") == std::string::npos, said);
}

BOOST_AUTO_TEST_SUITE_END()
