#ifndef EXEUNT_DETAIL_DISPATCH_ON_HPP
#define EXEUNT_DETAIL_DISPATCH_ON_HPP

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <exception>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

namespace asio = boost::asio;

// Calls a function on the thread that runs its executor. What it throws comes out of run(), not out of
// this, as where Asio calls it.
template <class Executor, class Function>
void call_on(Executor const executor, Function&& function)
{
    try {
        std::forward<Function>(function)();
    } catch (...) {
        auto const error = std::current_exception();
        asio::post(executor, [error] { std::rethrow_exception(error); });
    }
}

// Whether this thread is known to run functions of this executor at the moment.
template <class Executor>
bool runs_here(Executor const& executor) noexcept
{
    if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
        auto const* here = executor.template target<asio::io_context::executor_type>();
        return here && here->running_in_this_thread();
    } else if constexpr (requires { executor.running_in_this_thread(); }) {
        return executor.running_in_this_thread();
    } else {
        return false;
    }
}

// As asio::dispatch. An any_io_executor would allocate memory to find out that the function can be called
// at once.
template <class Executor, class Function>
void dispatch_on(Executor const& executor, Function&& function)
{
    if constexpr (std::is_same_v<Executor, asio::any_io_executor>) {
        auto const* here = executor.template target<asio::io_context::executor_type>();
        if (here && here->running_in_this_thread())
            return call_on(*here, std::forward<Function>(function));
    }
    asio::dispatch(executor, std::forward<Function>(function));
}

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_DISPATCH_ON_HPP
