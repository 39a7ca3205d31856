// An operation that yields a value (or fails) when the test says so: what a stack acquires.
#ifndef EXEUNT_TESTS_SUPPORT_SCRIPTED_SOURCE_HPP
#define EXEUNT_TESTS_SUPPORT_SCRIPTED_SOURCE_HPP

#include "support/expect.hpp"

#include <boost/asio/append.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/system_executor.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <functional>
#include <memory>
#include <utility>

namespace support {

template <class T>
class scripted_source
{
public:
    scripted_source() = default;
    scripted_source(scripted_source const&) = delete;
    scripted_source& operator=(scripted_source const&) = delete;

    // When it is cancelled, it succeeds all the same, with what this makes.
    void succeeds_when_cut(std::function<T()> make) { make_when_cut_ = std::move(make); }

    template <class Token>
    auto async_get(Token&& token)
    {
        return asio::async_initiate<Token, void(std::exception_ptr, T)>(initiation(*this), token);
    }

    asio::awaitable<T> get()
    {
        T value = co_await async_get(asio::use_awaitable);
        co_return value;
    }

    void answer(T value, where_t where = where_t::current())
    {
        if (expect(running(), "the source is not waiting for an answer", where))
            complete({}, std::move(value), false);
    }

    void answer_error(std::exception_ptr error, where_t where = where_t::current())
    {
        if (expect(running(), "the source is not waiting for an answer", where))
            complete(std::move(error), T(), false);
    }

    bool running() const { return pending_ != nullptr; }
    int starts() const { return starts_; }
    int cuts() const { return cuts_; }

private:
    struct pending_base
    {
        virtual ~pending_base() = default;
        virtual void complete(std::exception_ptr, T, bool post) = 0;
    };

    template <class Handler>
    struct pending_handler : pending_base
    {
        explicit pending_handler(Handler&& h)
            : handler(std::move(h))
        {
        }

        void complete(std::exception_ptr e, T value, bool post) override
        {
            auto const executor = asio::get_associated_executor(handler, asio::system_executor());
            auto bound = asio::append(std::move(handler), std::move(e), std::move(value));
            if (post)
                asio::post(executor, std::move(bound));
            else
                asio::dispatch(executor, std::move(bound));
        }

        Handler handler;
    };

    class initiation
    {
    public:
        explicit initiation(scripted_source& owner)
            : owner_(&owner)
        {
        }

        template <class Handler>
        void operator()(Handler handler) const
        {
            owner_->start(std::move(handler));
        }

    private:
        scripted_source* owner_;
    };

    template <class Handler>
    void start(Handler handler)
    {
        ++starts_;
        auto slot = asio::get_associated_cancellation_slot(handler);
        if (slot.is_connected())
            slot.assign([this, turn = starts_](asio::cancellation_type) {
                if (!expect(pending_ && turn == starts_, "an ended acquire was cancelled"))
                    return;
                ++cuts_;
                if (make_when_cut_)
                    complete({}, make_when_cut_(), true);
                else
                    complete(cancellation(), T(), true);
            });
        pending_ = std::make_unique<pending_handler<Handler>>(std::move(handler));
    }

    void complete(std::exception_ptr e, T value, bool post)
    {
        auto const handler = std::move(pending_);
        handler->complete(std::move(e), std::move(value), post);
    }

    std::unique_ptr<pending_base> pending_;
    std::function<T()> make_when_cut_;
    int starts_ = 0;
    int cuts_ = 0;
};

} // namespace support

#endif
