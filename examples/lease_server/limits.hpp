#ifndef LEASE_SERVER_LIMITS_HPP
#define LEASE_SERVER_LIMITS_HPP

#include <chrono>
#include <cstddef>
#include <cstdint>

// Everything that a peer could make grow, and every wait that depends on a peer, has a limit.
namespace lease_server::limits {

using namespace std::chrono_literals;

inline constexpr std::size_t http_sessions = 512; // more: 503
inline constexpr std::size_t turned_away_at_once = 64; // more: closed without a word
inline constexpr std::size_t waiting_requests = 256; // for a lease; more: 503
inline constexpr std::uint32_t request_header = 8 * 1024; // more: 431
inline constexpr std::size_t value = 64 * 1024; // more: 413
inline constexpr std::size_t key = 128; // more: 400
inline constexpr std::size_t stored_keys = 10'000; // more: the upstream refuses, 503
inline constexpr std::size_t upstream_line = 512;
inline constexpr std::size_t one_read = 16 * 1024;
inline constexpr std::size_t lingering_input = 1024 * 1024;

inline constexpr auto idle_session = 60s;
inline constexpr auto answer_write = 5s;
inline constexpr auto last_words = 100ms; // an answer that is written when the end is forced
inline constexpr auto lingering = 500ms;
inline constexpr auto upstream_connect = 2s;
inline constexpr auto upstream_command = 2s;
inline constexpr auto upstream_reset = 2s; // more: the connection is discarded
inline constexpr auto upstream_quit = 2s; // more: it is closed without an answer
inline constexpr auto free_lease = 2s; // more: 503
inline constexpr auto client_answer = 10s;

} // namespace lease_server::limits

#endif // LEASE_SERVER_LIMITS_HPP
