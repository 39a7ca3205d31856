// Random sequences of operations, carried out by asynchronous stacks.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_LIBRARY_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_LIBRARY_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/async_with.hpp>

#include "support/async_operations.hpp"
#include "support/async_operations_exits.hpp"
#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>

#include <chrono>
#include <cstddef>
#include <exception>
#include <list>
#include <utility>
#include <vector>

namespace support::async_operations {

class library : private exits
{
public:
    explicit library(op_sequence const& ops)
        : exits(ops)
    {
    }

    int_log run(op_sequence const& ops)
    {
        for (std::size_t k = 0; k != ops.size(); ++k) {
            carry_out(ops[k], cause_of(k, ops[k]));
            drive();
        }
        end();
        return std::move(log_);
    }

private:
    void drive()
    {
        context_.restart();
        context_.poll();
        completions_.write(log_);
        note(sizes);
        for (unsigned k = 0; k != reader_.slots(); ++k)
            log_.push_back(static_cast<int>(slots_[k].size()) * 2 + slots_[k].is_open());
    }

    void nest(async_exit_stack& s, async_exit_stack& inner)
    {
        // What is registered must not move the stack that it is registered with, nor one that closes.
        if (&s == &inner || !inner.is_open() || completions_.pending() != 0)
            return;
        int const id = new_exit();
        try {
            handles_[at(id)] = s.handle_of(&s.enter(std::move(inner)));
        } catch (exeunt::stack_closed const&) {
            note(refused);
        }
    }

    void acquire(async_exit_stack& s, behaviour const& does)
    {
        code const c{this, new_exit(), does};
        auto operation =
            asio::async_initiate<asio::deferred_t const, void(std::exception_ptr, acquired_value)>(
                [c](auto handler) { c.at->start_acquire(c, std::move(handler)); }, asio::deferred);
        s.async_acquire(
            std::move(operation),
            [](acquired_value& value, exit_state& state) { value.c.at->run(value.c, &state); },
            noting<acquired_value*>());
    }

    void enter(async_exit_stack& s, behaviour const& does)
    {
        int const id = new_exit();
        s.async_enter(entered_context{{this, id, does}, mark(*this, id)}, noting());
    }

    void with(async_exit_stack& from, std::exception_ptr const& cause)
    {
        if (!from.is_open())
            return;
        exeunt::async_with(
            context_,
            [&from, cause](async_exit_stack& scope) {
                scope = std::move(from);
                if (cause)
                    std::rethrow_exception(cause);
            },
            noting());
    }

    void set_options(async_exit_stack& s, limits const& l)
    {
        auto const seconds = [](int n) {
            return n == 0 ? exeunt::close_options::duration::max()
                          : exeunt::close_options::duration(std::chrono::seconds(n));
        };
        s.options().primary_only = l.primary_only;
        if (!reader_.is_timed())
            return;
        s.options().timeout = seconds(l.timeout);
        s.options().grace = seconds(l.grace);
    }

    bool may_move() const { return !reader_.is_timed() || completions_.pending() == 0; }

    void carry_out(op const& o, int error)
    {
        async_exit_stack& s = slots_[reader_.slot_of(o)];
        async_exit_stack& other = slots_[reader_.other_slot_of(o)];
        auto const& cause = known_failures::get(error);
        switch (reader_.verb_of(o)) {
        case verb::add: return add(s, reader_.shape_of(o), reader_.behaviour_of(o));
        case verb::nest: return nest(s, other);
        case verb::dismiss: return note(result, s.dismiss(handle(o.c())));
        case verb::run_now: return run_now(s, o.c());
        case verb::pop_all:
            if (may_move())
                other = s.pop_all();
            return;
        case verb::move:
            if (may_move())
                assign(s, other);
            return;
        case verb::close: return close(s, nullptr);
        case verb::close_with_cause: return close(s, cause);
        case verb::fail: return s.fail(o.b() % 4 == 0 ? nullptr : cause);
        case verb::destroy:
            if (may_move())
                static_cast<void>(async_exit_stack(std::move(s)));
            return;
        case verb::force: return s.force();
        case verb::terminal: return emit(o.c());
        case verb::advance: return clock_.advance(std::chrono::seconds(seconds_of(o)));
        case verb::answer: return answer(o.c());
        case verb::acquire: return acquire(s, reader_.behaviour_of(o));
        case verb::enter: return enter(s, reader_.behaviour_of(o));
        case verb::with: return with(s, o.b() % 2 == 0 ? nullptr : cause);
        case verb::set_options: return set_options(s, limits_of(o));
        default: return look(s);
        }
    }

    static void assign(async_exit_stack& to, async_exit_stack& from) { to = std::move(from); }

    void end()
    {
        while (end_something())
            drive();
        note(pending, completions_.pending());
    }

    // Answers what waits, and closes what is left.
    bool end_something()
    {
        if (!held_.empty()) {
            answer(0);
            return true;
        }
        if (!others_.empty()) {
            done_.splice(done_.end(), others_, others_.begin());
            close(done_.back(), nullptr);
            return true;
        }
        for (async_exit_stack& each : slots_)
            if (!each.empty()) {
                close(each, nullptr);
                return true;
            }
        return false;
    }

    std::list<async_exit_stack> done_;
};

} // namespace support::async_operations

#endif
