#ifndef EXEUNT_DETAIL_STACK_BASE_HPP
#define EXEUNT_DETAIL_STACK_BASE_HPP

#include <exeunt/close_options.hpp>
#include <exeunt/detail/acquire_operation.hpp>
#include <exeunt/detail/close_operation.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/errc.hpp>

#include <exception>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

// What an asynchronous stack does, apart from how that is said: its state, and what its initiating
// functions start.
template <class Executor>
class stack_base
{
public:
    using stack_state = stack_core::state;

    stack_base() noexcept(std::is_nothrow_default_constructible_v<Executor>)
        : closed_(true)
    {
    }

    stack_base(Executor const& executor, close_options const& options)
        : executor_(executor)
        , options_(options)
    {
    }

    stack_base(stack_base&& other) noexcept
        : executor_(other.executor_)
        , core_(std::move(other.core_))
        , options_(other.options_)
        , closed_(std::exchange(other.closed_, false))
    {
    }

    template <class Other>
    explicit stack_base(stack_base<Other>&& other)
        : executor_(other.executor_)
        , options_(other.options_)
    {
        if (other.core_ && (!other.core_->list.empty() || other.core_->busy))
            throw std::invalid_argument("exeunt: a stack that holds exits keeps its executor type");
        closed_ = !other.is_open();
        if (other.core_ && !closed_) {
            core().forced = other.core_->forced;
            core_->cause = std::move(other.core_->cause);
        }
        other.core_ = core_ptr();
        other.closed_ = false;
    }

    stack_base& operator=(stack_base&& other) noexcept
    {
        if (this != &other) {
            // What it held is abandoned when this is the new one already: its exits may use this.
            stack_base const before(std::move(*this));
            executor_ = other.executor_;
            core_ = std::move(other.core_);
            options_ = other.options_;
            closed_ = std::exchange(other.closed_, false);
        }
        return *this;
    }

    ~stack_base()
    {
        // An exit may move the stack that it is destroyed with, and register with what stays behind.
        while (core_ && core_->phase == stack_state::open)
            abandon();
    }

    static core_ptr make_core() { return core_ptr(new stack_core); }

    stack_core& core()
    {
        if (!core_) {
            core_ = make_core();
            core_->phase = closed_ ? stack_state::closed : stack_state::open;
        }
        return *core_;
    }

    bool is_open() const noexcept { return core_ ? core_->phase == stack_state::open : !closed_; }

    bool is_closed() const noexcept
    {
        return core_ ? core_->phase == stack_state::closed : closed_;
    }

    exit_list& registrable()
    {
        if (core_ && core_->phase != stack_state::closed)
            return core_->list;
        return first_registrable();
    }

    EXEUNT_RARE exit_list& first_registrable()
    {
        if (is_closed())
            throw stack_closed();
        return core().list;
    }

    void abandon() noexcept
    {
        // What an exit does to this object does not concern what it holds now.
        auto const core = core_;
        core->phase = stack_state::under_way;
        bool const inside = std::exchange(core->inside_exit, true);
        exit_state state(std::exchange(core->cause, nullptr), true);
        exit_state_access::leave_cause_unreported(state);
        exit_state_access::set_unknown(state);
        observation seen;
        seen.begin(options_, state, core->list.size(), true, &read_clock_of<Executor>,
            std::addressof(executor_));
        // An exit that is being run by itself goes on; only what is left is given up.
        abandon_exits(core->list, nullptr, state, seen);
        report_unreceived(state, seen.observer());
        seen.end(state, nullptr);
        core->inside_exit = inside;
        core->phase = stack_state::closed;
    }

    void force()
    {
        if (is_closed())
            return;
        core().forced = true;
        if (auto* active = core_->active)
            active->force(stop_reason::cancelled);
    }

    template <class Base, class Handler, class... Args>
    static void initiate(Handler&& handler, Args&&... args)
    {
        initiate_operation<Base>(std::forward<Handler>(handler), std::forward<Args>(args)...);
    }

    // Completes without having done anything, with value-initialised values behind the result.
    template <class... Values, class Handler>
    void complete(Handler&& handler, std::exception_ptr result)
    {
        initiate<join_base<Executor, Values...>>(
            std::forward<Handler>(handler), executor_for(handler), core_ptr(), std::move(result));
    }

    // A default-constructed stack has no executor: it completes on the handler's own.
    template <class Handler>
    Executor executor_for(Handler const& handler) const
    {
        if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
            if (!executor_) {
                auto const own = asio::get_associated_executor(handler, asio::system_executor());
                if constexpr (std::is_convertible_v<decltype(own), asio::any_io_executor>)
                    return own;
                else
                    return asio::system_executor();
            }
        }
        return executor_;
    }

    template <class Handler>
    void refuse(Handler&& handler)
    {
        namespace errc = boost::system::errc;
        complete(std::forward<Handler>(handler),
            make_error(errc::make_error_code(errc::resource_deadlock_would_occur)));
    }

    template <class Handler>
    void close(Handler&& handler, std::exception_ptr cause, exit_state* outer)
    {
        if (is_closed())
            return complete(std::forward<Handler>(handler), std::move(cause));
        if (core_ && core_->inside_exit)
            return refuse(std::forward<Handler>(handler));
        if (!is_open())
            return initiate<join_base<Executor>>(
                std::forward<Handler>(handler), executor_, core_, std::exception_ptr(), outer);
        static_cast<void>(core());
        initiate<close_base<Executor>>(
            std::forward<Handler>(handler), executor_, core_, options_, std::move(cause), outer);
    }

    template <class Handler>
    void run_now(Handler&& handler, exit_handle handle)
    {
        auto* e = core_ ? core_->list.find(handle) : nullptr;
        auto* running = core_ ? core_->list.running() : nullptr;
        bool const runs = running && core_->list.names(handle, *running);
        if (!e && !runs)
            return complete(std::forward<Handler>(handler), nullptr);
        if (core_->inside_exit)
            return refuse(std::forward<Handler>(handler));
        initiate<run_now_base<Executor>>(
            std::forward<Handler>(handler), executor_, core_, options_, handle);
    }

    // What a token starts. Each names its executor, which is then the default of the token's handler.
    class initiation
    {
    public:
        using executor_type = Executor;

        explicit initiation(stack_base* stack) noexcept
            : stack_(stack)
        {
        }

        executor_type get_executor() const noexcept { return stack_->executor_; }

    protected:
        stack_base* stack_;
    };

    class initiate_close : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, std::exception_ptr cause) const
        {
            this->stack_->close(std::forward<Handler>(handler), std::move(cause), nullptr);
        }
    };

    class initiate_exit : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, exit_state* state) const
        {
            this->stack_->close(std::forward<Handler>(handler), nullptr, state);
        }
    };

    class initiate_run_now : public initiation
    {
    public:
        using initiation::initiation;

        template <class Handler>
        void operator()(Handler&& handler, exit_handle exit) const
        {
            this->stack_->run_now(std::forward<Handler>(handler), exit);
        }
    };

    class initiate_acquire : public initiation
    {
    public:
        initiate_acquire(stack_base* stack, source_location where) noexcept
            : initiation(stack)
            , where_(where)
        {
        }

        template <class Handler, class Operation, class Release>
        void operator()(Handler&& handler, Operation&& operation, Release&& release) const
        {
            using operation_type = std::decay_t<Operation>;
            using release_type = std::decay_t<Release>;
            auto& stack = *this->stack_;
            if (stack.is_closed())
                return stack.template complete<yielded_by<operation_type>*>(
                    std::forward<Handler>(handler), make_stack_closed());
            static_cast<void>(stack.core());
            stack.template initiate<acquire_base<Executor, operation_type, release_type>>(
                std::forward<Handler>(handler), stack.executor_, stack.core_, stack.options_,
                place_of(release, where_), operation_type(std::forward<Operation>(operation)),
                release_type(std::forward<Release>(release)));
        }

    private:
        source_location where_;
    };

    class initiate_enter : public initiation
    {
    public:
        initiate_enter(stack_base* stack, source_location where) noexcept
            : initiation(stack)
            , where_(where)
        {
        }

        template <class Handler, class Context>
        void operator()(Handler&& handler, Context&& context) const
        {
            using F = function_of<Context>;
            using words = words_of<Context>;
            using base = enter_base<Executor, F, words>;
            using entered = entered_by<unwrapped_t<F>, Executor>;
            auto& stack = *this->stack_;
            if (stack.is_closed())
                return complete_entering<entered>(
                    stack, std::forward<Handler>(handler), make_stack_closed());
            static_cast<void>(stack.core());
            auto const where = place_of(context, where_);
            auto said = take_words(std::forward<Context>(context));
            stack.template initiate<base>(std::forward<Handler>(handler), stack.executor_,
                stack.core_, stack.options_, where, keep_context(std::forward<Context>(context)),
                std::move(said));
        }

    private:
        template <class Entered, class Handler>
        static void complete_entering(
            stack_base& stack, Handler&& handler, std::exception_ptr error)
        {
            if constexpr (std::is_void_v<Entered>)
                stack.complete(std::forward<Handler>(handler), std::move(error));
            else
                stack.template complete<Entered>(std::forward<Handler>(handler), std::move(error));
        }

        source_location where_;
    };

    Executor executor_;
    core_ptr core_;
    close_options options_;
    // Of a stack without a core.
    bool closed_ = false;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_STACK_BASE_HPP
