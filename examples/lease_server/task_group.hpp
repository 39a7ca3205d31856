#ifndef LEASE_SERVER_TASK_GROUP_HPP
#define LEASE_SERVER_TASK_GROUP_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>

#include <cstddef>
#include <exception>
#include <list>

namespace lease_server {

namespace asio = boost::asio;

// Coroutines that run beside each other, and an end that waits for all of them.
//
// Owned by a stack, with leave() as its exit: whatever was registered before it outlives its tasks.
class task_group
{
public:
    explicit task_group(asio::any_io_executor executor);

    // Starts a task. Once the group is leaving, the task is dropped unstarted.
    void spawn(asio::awaitable<void> work);

    std::size_t size() const { return tasks_.size(); }

    // Tells every task to leave (`partial`) and completes when the last one has ended, also when it
    // is cancelled itself. Throws the first failure of a task that was not a cancellation.
    asio::awaitable<void> leave();

    // Tells every task to end at once (`terminal`).
    void hurry();

private:
    struct task
    {
        asio::cancellation_signal cancel;
        bool started = false;
    };

    asio::awaitable<void> run(task& self, asio::awaitable<void> work);
    void tell_all(asio::cancellation_type what);

    asio::any_io_executor executor_;
    std::list<task> tasks_;
    asio::steady_timer last_has_left_;
    std::exception_ptr failure_;
    bool leaving_ = false;
};

} // namespace lease_server

#endif // LEASE_SERVER_TASK_GROUP_HPP
