#ifndef EXEUNT_DETAIL_OPERATION_HPP
#define EXEUNT_DETAIL_OPERATION_HPP

#include <exeunt/config.hpp>
#include <exeunt/detail/block_allocator.hpp>
#include <exeunt/detail/dispatch_on.hpp>
#include <exeunt/detail/handover.hpp>
#include <exeunt/exit_handler.hpp>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/execution/blocking.hpp>
#include <boost/asio/execution/executor.hpp>
#include <boost/asio/execution/outstanding_work.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/asio/require.hpp>

#if defined(EXEUNT_HAS_IMMEDIATE_EXECUTOR)
#include <boost/asio/associated_immediate_executor.hpp>
#endif

#include <atomic>
#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace exeunt::detail {

class operation_base;

// Carries cancellations from whatever thread emits them to the executor of the operation, which it
// does not keep alive. Outlives the operation where an emission is on its way when that ends.
class cancel_relay
{
public:
    cancel_relay(operation_base* operation, void const* executor) noexcept
        : operation_(operation)
        , executor_(executor)
    {
    }

    // The executor to deliver on; null once the handler has been taken out of the operation. Used where
    // the slot may be used.
    void const* executor() const noexcept { return executor_; }
    void disconnect() noexcept { executor_ = nullptr; }

    // Around each use of the executor on the emitting thread; not to be used if it returns false.
    bool begin_posting() noexcept
    {
        if ((posting_.fetch_add(1, std::memory_order_acq_rel) & no_more_posting) == 0)
            return true;
        end_posting();
        return false;
    }
    void end_posting() noexcept { posting_.fetch_sub(1, std::memory_order_release); }

    // From here on nothing is posted any more. Returns whether nobody uses the executor now.
    bool stop_posting() noexcept
    {
        return posting_.fetch_or(no_more_posting, std::memory_order_acq_rel) == 0;
    }

    // What is emitted from here on concerns the unwinding, not the body.
    void body_has_ended() noexcept { unwinding_.store(true, std::memory_order_release); }

    // On the emitting thread. Returns whether deliver() has to be called on the executor.
    bool note(asio::cancellation_type type) noexcept
    {
        if (!unwinding_.load(std::memory_order_acquire))
            body_types_.fetch_or(static_cast<unsigned>(type), std::memory_order_acq_rel);
        else if ((type & asio::cancellation_type::terminal) != asio::cancellation_type::none)
            terminals_.fetch_add(1, std::memory_order_acq_rel);
        else
            return false;
        return !on_its_way_.exchange(true, std::memory_order_acq_rel);
    }

    void not_on_its_way() noexcept { on_its_way_.store(false, std::memory_order_release); }

    // On the operation's executor.
    void deliver();

    // Called when the operation ends. False while a delivery is under way: that goes on with
    // operation_base::ended() when it is done.
    bool detach() noexcept
    {
        return state_.exchange(state::detached, std::memory_order_acq_rel) != state::delivering;
    }

private:
    enum class state : unsigned char { idle, delivering, detached };

    static constexpr unsigned no_more_posting = 1u << 31;

    void delivered();

    operation_base* operation_;
    void const* executor_;
    std::atomic<unsigned> body_types_{0};
    std::atomic<unsigned> terminals_{0};
    std::atomic<bool> unwinding_{false};
    std::atomic<bool> on_its_way_{false};
    std::atomic<state> state_{state::idle};
    // How many emissions use the executor at this moment, and whether more may.
    std::atomic<unsigned> posting_{0};
};

// What every operation of the library has in common, apart from the types of its handler.
class operation_base
{
public:
    // The operation has come to its end, or it is lost, and no delivery of a cancellation is under way.
    virtual void ended() = 0;

    // Cancellations have been emitted: to the body, and how many terminals to the unwinding.
    virtual void cancelled(asio::cancellation_type body_types, unsigned unwinding_terminals) = 0;

    // Gives back what it holds of its execution context, but for the executor.
    void leave_context() noexcept {}

protected:
    operation_base() = default;
    operation_base(operation_base const&) = delete;
    operation_base& operator=(operation_base const&) = delete;
    ~operation_base() = default;

    void body_has_ended() noexcept
    {
        if (relay_)
            relay_->body_has_ended();
    }

    // Completes the operation. If asked to, never from within the calling function.
    void finish(bool posted = false)
    {
        how_ = posted ? ending::posted : ending::dispatched;
        if (!relay_ || relay_->detach())
            ended();
    }

    // Destroys the operation and its handler: it can never complete.
    void lose()
    {
        how_ = ending::lost;
        if (!relay_ || relay_->detach())
            ended();
    }

    enum class ending : unsigned char { dispatched, posted, lost };

    std::shared_ptr<cancel_relay> relay_;
    ending how_ = ending::dispatched;
};

inline void cancel_relay::deliver()
{
    auto expected = state::idle;
    if (!state_.compare_exchange_strong(
            expected, state::delivering, std::memory_order_acq_rel, std::memory_order_acquire))
        return;
    on_its_way_.store(false, std::memory_order_release);
    auto const types = body_types_.exchange(0, std::memory_order_acq_rel);
    try {
        operation_->cancelled(static_cast<asio::cancellation_type>(types),
            terminals_.load(std::memory_order_acquire));
    } catch (...) {
        delivered();
        throw;
    }
    delivered();
}

inline void cancel_relay::delivered()
{
    auto expected = state::delivering;
    if (!state_.compare_exchange_strong(
            expected, state::idle, std::memory_order_acq_rel, std::memory_order_acquire))
        operation_->ended();
}

// Stands in the slot of the final handler. The slot may outlive the execution context: nothing of an
// executor is kept here.
template <class Executor>
class relay_handler
{
public:
    explicit relay_handler(std::shared_ptr<cancel_relay> relay) noexcept
        : relay_(std::move(relay))
    {
    }

    void operator()(asio::cancellation_type type)
    {
        // The operation may end within this call, and this with it.
        auto const relay = relay_;
        auto* executor = static_cast<Executor const*>(relay->executor());
        if (!executor || !relay->begin_posting())
            return;
        use_of_executor const use(*relay);
        if (!relay->note(type))
            return;
        try {
            asio::post(*executor, [relay] { relay->deliver(); });
        } catch (...) {
            relay->not_on_its_way();
            if (!telling::is_on(*executor))
                throw;
            relay->deliver();
        }
    }

private:
    class use_of_executor
    {
    public:
        explicit use_of_executor(cancel_relay& relay) noexcept
            : relay_(relay)
        {
        }
        use_of_executor(use_of_executor const&) = delete;
        use_of_executor& operator=(use_of_executor const&) = delete;
        ~use_of_executor() { relay_.end_posting(); }

    private:
        cancel_relay& relay_;
    };

    std::shared_ptr<cancel_relay> relay_;
};

// Outstanding work of an executor. Less than a guard, which keeps the executor besides.
template <class Executor>
class held_work
{
public:
    explicit held_work(Executor const& executor)
        : tracked_(asio::prefer(executor, asio::execution::outstanding_work.tracked))
    {
    }

private:
    std::decay_t<decltype(asio::prefer(
        std::declval<Executor const&>(), asio::execution::outstanding_work.tracked))>
        tracked_;
};

// An executor that knows no properties.
template <class Executor>
    requires(!asio::execution::is_executor<Executor>::value)
class held_work<Executor>
{
public:
    explicit held_work(Executor const& executor)
        : guard_(executor)
    {
    }

private:
    asio::executor_work_guard<Executor> guard_;
};

template <class T>
inline constexpr bool is_default_allocator = false;
template <class T>
inline constexpr bool is_default_allocator<std::allocator<T>> = true;

// An operation with its handler, in one block from the handler's allocator.
//
// Base derives from handler_memory and operation_base and has: prepare(), in the initiating function;
// start(), the first step, on the executor; roll_back(), where that step could not be handed over;
// abandon(), where it was lost; results(), the arguments of the handler, as a tuple; executor() and
// drop_executor(); leave_context(), what else of its execution context it holds; has_body().
template <class Base, class Handler>
class operation final : public Base
{
    using executor_type = typename Base::executor_type;
    using handler_executor = asio::associated_executor_t<Handler, executor_type>;
    using given_allocator = asio::associated_allocator_t<Handler>;

    // As Asio does: memory for handlers that have no allocator of their own is recycled.
    static constexpr bool recycles = is_default_allocator<given_allocator>;
    template <class T>
    using rebound = typename std::allocator_traits<given_allocator>::template rebind_alloc<T>;
    using allocator = std::conditional_t<recycles, block_allocator<operation>, rebound<operation>>;
    using byte_allocator =
        std::conditional_t<recycles, asio::recycling_allocator<std::byte>, rebound<std::byte>>;
    using traits = std::allocator_traits<allocator>;

    static allocator allocator_of(Handler const& handler) noexcept
    {
        if constexpr (recycles)
            return allocator();
        else
            return allocator(asio::get_associated_allocator(handler));
    }

public:
    // Makes the operation and starts it; called in the initiating function. Where there is
    // no memory for it the handler has not been moved from.
    template <class... Args>
    static void initiate(Handler&& handler, Args&&... args)
    {
        make(std::move(handler), std::forward<Args>(args)...)->launch();
    }

    void* allocate(std::size_t size, std::size_t alignment) override
    {
        if (size <= room && alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__
            && (references_.fetch_or(room_is_taken, std::memory_order_acquire) & room_is_taken)
                == 0)
            return room_;
        return allocate_apart(size, alignment);
    }

    void deallocate(void* memory, std::size_t size, std::size_t alignment) noexcept override
    {
        if (memory != room_)
            return deallocate_apart(memory, size, alignment);
        if (references_.fetch_and(~room_is_taken, std::memory_order_acq_rel) == room_is_taken)
            destroy();
    }

private:
    template <class... Args>
    explicit operation(Handler&& handler, Args&&... args)
        : Base(std::forward<Args>(args)...)
        , allocator_(allocator_of(handler))
        , handler_work_(asio::get_associated_executor(handler, this->executor()))
        , handler_(std::move(handler))
    {
        if (!is_one_executor())
            work_.emplace(this->executor());
    }

    void* allocate_apart(std::size_t size, std::size_t alignment)
    {
        void* memory = nullptr;
        auto bytes = byte_allocator_of_this();
        if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__) {
            memory = std::to_address(std::allocator_traits<byte_allocator>::allocate(bytes, size));
        } else {
            // The distance to the block's begin lies in front of what is aligned.
            auto const total = size + alignment + sizeof(void*);
            auto* block =
                std::to_address(std::allocator_traits<byte_allocator>::allocate(bytes, total));
            void* aligned = block + sizeof(void*);
            std::size_t space = total - sizeof(void*);
            memory = std::align(alignment, size, aligned, space);
            static_cast<void**>(memory)[-1] = block;
        }
        references_.fetch_add(one_reference, std::memory_order_relaxed);
        return memory;
    }

    void deallocate_apart(void* memory, std::size_t size, std::size_t alignment) noexcept
    {
        auto bytes = byte_allocator_of_this();
        using byte_traits = std::allocator_traits<byte_allocator>;
        if (alignment <= __STDCPP_DEFAULT_NEW_ALIGNMENT__)
            byte_traits::deallocate(bytes, static_cast<std::byte*>(memory), size);
        else
            byte_traits::deallocate(bytes, static_cast<std::byte*>(static_cast<void**>(memory)[-1]),
                size + alignment + sizeof(void*));
        release();
    }

    byte_allocator byte_allocator_of_this() const noexcept
    {
        if constexpr (recycles)
            return byte_allocator();
        else
            return byte_allocator(allocator_);
    }

    // Whether the handler runs on the executor of the operation.
    bool is_one_executor() const
    {
        if constexpr (std::is_same_v<handler_executor, executor_type>)
            return asio::get_associated_executor(*handler_, this->executor()) == this->executor();
        else
            return false;
    }

    ~operation() = default;

    template <class... Args>
    static operation* make(Handler&& handler, Args&&... args)
    {
        auto memory = allocator_of(handler);
        auto place = traits::allocate(memory, 1);
        operation* made = nullptr;
        try {
            made = ::new (static_cast<void*>(std::to_address(place)))
                operation(std::move(handler), std::forward<Args>(args)...);
        } catch (...) {
            traits::deallocate(memory, place, 1);
            throw;
        }
        try {
            made->connect();
        } catch (...) {
            made->release();
            throw;
        }
        return made;
    }

    void connect()
    {
        slot_ = asio::get_associated_cancellation_slot(*handler_);
        if (!slot_.is_connected())
            return;
        this->relay_ = std::allocate_shared<cancel_relay>(block_allocator<cancel_relay>(),
            static_cast<operation_base*>(this), std::addressof(this->executor()));
        if (!this->has_body())
            this->relay_->body_has_ended();
        slot_.template emplace<relay_handler<executor_type>>(this->relay_);
    }

    // The first step, on its way to the executor.
    class first_step
    {
    public:
        using allocator_type = exit_allocator<void>;

        explicit first_step(operation* owned) noexcept
            : owned_(owned)
        {
        }
        first_step(first_step&& other) noexcept
            : owned_(std::exchange(other.owned_, nullptr))
        {
        }
        ~first_step()
        {
            if (owned_ && !handover::take_back(owned_))
                owned_->abandon();
        }
        allocator_type get_allocator() const noexcept { return allocator_type(owned_); }
        void operator()()
        {
            auto* taken = std::exchange(owned_, nullptr);
            handover::taken(taken);
            taken->start();
        }

    private:
        operation* owned_;
    };

    void launch()
    {
        this->prepare();
        bool came_back = false;
        {
            handover here(this);
            try {
                dispatch_on(this->executor(), first_step(this));
            } catch (...) {
                if (!here.came_back())
                    throw;
                slot_.clear();
                this->roll_back();
                release();
                throw;
            }
            came_back = here.came_back();
        }
        if (came_back)
            this->abandon();
        // Whoever ends the operation while this function has not returned leaves the rest to it.
        if (initiation_.exchange(initiation::returned, std::memory_order_acq_rel)
            == initiation::completed)
            leave(way::immediate);
    }

    // The last step, on its way to the handler's executor.
    class last_step
    {
    public:
        using allocator_type = exit_allocator<void>;

        explicit last_step(operation* owned) noexcept
            : owned_(owned)
        {
        }
        last_step(last_step&& other) noexcept
            : owned_(std::exchange(other.owned_, nullptr))
        {
        }
        ~last_step()
        {
            if (owned_ && !handover::take_back(owned_))
                owned_->destroy_handler();
        }
        allocator_type get_allocator() const noexcept { return allocator_type(owned_); }
        void operator()()
        {
            auto* taken = std::exchange(owned_, nullptr);
            handover::taken(taken);
            taken->invoke();
        }

    private:
        operation* owned_;
    };

    void ended() override
    {
        if (initiation_.exchange(initiation::completed, std::memory_order_acq_rel)
            == initiation::returned)
            leave(this->how_ == operation_base::ending::posted ? way::posted : way::dispatched);
    }

    enum class way : unsigned char { dispatched, posted, immediate };

    void leave(way how)
    {
        if (this->how_ == operation_base::ending::lost)
            destroy_handler();
        else
            hop(how);
    }

    void hop(way how)
    {
        auto const executor = asio::get_associated_executor(*handler_, this->executor());
        auto const own = executor_to_post_on();
        give_back_executor();
        bool refused = false;
        {
            handover here(this);
            try {
                if (how == way::immediate)
                    complete_immediately(executor, own);
                else if (how == way::posted)
                    post_last_step(executor, own);
                else
                    dispatch_on(executor, last_step(this));
            } catch (...) {
                // Either the handler has thrown: that is its caller's business, as ever. Or there is
                // no memory to queue it: it is called here, which is late but not lost.
                if (!here.came_back())
                    throw;
                refused = true;
            }
            if (!refused && !here.came_back())
                return;
        }
        if (refused)
            invoke();
        else
            destroy_handler();
    }

    // Its execution context may be gone before that of the handler comes to the last step.
    void give_back_executor() noexcept
    {
        work_.reset();
        this->leave_context();
        if (!this->relay_ || this->relay_->stop_posting())
            this->drop_executor();
    }

    // Not every executor can be required to never block: any_completion_executor cannot.
    static constexpr bool can_post =
        asio::can_require<handler_executor, asio::execution::blocking_t::never_t>::value
        || !asio::execution::is_executor<handler_executor>::value;

    auto executor_to_post_on() const
    {
        if constexpr (can_post)
            return std::monostate();
        else
            return this->executor();
    }

    template <class Own>
    void post_last_step(handler_executor const& executor, [[maybe_unused]] Own const& own)
    {
        if constexpr (can_post)
            asio::post(executor, last_step(this));
        else
            asio::post(own, asio::bind_executor(executor, last_step(this)));
    }

    // From within the initiating function.
    template <class Own>
    void complete_immediately(handler_executor const& executor, [[maybe_unused]] Own const& own)
    {
#if defined(EXEUNT_HAS_IMMEDIATE_EXECUTOR)
        if constexpr (can_post)
            asio::dispatch(
                asio::get_associated_immediate_executor(*handler_, executor), last_step(this));
        else
            asio::dispatch(asio::get_associated_immediate_executor(*handler_, own),
                asio::bind_executor(executor, last_step(this)));
#else
        post_last_step(executor, own);
#endif
    }

    void invoke()
    {
        slot_.clear();
        disconnect();
        auto results = [this] {
            try {
                return this->results();
            } catch (...) {
                release();
                throw;
            }
        }();
        Handler handler(std::move(*handler_));
        release();
        std::apply(
            [&](auto&&... result) {
                std::move(handler)(std::forward<decltype(result)>(result)...);
            },
            std::move(results));
    }

    void disconnect() noexcept
    {
        if (this->relay_)
            this->relay_->disconnect();
    }

    void destroy_handler() noexcept
    {
        disconnect();
        release();
    }

    // Memory of an exit may outlive the operation where the exit was dropped; then that is the last.
    void release() noexcept
    {
        if (references_.fetch_sub(one_reference, std::memory_order_acq_rel) == one_reference)
            destroy();
    }

    void destroy() noexcept
    {
        // The handler dies last: it may own the memory that its allocator hands out.
        [[maybe_unused]] auto const handler = std::move(handler_);
        auto memory = allocator_;
        auto const place = std::pointer_traits<typename traits::pointer>::pointer_to(*this);
        this->~operation();
        traits::deallocate(memory, place, 1);
    }

    enum class initiation : unsigned char { calling, returned, completed };

#if defined(BOOST_ASIO_DISABLE_SMALL_BLOCK_RECYCLING)
    static constexpr std::size_t room = 0;
#else
    static constexpr std::size_t room = 128;
#endif
    // Who uses the room counts as a reference, too: the last bit.
    static constexpr unsigned room_is_taken = 1;
    static constexpr unsigned one_reference = 2;

    [[no_unique_address]] allocator allocator_;
    // Of its own executor, where the handler has another one.
    std::optional<held_work<executor_type>> work_;
    held_work<handler_executor> handler_work_;
    std::optional<Handler> handler_;
    asio::associated_cancellation_slot_t<Handler> slot_;
    std::atomic<unsigned> references_{one_reference};
    std::atomic<initiation> initiation_{initiation::calling};
    // For what the job that runs asks memory for: most ask for little, once at a time.
    alignas(__STDCPP_DEFAULT_NEW_ALIGNMENT__) std::byte room_[room != 0 ? room : 1];
};

template <class Base, class Handler, class... Args>
void initiate_operation(Handler&& handler, Args&&... args)
{
    using handler_type = std::decay_t<Handler>;
    if constexpr (std::is_same_v<Handler, handler_type>)
        operation<Base, handler_type>::initiate(std::move(handler), std::forward<Args>(args)...);
    else
        operation<Base, handler_type>::initiate(
            handler_type(std::forward<Handler>(handler)), std::forward<Args>(args)...);
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_OPERATION_HPP
