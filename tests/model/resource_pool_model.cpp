// A pool against a model of it that is plainly right: random operations, on the manual clock.
#include <exeunt/resource_pool.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/post.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace support;
using namespace std::chrono_literals;
using duration = std::chrono::steady_clock::duration;

namespace {

// What has become of an acquire.
struct event
{
    int waiter;
    // The number of the resource; -1: opening failed; -2: cancelled; -3: refused; -4: closed.
    int got;

    bool operator==(event const&) const = default;
};

constexpr int open_failed = -1;
constexpr int cancelled = -2;
constexpr int refused = -3;
constexpr int closed = -4;

// The numbers of a pool and its model, which must be the same.
struct numbers
{
    std::size_t idle = 0;
    std::size_t size = 0;
    std::size_t waiting = 0;
    std::size_t opening = 0;
    std::uint64_t opened = 0;
    std::uint64_t failed = 0;
    std::uint64_t leased = 0;
    std::uint64_t returned = 0;
    std::uint64_t discarded = 0;
    std::uint64_t expired = 0;
    std::uint64_t closed = 0;

    bool operator==(numbers const&) const = default;
};

// The model: lists, and the rules said one after the other.
class model
{
public:
    explicit model(exeunt::pool_options const& options)
        : options_(options)
    {
    }

    std::vector<event> take_events() { return std::exchange(events_, {}); }

    void acquire(int waiter)
    {
        if (is_closed_)
            return events_.push_back({waiter, closed});
        expire();
        if (waiters_.empty() && !idle_.empty())
            return lease(waiter);
        // Nothing is idle, so that each place is taken by one that is out, or can be opened.
        if (waiters_.size() + out_.size() >= options_.max_waiters + options_.max_size)
            return events_.push_back({waiter, refused});
        waiters_.push_back(waiter);
        open_missing();
    }

    void cancel(int waiter)
    {
        auto const found = std::find(waiters_.begin(), waiters_.end(), waiter);
        if (found == waiters_.end())
            return;
        waiters_.erase(found);
        events_.push_back({waiter, cancelled});
    }

    // The opening that began first ends.
    void answer(bool works)
    {
        --count_.opening;
        if (!works) {
            ++count_.failed;
            if (waiters_.size() > count_.opening)
                fail_first();
        } else {
            ++count_.opened;
            make_available({next_number_++, now_, now_});
        }
        serve();
    }

    void give_back(int number, bool recycles)
    {
        auto const found = out_.find(number);
        auto const opened = found->second;
        out_.erase(found);
        bool const too_old = now_ - opened >= options_.max_lifetime;
        if (is_closed_) {
            ++count_.returned, ++count_.closed;
        } else if (too_old) {
            ++count_.returned, ++count_.expired, ++count_.closed;
        } else if (!recycles) {
            ++count_.discarded;
        } else {
            ++count_.returned;
            make_available({number, opened, now_});
        }
        serve();
    }

    void discard(int number)
    {
        out_.erase(number);
        ++count_.discarded;
        serve();
    }

    void advance(duration time)
    {
        now_ += time;
        expire();
    }

    void close()
    {
        is_closed_ = true;
        while (!waiters_.empty()) {
            events_.push_back({waiters_.front(), closed});
            waiters_.pop_front();
        }
        count_.closed += idle_.size();
        idle_.clear();
        count_.opening = 0; // they are cut
    }

    std::vector<int> out() const
    {
        std::vector<int> numbers;
        for (auto const& each : out_)
            numbers.push_back(each.first);
        return numbers;
    }

    numbers counted() const
    {
        auto count = count_;
        count.idle = idle_.size();
        count.size = idle_.size() + out_.size() + count_.opening;
        count.waiting = waiters_.size();
        return count;
    }

private:
    struct resource
    {
        int number;
        duration opened;
        duration idle_since;
    };

    // Who waits gets it whatever the limits are.
    void make_available(resource const& ready)
    {
        idle_.push_back(ready);
        if (waiters_.empty())
            return;
        auto const waiter = waiters_.front();
        waiters_.pop_front();
        lease(waiter);
    }

    void lease(int waiter)
    {
        auto const given = idle_.back();
        idle_.pop_back();
        out_.emplace(given.number, given.opened);
        ++count_.leased;
        events_.push_back({waiter, given.number});
    }

    void fail_first()
    {
        events_.push_back({waiters_.front(), open_failed});
        waiters_.pop_front();
    }

    void serve()
    {
        expire();
        while (!waiters_.empty() && !idle_.empty()) {
            auto const waiter = waiters_.front();
            waiters_.pop_front();
            lease(waiter);
        }
        open_missing();
    }

    void open_missing()
    {
        while (!is_closed_ && count_.opening < waiters_.size()
            && idle_.size() + out_.size() + count_.opening < options_.max_size)
            ++count_.opening;
    }

    void expire()
    {
        auto const is_over = [this](resource const& each) {
            return now_ - each.idle_since >= options_.idle_timeout
                || now_ - each.opened >= options_.max_lifetime;
        };
        auto const over = std::erase_if(idle_, is_over);
        count_.expired += over;
        count_.closed += over;
    }

    exeunt::pool_options options_;
    numbers count_;
    std::vector<resource> idle_; // the one used last at the end
    std::map<int, duration> out_; // with the time when it was opened
    std::deque<int> waiters_;
    std::vector<event> events_;
    duration now_{0};
    int next_number_ = 0;
    bool is_closed_ = false;
};

// The pool, with the same words.
class system_under_test
{
public:
    explicit system_under_test(exeunt::pool_options const& options)
        : pool_(make_pool(options))
    {
    }

    std::vector<event> take_events() { return std::exchange(events_, {}); }

    void acquire(int waiter)
    {
        auto& signal = signals_[waiter];
        pool_.async_acquire(asio::bind_cancellation_slot(
            signal.slot(), [this, waiter](std::exception_ptr error, pool_type::lease lease) {
                done(waiter, error, std::move(lease));
            }));
        run();
    }

    void cancel(int waiter)
    {
        if (auto const found = signals_.find(waiter); found != signals_.end())
            found->second.emit(asio::cancellation_type::terminal);
        run();
    }

    void answer(bool works)
    {
        auto const handler = std::move(openings_.front());
        openings_.pop_front();
        handler->complete(works ? std::exception_ptr() : no_route_, works ? next_number_++ : 0);
        run();
    }

    void give_back(int number, bool recycles)
    {
        recycles_ = recycles;
        out_.erase(number);
        run();
    }

    void discard(int number)
    {
        out_.at(number).discard();
        out_.erase(number);
        run();
    }

    void advance(duration time)
    {
        clock_.advance(time);
        run();
    }

    void close()
    {
        pool_.async_close([this](std::exception_ptr) { is_closed_ = true; });
        run();
    }

    bool is_closed() const { return is_closed_; }

    numbers counted() const
    {
        auto const counts = pool_.counts();
        return {pool_.idle(), pool_.size(), pool_.waiting(), openings_.size(), counts.opened,
            counts.failed, counts.leased, counts.returned, counts.discarded, counts.expired,
            counts.closed};
    }

private:
    struct resource
    {
        int number = 0;
    };
    using pool_type = exeunt::resource_pool<resource>;

    struct pending_opening
    {
        virtual ~pending_opening() = default;
        virtual void complete(std::exception_ptr error, int number) = 0;
    };

    template <class Handler>
    struct pending_handler final : pending_opening
    {
        explicit pending_handler(Handler&& given)
            : handler(std::move(given))
        {
        }
        void complete(std::exception_ptr error, int number) override
        {
            auto const executor = asio::get_associated_executor(handler, asio::system_executor());
            asio::post(executor, [h = std::move(handler), error, number]() mutable {
                std::move(h)(error, resource{number});
            });
        }
        Handler handler;
    };

    // An operation that ends when the test answers it, or is cut.
    class opening
    {
    public:
        explicit opening(system_under_test* owner) noexcept
            : owner_(owner)
        {
        }
        template <class Handler>
        void operator()(Handler&& handler) const
        {
            auto slot = asio::get_associated_cancellation_slot(handler);
            owner_->openings_.push_back(
                std::make_unique<pending_handler<std::decay_t<Handler>>>(std::move(handler)));
            slot.assign([owner = owner_, mine = owner_->openings_.back().get()](
                            asio::cancellation_type) { owner->cut(mine); });
        }

    private:
        system_under_test* owner_;
    };

    void cut(pending_opening* which)
    {
        auto const found = std::find_if(openings_.begin(), openings_.end(),
            [which](auto const& each) { return each.get() == which; });
        auto const handler = std::move(*found);
        openings_.erase(found);
        handler->complete(cut_, 0);
    }

    pool_type make_pool(exeunt::pool_options const& options)
    {
        auto open = [this] {
            return asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, resource)>(
                opening(this), asio::deferred);
        };
        auto recycle = [this](resource&) {
            if (!recycles_)
                throw boost::system::system_error(asio::error::operation_aborted);
        };
        return pool_type(context_,
            exeunt::opened_by(open).recycled_by(recycle).closed_by([](resource&) {}), options);
    }

    void done(int waiter, std::exception_ptr const& error, pool_type::lease lease)
    {
        signals_.erase(waiter);
        if (!error) {
            events_.push_back({waiter, lease->number});
            auto const number = lease->number;
            out_.emplace(number, std::move(lease));
        } else if (error == no_route_) {
            events_.push_back({waiter, open_failed});
        } else if (exeunt::is_cancelled(error)) {
            events_.push_back({waiter, cancelled});
        } else if (exeunt::code_of(error)) {
            events_.push_back({waiter, refused});
        } else {
            events_.push_back({waiter, closed});
        }
    }

    void run() { support::drive(context_); }

    asio::io_context context_;
    exeunt::manual_clock clock_{context_};
    std::exception_ptr const no_route_ = failure("no route");
    std::exception_ptr const cut_ = cancellation();
    std::deque<std::unique_ptr<pending_opening>> openings_;
    pool_type pool_;
    std::map<int, asio::cancellation_signal> signals_;
    std::map<int, pool_type::lease> out_;
    std::vector<event> events_;
    int next_number_ = 0;
    bool recycles_ = true;
    bool is_closed_ = false;
};

std::size_t number_from(char const* variable, std::size_t otherwise)
{
    auto const* given = std::getenv(variable);
    return given ? std::strtoull(given, nullptr, 10) : otherwise;
}

// One life of a pool. Returns how many operations it took; 0 if the two have parted.
std::size_t live(std::uint64_t seed)
{
    std::mt19937_64 random(seed);
    auto const below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    exeunt::pool_options options{.max_size = 1 + below(4), .max_waiters = below(7)};
    if (below(2))
        options.idle_timeout = std::chrono::seconds(below(20));
    if (below(2))
        options.max_lifetime = std::chrono::seconds(below(60));
    model expected(options);
    system_under_test found(options);
    int next_waiter = 0;
    std::size_t operations = 0;
    std::size_t const last = 50 + below(300);
    for (bool is_closed = false; operations != last; ++operations) {
        auto const out = expected.out();
        auto const any_out = [&] { return out[below(out.size())]; };
        auto const both = [&](auto&& operation) { operation(expected), operation(found); };
        switch (below(16)) {
        case 0:
        case 1:
        case 2:
        case 3:
        case 4: {
            int const waiter = next_waiter++;
            both([&](auto& it) { it.acquire(waiter); });
            break;
        }
        case 5: {
            int const waiter = next_waiter == 0 ? 0 : next_waiter - 1 - static_cast<int>(below(4));
            both([&](auto& it) { it.cancel(waiter); });
            break;
        }
        case 6:
        case 7:
        case 8:
        case 9: {
            if (out.empty())
                break;
            int const number = any_out();
            bool const recycles = below(8) != 0;
            both([&](auto& it) { it.give_back(number, recycles); });
            break;
        }
        case 10: {
            if (out.empty())
                break;
            int const number = any_out();
            both([&](auto& it) { it.discard(number); });
            break;
        }
        case 11:
        case 12:
        case 13: {
            if (expected.counted().opening == 0)
                break;
            bool const works = below(4) != 0;
            both([&](auto& it) { it.answer(works); });
            break;
        }
        case 14: {
            auto const time = std::chrono::seconds(below(12));
            both([&](auto& it) { it.advance(time); });
            break;
        }
        default:
            if (operations > 40 && below(20) == 0 && !std::exchange(is_closed, true))
                both([&](auto& it) { it.close(); });
            break;
        }
        auto const events = found.take_events();
        if (expected.take_events() != events || expected.counted() != found.counted()) {
            BOOST_TEST_MESSAGE("seed " << seed << " parts at operation " << operations);
            return 0;
        }
        if (is_closed && found.is_closed() != expected.out().empty()) {
            BOOST_TEST_MESSAGE("seed " << seed << " is closed at the wrong time");
            return 0;
        }
    }
    return operations;
}

} // namespace

BOOST_AUTO_TEST_CASE(resource_pool_in_a_million_random_operations_is_as_its_model)
{
    // A life may end while the pool waits for what is out.
    auto* const former = exeunt::set_default_observer(nullptr);
    auto const wanted = number_from("EXEUNT_MODEL_OPERATIONS", 1'000'000);
    std::uint64_t seed = number_from("EXEUNT_MODEL_SEED", 1);
    BOOST_TEST_MESSAGE("first seed " << seed);
    std::size_t operations = 0;
    for (std::size_t diverged = 0; operations < wanted && diverged == 0; ++seed) {
        auto const lived = live(seed);
        diverged += lived == 0 ? 1 : 0;
        operations += lived;
        BOOST_TEST(lived != 0u);
    }
    exeunt::set_default_observer(former);
    BOOST_TEST_MESSAGE(operations << " operations");
    BOOST_TEST(operations >= wanted);
}
