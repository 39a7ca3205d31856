// Asynchronous cleanup by hand in coroutines: a vector of functions that return awaitables.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_COROUTINES_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_COROUTINES_HPP

#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/multiple_exceptions.hpp>
#include <boost/asio/this_coro.hpp>

#include <exception>
#include <functional>
#include <utility>
#include <vector>

namespace reference {

namespace asio = boost::asio;

using coroutine_exits = std::vector<std::function<asio::awaitable<void>()>>;

inline void report(std::vector<std::exception_ptr> const& errors)
{
    if (errors.size() == 1)
        std::rethrow_exception(errors.front());
    if (!errors.empty())
        throw asio::multiple_exceptions(errors.front());
}

// Body and cleanup in one spawned coroutine. A cancellation is for the body: without the reset the first
// co_await of the cleanup would throw.
template <class Body>
asio::awaitable<void> scope(Body body)
{
    coroutine_exits exits;
    std::vector<std::exception_ptr> errors;
    try {
        co_await body(exits);
    } catch (...) {
        errors.push_back(std::current_exception());
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    for (; !exits.empty(); exits.pop_back()) {
        try {
            co_await exits.back()();
        } catch (...) {
            errors.push_back(std::current_exception());
        }
    }
    report(errors);
}

} // namespace reference

#endif
