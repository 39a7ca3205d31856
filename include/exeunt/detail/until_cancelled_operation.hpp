#ifndef EXEUNT_DETAIL_UNTIL_CANCELLED_OPERATION_HPP
#define EXEUNT_DETAIL_UNTIL_CANCELLED_OPERATION_HPP

#include <exeunt/detail/waiting_operation.hpp>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/system/error_code.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace exeunt::detail {

template <class Executor>
class until_cancelled_base : public waiting_base<Executor>
{
public:
    explicit until_cancelled_base(Executor const& executor)
        : waiting_base<Executor>(executor)
    {
    }

protected:
    ~until_cancelled_base() = default;

    static constexpr bool has_body() noexcept { return true; }

    void start()
    {
        if (is_cancelled_)
            return this->finish();
        try {
            this->wait();
            waits_ = true;
        } catch (...) {
            failed_ = boost::system::errc::make_error_code(boost::system::errc::not_enough_memory);
            this->finish();
        }
    }

    void abandon() { this->lose(); }
    void context_lost() override { this->lose(); }

    void cancelled(asio::cancellation_type types, unsigned) override
    {
        if (types == asio::cancellation_type::none)
            return;
        // It may come before the first step.
        is_cancelled_ = true;
        if (!waits_)
            return;
        this->stop_waiting();
        this->finish();
    }

    std::tuple<boost::system::error_code> results() noexcept { return {failed_}; }

private:
    boost::system::error_code failed_ = asio::error::operation_aborted;
    bool is_cancelled_ = false;
    bool waits_ = false;
};

class initiate_until_cancelled
{
public:
    initiate_until_cancelled() noexcept = default;

    template <class Handler>
    void operator()(Handler&& handler) const
    {
        using executor_type =
            std::decay_t<asio::associated_executor_t<std::decay_t<Handler>, asio::system_executor>>;
        auto const executor = asio::get_associated_executor(handler, asio::system_executor());
        initiate_operation<until_cancelled_base<executor_type>>(
            std::forward<Handler>(handler), executor);
    }
};

} // namespace exeunt::detail

#endif // EXEUNT_DETAIL_UNTIL_CANCELLED_OPERATION_HPP
