#include "task_group.hpp"

#include <exeunt/exit_errors.hpp>

#include "to_the_end.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_state.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/this_coro.hpp>

#include <utility>

namespace lease_server {

task_group::task_group(asio::any_io_executor executor)
    : executor_(executor)
    , last_has_left_(executor, asio::steady_timer::time_point::max())
{
}

void task_group::spawn(asio::awaitable<void> work)
{
    auto const self = tasks_.emplace(tasks_.end());
    auto const ended = [this, self](std::exception_ptr failure) {
        tasks_.erase(self);
        if (failure && !failure_ && !exeunt::is_cancelled(failure))
            failure_ = failure;
        if (tasks_.empty())
            last_has_left_.cancel();
    };
    asio::co_spawn(executor_, run(*self, std::move(work)),
        asio::bind_cancellation_slot(self->cancel.slot(), ended));
}

// A coroutine that is cancelled before its first step would never be heard of again (Boost 1.81).
asio::awaitable<void> task_group::run(task& self, asio::awaitable<void> work)
{
    if (leaving_)
        co_return;
    self.started = true;
    co_await asio::this_coro::reset_cancellation_state(asio::enable_partial_cancellation());
    co_await std::move(work);
}

asio::awaitable<void> task_group::leave()
{
    leaving_ = true;
    tell_all(asio::cancellation_type::partial);

    // What has been started is waited for, come what may.
    co_await asio::this_coro::throw_if_cancelled(false);
    while (!tasks_.empty()) {
        boost::system::error_code ignored;
        co_await last_has_left_.async_wait(asio::redirect_error(to_the_end(), ignored));
    }
    if (failure_)
        std::rethrow_exception(std::exchange(failure_, nullptr));
}

// Twice: the first one ends what a task does, the second one forces what it gives back already.
void task_group::hurry()
{
    tell_all(asio::cancellation_type::terminal);
    tell_all(asio::cancellation_type::terminal);
}

void task_group::tell_all(asio::cancellation_type what)
{
    for (auto next = tasks_.begin(); next != tasks_.end();) {
        auto& member = *next++; // it may be gone when emit() returns
        if (member.started)
            member.cancel.emit(what);
    }
}

} // namespace lease_server
