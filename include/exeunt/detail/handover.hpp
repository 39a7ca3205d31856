#ifndef EXEUNT_DETAIL_HANDOVER_HPP
#define EXEUNT_DETAIL_HANDOVER_HPP

#include <utility>

namespace exeunt::detail {

// Notes that a function object which owns an operation is being given to an executor by this thread.
// Where the executor throws, or refuses it, the object is destroyed within that call: the operation
// comes back to the caller instead of being lost.
class handover
{
public:
    explicit handover(void const* operation) noexcept
        : operation_(operation)
        , outer_(std::exchange(innermost_, this))
    {
    }
    handover(handover const&) = delete;
    handover& operator=(handover const&) = delete;
    ~handover() { innermost_ = outer_; }

    bool came_back() const noexcept { return came_back_; }

    static bool take_back(void const* operation) noexcept
    {
        for (handover* each = innermost_; each; each = each->outer_)
            if (each->operation_ == operation) {
                each->came_back_ = true;
                return true;
            }
        return false;
    }

    // The operation has been taken: whatever lies at its address from now on is another one.
    static void taken(void const* operation) noexcept
    {
        for (handover* each = innermost_; each; each = each->outer_)
            if (each->operation_ == operation)
                each->operation_ = nullptr;
    }

private:
    static constinit inline thread_local handover* innermost_ = nullptr;

    void const* operation_;
    handover* outer_;
    bool came_back_ = false;
};

// Notes that this thread runs in an executor while it tells an exit to stop. An operation on the same
// executor can be told there and then, where there is no memory to queue that.
class telling
{
public:
    template <class Executor>
    explicit telling(Executor const& executor) noexcept
        : executor_(&executor)
        , kind_(&kind_of<Executor>)
        , outer_(std::exchange(innermost_, this))
    {
    }
    telling(telling const&) = delete;
    telling& operator=(telling const&) = delete;
    ~telling() { innermost_ = outer_; }

    template <class Executor>
    static bool is_on(Executor const& executor) noexcept
    {
        return innermost_
            && innermost_->kind_
            == &kind_of<
                Executor> && *static_cast<Executor const*>(innermost_->executor_) == executor;
    }

private:
    template <class Executor>
    static constexpr char kind_of = 0;

    static constinit inline thread_local telling* innermost_ = nullptr;

    void const* executor_;
    void const* kind_;
    telling* outer_;
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_HANDOVER_HPP
