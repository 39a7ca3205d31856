#ifndef LEASE_SERVER_HTTP_ANSWERS_HPP
#define LEASE_SERVER_HTTP_ANSWERS_HPP

#include "http_peer.hpp"
#include "pool.hpp"

namespace lease_server {

// What each request is answered with: the routes of the server. Never fails, and runs to its end also
// when the caller is told to leave; told to end at once, it is a refusal.
asio::awaitable<http_answer> answer_to(http_request const& request, connection_pool& pool);

// The answer to what is no request that could be answered.
http_answer refusal(http::status status);

} // namespace lease_server

#endif // LEASE_SERVER_HTTP_ANSWERS_HPP
