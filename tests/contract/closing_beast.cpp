// closing(websocket) against Beast's own client on loopback, and a chat that a signal closes.
#include <exeunt/async_with.hpp>
#include <exeunt/closing_beast.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/service.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/peer_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/stream.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include <unistd.h>

using namespace support;
using namespace std::chrono_literals;
using asio::ip::tcp;
using boost::system::error_code;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

namespace {

constexpr auto terminal = asio::cancellation_type::terminal;

template <class Next>
struct websocket_fixture : peer_fixture
{
    using stream_type = websocket::stream<Next>;

    stream_type mine{context};
    stream_type theirs{context};
    beast::flat_buffer buffer, their_buffer;

    static tcp::socket& socket_of(tcp::socket& socket) { return socket; }
    static tcp::socket& socket_of(beast::tcp_stream& stream) { return stream.socket(); }

    tcp::socket& my_socket() { return socket_of(mine.next_layer()); }
    tcp::socket& their_socket() { return socket_of(theirs.next_layer()); }

    void shake_hands()
    {
        tcp::acceptor acceptor(context, {asio::ip::address_v4::loopback(), 0});
        their_socket().connect(acceptor.local_endpoint());
        acceptor.accept(my_socket());
        run_both([this](auto shaken) {
            mine.async_accept(shaken);
            theirs.async_handshake("localhost", "/", shaken);
        });
    }

    // The peer reads, and answers a close by that.
    void read_theirs()
    {
        theirs.async_read(their_buffer, [this](error_code ended, std::size_t) {
            if (!ended)
                return read_theirs();
            end_of_theirs = ended;
            theirs_ended = true;
        });
    }

    void run_until_closed()
    {
        run_until([this] { return result.done(); });
        BOOST_TEST(!my_socket().is_open());
    }
};

using plain_fixture = websocket_fixture<tcp::socket>;
using beast_fixture = websocket_fixture<beast::tcp_stream>;

} // namespace

BOOST_AUTO_TEST_SUITE(closing_beast)

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_shakes_hands, plain_fixture)
{
    shake_hands();
    read_theirs();
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until_closed();
    result.expect_success();
    run_until([this] { return theirs_ended; });
    BOOST_TEST((end_of_theirs == websocket::error::closed));
    BOOST_TEST(theirs.reason().code == websocket::close_code::normal);
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_tells_the_reason, beast_fixture)
{
    shake_hands();
    read_theirs();
    stack.push(exeunt::closing(
        mine, websocket::close_reason(websocket::close_code::going_away, "the play is over")));
    begin_close();
    run_until_closed();
    result.expect_success();
    run_until([this] { return theirs_ended; });
    BOOST_TEST(theirs.reason().code == websocket::close_code::going_away);
    BOOST_TEST(theirs.reason().reason == "the play is over");
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_while_its_reader_reads, beast_fixture)
{
    shake_hands();
    read_theirs();
    error_code read;
    mine.async_read(buffer, [&](error_code ec, std::size_t) { read = ec; });
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until_closed();
    result.expect_success();
    drive();
    BOOST_TEST(static_cast<bool>(read));
    BOOST_TEST((end_of_theirs == websocket::error::closed));
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_that_the_peer_has_closed_is_a_success, beast_fixture)
{
    shake_hands();
    bool closed = false;
    error_code read;
    theirs.async_close(websocket::close_code::normal, [&](error_code) { closed = true; });
    mine.async_read(buffer, [&](error_code ec, std::size_t) { read = ec; });
    run_until([&] { return closed && read; });
    BOOST_TEST((read == websocket::error::closed));
    stack.push(exeunt::closing(mine));
    begin_close();
    run_until_closed();
    result.expect_success();
}

// Many peers do not answer, but hang up.
BOOST_FIXTURE_TEST_CASE(closing_a_websocket_whose_peer_hangs_up_is_a_success, beast_fixture)
{
    shake_hands();
    stack.push(exeunt::closing(mine));
    begin_close();
    their_socket().shutdown(tcp::socket::shutdown_send);
    run_until_closed();
    result.expect_success();
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_whose_peer_talks_nonsense_is_a_failure, beast_fixture)
{
    shake_hands();
    stack.push(exeunt::closing(mine));
    begin_close();
    asio::write(their_socket(), asio::buffer("\xff\x80mask", 6)); // no such frame
    their_socket().shutdown(tcp::socket::shutdown_send);
    run_until_closed();
    result.expect_once();
    BOOST_CHECK(result.error != nullptr);
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_whose_peer_never_answers_is_bounded, beast_fixture)
{
    shake_hands();
    stack.push(exeunt::closing(mine).named("websocket"));
    begin_close();
    clock.advance(exeunt::polite_time - 1s);
    drive();
    result.expect_pending();
    clock.advance(1s);
    run_until_closed();
    result.expect_success(); // forced
}

BOOST_AUTO_TEST_CASE(closing_a_websocket_that_is_cut_at_any_step_tells_of_no_failure)
{
    expect_no_failure_where_closing_is_cut<plain_fixture>();
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_without_a_handshake_closes_at_once, plain_fixture)
{
    stack.push(exeunt::closing(mine));
    begin_close();
    result.expect_success();
}

// Its reader was cut: Beast says no more on such a stream.
BOOST_FIXTURE_TEST_CASE(closing_a_websocket_whose_reader_was_cut_adds_no_failure, beast_fixture)
{
    shake_hands();
    read_theirs();
    asio::cancellation_signal cut;
    bool read = false;
    mine.async_read(buffer,
        asio::bind_cancellation_slot(cut.slot(), [&](error_code, std::size_t) { read = true; }));
    drive();
    cut.emit(terminal);
    run_until([&] { return read; });
    stack.push(exeunt::closing(mine));
    auto const cause = failure("body");
    begin_close(cause);
    run_until_closed();
    result.expect_error(cause);
}

BOOST_FIXTURE_TEST_CASE(closing_a_websocket_that_is_reset_meanwhile_adds_no_failure, beast_fixture)
{
    shake_hands();
    std::exception_ptr const cause = failure("body");
    stack.push(exeunt::closing(mine));
    begin_close(cause);
    their_socket().set_option(asio::socket_base::linger(true, 0));
    their_socket().close();
    run_until_closed();
    result.expect_error(cause);
}

// Half of a message is on the wire.
BOOST_FIXTURE_TEST_CASE(closing_a_websocket_in_the_middle_of_a_write_is_bounded, beast_fixture)
{
    shake_hands();
    std::string const large(8 * 1024 * 1024, 'x');
    asio::cancellation_signal cut;
    bool written = false;
    mine.async_write(asio::buffer(large),
        asio::bind_cancellation_slot(cut.slot(), [&](error_code, std::size_t) { written = true; }));
    drive();
    cut.emit(terminal);
    run_until([&] { return written; });
    stack.options().grace = 2s;
    stack.push(exeunt::closing(mine));
    begin_close(cancellation());
    if (!result.done())
        clock.advance(2s);
    run_until_closed();
    result.expect_code(asio::error::operation_aborted);
}

BOOST_FIXTURE_TEST_CASE(closing_a_stream_of_beast_closes_its_socket, beast_fixture)
{
    shake_hands();
    stack.push(exeunt::closing(mine.next_layer()));
    begin_close();
    result.expect_success();
    BOOST_TEST(!my_socket().is_open());
}

// ---- a chat

namespace {

constexpr std::size_t members = 200;

struct member
{
    explicit member(tcp::socket socket)
        : websocket(std::move(socket))
    {
    }

    websocket::stream<beast::tcp_stream> websocket;
};

// A server of many sessions, which says goodbye to all of them at the same time.
class chat
{
public:
    // Readers are older than the goodbyes that they have to hear, the door is newer than both.
    explicit chat(async_exit_stack& stack)
        : readers_(
            stack.enter(exeunt::on_exit(exeunt::task_scope(stack.get_executor())).named("readers")))
        , goodbyes_(stack.push_group())
        , door_(stack.adopt(
              tcp::acceptor(stack.get_executor(), {asio::ip::address_v4::loopback(), 0}),
              exeunt::on_exit(exeunt::closing).named("door")))
    {
        readers_.spawn([this] { return accept(); });
    }
    chat(chat const&) = delete;
    chat& operator=(chat const&) = delete;

    tcp::endpoint where() const { return door_.local_endpoint(); }

private:
    asio::awaitable<void> accept()
    {
        error_code closed;
        while (!closed) {
            auto socket =
                co_await door_.async_accept(asio::redirect_error(asio::use_awaitable, closed));
            if (!closed)
                readers_.spawn(read(std::make_shared<member>(std::move(socket))));
        }
    }

    asio::awaitable<void> read(std::shared_ptr<member> self)
    {
        co_await self->websocket.async_accept(asio::use_awaitable);
        // It is kept by its goodbye, too.
        auto& kept = goodbyes_.adopt(self, [](std::shared_ptr<member>& leaving) noexcept {
            return exeunt::closing(leaving->websocket, websocket::close_code::going_away);
        });
        auto const goodbye = goodbyes_.handle_of(&kept);
        error_code ended;
        for (beast::flat_buffer buffer; !ended; buffer.clear())
            co_await self->websocket.async_read(
                buffer, asio::redirect_error(asio::use_awaitable, ended));
        goodbyes_.dismiss(goodbye);
    }

    exeunt::task_scope& readers_;
    exeunt::exit_group& goodbyes_;
    tcp::acceptor& door_;
};

// Their members, in a thread of their own. When all are there, the process is told to stop.
class audience
{
public:
    explicit audience(tcp::endpoint server)
        : thread_([this, server] { run(server); })
    {
    }

    // How many have heard that the server is going away.
    std::size_t join()
    {
        thread_.join();
        return told_;
    }

private:
    void run(tcp::endpoint server)
    {
        asio::io_context context;
        for (std::size_t i = 0; i != members; ++i)
            asio::co_spawn(context, listen(server), [](std::exception_ptr) {});
        context.run();
    }

    asio::awaitable<void> listen(tcp::endpoint server)
    {
        websocket::stream<tcp::socket> mine(co_await asio::this_coro::executor);
        co_await mine.next_layer().async_connect(server, asio::use_awaitable);
        co_await mine.async_handshake("localhost", "/", asio::use_awaitable);
        if (++here_ == members)
            ::kill(::getpid(), SIGTERM);
        beast::flat_buffer buffer;
        error_code ended;
        co_await mine.async_read(buffer, asio::redirect_error(asio::use_awaitable, ended));
        if (ended == websocket::error::closed
            && mine.reason().code == websocket::close_code::going_away)
            ++told_;
    }

    std::size_t here_ = 0;
    std::size_t told_ = 0;
    std::thread thread_;
};

} // namespace

BOOST_AUTO_TEST_CASE(chat_that_is_told_to_stop_says_goodbye_to_every_member)
{
    asio::io_context context;
    std::optional<audience> everybody;
    auto const body = [&](async_exit_stack& stack) -> asio::awaitable<void> {
        auto& server = stack.emplace<std::optional<chat>>();
        server.emplace(stack);
        everybody.emplace(server->where());
        co_await exeunt::until_cancelled();
    };
    auto const began = std::chrono::steady_clock::now();
    // Who has not been told within two seconds is not told any more.
    BOOST_TEST(exeunt::run(context, {.grace = 2s}, body) == 0);
    std::chrono::duration<double> const took = std::chrono::steady_clock::now() - began;
    auto const told = everybody->join();
    BOOST_TEST(told == members);
    BOOST_TEST_MESSAGE(told << " of " << members << " members told, connected and left within "
                            << took.count() << " s");
}

BOOST_AUTO_TEST_SUITE_END()
