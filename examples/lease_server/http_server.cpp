#include "http_server.hpp"

#include <exeunt/async_with.hpp>
#include <exeunt/on_exit.hpp>
#include <exeunt/task_scope.hpp>

#include "http_answers.hpp"
#include "http_peer.hpp"
#include "in_hand.hpp"
#include "limits.hpp"
#include "listener.hpp"

#include <boost/asio/this_coro.hpp>

#include <utility>

namespace lease_server {

namespace {

// Answers one request after the other, until the peer or the server has had enough.
//
// Told to leave, a session drops its wait for the next request, and not the request it has in hand:
// so it looks at its cancellation by itself, instead of being thrown out of any co_await. Told to end
// at once, what it has in hand is cancelled too.
asio::awaitable<void> converse(http_peer& peer, connection_pool& pool, tally& count)
{
    co_await asio::this_coro::throw_if_cancelled(false);
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    auto const told = co_await asio::this_coro::cancellation_state;

    for (bool go_on = true; go_on && !is_told(told);) {
        auto const received = co_await peer.read();
        if (is_told_at_once(told))
            break;
        http_answer answer;
        if (received.request) {
            ++count.requests;
            answer = co_await answer_to(*received.request, pool);
            answer.version(received.request->version());
            answer.keep_alive(received.request->keep_alive() && !is_told(told));
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
    co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
    co_await exeunt::async_with([&](exeunt::async_exit_stack& stack) -> asio::awaitable<void> {
        auto& peer = stack.emplace<http_peer>(std::move(socket), count.http);
        // Waits until the answers have arrived; closes at once where that fails, or is forced.
        stack.push(
            exeunt::on_exit([&peer] { return peer.hang_up(); }).named("hang up").or_force([&peer] {
                peer.close();
            }));
        co_await conversation(peer);
        if (is_told_at_once(co_await asio::this_coro::cancellation_state))
            stack.force();
    });
}

// The sessions, which end when they have done what they have in hand. Cut, they end at once: told twice,
// they force what they give back already.
exeunt::task_scope& start_sessions(exeunt::async_exit_stack& stack)
{
    exeunt::task_scope_options independent;
    independent.cancel_on_failure = false;
    return stack.enter(exeunt::on_exit(exeunt::task_scope(stack.get_executor(), independent))
                           .named("finish the requests in hand")
                           .on_cut([](exeunt::task_scope& sessions) { sessions.cancel(); }));
}

} // namespace

tcp::endpoint start_http(
    exeunt::async_exit_stack& stack, unsigned short port, connection_pool& pool, tally& count)
{
    auto& sessions = start_sessions(stack);
    return listen(stack, port, "stop accepting", [&](tcp::socket socket) {
        auto const serve = [&](http_peer& peer) { return converse(peer, pool, count); };
        auto const full = [&](http_peer& peer) { return turn_away(peer, count); };
        if (sessions.size() < limits::http_sessions)
            sessions.spawn(session(std::move(socket), count, serve));
        else if (sessions.size() < limits::http_sessions + limits::turned_away_at_once)
            sessions.spawn(session(std::move(socket), count, full));
    });
}

} // namespace lease_server
