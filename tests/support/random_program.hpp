// A random program around one asynchronous stack: exits of many shapes that push, close, run, dismiss,
// move, assign, acquire, cancel and lose their handlers, while others run. What holds for all of them: no
// exit runs twice, and each handler is called or destroyed exactly once.
#ifndef EXEUNT_TESTS_SUPPORT_RANDOM_PROGRAM_HPP
#define EXEUNT_TESTS_SUPPORT_RANDOM_PROGRAM_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>
#include <exeunt/exit_observer.hpp>
#include <exeunt/on_exit.hpp>

#include "support/expect.hpp"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <exception>
#include <functional>
#include <iterator>
#include <list>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace support {

class random_program
{
public:
    random_program(unsigned seed, bool on_strand)
        : seed_(seed)
        , random_(seed)
        , executor_(context_->get_executor())
    {
        if (on_strand)
            executor_ = asio::make_strand(*context_);
        ensure_stack();
        for (int k = 0; k != 4; ++k)
            push(*stack_);
        acts_on_executor_ = one_in(2);
    }

    random_program(random_program const&) = delete;
    random_program& operator=(random_program const&) = delete;

    unsigned pick(unsigned below) { return static_cast<unsigned>(random_() % below); }

    // Where memory was out there may be none.
    void ensure_stack()
    {
        if (!stack_)
            stack_ = std::make_unique<stack_type>(executor_);
    }

    void step()
    {
        if (one_in(3)) {
            if (acts_on_executor_)
                asio::post(executor_, [this] { act(); });
            else
                act();
        }
        context_->restart();
        context_->poll_one();
    }

    // Closes the stack and runs all there is.
    void run_to_the_end()
    {
        stack_->async_close([t = tracker(*this)](std::exception_ptr) mutable { t(); });
        // An expired timer is found by the next poll.
        for (int polls = 0; polls != 1000; ++polls) {
            context_->restart();
            context_->poll();
            if (context_->stopped())
                return;
        }
        check(false, "something is waited for that never comes");
    }

    // Ends the program where it is: nobody is left who could call a handler.
    void destroy()
    {
        std::exchange(stack_, nullptr).reset();
        while (!others_.empty()) {
            std::list<stack_type> doomed;
            doomed.splice(doomed.begin(), others_);
        }
        executor_ = asio::any_io_executor();
        context_.reset();
        check(alive_ == 0, "handlers were neither called nor destroyed");
    }

private:
    using stack_type = exeunt::async_exit_stack;

    // In each final handler.
    class tracker
    {
    public:
        explicit tracker(random_program& program) noexcept
            : program_(&program)
        {
            ++program_->alive_;
        }

        tracker(tracker&& other) noexcept
            : program_(std::exchange(other.program_, nullptr))
            , called_(other.called_)
        {
        }

        tracker& operator=(tracker&&) = delete;

        ~tracker()
        {
            if (program_)
                --program_->alive_;
        }

        void operator()()
        {
            if (program_)
                program_->check(!called_, "a handler was called twice");
            called_ = true;
        }

    private:
        random_program* program_;
        bool called_ = false;
    };

    // What each exit does when it runs.
    class behaviour
    {
    public:
        explicit behaviour(random_program& program)
            : program_(&program)
            , ran_(std::make_shared<bool>(false))
            , acts_(program.one_in(3))
            , throws_(program.one_in(5))
        {
        }

        void operator()() const
        {
            program_->check(!std::exchange(*ran_, true), "an exit ran twice");
            if (acts_)
                program_->act();
            if (throws_)
                throw 1;
        }

        random_program& program() const noexcept { return *program_; }

    private:
        random_program* program_;
        std::shared_ptr<bool> ran_;
        bool acts_;
        bool throws_;
    };

    // A flag, while this lives.
    class raised
    {
    public:
        explicit raised(bool& flag) noexcept
            : flag_(flag)
        {
            flag_ = true;
        }

        raised(raised const&) = delete;
        raised& operator=(raised const&) = delete;
        ~raised() { flag_ = false; }

    private:
        bool& flag_;
    };

    bool one_in(unsigned n) { return pick(n) == 0; }

    // Takes no memory where all is well: a plan counts what the library asks for, and no handler of this
    // program throws.
    void check(bool ok, char const* what) const
    {
        allocation_pause const pause;
        expect(ok, std::string(what) + ", seed " + std::to_string(seed_));
    }

    template <class Handler>
    auto maybe_cancellable(Handler handler)
    {
        asio::cancellation_slot slot;
        if (one_in(2))
            slot = signals_.emplace_back().slot();
        return asio::bind_cancellation_slot(slot, std::move(handler));
    }

    auto handler()
    {
        return maybe_cancellable([t = tracker(*this)](std::exception_ptr) mutable { t(); });
    }

    void push(stack_type& stack)
    {
        behaviour const behave(*this);
        unsigned const hops = pick(3);
        exeunt::exit_handle handle;
        switch (pick(8)) {
        case 0:
        case 1: handle = stack.push(exeunt::on_exit(behave).named("function")); break;
        case 2:
            handle = stack.push([behave, hops]() -> asio::awaitable<void> {
                for (unsigned k = 0; k != hops; ++k)
                    co_await asio::post(asio::use_awaitable);
                behave();
                if (hops == 2)
                    co_await asio::post(asio::use_awaitable);
            });
            break;
        case 3:
            handle = stack.push([behave, hops](exeunt::exit_handler h) {
                behave();
                if (hops != 0)
                    asio::post(*behave.program().context_, std::move(h));
                else
                    std::move(h)();
            });
            break;
        case 4:
            handle = stack.push([behave, hops](exeunt::exit_handler h) {
                behave();
                asio::any_completion_handler<void()> erased(std::move(h));
                if (hops != 0)
                    asio::post(*behave.program().context_,
                        [e = std::move(erased)]() mutable { std::move(e)(); });
            });
            break;
        case 5:
            handle = stack.push([behave, hops](exeunt::exit_handler h) {
                behave();
                asio::post(*behave.program().context_,
                    [program = &behave.program(), hops, h = std::move(h)]() mutable {
                        if (hops != 2)
                            std::move(h)();
                        else if (!program->one_in(3))
                            std::move(h)(asio::error::eof);
                        // Else it is dropped, later than its exit has begun.
                    });
            });
            break;
        case 6:
            stack.adopt(std::make_unique<asio::steady_timer>(
                            *context_, asio::steady_timer::time_point::min()),
                [behave](std::unique_ptr<asio::steady_timer>& timer) -> asio::awaitable<void> {
                    behave();
                    co_await timer->async_wait(asio::use_awaitable);
                });
            break;
        case 7: handle = push_child(stack); break;
        }
        if (&stack == stack_.get())
            handles_.push_back(handle);
    }

    exeunt::exit_handle push_child(stack_type& stack)
    {
        if (nested_ || &stack != stack_.get())
            return {};
        raised const in(nested_);
        stack_type& child = others_.emplace_back(executor_);
        for (unsigned k = pick(4); k != 0; --k)
            push(child);
        return stack.push(std::ref(child));
    }

    void act()
    {
        if (!stack_)
            return;
        switch (pick(13)) {
        case 0:
        case 1:
        case 2:
            try {
                push(*stack_);
            } catch (exeunt::stack_closed const&) {
            }
            break;
        case 3: stack_->async_close(handler()); break;
        case 4:
            if (!handles_.empty())
                stack_->async_run_now(any_handle(), handler());
            break;
        case 5:
            if (!handles_.empty())
                stack_->dismiss(any_handle());
            break;
        case 6:
            if (one_in(4))
                hand_over(stack_->pop_all());
            break;
        case 7:
            if (one_in(4)) {
                if (one_in(2))
                    assign();
                else
                    hand_over(std::move(*stack_));
            }
            break;
        case 8: acquire(); break;
        case 9:
        case 10:
            if (!signals_.empty())
                std::next(signals_.begin(), pick(static_cast<unsigned>(signals_.size())))
                    ->emit(asio::cancellation_type::terminal);
            break;
        case 11: enter_scope(); break;
        case 12:
            if (!assigning_ && one_in(6)) {
                std::exchange(stack_, nullptr).reset();
                ensure_stack();
            }
            break;
        }
    }

    exeunt::exit_handle any_handle()
    {
        return handles_[pick(static_cast<unsigned>(handles_.size()))];
    }

    // To an owner that closes it, or not.
    void hand_over(stack_type&& stack)
    {
        stack_type& owner = others_.emplace_back(std::move(stack));
        if (one_in(2))
            owner.async_close(handler());
    }

    void assign()
    {
        if (assigning_)
            return;
        raised const in(assigning_);
        *stack_ = stack_type(executor_);
    }

    static asio::awaitable<std::unique_ptr<int>> obtain(random_program& program)
    {
        if (program.one_in(2))
            co_await asio::post(asio::use_awaitable);
        if (program.one_in(4))
            throw 2;
        co_return std::make_unique<int>(3);
    }

    void acquire()
    {
        stack_->async_acquire(
            obtain(*this),
            [behave = behaviour(*this)](std::unique_ptr<int>& value) -> asio::awaitable<void> {
                behave.program().check(value != nullptr, "what was acquired is gone");
                behave();
                co_await asio::post(asio::use_awaitable);
            },
            maybe_cancellable(
                [t = tracker(*this)](std::exception_ptr, std::unique_ptr<int>*) mutable { t(); }));
    }

    void enter_scope()
    {
        exeunt::async_with(
            executor_,
            [this, pushes = pick(3), hops = pick(3)](stack_type& inner) -> asio::awaitable<int> {
                for (unsigned k = 0; k != pushes; ++k)
                    push(inner);
                for (unsigned k = 0; k != hops; ++k)
                    co_await asio::post(asio::use_awaitable);
                if (one_in(4))
                    inner.async_close([t = tracker(*this)](std::exception_ptr) mutable { t(); });
                if (one_in(5))
                    throw 4;
                co_return 5;
            },
            maybe_cancellable([t = tracker(*this)](std::exception_ptr, int) mutable { t(); }));
    }

    unsigned seed_;
    std::mt19937 random_;
    std::optional<asio::io_context> context_{std::in_place};
    asio::any_io_executor executor_;
    int alive_ = 0; // handlers
    bool acts_on_executor_ = false;
    bool assigning_ = false;
    bool nested_ = false;
    std::list<asio::cancellation_signal> signals_;
    std::vector<exeunt::exit_handle> handles_;
    std::list<stack_type> others_;
    std::unique_ptr<stack_type> stack_;
};

// Nobody hears what is lost: much is, on purpose.
class no_observer
{
public:
    no_observer() = default;
    no_observer(no_observer const&) = delete;
    no_observer& operator=(no_observer const&) = delete;
    ~no_observer() { exeunt::set_default_observer(former_); }

private:
    exeunt::exit_observer* former_ = exeunt::set_default_observer(nullptr);
};

} // namespace support

#endif
