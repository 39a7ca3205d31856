// C76: every operation of a group, a pool, a lease and a task scope with every kind of completion token. A test
// of its own (layers.token_rows) compares these rows with the headers.
#include <exeunt/exit_group.hpp>
#include <exeunt/resource_pool.hpp>
#include <exeunt/task_scope.hpp>

#include "support/token_matrix.hpp"

#include <boost/asio/post.hpp>

#include <cstddef>
#include <exception>
#include <functional>
#include <iostream>
#include <type_traits>
#include <utility>

using namespace support;
using exeunt::exit_state;

namespace {

asio::awaitable<int> seven()
{
    co_return 7;
}

// ---- groups

struct on_a_group : matrix_operation
{
    using signature = void(std::exception_ptr);

    explicit on_a_group(asio::io_context& of)
        : matrix_operation(of)
    {
        for (int k = 0; k != 2; ++k)
            group.push([this]() -> asio::awaitable<void> {
                ++ran;
                co_await asio::post(asio::use_awaitable);
            });
    }

    exeunt::exit_group group{context};
    exit_state state;
    int ran = 0;
};

struct group_close : on_a_group
{
    using on_a_group::on_a_group;
    ~group_close() { BOOST_TEST(ran == 2); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return group.async_close(std::forward<Token>(token));
    }
};

struct group_close_with_options : group_close
{
    using group_close::group_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return group.async_close(exeunt::close_options(), std::forward<Token>(token));
    }
};

struct group_exit : group_close
{
    using group_close::group_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return group.async_exit(state, std::forward<Token>(token));
    }
};

struct group_acquire : on_a_group
{
    using signature = void(std::exception_ptr, int*);
    using on_a_group::on_a_group;
    ~group_acquire() { BOOST_TEST(group.size() == 3u); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return group.async_acquire(seven(), std::forward<Token>(token));
    }
};

struct nine
{
    asio::awaitable<int> async_enter() { co_return 9; }
    asio::awaitable<void> async_exit(exit_state&) { co_return; }
};

struct group_enter : group_acquire
{
    using signature = void(std::exception_ptr, int);
    using group_acquire::group_acquire;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return group.async_enter(std::ref(context_nine), std::forward<Token>(token));
    }

    nine context_nine;
};

// ---- pools

struct on_a_pool : matrix_operation
{
    using pool_type = exeunt::resource_pool<int>;
    using signature = void(std::exception_ptr);

    explicit on_a_pool(asio::io_context& of)
        : matrix_operation(of)
    {
        pool.async_acquire(
            [this](std::exception_ptr, pool_type::lease lease) { mine = std::move(lease); });
        drive(context);
    }

    ~on_a_pool()
    {
        mine = {};
        drive(context);
        auto const counts = pool.counts();
        BOOST_TEST(counts.leased == counts.returned + counts.discarded);
    }

    pool_type pool{context, &seven};
    pool_type::lease mine;
    exit_state state;
};

struct pool_acquire : on_a_pool
{
    using signature = void(std::exception_ptr, pool_type::lease);
    using on_a_pool::on_a_pool;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return pool.async_acquire(std::forward<Token>(token));
    }
};

struct lease_exit : on_a_pool
{
    static constexpr bool makes_promise = false; // a lease has no executor to give
    using on_a_pool::on_a_pool;
    ~lease_exit() { BOOST_TEST(!mine); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return mine.async_exit(state, std::forward<Token>(token));
    }
};

// The lease comes back while it waits.
struct pool_close : on_a_pool
{
    using on_a_pool::on_a_pool;
    ~pool_close() { BOOST_TEST(pool.size() == 0u); }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return pool.async_close(std::forward<Token>(token));
    }

    void finish() { mine = {}; }
};

struct pool_close_with_options : pool_close
{
    using pool_close::pool_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return pool.async_close(exeunt::close_options(), std::forward<Token>(token));
    }
};

struct pool_exit : pool_close
{
    using pool_close::pool_close;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return pool.async_exit(state, std::forward<Token>(token));
    }
};

// ---- scopes of tasks

struct on_a_scope : matrix_operation
{
    using signature = void(std::exception_ptr);

    explicit on_a_scope(asio::io_context& of)
        : matrix_operation(of)
    {
        scope.spawn([this] { return child(); });
    }
    ~on_a_scope()
    {
        drive(context);
        BOOST_TEST(scope.empty());
        BOOST_TEST(begun == ended);
    }

    asio::awaitable<void> child()
    {
        ++begun;
        co_await asio::post(asio::use_awaitable);
        ++ended;
    }

    exeunt::task_scope scope{context, {.limit = 1}};
    exit_state state;
    int begun = 0;
    int ended = 0;
};

struct scope_spawn : on_a_scope
{
    using on_a_scope::on_a_scope;
    ~scope_spawn()
    {
        drive(context);
        BOOST_TEST(begun == 2);
    }

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return scope.async_spawn(std::ref(another), std::forward<Token>(token));
    }

    std::function<asio::awaitable<void>()> another = [this] { return child(); };
};

struct scope_wait : on_a_scope
{
    using on_a_scope::on_a_scope;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return scope.async_wait(std::forward<Token>(token));
    }
};

struct scope_join : on_a_scope
{
    using on_a_scope::on_a_scope;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return scope.async_join(std::forward<Token>(token));
    }
};

struct scope_exit : on_a_scope
{
    using on_a_scope::on_a_scope;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        return scope.async_exit(state, std::forward<Token>(token));
    }
};

struct wait_to_be_cancelled : matrix_operation
{
    static constexpr bool has_executor = false;
    static constexpr bool is_told_to_end = true;
    using signature = void(boost::system::error_code);
    using matrix_operation::matrix_operation;

    template <class Token>
    decltype(auto) start(Token&& token)
    {
        // Boost 1.81 cannot bind a slot to deferred with an executor.
        if constexpr (std::is_same_v<std::decay_t<Token>, asio::deferred_t>)
            return [this](auto handler) {
                exeunt::until_cancelled(asio::deferred)(
                    asio::bind_cancellation_slot(signal.slot(), std::move(handler)));
            };
        else
            return exeunt::until_cancelled(asio::bind_cancellation_slot(
                signal.slot(), with_executor(context, std::forward<Token>(token))));
    }

    void finish() { signal.emit(asio::cancellation_type::terminal); }

    asio::cancellation_signal signal;
};

} // namespace

BOOST_AUTO_TEST_SUITE(token_matrix_tools)

// C76
BOOST_AUTO_TEST_CASE(every_operation_of_a_tool_completes_with_every_token)
{
    std::size_t cells = 0;
    cells += try_every_token<group_close>("exit_group.hpp: async_close");
    cells += try_every_token<group_close_with_options>("exit_group.hpp: async_close, options");
    cells += try_every_token<group_exit>("exit_group.hpp: async_exit");
    cells += try_every_token<group_acquire>("exit_group.hpp: async_acquire");
    cells += try_every_token<group_enter>("exit_group.hpp: async_enter");
    cells += try_every_token<pool_acquire>("resource_pool.hpp: async_acquire");
    cells += try_every_token<lease_exit>("resource_pool.hpp: async_exit, lease");
    cells += try_every_token<pool_close>("resource_pool.hpp: async_close");
    cells += try_every_token<pool_close_with_options>("resource_pool.hpp: async_close, options");
    cells += try_every_token<pool_exit>("resource_pool.hpp: async_exit, pool");
    cells += try_every_token<scope_spawn>("task_scope.hpp: async_spawn");
    cells += try_every_token<scope_wait>("task_scope.hpp: async_wait");
    cells += try_every_token<scope_join>("task_scope.hpp: async_join");
    cells += try_every_token<scope_exit>("task_scope.hpp: async_exit");
    cells += try_every_token<wait_to_be_cancelled>("task_scope.hpp: until_cancelled");
    std::cout << "15 operations, " << cells << " pairs of an operation and a token\n";
    BOOST_TEST(cells == 13u * 16u + 15u + 12u + 15u * stackful_tokens);
}

BOOST_AUTO_TEST_SUITE_END()
