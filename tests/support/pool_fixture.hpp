// A pool of resources that are opened, recycled and closed as the test says.
#ifndef EXEUNT_TESTS_SUPPORT_POOL_FIXTURE_HPP
#define EXEUNT_TESTS_SUPPORT_POOL_FIXTURE_HPP

#include <exeunt/resource_pool.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace support {

// Notes "open:n" when it is there, "gone:n" when it is destroyed.
class resource
{
public:
    resource(event_log& log, int number)
        : log_(&log)
        , number_(number)
    {
        log.add("open:" + std::to_string(number));
    }
    resource(resource&& other) noexcept
        : log_(std::exchange(other.log_, nullptr))
        , number_(other.number_)
    {
    }
    resource& operator=(resource&&) = delete;
    ~resource()
    {
        if (log_)
            log_->add("gone:" + std::to_string(number_));
    }

    int number() const noexcept { return number_; }

private:
    event_log* log_;
    int number_;
};

using pool_type = exeunt::resource_pool<resource>;
using lease_type = pool_type::lease;

// What an acquire has completed with.
struct acquired
{
    outcome result = {};
    lease_type lease = {};

    int number() const { return lease ? lease->number() : -1; }
};

struct pool_fixture : async_fixture
{
    exeunt::manual_clock clock{context};
    asio::cancellation_signal signal;
    // What the next one does; each job of a kind does the same.
    scripted_exit opening = script("opening").at_once();
    scripted_exit recycling = script("recycle").at_once();
    scripted_exit closing = script("close").at_once();
    bool reusable = true;
    int next_number = 0;
    std::optional<pool_type> pool;

    asio::awaitable<resource> open()
    {
        co_await opening.async_operation(asio::use_awaitable);
        co_return resource(log, next_number++);
    }

    auto spec()
    {
        return exeunt::opened_by([this] { return open(); })
            .recycled_by([this](resource& used) {
                log("recycling:" + std::to_string(used.number()));
                return recycling.async_operation(asio::deferred);
            })
            .closed_by([this](resource& unwanted) {
                log("closing:" + std::to_string(unwanted.number()));
                return closing.async_operation(asio::deferred);
            });
    }

    // The scripts of the jobs are of no interest unless they say otherwise.
    pool_type& make(exeunt::pool_options options = {})
    {
        pool.emplace(context, spec(), options);
        return *pool;
    }

    pool_type& make_judged(exeunt::pool_options options = {})
    {
        pool.emplace(context, spec().reusable_if([this](resource&) { return reusable; }), options);
        return *pool;
    }

    void acquire(acquired& into)
    {
        into.result = {};
        pool->async_acquire([&into](std::exception_ptr error, lease_type lease) {
            ++into.result.calls;
            into.result.error = std::move(error);
            into.lease = std::move(lease);
        });
    }

    // One that can be cancelled by the signal.
    void acquire_cancellable(acquired& into)
    {
        into.result = {};
        pool->async_acquire(asio::bind_cancellation_slot(
            signal.slot(), [&into](std::exception_ptr error, lease_type lease) {
                ++into.result.calls;
                into.result.error = std::move(error);
                into.lease = std::move(lease);
            }));
    }

    acquired acquired_now()
    {
        acquired got;
        acquire(got);
        drive();
        return got;
    }

    void close_pool()
    {
        result = {};
        pool->async_close(asio::bind_cancellation_slot(signal.slot(), into(result)));
        drive();
    }

    void advance(std::chrono::steady_clock::duration time)
    {
        clock.advance(time);
        drive();
    }

    // Nothing is on its way, and every lease that was handed out has come back.
    bool expect_balanced(where_t where = where_t::current()) const
    {
        auto const counts = pool->counts();
        return expect(counts.leased == counts.returned + counts.discarded,
            "out: " + std::to_string(counts.leased) + ", in: " + std::to_string(counts.returned)
                + ", discarded: " + std::to_string(counts.discarded),
            where);
    }

    // Words other than those of the scripts.
    bool expect_events(std::string_view expected, where_t where = where_t::current())
    {
        std::vector<std::string> words;
        for (auto const& word : log.words())
            if (word.front() != '+' && word.front() != '-')
                words.push_back(word);
        log.clear();
        auto const found = joined(words);
        return expect(found == expected,
            "events: expected \"" + std::string(expected) + "\", found \"" + found + "\"", where);
    }
};

} // namespace support

#endif
