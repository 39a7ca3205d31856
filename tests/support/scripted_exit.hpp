// An exit that does what the test tells it to, in every shape that a cleanup may have, and notes when
// it begins ("+name"), ends ("-name") and is told to stop ("!name").
#ifndef EXEUNT_TESTS_SUPPORT_SCRIPTED_EXIT_HPP
#define EXEUNT_TESTS_SUPPORT_SCRIPTED_EXIT_HPP

#include <exeunt/exit_state.hpp>

#include "support/expect.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace support {

enum class shape {
    function, // []
    state_function, // [](exit_state&)
    sync_context, // exit(exit_state&)
    awaitable, // []() -> awaitable<void>
    state_awaitable, // [](exit_state&) -> awaitable<void>
    returns_operation, // [] { return op(deferred); }
    state_operation, // [](exit_state&) { return op(deferred); }
    handler_function, // [](auto handler)
    state_handler, // [](exit_state&, auto handler)
    operation, // op(deferred)
    token_context, // async_exit(exit_state&, token)
    awaitable_context, // async_exit(exit_state&) -> awaitable<void>
};

inline constexpr std::array all_shapes{shape::function, shape::state_function, shape::sync_context,
    shape::awaitable, shape::state_awaitable, shape::returns_operation, shape::state_operation,
    shape::handler_function, shape::state_handler, shape::operation, shape::token_context,
    shape::awaitable_context};

inline constexpr std::array sync_shapes{
    shape::function, shape::state_function, shape::sync_context};

inline constexpr std::array async_shapes{shape::awaitable, shape::state_awaitable,
    shape::returns_operation, shape::state_operation, shape::handler_function, shape::state_handler,
    shape::operation, shape::token_context, shape::awaitable_context};

// Those that are given the exit_state&.
inline constexpr std::array seeing_shapes{shape::state_function, shape::sync_context,
    shape::state_awaitable, shape::state_operation, shape::state_handler, shape::token_context,
    shape::awaitable_context};

inline char const* name_of(shape s)
{
    constexpr std::array names{"function", "state_function", "sync_context", "awaitable",
        "state_awaitable", "returns_operation", "state_operation", "handler_function",
        "state_handler", "operation", "token_context", "awaitable_context"};
    return names[static_cast<std::size_t>(s)];
}

inline std::ostream& operator<<(std::ostream& out, shape s)
{
    return out << name_of(s);
}

inline bool is_sync(shape s)
{
    return s == shape::function || s == shape::state_function || s == shape::sync_context;
}

// A handle: copies speak of the same exit.
class scripted_exit
{
public:
    // What an exit found in its exit_state when it began.
    struct sight
    {
        std::exception_ptr error;
        std::exception_ptr cause;
        bool failed;
        bool cancelled;
        bool forced;
        boost::system::error_code code;
        std::size_t failures;
    };

    scripted_exit(event_log& log, std::string name)
        : script_(std::make_shared<script>(log, std::move(name)))
    {
    }

    // ---- what it does: by default an async shape waits for its answer, a sync one succeeds

    // Completes inside the initiating function; an awaitable ends without suspending.
    scripted_exit& at_once(std::exception_ptr result = {})
    {
        return acts(mode::at_once, std::move(result));
    }

    // Completes by way of its executor.
    scripted_exit& posted(std::exception_ptr result = {})
    {
        return acts(mode::posted, std::move(result));
    }

    // The function that starts it throws.
    scripted_exit& throws(std::exception_ptr what) { return acts(mode::throws, std::move(what)); }

    // Destroys its handler inside the initiating function.
    scripted_exit& drops_its_handler() { return acts(mode::drops, {}); }

    scripted_exit& ignores_cancellation()
    {
        script_->deaf = true;
        return *this;
    }

    // "~name" when the callable is destroyed, "%name" when the coroutine frame is.
    scripted_exit& marks_captures()
    {
        script_->marks = true;
        return *this;
    }

    // When it has begun.
    scripted_exit& runs(std::function<void()> hook)
    {
        script_->hook = std::move(hook);
        return *this;
    }

    // When it has begun, for the shapes that see.
    scripted_exit& sees(std::function<void(exeunt::exit_state&)> hook)
    {
        script_->state_hook = std::move(hook);
        return *this;
    }

    // ---- what the test does

    void answer(std::exception_ptr result = {}, where_t where = where_t::current())
    {
        if (expect(running(), script_->name + " is not waiting for an answer", where))
            script_->complete(std::move(result), false);
    }

    void answer(boost::system::error_code ec, where_t where = where_t::current())
    {
        answer(failure(ec), where);
    }

    // Destroys the handler without calling it.
    void drop() { auto const gone = std::move(script_->pending); }

    bool running() const { return script_->pending != nullptr; }
    int begins() const { return script_->begins; }
    int ends() const { return script_->ends; }
    int cuts() const { return script_->cuts; }
    std::vector<asio::cancellation_type> const& cut_types() const { return script_->cut_types; }
    std::string const& name() const { return script_->name; }

    // What it found when it began last.
    sight const& saw() const { return script_->seen.at(script_->seen.size() - 1); }
    bool has_seen() const { return !script_->seen.empty(); }

private:
    enum class mode { waits, at_once, posted, throws, drops };

    struct pending_base
    {
        virtual ~pending_base() = default;
        virtual void complete(std::exception_ptr result, bool post) = 0;
    };

    template <class Handler>
    struct pending_handler : pending_base
    {
        explicit pending_handler(Handler&& h)
            : handler(std::move(h))
        {
        }

        void complete(std::exception_ptr result, bool post) override
        {
            auto const executor = asio::get_associated_executor(handler, asio::system_executor());
            if (post)
                asio::post(executor, asio::append(std::move(handler), std::move(result)));
            else
                asio::dispatch(executor, asio::append(std::move(handler), std::move(result)));
        }

        Handler handler;
    };

    struct script
    {
        script(event_log& l, std::string n)
            : log(&l)
            , name(std::move(n))
        {
        }

        void note_begin(exeunt::exit_state* state)
        {
            ++begins;
            log->add("+" + name);
            if (state) {
                seen.push_back({state->error(), state->cause(), state->failed(), state->cancelled(),
                    state->forced(), state->code(), state->failures().size()});
                if (state_hook)
                    state_hook(*state);
            }
            if (hook)
                hook();
        }

        void note_end()
        {
            ++ends;
            log->add("-" + name);
        }

        // As a function.
        void run(exeunt::exit_state* state)
        {
            note_begin(state);
            note_end();
            if (result)
                std::rethrow_exception(result);
        }

        void throw_result()
        {
            note_end();
            std::rethrow_exception(result);
        }

        void complete(std::exception_ptr e, bool post)
        {
            auto const handler = std::move(pending);
            ++turn;
            if (marks_end)
                note_end();
            handler->complete(std::move(e), post);
        }

        void cut(asio::cancellation_type type, int of_turn)
        {
            if (!pending || of_turn != turn) {
                expect(false, "the slot of " + name + " was emitted to after it had completed");
                return;
            }
            ++cuts;
            cut_types.push_back(type);
            log->add("!" + name);
            if (!deaf)
                complete(cancellation(), true);
        }

        event_log* log;
        std::string name;
        mode acts = mode::waits;
        std::exception_ptr result;
        bool deaf = false;
        bool marks = false;
        bool marks_end = true;
        std::function<void()> hook;
        std::function<void(exeunt::exit_state&)> state_hook;
        std::unique_ptr<pending_base> pending;
        std::vector<sight> seen;
        std::vector<asio::cancellation_type> cut_types;
        int begins = 0;
        int ends = 0;
        int cuts = 0;
        int turn = 0;
    };

    using script_ptr = std::shared_ptr<script>;

    // What every shape captures: move-only.
    class capture
    {
    public:
        explicit capture(scripted_exit const& of)
            : script_(of.script_)
        {
        }

        capture(capture&&) noexcept = default;
        capture& operator=(capture&&) = delete;

        ~capture()
        {
            if (script_ && script_->marks)
                script_->log->add("~" + script_->name);
        }

        script_ptr const& get() const noexcept { return script_; }

    private:
        script_ptr script_;
    };

    class frame_mark
    {
    public:
        explicit frame_mark(script_ptr const& s)
            : script_(s)
        {
        }

        frame_mark(frame_mark const&) = delete;
        frame_mark& operator=(frame_mark const&) = delete;

        ~frame_mark()
        {
            if (script_->marks)
                script_->log->add("%" + script_->name);
        }

    private:
        script_ptr const& script_;
    };

    template <class Handler>
    static void begin(
        script_ptr const& self, exeunt::exit_state* state, bool marks_end, Handler handler)
    {
        self->note_begin(state);
        self->marks_end = marks_end;
        switch (self->acts) {
        case mode::throws: self->throw_result(); break;
        case mode::drops: break;
        case mode::at_once:
            if (marks_end)
                self->note_end();
            std::move(handler)(self->result);
            break;
        case mode::posted: {
            auto const executor = asio::get_associated_executor(handler, asio::system_executor());
            asio::post(executor, [self, marks_end, h = std::move(handler)]() mutable {
                if (marks_end)
                    self->note_end();
                std::move(h)(self->result);
            });
            break;
        }
        case mode::waits: {
            auto slot = asio::get_associated_cancellation_slot(handler);
            if (slot.is_connected())
                slot.assign([weak = std::weak_ptr<script>(self), turn = self->turn](
                                asio::cancellation_type type) {
                    if (auto const alive = weak.lock())
                        alive->cut(type, turn);
                    else
                        expect(false, "the slot of a dead exit was emitted to");
                });
            self->pending = std::make_unique<pending_handler<Handler>>(std::move(handler));
            break;
        }
        }
    }

    // Copyable, as deferred wants it under clang 14. Has a constructor: closures in the operand of co_await
    // are destroyed twice by g++ 12.
    class initiation
    {
    public:
        initiation(capture c, exeunt::exit_state* state, bool marks_end)
            : capture_(std::make_shared<capture>(std::move(c)))
            , state_(state)
            , marks_end_(marks_end)
        {
        }

        template <class Handler>
        void operator()(Handler&& handler) const
        {
            begin(capture_->get(), state_, marks_end_, std::forward<Handler>(handler));
        }

    private:
        std::shared_ptr<capture> capture_;
        exeunt::exit_state* state_;
        bool marks_end_;
    };

    class plain_initiation
    {
    public:
        plain_initiation(script_ptr self, exeunt::exit_state* state, bool marks_end)
            : self_(std::move(self))
            , state_(state)
            , marks_end_(marks_end)
        {
        }

        template <class Handler>
        void operator()(Handler&& handler) const
        {
            begin(self_, state_, marks_end_, std::forward<Handler>(handler));
        }

    private:
        script_ptr self_;
        exeunt::exit_state* state_;
        bool marks_end_;
    };

    template <class Token>
    static auto async_run(
        script_ptr const& self, exeunt::exit_state* state, Token&& token, bool marks_end = true)
    {
        return asio::async_initiate<Token, void(std::exception_ptr)>(
            plain_initiation(self, state, marks_end), token);
    }

    static asio::awaitable<void> awaitable_of(script_ptr const& self, exeunt::exit_state* state)
    {
        if (self->acts == mode::throws) {
            self->note_begin(state);
            self->throw_result();
        }
        return coroutine(self, state);
    }

    static asio::awaitable<void> coroutine(script_ptr self, exeunt::exit_state* state)
    {
        frame_mark const mark(self);
        if (self->acts == mode::at_once) {
            self->note_begin(state);
            self->note_end();
            if (self->result)
                std::rethrow_exception(self->result);
            co_return;
        }
        std::exception_ptr error;
        try {
            co_await async_run(self, state, asio::use_awaitable, false);
        } catch (...) {
            error = std::current_exception();
        }
        self->note_end();
        if (error)
            std::rethrow_exception(error);
    }

    class sync_context_type
    {
    public:
        explicit sync_context_type(capture c)
            : capture_(std::move(c))
        {
        }

        void exit(exeunt::exit_state& state) { capture_.get()->run(&state); }

    private:
        capture capture_;
    };

    class token_context_type
    {
    public:
        explicit token_context_type(capture c)
            : capture_(std::move(c))
        {
        }

        template <class Token>
        auto async_exit(exeunt::exit_state& state, Token&& token)
        {
            return async_run(capture_.get(), &state, std::forward<Token>(token));
        }

    private:
        capture capture_;
    };

    class awaitable_context_type
    {
    public:
        explicit awaitable_context_type(capture c)
            : capture_(std::move(c))
        {
        }

        asio::awaitable<void> async_exit(exeunt::exit_state& state)
        {
            return awaitable_of(capture_.get(), &state);
        }

    private:
        capture capture_;
    };

public:
    // ---- its shapes

    auto function() const
    {
        return [c = capture(*this)] { c.get()->run(nullptr); };
    }

    auto state_function() const
    {
        return [c = capture(*this)](exeunt::exit_state& state) { c.get()->run(&state); };
    }

    auto sync_context() const { return sync_context_type(capture(*this)); }

    auto awaitable() const
    {
        return [c = capture(*this)] { return awaitable_of(c.get(), nullptr); };
    }

    auto state_awaitable() const
    {
        return [c = capture(*this)](
                   exeunt::exit_state& state) { return awaitable_of(c.get(), &state); };
    }

    auto returns_operation() const
    {
        return [c = capture(*this)] { return async_run(c.get(), nullptr, asio::deferred); };
    }

    auto state_operation() const
    {
        return [c = capture(*this)](exeunt::exit_state& state) {
            return async_run(c.get(), &state, asio::deferred);
        };
    }

    auto handler_function() const
    {
        return [c = capture(*this)](
                   auto handler) { begin(c.get(), nullptr, true, std::move(handler)); };
    }

    auto state_handler() const
    {
        return [c = capture(*this)](exeunt::exit_state& state, auto handler) {
            begin(c.get(), &state, true, std::move(handler));
        };
    }

    auto operation() const
    {
        return asio::async_initiate<asio::deferred_t const, void(std::exception_ptr)>(
            initiation(capture(*this), nullptr, true), asio::deferred);
    }

    auto token_context() const { return token_context_type(capture(*this)); }
    auto awaitable_context() const { return awaitable_context_type(capture(*this)); }

    // The asynchronous operation of it, for any token.
    template <class Token>
    auto async_operation(Token&& token) const
    {
        return async_run(script_, nullptr, std::forward<Token>(token));
    }

private:
    scripted_exit& acts(mode m, std::exception_ptr result)
    {
        script_->acts = m;
        script_->result = std::move(result);
        return *this;
    }

    script_ptr script_;
};

// Calls use(the exit in that shape), which is an asynchronous one.
template <class Use>
decltype(auto) in_async_shape(scripted_exit const& exit, shape s, Use&& use)
{
    switch (s) {
    case shape::awaitable: return use(exit.awaitable());
    case shape::state_awaitable: return use(exit.state_awaitable());
    case shape::returns_operation: return use(exit.returns_operation());
    case shape::state_operation: return use(exit.state_operation());
    case shape::handler_function: return use(exit.handler_function());
    case shape::state_handler: return use(exit.state_handler());
    case shape::operation: return use(exit.operation());
    case shape::token_context: return use(exit.token_context());
    default: break;
    }
    return use(exit.awaitable_context());
}

// Calls use(the exit in that shape).
template <class Use>
decltype(auto) in_shape(scripted_exit const& exit, shape s, Use&& use)
{
    switch (s) {
    case shape::function: return use(exit.function());
    case shape::state_function: return use(exit.state_function());
    case shape::sync_context: return use(exit.sync_context());
    default: break;
    }
    return in_async_shape(exit, s, std::forward<Use>(use));
}

} // namespace support

#endif
