// Sessions on eight strands of four threads share one pool and one group, which have strands of their own.
// To be run under TSan: what a strand or a lease guards is not atomic here.
#include <exeunt/async_with.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/resource_pool.hpp>

#include "support/expect.hpp"
#include "support/suppressions.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using namespace support;
using exeunt::async_exit_stack;

namespace {

constexpr int sessions = 20'000;
constexpr int strands = 8;
// At the same time, on each strand.
constexpr int lines = 2;

// Used by whoever has the lease, and by nobody else.
struct connection
{
    connection() noexcept { ++alive; }
    connection(connection const&) = delete;
    connection& operator=(connection const&) = delete;
    ~connection() { --alive; }

    static constinit inline std::atomic<int> alive = 0;

    int uses = 0;
};
using connection_ptr = std::unique_ptr<connection>;
using pool_type = exeunt::resource_pool<connection_ptr>;

struct service
{
    asio::thread_pool threads{4};
    asio::any_io_executor home = asio::make_strand(threads);
    asio::any_io_executor pool_home = asio::make_strand(threads);
    async_exit_stack stack{home};
    pool_type pool;
    exeunt::exit_group& group;

    // Guarded by the strand of the pool.
    int opened = 0;
    int closed = 0;
    // Guarded by the strand of the stack.
    int registered = 0;
    int dismissed = 0;
    int ran = 0;

    std::atomic<int> served{0};
    std::atomic<int> cancelled{0};
    std::atomic<int> failed{0};
    std::atomic<int> left{strands * lines};
    std::promise<void> all_served;

    service()
        : pool(pool_home,
            exeunt::opened_by([this] { return open(); })
                .recycled_by([](connection_ptr& used, auto handler) {
                    ++used->uses;
                    asio::post(std::move(handler));
                })
                .closed_by([this](connection_ptr& unwanted) {
                    ++unwanted->uses;
                    ++closed;
                }),
            {.max_size = 4})
        , group(push_all())
    {
    }

    exeunt::exit_group& push_all()
    {
        stack.push(std::ref(pool));
        return stack.push_group({.limit = 16});
    }

    asio::awaitable<connection_ptr> open()
    {
        co_await asio::post(asio::use_awaitable);
        ++opened;
        co_return std::make_unique<connection>();
    }

    // Calls f() on the strand of the stack, cancelled or not.
    template <class F>
    asio::awaitable<void> at_home(F f)
    {
        return asio::async_initiate<asio::use_awaitable_t<> const, void()>(
            [this](auto handler, F task) {
                asio::post(home, [h = std::move(handler), task]() mutable {
                    task();
                    auto const back = asio::get_associated_executor(h);
                    asio::post(back, std::move(h));
                });
            },
            asio::use_awaitable, f);
    }

    exeunt::exit_handle register_exit(int number)
    {
        ++registered;
        if (number % 2 == 0)
            return group.push([this] { ++ran; });
        return group.push([this]() -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            ++ran;
        });
    }

    // The lease belongs to a stack of the session.
    asio::awaitable<void> use_in_a_scope(int number)
    {
        auto const body = [this, number](async_exit_stack& s) -> asio::awaitable<void> {
            auto& mine =
                **co_await s.async_acquire(pool.async_acquire(asio::deferred), asio::use_awaitable);
            ++mine->uses;
            co_await asio::post(asio::use_awaitable);
            ++mine->uses;
            if (number % 11 == 0)
                throw test_error("session");
        };
        co_await exeunt::async_with(body, asio::use_awaitable);
    }

    // The lease is dropped on the thread of the session.
    asio::awaitable<void> use_alone(int number)
    {
        auto mine = co_await pool.async_acquire(asio::use_awaitable);
        ++(*mine)->uses;
        co_await asio::post(asio::use_awaitable);
        ++(*mine)->uses;
        if (number % 7 == 0)
            mine.discard();
    }

    asio::awaitable<void> session(int number)
    {
        exeunt::exit_handle mine;
        co_await at_home([this, number, &mine] { mine = register_exit(number); });
        if (number % 3 == 0)
            co_await use_alone(number);
        else
            co_await use_in_a_scope(number);
        if (number % 4 != 0)
            co_await at_home([this, mine] { dismissed += group.dismiss(mine) ? 1 : 0; });
    }
};

// Sessions of one strand, one after the other.
class line
{
public:
    line(service& of, asio::any_io_executor strand, int first)
        : service_(of)
        , strand_(std::move(strand))
        , number_(first)
    {
    }

    void run()
    {
        if (number_ >= sessions) {
            if (--service_.left == 0)
                service_.all_served.set_value();
            return;
        }
        int const number = std::exchange(number_, number_ + strands * lines);
        asio::co_spawn(strand_, service_.session(number),
            asio::bind_cancellation_slot(
                signal_.slot(), [this](std::exception_ptr error) { ended(error); }));
        if (number % 5 == 0)
            cancel_later(number / 5 % 12, turn_);
    }

private:
    void ended(std::exception_ptr const& error)
    {
        ++turn_;
        ++service_.served;
        if (exeunt::is_cancelled(error))
            ++service_.cancelled;
        else if (error)
            ++service_.failed;
        // The slot is in use until this returns.
        asio::post(strand_, [this] { run(); });
    }

    // After so many hops, unless another session runs then. At the first one it has begun.
    void cancel_later(int hops, int turn)
    {
        asio::post(strand_, [this, hops, turn] {
            if (turn != turn_)
                return;
            if (hops != 0)
                return cancel_later(hops - 1, turn);
            signal_.emit(asio::cancellation_type::terminal);
        });
    }

    service& service_;
    asio::any_io_executor strand_;
    asio::cancellation_signal signal_;
    int number_;
    int turn_ = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(pool_and_group_threads)

// C88
BOOST_AUTO_TEST_CASE(sessions_on_many_strands_share_a_pool_and_a_group)
{
    service all;
    std::vector<std::unique_ptr<line>> begun;
    for (int k = 0; k != strands; ++k) {
        asio::any_io_executor const strand = asio::make_strand(all.threads);
        for (int l = 0; l != lines; ++l) {
            begun.push_back(std::make_unique<line>(all, strand, k * lines + l));
            asio::post(strand, [mine = begun.back().get()] { mine->run(); });
        }
    }
    all.all_served.get_future().get();

    std::promise<std::exception_ptr> closed;
    asio::post(all.home,
        [&] { all.stack.async_close([&](std::exception_ptr error) { closed.set_value(error); }); });
    auto const error = closed.get_future().get();
    all.threads.join();

    auto const counts = all.pool.counts();
    BOOST_TEST_MESSAGE(all.served << " sessions, " << all.cancelled << " cancelled, " << all.failed
                                  << " failed, " << counts.leased << " leases, " << all.opened
                                  << " connections, " << all.ran << " exits");
    BOOST_TEST(describe(error) == "none");
    BOOST_TEST(all.served == sessions);
    BOOST_TEST(all.cancelled > 0);
    BOOST_TEST(all.failed > 0);
    BOOST_TEST(all.registered == all.dismissed + all.ran);
    BOOST_TEST(all.dismissed > 0);
    BOOST_TEST(counts.leased == counts.returned + counts.discarded);
    BOOST_TEST(counts.opened == static_cast<unsigned>(all.opened));
    BOOST_TEST(counts.opened == counts.closed + counts.discarded);
    BOOST_TEST(counts.closed == static_cast<unsigned>(all.closed));
    BOOST_TEST(all.pool.size() == 0u);
}

// Forced, a pool looks at what is out while that comes back on another thread.
BOOST_AUTO_TEST_CASE(leases_are_dropped_on_another_thread_while_their_pool_is_forced)
{
    auto const open = []() -> asio::awaitable<connection_ptr> {
        co_return std::make_unique<connection>();
    };
    for (int round = 0; round != 100; ++round) {
        asio::thread_pool threads(2);
        asio::any_io_executor const home = asio::make_strand(threads);
        async_exit_stack stack(home);
        auto& pool = stack.enter(
            pool_type(home, exeunt::opened_by(open), exeunt::pool_options{.max_size = 64}));
        std::vector<pool_type::lease> out;
        for (int k = 0; k != 64; ++k)
            out.push_back(pool.async_acquire(asio::use_future).get());
        std::atomic<bool> begins = false;
        std::promise<std::exception_ptr> closed;
        asio::post(home, [&] {
            begins = true;
            stack.force();
            stack.async_close([&](std::exception_ptr error) { closed.set_value(error); });
        });
        while (!begins)
            std::this_thread::yield();
        out.clear();
        auto const error = closed.get_future().get();
        threads.join();
        BOOST_TEST(describe(error) == "none");
        BOOST_TEST(connection::alive == 0);
    }
}

BOOST_AUTO_TEST_SUITE_END()
