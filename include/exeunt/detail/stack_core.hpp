#ifndef EXEUNT_DETAIL_STACK_CORE_HPP
#define EXEUNT_DETAIL_STACK_CORE_HPP

#include <exeunt/detail/block_cache.hpp>
#include <exeunt/detail/exit_list.hpp>
#include <exeunt/detail/run_exits.hpp>
#include <exeunt/detail/unwinding.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <optional>
#include <utility>

namespace exeunt::detail {

// An operation that waits for its turn at a stack, or for the end of its closing.
class stack_waiter
{
public:
    // What it waits for has ended.
    virtual void wake() = 0;
    // Nobody else runs exits now.
    virtual void take_turn() = 0;
    // It waits in vain: nothing can run any more.
    virtual void discard() = 0;

protected:
    stack_waiter() = default;
    stack_waiter(stack_waiter const&) = delete;
    stack_waiter& operator=(stack_waiter const&) = delete;
    ~stack_waiter() = default;

private:
    friend class waiter_list;
    stack_waiter* previous_ = nullptr;
    stack_waiter* next_ = nullptr;
};

class waiter_list
{
public:
    waiter_list() = default;
    waiter_list(waiter_list const&) = delete;
    waiter_list& operator=(waiter_list const&) = delete;

    bool empty() const noexcept { return first_ == nullptr; }

    void push_back(stack_waiter& waiter) noexcept
    {
        waiter.previous_ = last_;
        waiter.next_ = nullptr;
        (last_ ? last_->next_ : first_) = &waiter;
        last_ = &waiter;
    }

    void remove(stack_waiter& waiter) noexcept
    {
        (waiter.previous_ ? waiter.previous_->next_ : first_) = waiter.next_;
        (waiter.next_ ? waiter.next_->previous_ : last_) = waiter.previous_;
    }

    stack_waiter* pop_front() noexcept
    {
        auto* waiter = first_;
        if (waiter)
            remove(*waiter);
        return waiter;
    }

private:
    stack_waiter* first_ = nullptr;
    stack_waiter* last_ = nullptr;
};

// An operation that runs exits.
class active_unwinding
{
public:
    // Makes it forced; what comes of that is not done within the call.
    virtual void force(stop_reason reason) = 0;
    // Whether what exits of it see is `state`, or is nested in that.
    virtual bool is_around(exit_state& state) const noexcept = 0;
    // Whether code of an exit is being called which is not one of the core itself.
    virtual bool is_inside_exit() const noexcept { return false; }
    // Tells it of a terminal cancellation.
    virtual void hurry() = 0;
    // Tells it that an exit has been registered meanwhile. Nothing comes of that within the call.
    virtual void registered() {}
    // Tells it that the scope which it is a part of has been cancelled.
    virtual void limit_to_grace() = 0;

protected:
    ~active_unwinding() = default;
};

// A wish to run one exit now.
class run_request : public stack_waiter
{
public:
    explicit run_request(exit_handle wanted) noexcept
        : wanted_(wanted)
    {
    }

    exit_handle wanted() const noexcept { return wanted_; }

    // The list that it waits in; null while it runs.
    waiter_list* waits_in = nullptr;

protected:
    ~run_request() = default;

private:
    exit_handle wanted_;
};

// A slot that is kept for what an acquire in flight will yield. Stays with the stack that it was
// reserved in, also when pop_all takes that stack's memory away.
struct slot_reservation
{
    std::size_t slot_class = 0;
    entry* slot = nullptr;
    entry* next_slot = nullptr;
    slot_reservation* previous = nullptr;
    slot_reservation* next = nullptr;
};

// What an asynchronous stack and the operations on it share. Whoever comes last destroys it.
class stack_core
{
public:
    enum class state : unsigned char { open, under_way, closed };

    stack_core() = default;
    stack_core(stack_core const&) = delete;
    stack_core& operator=(stack_core const&) = delete;

    static void* operator new(std::size_t size) { return block_cache<stack_core>::allocate(size); }
    static void operator delete(void* memory) noexcept
    {
        block_cache<stack_core>::deallocate(memory);
    }

    void add_ref() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept
    {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete this;
    }

    // Reserves a slot. Strong guarantee.
    void reserve(slot_reservation& reservation, std::size_t slot_class)
    {
        reservation.slot = &list.reserve_slot(slot_class);
        reservation.slot_class = slot_class;
        reservation.previous = nullptr;
        reservation.next = std::exchange(reservations_, &reservation);
        if (reservation.next)
            reservation.next->previous = &reservation;
    }

    // The slot belongs to the caller, who makes an entry of it or returns it.
    entry& take(slot_reservation& reservation) noexcept
    {
        (reservation.previous ? reservation.previous->next : reservations_) = reservation.next;
        if (reservation.next)
            reservation.next->previous = reservation.previous;
        return *std::exchange(reservation.slot, nullptr);
    }

    // Hands all registered exits over. What runs and what is reserved stays. Strong guarantee.
    void hand_over(exit_list& to)
    {
        exit_list fresh;
        for (auto* each = reservations_; each; each = each->next)
            each->next_slot = &fresh.reserve_slot(each->slot_class);
        for (auto* each = reservations_; each; each = each->next) {
            list.return_slot(*each->slot, each->slot_class);
            each->slot = each->next_slot;
        }
        to.take(list);
        list.take(fresh);
    }

    // An operation that ran exits is done with it: whoever waits for that comes next.
    void turn_over();
    // Within a turn no handler is called: it might throw, or take long.
    bool is_turning() const noexcept { return turning_; }

    exit_list list;
    std::exception_ptr cause;
    // A close that waits until the exits that are run by themselves have ended.
    stack_waiter* closer = nullptr;
    // Wishes to run one exit; while closing they are met between two exits.
    waiter_list requests;
    // The wishes that the exit which runs will have met.
    waiter_list answering;
    // Further closes, which wait for the first.
    waiter_list joined;
    // The operation that runs exits now; null if none does.
    active_unwinding* active = nullptr;
    // The close that is under way, be it active or not; its first step may be still to come.
    active_unwinding* closing = nullptr;
    // The exit that has been started last, and since when it is waited for.
    entry* running = nullptr;
    std::optional<std::chrono::steady_clock::time_point> running_since;
    // How many stacks it is nested in while it closes.
    std::size_t depth = 0;
    state phase = state::open;
    // An operation runs exits.
    bool busy = false;
    // The code of an exit is being called: what it asks of its own stack would wait for itself.
    bool inside_exit = false;
    // force() has been called: unwinding is forced from its begin.
    bool forced = false;

private:
    ~stack_core() = default;

    std::atomic<std::size_t> references_{1};
    slot_reservation* reservations_ = nullptr;
    bool turning_ = false;
};

inline void stack_core::turn_over()
{
    busy = false;
    // A turn may end before the call that began it returns: the loop takes the next one then.
    if (std::exchange(turning_, true))
        return;
    while (!busy) {
        if (auto* waiter = std::exchange(closer, nullptr)) {
            busy = true;
            waiter->take_turn();
        } else if (auto* request = requests.pop_front()) {
            busy = true;
            request->take_turn();
        } else {
            break;
        }
    }
    turning_ = false;
}

// A share in a core.
class core_ptr
{
public:
    core_ptr() = default;
    explicit core_ptr(stack_core* core) noexcept
        : core_(core)
    {
    }
    core_ptr(core_ptr const& other) noexcept
        : core_(other.core_)
    {
        if (core_)
            core_->add_ref();
    }
    core_ptr(core_ptr&& other) noexcept
        : core_(std::exchange(other.core_, nullptr))
    {
    }
    core_ptr& operator=(core_ptr other) noexcept
    {
        std::swap(core_, other.core_);
        return *this;
    }
    ~core_ptr()
    {
        if (core_)
            core_->release();
    }

    stack_core* operator->() const noexcept { return core_; }
    stack_core& operator*() const noexcept { return *core_; }
    explicit operator bool() const noexcept { return core_ != nullptr; }

private:
    stack_core* core_ = nullptr;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_STACK_CORE_HPP
