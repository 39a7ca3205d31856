#ifndef EXEUNT_ASYNC_WITH_HPP
#define EXEUNT_ASYNC_WITH_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/close_options.hpp>
#include <exeunt/detail/default_token.hpp>
#include <exeunt/detail/with_operation.hpp>

#include <type_traits>
#include <utility>

namespace exeunt {

template <class Body, class Token>
decltype(auto) async_with(close_options options, Body&& body, Token&& token);
template <class Body>
decltype(auto) async_with(close_options options, Body&& body);
template <detail::executor_source Executor, class Body, class Token>
decltype(auto) async_with(Executor&& executor, close_options options, Body&& body, Token&& token);
template <detail::executor_source Executor, class Body>
decltype(auto) async_with(Executor&& executor, close_options options, Body&& body);

/// Runs a body with a stack of its own, then unwinds that stack, as one operation.
/**
 * The body is called with an open stack. When it has ended, with a value, a failure or cancelled, all
 * exits that it registered run, newest first; then the operation completes with the body's result. A
 * coroutine that has been cancelled cannot start a close any more: Asio throws at the next
 * `co_await`. Here body and unwinding are one operation, which a cancellation does not split.
 *
 * The body is `body(stack)`, which returns a value, nothing, an `asio::awaitable` or an asynchronous
 * operation; or `body(stack, handler)`. It is called once, on the stack's executor, and is destroyed
 * before the handler is called.
 *
 * @par Caution
 * The body's locals are gone before the first exit runs. What an exit touches is owned by the stack,
 * or lives outside of the body.
 *
 * @par Completion signature
 * `void(std::exception_ptr)`, or `void(std::exception_ptr, T)` where the body yields a T, which must
 * be default constructible. It is `T()` if an exit suppressed the body's failure.
 *
 * @par Executor
 * Body and exits run on the handler's associated executor; a token without one does not compile.
 * Their stack is an `async_exit_stack`.
 *
 * @par Cancellation
 * All types are passed on to the body while it runs; the exits have `close_options::grace` then. What
 * is emitted later concerns the unwinding, as with `async_close`: the first `terminal` cuts nothing,
 * the second forces, no exit is skipped. What counts is when it was emitted. The cancellation state
 * of a coroutine that awaits this is left as it is.
 *
 * @par Errors
 * What the body failed with, unless suppressed, and what its exits failed with: one failure as it
 * is, several as `exit_errors`.
 *
 * @par Lifetimes
 * On g++ 12 a body that has a destructor must not be a temporary in the operand of `co_await`; such a
 * one does not compile. Capture by reference, or name the body and pass `std::ref(body)`.
 */
template <class Body, class Token>
    requires detail::is_scope_body<Body>
decltype(auto) async_with(Body&& body, Token&& token)
{
    return async_with(close_options(), std::forward<Body>(body), std::forward<Token>(token));
}

/// Runs a body with a stack of its own, with the default completion token.
/** That is `asio::deferred`; `asio::use_awaitable` where the body yields a value and this version of
 * Asio cannot await such a deferred operation. */
template <class Body>
    requires detail::is_scope_body<Body>
decltype(auto) async_with(Body&& body)
{
    return async_with(close_options(), std::forward<Body>(body));
}

/// Runs a body with a stack that has these options.
template <class Body, class Token>
decltype(auto) async_with(close_options options, Body&& body, Token&& token)
{
    using signature = detail::with_signature_t<std::decay_t<Body>, asio::any_io_executor>;
    using result = decltype(asio::async_initiate<Token, signature>(
        detail::initiate_with_here(), token, options, std::forward<Body>(body)));
    static_assert(detail::survives_co_await<result, Body>(),
        "exeunt: g++ 12 destroys this body twice when it is a temporary in the operand of "
        "co_await: capture by reference, or name the body and pass std::ref(body)");
    return asio::async_initiate<Token, signature>(
        detail::initiate_with_here(), token, options, std::forward<Body>(body));
}

/// Runs a body with a stack that has these options, with the default completion token.
template <class Body>
decltype(auto) async_with(close_options options, Body&& body)
{
    return async_with(options, std::forward<Body>(body),
        detail::with_token<std::decay_t<Body>, asio::any_io_executor>());
}

/// Runs a body with a stack on this executor or execution context.
/**
 * The stack is one for the executor's own type if the body takes that, else an `async_exit_stack`.
 * The handler runs on its associated executor, by default this one.
 */
template <detail::executor_source Executor, class Body, class Token>
    requires detail::is_scope_body<Body>
decltype(auto) async_with(Executor&& executor, Body&& body, Token&& token)
{
    return async_with(std::forward<Executor>(executor), close_options(), std::forward<Body>(body),
        std::forward<Token>(token));
}

/// Runs a body with a stack on this executor or context, with the default completion token.
template <detail::executor_source Executor, class Body>
    requires detail::is_scope_body<Body>
decltype(auto) async_with(Executor&& executor, Body&& body)
{
    return async_with(std::forward<Executor>(executor), close_options(), std::forward<Body>(body));
}

/// Runs a body with a stack on this executor or execution context that has these options.
template <detail::executor_source Executor, class Body, class Token>
decltype(auto) async_with(Executor&& executor, close_options options, Body&& body, Token&& token)
{
    using executor_type = detail::scope_executor<std::decay_t<Body>, Executor>;
    using signature = detail::with_signature_t<std::decay_t<Body>, executor_type>;
    detail::initiate_with_on<executor_type> const initiate(
        executor_type(detail::executor_of(executor)));
    using result = decltype(asio::async_initiate<Token, signature>(
        initiate, token, options, std::forward<Body>(body)));
    static_assert(detail::survives_co_await<result, Body>(),
        "exeunt: g++ 12 destroys this body twice when it is a temporary in the operand of "
        "co_await: capture by reference, or name the body and pass std::ref(body)");
    return asio::async_initiate<Token, signature>(
        initiate, token, options, std::forward<Body>(body));
}

/// Runs a body with a stack on this executor or context that has these options, with the default
/// completion token.
template <detail::executor_source Executor, class Body>
decltype(auto) async_with(Executor&& executor, close_options options, Body&& body)
{
    using executor_type = detail::scope_executor<std::decay_t<Body>, Executor>;
    return async_with(std::forward<Executor>(executor), options, std::forward<Body>(body),
        detail::with_token<std::decay_t<Body>, executor_type>());
}

} // namespace exeunt

#endif // EXEUNT_ASYNC_WITH_HPP
