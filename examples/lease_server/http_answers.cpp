#include "http_answers.hpp"

#include <exeunt/exit_errors.hpp>

#include "limits.hpp"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace lease_server {

namespace {

constexpr std::string_view welcome =
    "PUT /kv/<name> stores, GET /kv/<name> fetches, GET /fail fails\n";

http_answer answer(http::status status, std::string body)
{
    http_answer made(status, 11);
    made.set(http::field::server, "lease_server");
    if (status != http::status::no_content) { // which has no body, not even one without content
        made.set(http::field::content_type, "text/plain");
        made.body() = std::move(body);
        made.prepare_payload();
    }
    return made;
}

http_answer not_allowed(std::string_view allowed)
{
    auto made = refusal(http::status::method_not_allowed);
    made.set(http::field::allow, allowed);
    return made;
}

bool is_get(http_request const& request)
{
    return request.method() == http::verb::get || request.method() == http::verb::head;
}

bool is_key(std::string_view text)
{
    constexpr std::string_view marks = "-._~";
    return !text.empty() && text.size() <= limits::key && std::ranges::all_of(text, [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
            || marks.find(c) != std::string_view::npos;
    });
}

asio::awaitable<http_answer> fetch(upstream_connection& upstream, std::string_view key)
{
    auto value = co_await upstream.get(key);
    if (!value)
        co_return refusal(http::status::not_found);
    co_return answer(http::status::ok, std::move(*value));
}

asio::awaitable<http_answer> put(
    upstream_connection& upstream, std::string_view key, std::string const& value)
{
    co_await upstream.set(key, value);
    co_return answer(http::status::no_content, {});
}

asio::awaitable<http_answer> fail(upstream_connection& upstream)
{
    co_await upstream.set_without_its_value("unfinished");
    throw std::runtime_error("failed on purpose, in the middle of a command");
}

// A request's work with the upstream. The lease is given back before the answer is written: a peer
// that is slow to read does not keep it.
template <class Work>
asio::awaitable<http_answer> answer_by_upstream(connection_pool& pool, Work const& work)
{
    http_answer made;
    std::exception_ptr failure;
    upstream_work const make = [&](upstream_connection& upstream) -> asio::awaitable<void> {
        made = co_await work(upstream);
    };
    try {
        co_await with_lease(pool, make);
        co_return made;
    } catch (...) {
        failure = std::current_exception();
    }
    // A code: the network, or the upstream, or no lease in time. Anything else is our own failure.
    co_return refusal(exeunt::code_of(failure) ? http::status::service_unavailable
                                               : http::status::internal_server_error);
}

} // namespace

http_answer refusal(http::status status)
{
    return answer(status, std::string(http::obsolete_reason(status)) + '\n');
}

asio::awaitable<http_answer> answer_to(http_request const& request, connection_pool& pool)
{
    constexpr std::string_view values = "/kv/";
    std::string_view const target = request.target();

    if (request.version() == 11 && request.count(http::field::host) != 1)
        co_return refusal(http::status::bad_request);
    if (target.starts_with(values)) {
        auto const key = target.substr(values.size());
        if (!is_get(request) && request.method() != http::verb::put)
            co_return not_allowed("GET, HEAD, PUT");
        if (!is_key(key))
            co_return refusal(http::status::bad_request);
        if (is_get(request)) {
            auto const work = [&](upstream_connection& upstream) { return fetch(upstream, key); };
            co_return co_await answer_by_upstream(pool, work);
        }
        auto const work = [&](upstream_connection& upstream) {
            return put(upstream, key, request.body());
        };
        co_return co_await answer_by_upstream(pool, work);
    }
    if (target != "/" && target != "/fail")
        co_return refusal(http::status::not_found);
    if (!is_get(request))
        co_return not_allowed("GET, HEAD");
    if (target == "/fail")
        co_return co_await answer_by_upstream(pool, fail);
    co_return answer(http::status::ok, std::string(welcome));
}

} // namespace lease_server
