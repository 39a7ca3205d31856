#include "http_server.hpp"

#include <exeunt/async_with.hpp>

#include "http_answers.hpp"
#include "http_peer.hpp"
#include "limits.hpp"
#include "listener.hpp"
#include "task_group.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace lease_server {

namespace {

// Answers one request after the other, until the peer or the server has had enough.
//
// Told to leave, a session drops its wait for the next request, and not the request it has in hand:
// so it looks at its cancellation by itself, instead of being thrown out of any co_await.
asio::awaitable<void> converse(http_peer& peer, connection_pool& pool, tally& count)
{
    co_await asio::this_coro::throw_if_cancelled(false);
    auto const told = co_await asio::this_coro::cancellation_state;
    auto const leaving = [&told] { return told.cancelled() != asio::cancellation_type::none; };

    for (bool go_on = true; go_on && !leaving();) {
        auto const received = co_await peer.read();
        http_answer answer;
        if (received.request) {
            ++count.requests;
            answer = co_await answer_to(*received.request, pool);
            answer.version(received.request->version());
            answer.keep_alive(received.request->keep_alive() && !leaving());
            if (received.request->method() == http::verb::head)
                answer.body().clear();
        } else if (received.refusal) {
            ++count.requests;
            answer = refusal(*received.refusal);
            answer.keep_alive(false);
        } else {
            break;
        }
        auto const status = answer.result_int();
        go_on = answer.keep_alive();
        if (co_await peer.write(std::move(answer)))
            ++count.answers[status];
        else
            break;
    }
}

asio::awaitable<void> turn_away(http_peer& peer, tally& count)
{
    auto answer = refusal(http::status::service_unavailable);
    answer.keep_alive(false);
    if (co_await peer.write(std::move(answer)))
        ++count.turned_away;
}

// A session: the stack owns its connection, and hangs up on every way out.
template <class Conversation>
asio::awaitable<void> session(tcp::socket socket, tally& count, Conversation conversation)
{
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& peer = stack.emplace<http_peer>(std::move(socket), count.http);
        stack.push(counted(count, "hang up", [&peer] { return peer.hang_up(); }));
        co_await conversation(peer);
    });
}

} // namespace

tcp::endpoint start_http(
    exeunt::async_exit_stack& stack, unsigned short port, connection_pool& pool, tally& count)
{
    auto& sessions = stack.emplace<task_group>(stack.get_executor());
    auto& door = stack.emplace<listener>(stack.get_executor(), port);
    stack.push(
        stage(count, "finish the requests in hand", [&sessions] { return sessions.leave(); }));
    stack.push(stage(count, "stop accepting", [&door] { return door.close(); }));

    door.open([&](tcp::socket socket) {
        auto const serve = [&](http_peer& peer) { return converse(peer, pool, count); };
        auto const full = [&](http_peer& peer) { return turn_away(peer, count); };
        if (sessions.size() < limits::http_sessions)
            sessions.spawn(session(std::move(socket), count, serve));
        else if (sessions.size() < limits::http_sessions + limits::turned_away_at_once)
            sessions.spawn(session(std::move(socket), count, full));
    });
    return door.where();
}

} // namespace lease_server
