// What the exits of random sequences of operations do on asynchronous stacks: they end, or wait.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_WORK_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_WORK_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/testing.hpp>

#include "support/async_operations.hpp"
#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/system/system_error.hpp>

#include <cstddef>
#include <deque>
#include <exception>
#include <iterator>
#include <list>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace support::async_operations {

namespace asio = boost::asio;

class working : private exeunt::exit_observer
{
public:
    using async_exit_stack = exeunt::async_exit_stack;
    using exit_state = exeunt::exit_state;
    using exit_handler = exeunt::exit_handler;

    explicit working(op_sequence const& ops)
        : exeunt::exit_observer(
            ops.size() % 2 == 0 ? exeunt::observed::losses : exeunt::observed::everything)
        , reader_(ops)
        , former_(exeunt::set_default_observer(this))
    {
    }

    ~working() { exeunt::set_default_observer(former_); }

    working(working const&) = delete;
    working& operator=(working const&) = delete;

    struct code
    {
        working* at;
        int id;
        behaviour does;
    };

    // What an exit holds: notes its end.
    class mark
    {
    public:
        mark() noexcept = default; // notes nothing
        mark(working& at, int id) noexcept
            : at_(&at)
            , id_(id)
        {
        }
        mark(mark&& other) noexcept
            : at_(std::exchange(other.at_, nullptr))
            , id_(other.id_)
        {
        }
        mark& operator=(mark&&) = delete;
        ~mark()
        {
            if (at_)
                at_->note(gone, id_);
        }

    private:
        working* at_ = nullptr;
        int id_ = 0;
    };

    struct sync_exit
    {
        code c;
        mark m;
        void operator()(exit_state& state) const { c.at->run(c, &state); }
    };

    struct handler_exit
    {
        code c;
        mark m;
        void operator()(exit_state& state, exit_handler handler) const
        {
            c.at->start(c, &state, std::move(handler));
        }
    };

    struct coroutine_exit
    {
        code c;
        mark m;
        asio::awaitable<void> operator()(exit_state& state) const
        {
            return c.at->run_coroutine(c, &state);
        }
    };

    struct entered_context
    {
        code c;
        mark m;
        asio::awaitable<void> async_enter() const
        {
            c.at->note(entered, c.id);
            if (c.does.end == ending::fails)
                fail(plain_failures + c.id);
            co_return;
        }
        asio::awaitable<void> async_exit(exit_state& state) const
        {
            return c.at->run_coroutine(c, &state);
        }
    };

    struct acquired_value
    {
        code c;
        mark m;
    };

    // What an exit does besides, which may throw.
    virtual void behave(code const& c, exit_state* state) = 0;

    // ---- the log

    void note(int word) { log_.push_back(word); }
    void note(int word, int number)
    {
        log_.push_back(word);
        log_.push_back(number);
    }

    static void append(int_log& log, std::span<exeunt::exit_failure const> failures)
    {
        for (exeunt::exit_failure const& each : failures) {
            log.push_back(known_failures::number_of(each.error));
            log.push_back(number_of_name(each.name));
        }
    }

    static int_log numbers_of(std::exception_ptr const& error)
    {
        int_log log{outcome_word};
        int const known = error ? known_failures::number_of(error) : -1;
        if (!error || known >= 0)
            log.push_back(known);
        else
            try {
                std::rethrow_exception(error);
            } catch (exeunt::exit_errors const& several) {
                append(log, several.failures());
            } catch (...) {
                log.push_back(known);
            }
        return log;
    }

    void failure_unreceived(
        exeunt::exit_view const& view, std::exception_ptr error) noexcept override
    {
        note(told, number_of_name(view.name));
        int_log const numbers = numbers_of(error);
        log_.insert(log_.end(), numbers.begin(), numbers.end());
    }

    void exit_abandoned(exeunt::exit_view const& view) noexcept override
    {
        note(abandoned, number_of_name(view.name));
    }

    void stack_abandoned(std::size_t count, std::span<std::string_view const>) noexcept override
    {
        note(lost, static_cast<int>(count));
    }

    // ---- what exits do

    void begin(code const& c, exit_state* state)
    {
        note(began, c.id);
        if (!state)
            return;
        note(in_flight);
        append(log_, state->failures());
        auto const primary = exeunt::primary(state->error());
        note(outcome_word, primary ? known_failures::number_of(primary) : -1);
        note(is_forced, state->forced());
    }

    void run(code const& c, exit_state* state)
    {
        begin(c, state);
        behave(c, state);
        note(ended, c.id);
    }

    template <class Handler>
    void start(code const& c, exit_state* state, Handler handler)
    {
        begin(c, state);
        behave(c, state);
        if (c.does.waits)
            return hold(c, std::move(handler));
        note(ended, c.id);
        std::move(handler)(error_of(c));
    }

    asio::awaitable<void> run_coroutine(code const& c, exit_state* state)
    {
        begin(c, state);
        behave(c, state);
        if (c.does.waits)
            co_return co_await asio::async_initiate<asio::use_awaitable_t<> const,
                void(std::exception_ptr)>(
                [&c](auto handler) { c.at->hold(c, std::move(handler)); }, asio::use_awaitable);
        note(ended, c.id);
        if (auto const error = error_of(c))
            std::rethrow_exception(error);
    }

    // What is acquired, at once or later.
    template <class Handler>
    void start_acquire(code const& c, Handler handler)
    {
        auto const slot = asio::get_associated_cancellation_slot(handler);
        auto finish = [c, h = std::move(handler)](std::exception_ptr error) mutable {
            mark m = error ? mark() : mark(*c.at, c.id);
            std::move(h)(error, acquired_value{c, std::move(m)});
        };
        if (c.does.waits)
            hold(c, asio::bind_cancellation_slot(slot, std::move(finish)));
        else
            finish(error_of(c));
    }

    static std::exception_ptr error_of(code const& c)
    {
        switch (c.does.end) {
        case ending::fails: return known_failures::get(plain_failures + c.id);
        case ending::is_cancelled: return known_failures::get(cancellations + c.id);
        default: return nullptr;
        }
    }

    [[noreturn]] static void fail(int error) { std::rethrow_exception(known_failures::get(error)); }

    // ---- what waits

    using erased_handler = asio::any_completion_handler<void(std::exception_ptr)>;

    struct held
    {
        code c;
        erased_handler handler;
    };

    // It has a slot of its own when it has been erased.
    void hold(code const& c, erased_handler handler)
    {
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([this, id = c.id](asio::cancellation_type) { cut_held(id); });
        held_.push_back(held{c, std::move(handler)});
    }

    void cut_held(int id)
    {
        note(cut, id);
        for (auto each = held_.begin(); each != held_.end(); ++each)
            if (each->c.id == id && !each->c.does.ignores_cut)
                return finish(each,
                    std::make_exception_ptr(
                        boost::system::system_error(asio::error::operation_aborted)));
    }

    void answer(unsigned which)
    {
        if (held_.empty())
            return;
        auto const one = std::next(held_.begin(), static_cast<long>(which % held_.size()));
        finish(one, error_of(one->c));
    }

    void finish(std::list<held>::iterator which, std::exception_ptr error)
    {
        held one = std::move(*which);
        held_.erase(which);
        asio::post(context_, [this, one = std::move(one), error = std::move(error)]() mutable {
            note(ended, one.c.id);
            asio::get_associated_cancellation_slot(one.handler).clear();
            std::move(one.handler)(std::move(error));
        });
    }

    reader reader_;
    exeunt::exit_observer* former_;
    int_log log_;
    completions completions_;
    std::deque<asio::cancellation_signal> signals_;
    asio::io_context context_{1};
    exeunt::manual_clock clock_{context_};
    std::list<held> held_;
};

} // namespace support::async_operations

#endif
