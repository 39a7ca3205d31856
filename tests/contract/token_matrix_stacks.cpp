// C76: every operation of a stack and every scope with every kind of completion token. A test of its own
// (layers.token_rows) compares these rows with the headers.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>

#include "support/token_matrix.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/post.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <iostream>
#include <utility>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_state;

namespace {

struct on_a_stack : matrix_operation
{
    using signature = void(std::exception_ptr);

    explicit on_a_stack(asio::io_context& of)
        : matrix_operation(of)
    {
        stack.push([this] { ++ran; });
        handle = stack.push([this]() -> asio::awaitable<void> {
            ++ran;
            co_return;
        });
    }

    async_exit_stack stack{context};
    exeunt::exit_handle handle;
    int ran = 0;
};

struct plain_close : on_a_stack
{
    using on_a_stack::on_a_stack;
    ~plain_close() { BOOST_TEST(ran == 2); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_close(std::forward<Token>(token));
    }
};

struct close_with_a_cause : plain_close
{
    using plain_close::plain_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_close(std::exception_ptr(), std::forward<Token>(token));
    }
};

struct close_with_a_code : plain_close
{
    using plain_close::plain_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_close(boost::system::error_code(), std::forward<Token>(token));
    }
};

struct exit_of_a_stack : plain_close
{
    using plain_close::plain_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_exit(state, std::forward<Token>(token));
    }

    exit_state state;
};

struct run_now : on_a_stack
{
    using on_a_stack::on_a_stack;
    ~run_now() { BOOST_TEST(ran == 1); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_run_now(handle, std::forward<Token>(token));
    }
};

asio::awaitable<int> seven()
{
    co_return 7;
}

void forget(int&) {}

struct acquire : on_a_stack
{
    using signature = void(std::exception_ptr, int*);
    using on_a_stack::on_a_stack;
    ~acquire() { BOOST_TEST(stack.size() == 3u); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_acquire(seven(), std::forward<Token>(token));
    }
};

struct acquire_with_a_release : acquire
{
    using acquire::acquire;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_acquire(seven(), &forget, std::forward<Token>(token));
    }
};

struct nine
{
    asio::awaitable<int> async_enter() { co_return 9; }
    asio::awaitable<void> async_exit(exit_state&) { co_return; }
};

struct enter : acquire
{
    using signature = void(std::exception_ptr, int);
    using acquire::acquire;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return stack.async_enter(std::ref(context_nine), std::forward<Token>(token));
    }

    nine context_nine;
};

// ---- scopes

struct counting_body
{
    asio::awaitable<void> operator()(async_exit_stack& stack)
    {
        stack.push([this] { ++ran; });
        co_await asio::post(asio::use_awaitable);
    }

    int ran = 0;
};

struct scope : matrix_operation
{
    using signature = void(std::exception_ptr);
    using matrix_operation::matrix_operation;
    ~scope() { BOOST_TEST(body.ran == 1); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return exeunt::async_with(context, std::ref(body), std::forward<Token>(token));
    }

    counting_body body;
};

struct scope_with_options : scope
{
    using scope::scope;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return exeunt::async_with(
            context, exeunt::close_options(), std::ref(body), std::forward<Token>(token));
    }
};

struct scope_with_a_result : scope
{
    using signature = void(std::exception_ptr, int);
    using scope::scope;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return exeunt::async_with(context, std::ref(yielding), std::forward<Token>(token));
    }

    std::function<asio::awaitable<int>(async_exit_stack&)> yielding =
        [this](async_exit_stack& stack) -> asio::awaitable<int> {
        co_await body(stack);
        co_return 5;
    };
};

struct scope_on_the_executor_of_the_token : scope
{
    static constexpr bool has_executor = false;
    using scope::scope;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return exeunt::async_with(
            std::ref(body), with_executor(context, std::forward<Token>(token)));
    }
};

struct scope_there_with_options : scope_on_the_executor_of_the_token
{
    using scope_on_the_executor_of_the_token::scope_on_the_executor_of_the_token;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return exeunt::async_with(exeunt::close_options(), std::ref(body),
            with_executor(context, std::forward<Token>(token)));
    }
};

} // namespace

BOOST_AUTO_TEST_SUITE(token_matrix_stacks)

// C76
BOOST_AUTO_TEST_CASE(every_operation_of_a_stack_and_every_scope_completes_with_every_token)
{
    std::size_t cells = 0;
    cells += try_every_token<plain_close>("async_exit_stack.hpp: async_close");
    cells += try_every_token<close_with_a_cause>("async_exit_stack.hpp: async_close, exception");
    cells += try_every_token<close_with_a_code>("async_exit_stack.hpp: async_close, error code");
    cells += try_every_token<exit_of_a_stack>("async_exit_stack.hpp: async_exit");
    cells += try_every_token<run_now>("async_exit_stack.hpp: async_run_now");
    cells += try_every_token<acquire>("async_exit_stack.hpp: async_acquire");
    cells +=
        try_every_token<acquire_with_a_release>("async_exit_stack.hpp: async_acquire, release");
    cells += try_every_token<enter>("async_exit_stack.hpp: async_enter");
    cells += try_every_token<scope>("async_with.hpp: async_with, context");
    cells += try_every_token<scope_with_options>("async_with.hpp: async_with, context and options");
    cells += try_every_token<scope_with_a_result>("async_with.hpp: async_with, result");
    cells += try_every_token<scope_on_the_executor_of_the_token>("async_with.hpp: async_with");
    cells += try_every_token<scope_there_with_options>("async_with.hpp: async_with, options");
    std::cout << "13 operations, " << cells << " pairs of an operation and a token\n";
    BOOST_TEST(cells == 11u * 16u + 2u * 12u + 13u * stackful_tokens);
}

BOOST_AUTO_TEST_SUITE_END()
