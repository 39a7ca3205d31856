#ifndef EXEUNT_DETAIL_DEFAULT_TOKEN_HPP
#define EXEUNT_DETAIL_DEFAULT_TOKEN_HPP

#include <exeunt/config.hpp>
#include <exeunt/detail/exit_shape.hpp>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <type_traits>

namespace exeunt::detail {

namespace asio = boost::asio;

// What can be awaited in a coroutine of this version of Asio.
#if defined(EXEUNT_AWAITS_VALUES)
using awaitable_value_token = asio::deferred_t;
#else
using awaitable_value_token = asio::use_awaitable_t<>;
#endif

template <class Executor, class Otherwise>
using default_token_or =
    std::conditional_t<std::is_void_v<asio::default_completion_token_t<Executor>>, Otherwise,
        asio::default_completion_token_t<Executor>>;

// The default completion token of operations that yield nothing, and of those that yield a value.
template <class Executor>
using default_token = default_token_or<Executor, asio::deferred_t>;
template <class Executor>
using default_value_token = default_token_or<Executor, awaitable_value_token>;

// g++ 12 destroys a closure or aggregate with a destructor twice, where it is a temporary in the
// operand of co_await. What would corrupt memory silently does not compile there. `Result` is what the
// initiating function returns: whatever the token is, it tells whether that is going to be awaited.
template <class Result, class T>
consteval bool survives_co_await()
{
#if defined(EXEUNT_CO_AWAIT_DESTROYS_TWICE)
    constexpr bool is_awaited =
        is_awaitable<std::decay_t<Result>> || is_deferred_operation<std::decay_t<Result>>;
    return std::is_lvalue_reference_v<T> || !is_awaited
        || std::is_trivially_destructible_v<std::remove_cvref_t<T>>;
#else
    return true;
#endif
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_DEFAULT_TOKEN_HPP
