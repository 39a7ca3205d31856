// The exits of random sequences of operations on synchronous stacks, and their log.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_EXITS_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_OPERATIONS_EXITS_HPP

#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_stack.hpp>

#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"
#include "support/sync_operations.hpp"

#include <exception>
#include <utility>

namespace support::sync_operations {

class exits : private exeunt::exit_observer
{
public:
    // Where every step is observed another loop runs the exits.
    explicit exits(exeunt::observed what)
        : exeunt::exit_observer(what)
        , former_(exeunt::set_default_observer(this))
    {
    }

    ~exits() { exeunt::set_default_observer(former_); }

    exits(exits const&) = delete;
    exits& operator=(exits const&) = delete;

    using exit_stack = exeunt::exit_stack;
    using exit_state = exeunt::exit_state;

    struct code
    {
        exits* at;
        int id;
        behaviour does;
    };

    // What an exit holds: notes its end.
    class mark
    {
    public:
        mark(exits& at, int id) noexcept
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
        exits* at_;
        int id_;
    };

    struct plain_exit
    {
        code c;
        mark m;
        void operator()() const { c.at->act(c, nullptr); }
    };

    struct seeing_exit
    {
        code c;
        mark m;
        void operator()(exit_state& state) const { c.at->act(c, &state); }
    };

    struct unowned_context
    {
        code c;
        void enter() const { c.at->note(entered, c.id); }
        void exit(exit_state& state) const { c.at->act(c, &state); }
    };

    struct context : unowned_context
    {
        mark m;
        bool fails;
        void enter() const
        {
            unowned_context::enter();
            if (fails)
                std::rethrow_exception(known_failures::get(plain_failures + c.id));
        }
    };

    // What an exit does to a stack.
    virtual void act_on(exit_stack& s, behaviour const& b, int id) = 0;

    // ---- the log

    void note(int word) { log_.push_back(word); }
    void note(int word, int number)
    {
        log_.push_back(word);
        log_.push_back(number);
    }

    template <class Failures>
    void note_all(int word, Failures const& failures)
    {
        note(word);
        for (exeunt::exit_failure const& each : failures) {
            log_.push_back(known_failures::number_of(each.error));
            log_.push_back(number_of_name(each.name));
        }
    }

    void note_error(int word, std::exception_ptr const& error)
    {
        int const known = error ? known_failures::number_of(error) : -1;
        if (!error || known >= 0)
            return note(word, known);
        try {
            std::rethrow_exception(error);
        } catch (exeunt::exit_errors const& several) {
            note_all(word, several.failures());
        } catch (...) {
            note(word, known);
        }
    }

    // What an operation throws.
    template <class F>
    void note_thrown(F&& f)
    {
        try {
            f();
        } catch (...) {
            note_error(outcome_word, std::current_exception());
        }
    }

    void note_closed(exit_stack& s, std::exception_ptr cause)
    {
        s.close(std::move(cause));
        note(outcome_word, -1);
    }

    void note_sizes()
    {
        note(sizes);
        for (exit_stack const& each : slots_) {
            log_.push_back(static_cast<int>(each.size()) * 2 + each.is_open());
            if (each.empty() != (each.size() == 0))
                note(refused);
        }
    }

    void failure_unreceived(
        exeunt::exit_view const& view, std::exception_ptr error) noexcept override
    {
        note(told, number_of_name(view.name));
        note_error(outcome_word, error);
    }

    // ---- exits

    void act(code const& c, exit_state* state)
    {
        note(began, c.id);
        if (state) {
            note_all(in_flight, state->failures());
            auto const primary = exeunt::primary(state->error());
            note(outcome_word, primary ? known_failures::number_of(primary) : -1);
        }
        behave(c, state);
        note(ended, c.id);
    }

    void behave(code const& c, exit_state* state)
    {
        switch (c.does.what) {
        case action::fails: fail(plain_failures + c.id);
        case action::fails_oddly: fail(odd_failures + c.id);
        case action::is_cancelled: fail(cancellations + c.id);
        default: break;
        }
        if (static_cast<unsigned>(c.does.what) >= simple_actions)
            return act_on(slots_[c.does.target], c.does, c.id);
        if (!state)
            return;
        switch (c.does.what) {
        case action::suppresses: return state->suppress();
        case action::replaces: return state->replace(known_failures::get(plain_failures + c.id));
        case action::rethrows_error: return rethrow(exeunt::primary(state->error()));
        case action::rethrows_cause: return rethrow(exeunt::primary(state->cause()));
        case action::suppresses_and_fails: state->suppress(); fail(plain_failures + c.id);
        case action::replaces_and_rethrows:
            state->replace(known_failures::get(plain_failures + c.id));
            return rethrow(exeunt::primary(state->error()));
        default: return;
        }
    }

    [[noreturn]] static void fail(int error) { std::rethrow_exception(known_failures::get(error)); }

    static void rethrow(std::exception_ptr const& error)
    {
        if (error)
            std::rethrow_exception(error);
    }

    exeunt::exit_observer* former_;
    int_log log_;
    exit_stack slots_[slots];
};

} // namespace support::sync_operations

#endif
