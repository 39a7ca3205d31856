// A scope with children of many kinds, run handler by handler, that is cancelled between two of them.
#ifndef EXEUNT_TESTS_SUPPORT_SCOPE_STEPS_HPP
#define EXEUNT_TESTS_SUPPORT_SCOPE_STEPS_HPP

#include <exeunt/async_with.hpp>
#include <exeunt/task_scope.hpp>
#include <exeunt/testing.hpp>

#include "support/async_fixture.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

namespace support::scope_steps {

using namespace std::chrono_literals;
using exeunt::task_scope;
using exeunt::task_scope_options;

enum class what : unsigned char { the_children, who_waits, both };

struct injected
{
    what whom;
    asio::cancellation_type type;
    std::size_t step;
};

inline std::ostream& operator<<(std::ostream& out, injected const& each)
{
    constexpr std::array whom{"the children", "who waits", "both"};
    return out << "type " << static_cast<unsigned>(each.type) << " to "
               << whom[static_cast<std::size_t>(each.whom)] << " before step " << each.step;
}

// What a child waits for: that it is answered, or told to stop, unless it is deaf.
class gate
{
public:
    explicit gate(asio::io_context& context, bool deaf = false)
        : context_(&context)
        , deaf_(deaf)
    {
    }

    // Has a constructor: closures in the operand of co_await are destroyed twice by g++ 12.
    class initiation
    {
    public:
        explicit initiation(gate& waits)
            : waits_(&waits)
        {
        }

        template <class Handler>
        void operator()(Handler&& handler) const
        {
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected())
                slot.assign([of = waits_](asio::cancellation_type) {
                    if (!of->deaf_)
                        of->end(asio::error::operation_aborted);
                });
            auto kept = std::make_shared<std::decay_t<Handler>>(std::forward<Handler>(handler));
            waits_->end_ = [kept, slot, context = waits_->context_](
                               boost::system::error_code said) mutable {
                slot.clear();
                asio::post(*context, asio::append(std::move(*kept), said));
            };
        }

    private:
        gate* waits_;
    };

    template <class Token>
    auto async_wait(Token&& token)
    {
        return asio::async_initiate<Token, void(boost::system::error_code)>(
            initiation(*this), token);
    }

    bool is_shut() const { return end_ != nullptr; }

    void end(boost::system::error_code said = {})
    {
        auto const ends = std::exchange(end_, nullptr);
        ends(said);
    }

private:
    asio::io_context* context_;
    std::function<void(boost::system::error_code)> end_;
    bool deaf_;
};

class world : public async_fixture
{
public:
    // ---- children; each is known by its number

    // Takes some steps.
    auto walker(int steps = 2)
    {
        return [life = begin(), steps]() -> asio::awaitable<void> {
            for (int k = 0; k != steps; ++k)
                co_await asio::post(asio::use_awaitable);
        };
    }

    auto failing(int steps = 2)
    {
        return [this, life = begin(), steps]() -> asio::awaitable<void> {
            for (int k = 0; k != steps; ++k)
                co_await asio::post(asio::use_awaitable);
            fail();
        };
    }

    // Waits until it is answered, or told to stop; it fails then if it is to.
    auto waiting(bool fails = false)
    {
        return [this, life = begin(), fails]() -> asio::awaitable<void> {
            co_await asio::this_coro::reset_cancellation_state(asio::enable_total_cancellation());
            auto& gate = add_gate();
            try {
                co_await gate.async_wait(asio::use_awaitable);
            } catch (boost::system::system_error const&) {
                if (fails)
                    fail();
                throw;
            }
        };
    }

    auto deaf()
    {
        return
            [this, life = begin()](auto handler) { add_gate(true).async_wait(std::move(handler)); };
    }

    auto spawning()
    {
        return [this, life = begin()]() -> asio::awaitable<void> {
            co_await asio::post(asio::use_awaitable);
            try {
                scope().spawn(waiting());
                scope().spawn(walker());
            } catch (exeunt::stack_closed const&) {
                expect(false, "a scope with children is closed");
            }
            co_await asio::post(asio::use_awaitable);
        };
    }

    // A scope of its own, whose exits run in any case.
    auto nested()
    {
        return [this, life = begin()]() -> asio::awaitable<void> {
            auto const body = [this](async_exit_stack& s) -> asio::awaitable<void> {
                ++owed_;
                s.push([this] { --owed_; });
                co_await asio::post(asio::use_awaitable);
                auto& inner = s.enter(task_scope(s.get_executor(), {.drain = 1s}));
                inner.spawn(waiting(true));
                inner.spawn(walker());
                co_await inner.async_wait(asio::use_awaitable);
            };
            co_await exeunt::async_with(std::ref(body), asio::use_awaitable);
        };
    }

    // ---- who waits

    template <class Start>
    void last(Start start)
    {
        start(asio::bind_cancellation_slot(signal_.slot(), [this](std::exception_ptr error) {
            into(waits_for_all_)(error);
            if (!exeunt::is_cancelled(error))
                expect_nobody_is_left();
            words_at_end_ = log.words().size();
        }));
    }

    void join()
    {
        last([this](auto handler) { scope().async_join(std::move(handler)); });
    }

    void close_stack(std::exception_ptr cause = {})
    {
        last([&](auto handler) { stack.async_close(cause, std::move(handler)); });
    }

    void make(task_scope_options options = {}) { own_.emplace(context, options); }

    // In a stack, as the exit of which it ends.
    task_scope& enter(async_exit_stack& on, task_scope_options options = {})
    {
        is_exit_ = true;
        on.push([this] { entered_ = nullptr; }); // it has gone by then
        entered_ = &on.enter(task_scope(context, options));
        return *entered_;
    }

    void make_exit(task_scope_options options = {}) { enter(stack, options); }

    task_scope& scope() { return entered_ ? *entered_ : *own_; }

    // ---- its course

    // Runs one handler; where none is ready, lets a child end, or time pass.
    bool step()
    {
        context.restart();
        if (context.poll_one() != 0)
            return true;
        for (auto& each : gates_)
            if (each.is_shut())
                return each.end(), true;
        if (waits_for_all_.done() || ++hours_ > 3)
            return false;
        clock_.advance(1h);
        return true;
    }

    void inject(injected const& each)
    {
        if (each.whom != what::who_waits && (own_ || entered_))
            scope().cancel(each.type);
        if (each.whom != what::the_children && !waits_for_all_.done())
            signal_.emit(each.type);
    }

    void check()
    {
        waits_for_all_.expect_once();
        // A wait that was cancelled leaves the children alone: the last one waits for them.
        if (!is_exit_) {
            outcome joined;
            scope().async_join(into(joined));
            while (step())
                continue;
            joined.expect_once();
            waits_for_all_.error = joined.error;
        }
        expect_nobody_is_left();
        expect(owed_ == 0, std::to_string(owed_) + " exits of a child have not run");
        auto came_out = std::vector<std::string>();
        for (auto const& each : failures_of(waits_for_all_.error))
            if (!exeunt::is_cancelled(each.error))
                came_out.push_back(describe(each.error));
        std::sort(came_out.begin(), came_out.end());
        std::sort(thrown_.begin(), thrown_.end());
        expect(came_out == thrown_,
            "thrown: " + joined_of(thrown_) + "; came out: " + joined_of(came_out));
        if (is_exit_)
            expect(
                log.words().size() == words_at_end_, "something came after the end: " + log.text());
    }

    void note_cause() { thrown_.push_back("cause"); }

private:
    static std::string joined_of(std::vector<std::string> const& words)
    {
        return support::joined(words);
    }

    capture_mark begin() { return capture_mark(log, "~" + std::to_string(children_++)); }

    gate& add_gate(bool deaf = false) { return gates_.emplace_back(context, deaf); }

    void fail()
    {
        thrown_.push_back("no " + std::to_string(thrown_.size()));
        throw test_error(thrown_.back());
    }

    void expect_nobody_is_left()
    {
        for (std::size_t k = 0; k != children_; ++k)
            expect(log.count("~" + std::to_string(k)) == 1u,
                "child " + std::to_string(k) + " is left, or has ended twice: " + log.text());
        for (auto const& each : gates_)
            expect(!each.is_shut(), "somebody waits: " + log.text());
    }

    exeunt::manual_clock clock_{context};
    asio::cancellation_signal signal_;
    std::optional<task_scope> own_;
    task_scope* entered_ = nullptr;
    std::deque<gate> gates_;
    std::vector<std::string> thrown_;
    outcome waits_for_all_;
    std::size_t children_ = 0;
    std::size_t words_at_end_ = 0;
    int owed_ = 0;
    int hours_ = 0;
    bool is_exit_ = false;
};

} // namespace support::scope_steps

#endif
