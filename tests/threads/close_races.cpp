// Stacks on eight strands of four threads: what is done to a stack while it closes reaches its strand by way
// of whatever thread comes first. Legal use alone: the strand serialises, the order is left to chance.
// To be run under TSan: what a strand guards is not atomic here.
#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_group.hpp>
#include <exeunt/resource_pool.hpp>

#include "support/count.hpp"
#include "support/expect.hpp"
#include "support/seed.hpp"
#include "support/suppressions.hpp"

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/append.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using exeunt::async_exit_stack;
using exeunt::exit_handle;
using exeunt::exit_handler;

namespace {

constexpr int strands = 8;
constexpr unsigned usual_iterations = 20'000; // of all strands together

// Used by whoever has the lease, and by nobody else.
struct connection
{
    unsigned uses = 0;
};
using connection_ptr = std::unique_ptr<connection>;

// What has come of the races; of one strand until all are added up.
struct figures
{
    unsigned long iterations = 0;
    unsigned long registered = 0;
    unsigned long refused = 0; // the stack was closed
    unsigned long dismissed = 0;
    unsigned long not_dismissed = 0; // it had run, or not been registered
    unsigned long ran = 0;
    unsigned long leased = 0;
    unsigned long came_too_late = 0; // with the lease
    unsigned long closed_second = 0; // the close that can be cancelled joined the other one
    unsigned long detached = 0;
    unsigned long forced = 0; // exits that were cut
    unsigned long wrong = 0;

    void add(figures const& other)
    {
        iterations += other.iterations;
        registered += other.registered;
        refused += other.refused;
        dismissed += other.dismissed;
        not_dismissed += other.not_dismissed;
        ran += other.ran;
        leased += other.leased;
        came_too_late += other.came_too_late;
        closed_second += other.closed_second;
        detached += other.detached;
        forced += other.forced;
        wrong += other.wrong;
    }
};

struct arena
{
    asio::thread_pool threads{4};
    asio::any_io_executor pool_home = asio::make_strand(threads);
    unsigned opened = 0; // guarded by the strand of the pool
    exeunt::resource_pool<connection_ptr> pool{pool_home,
        exeunt::opened_by([this] {
            ++opened;
            return asio::post(asio::append(asio::deferred, std::make_unique<connection>()));
        }),
        {.max_size = 4}};
    std::atomic<int> left{strands};
    std::promise<void> all_done;
};

// The stacks of one strand, one after the other.
class line
{
public:
    line(arena& of, unsigned number, unsigned iterations)
        : arena_(of)
        , strand_(asio::make_strand(of.threads))
        , chance_(first_seed() * 1'000 + number)
        , left_(iterations)
    {
    }

    void begin()
    {
        asio::post(strand_, [this] { iterate(); });
    }

    figures const& result() const { return sum_; }

private:
    static constexpr std::size_t most_exits = 12;

    struct tracked
    {
        exit_handle handle = {};
        bool registered = false;
        bool dismissed = false;
        unsigned ran = 0;
    };

    // ---- exits

    template <class F>
    void push(F make)
    {
        std::size_t const number = made_++;
        auto& exit = exits_[number];
        try {
            exit.handle = make(number);
            exit.registered = true;
            ++sum_.registered;
        } catch (exeunt::stack_closed const&) {
            ++sum_.refused;
        }
    }

    void push_function()
    {
        push([this](std::size_t number) {
            return stack_->push([this, number] { ++exits_[number].ran; });
        });
    }

    // Its completion comes from whatever thread is free, by way of the strand.
    template <class Stack>
    void push_completed_elsewhere(Stack& on)
    {
        push([this, &on](std::size_t number) {
            return on.push([this, number](exit_handler handler) {
                ++exits_[number].ran;
                asio::post(arena_.threads, std::move(handler));
            });
        });
    }

    // ... or the cut comes first.
    void push_cut()
    {
        push([this](std::size_t number) {
            return stack_->push([this, number](exit_handler handler) {
                ++exits_[number].ran;
                auto slot = handler.get_cancellation_slot();
                waiting_.emplace(std::move(handler));
                slot.assign([this](asio::cancellation_type) {
                    if (auto cut = std::exchange(waiting_, std::nullopt)) {
                        ++sum_.forced;
                        std::move (*cut)(asio::error::operation_aborted);
                    }
                });
                elsewhere([this] {
                    if (auto done = std::exchange(waiting_, std::nullopt))
                        std::move (*done)();
                });
            });
        });
    }

    // ---- one iteration

    // act() on the strand, by way of other threads, more or less quickly.
    template <class F>
    void elsewhere(F act)
    {
        ++pending_;
        hop(static_cast<unsigned>(chance_() % 6), [this, act] {
            act();
            done();
        });
    }

    template <class F>
    void hop(unsigned hops, F act)
    {
        asio::post(arena_.threads, [this, hops, act] {
            if (hops == 0)
                asio::post(strand_, act);
            else
                hop(hops - 1, act);
        });
    }

    void iterate()
    {
        if (left_ == 0) {
            if (--arena_.left == 0)
                arena_.all_done.set_value();
            return;
        }
        --left_;
        exits_ = {};
        made_ = 0;
        stack_.emplace(strand_);
        unsigned const what = static_cast<unsigned>(chance_());
        pending_ = 1;
        push_function();
        if (what % 4 == 0)
            fill_group();
        if (what % 4 == 1)
            acquire();
        push_completed_elsewhere(*stack_);
        if (what / 4 % 2 == 0)
            push_cut();
        push_function();
        race(what / 8);
        done();
    }

    void fill_group()
    {
        auto& group = stack_->push_group({.limit = 2});
        for (int k = 0; k != 3; ++k)
            push_completed_elsewhere(group);
    }

    void acquire()
    {
        ++pending_;
        stack_->async_acquire(arena_.pool.async_acquire(asio::deferred),
            [this](std::exception_ptr error, exeunt::resource_pool<connection_ptr>::lease* got) {
                if (error) {
                    sum_.came_too_late += is_stack_closed(error) ? 1 : 0;
                    wrong(!is_stack_closed(error));
                } else {
                    ++sum_.leased;
                    ++(**got)->uses;
                }
                done();
            });
    }

    // What is begun here comes in any order.
    void race(unsigned what)
    {
        if (what % 2 == 0)
            elsewhere([this] { close(); });
        elsewhere([this] { close_cancellable(); });
        if (what % 2 != 0)
            elsewhere([this] { close(); });
        elsewhere([this] { push_function(); });
        elsewhere([this] { push_completed_elsewhere(*stack_); });
        elsewhere([this, number = what / 2 % 2] { dismiss(number == 0 ? 0 : made_ - 1); });
        constexpr std::array types{asio::cancellation_type::terminal,
            asio::cancellation_type::partial, asio::cancellation_type::total};
        auto const type = types[what / 4 % 3];
        elsewhere([this, type] { signal_.emit(type); });
        if (what / 12 % 2 == 0)
            elsewhere([this] { signal_.emit(asio::cancellation_type::terminal); });
    }

    void close()
    {
        ++pending_;
        stack_->async_close([this](std::exception_ptr error) {
            wrong(error && !exeunt::is_cancelled(error));
            done();
        });
    }

    void close_cancellable()
    {
        bool const joins = !stack_->is_open();
        sum_.closed_second += joins ? 1 : 0;
        ++pending_;
        stack_->async_close(
            asio::bind_cancellation_slot(signal_.slot(), [this, joins](std::exception_ptr error) {
                wrong(error && !exeunt::is_cancelled(error));
                sum_.detached += joins && error ? 1 : 0;
                done();
            }));
    }

    void dismiss(std::size_t number)
    {
        auto& exit = exits_[number];
        exit.dismissed = stack_->dismiss(exit.handle);
        ++(exit.dismissed ? sum_.dismissed : sum_.not_dismissed);
    }

    void done()
    {
        if (--pending_ != 0)
            return;
        check();
        stack_.reset();
        asio::post(strand_, [this] { iterate(); });
    }

    void check()
    {
        ++sum_.iterations;
        wrong(stack_->is_open() || !stack_->empty() || waiting_.has_value());
        for (std::size_t number = 0; number != made_; ++number) {
            auto const& exit = exits_[number];
            wrong(exit.ran != (exit.registered && !exit.dismissed ? 1u : 0u));
            sum_.ran += exit.ran;
        }
    }

    void wrong(bool is_wrong) { sum_.wrong += is_wrong ? 1 : 0; }

    arena& arena_;
    asio::any_io_executor strand_;
    std::minstd_rand chance_;
    // Guarded by the strand.
    unsigned left_;
    std::optional<async_exit_stack> stack_;
    asio::cancellation_signal signal_;
    std::array<tracked, most_exits> exits_;
    std::size_t made_ = 0;
    std::optional<exit_handler> waiting_;
    unsigned pending_ = 0;
    figures sum_;
};

} // namespace

BOOST_AUTO_TEST_SUITE(close_races)

// C54, C55, C57, C61, C66, C81, C88
BOOST_AUTO_TEST_CASE(close_that_races_with_all_else_runs_each_exit_once)
{
    unsigned const iterations = count_from("EXEUNT_TEST_ITERATIONS", usual_iterations);
    arena all;
    std::vector<std::unique_ptr<line>> lines;
    for (unsigned number = 0; number != strands; ++number)
        lines.push_back(std::make_unique<line>(
            all, number, iterations / strands + (number < iterations % strands ? 1 : 0)));
    for (auto const& each : lines)
        each->begin();
    all.all_done.get_future().get();

    std::promise<std::exception_ptr> closed;
    asio::post(all.pool_home,
        [&] { all.pool.async_close([&](std::exception_ptr error) { closed.set_value(error); }); });
    auto const error = closed.get_future().get();
    all.threads.join();

    figures sum;
    for (auto const& each : lines)
        sum.add(each->result());
    std::cout << sum.iterations << " stacks on " << strands << " strands: " << sum.registered
              << " exits registered, " << sum.refused << " refused; " << sum.dismissed
              << " dismissed, " << sum.not_dismissed << " not any more; " << sum.ran << " ran, "
              << sum.forced << " were cut; " << sum.leased << " leases, " << sum.came_too_late
              << " too late; " << sum.closed_second << " closes joined, " << sum.detached
              << " were detached\n";
    BOOST_TEST(describe(error) == "none");
    BOOST_TEST(sum.iterations == iterations);
    BOOST_TEST(sum.wrong == 0u);
    BOOST_TEST(sum.registered == sum.ran + sum.dismissed);
    // Each race went both ways.
    for (auto const each : {sum.refused, sum.dismissed, sum.not_dismissed, sum.forced, sum.leased,
             sum.came_too_late, sum.closed_second, sum.detached})
        BOOST_TEST(each > 0u);
    auto const counts = all.pool.counts();
    BOOST_TEST(counts.leased == counts.returned + counts.discarded);
    BOOST_TEST(counts.leased == sum.leased + sum.came_too_late);
    BOOST_TEST(counts.opened == all.opened);
    BOOST_TEST(all.pool.size() == 0u);
}

BOOST_AUTO_TEST_SUITE_END()
