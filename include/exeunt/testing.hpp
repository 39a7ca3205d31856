#ifndef EXEUNT_TESTING_HPP
#define EXEUNT_TESTING_HPP

#include <exeunt/detail/manual_time.hpp>

#include <boost/asio/execution_context.hpp>

#include <chrono>

namespace exeunt {

/// The clock of an execution context, for tests of shutdowns that do not wait.
/**
 * From its construction on every deadline of the library on that context (`close_options::timeout`
 * and `grace`, `within`) comes from this clock, which stands until it is advanced; those on other
 * contexts, and timers of Asio's own, go on by the real one. Several clocks on one context show the
 * same time. Make it before anything closes on the context, which must outlive it.
 *
 * @par Thread safety
 * Safe.
 */
class manual_clock
{
public:
    using duration = std::chrono::steady_clock::duration;
    using time_point = std::chrono::steady_clock::time_point;

    explicit manual_clock(boost::asio::execution_context& context)
        : time_(boost::asio::use_service<detail::manual_time>(context))
    {
    }

    manual_clock(manual_clock const&) = delete;
    manual_clock& operator=(manual_clock const&) = delete;

    time_point now() const { return time_.now(); }

    /// Lets this much time pass. What was due is posted to its executor: run the context to see it.
    /** `std::bad_alloc` where something could not be posted: that stays due, and nothing else is lost. */
    void advance(duration time) { time_.advance(time); }

private:
    detail::manual_time& time_;
};

} // namespace exeunt

#endif // EXEUNT_TESTING_HPP
