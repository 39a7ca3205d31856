// A pool by hand: a list of what is free, of use on its own executor alone. The lease gives back in its
// destructor; who finds nothing free waits in line.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_FREE_LIST_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_FREE_LIST_HPP

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <deque>
#include <memory>
#include <utility>
#include <vector>

namespace reference {

namespace asio = boost::asio;
using boost::system::error_code;

template <class T, class Executor>
class free_list
{
    struct state;

public:
    // May outlive the list.
    class lease
    {
    public:
        lease() noexcept = default;
        lease(std::shared_ptr<state> list, T& item) noexcept
            : list_(std::move(list))
            , item_(&item)
        {
        }
        lease(lease&& other) noexcept
            : list_(std::move(other.list_))
            , item_(std::exchange(other.item_, nullptr))
        {
        }
        ~lease()
        {
            if (item_)
                list_->give_back(*item_);
        }
        T& operator*() const noexcept { return *item_; }

    private:
        std::shared_ptr<state> list_;
        T* item_ = nullptr;
    };

    explicit free_list(Executor const& executor)
        : state_(std::make_shared<state>(executor))
    {
    }

    void add(std::unique_ptr<T> item)
    {
        state_->idle.push_back(item.get());
        state_->all.push_back(std::move(item));
    }

    template <class Token>
    auto async_acquire(Token&& token)
    {
        return asio::async_initiate<Token, void(error_code, lease)>(
            [](auto handler, std::shared_ptr<state> const& list) {
                if (list->idle.empty())
                    return list->waiting.emplace_back(std::move(handler)), void();
                T& item = *list->idle.back();
                list->idle.pop_back();
                auto const on = asio::get_associated_executor(handler, list->executor);
                asio::post(on, list->delivery(std::move(handler), item));
            },
            token, state_);
    }

private:
    struct state : std::enable_shared_from_this<state>
    {
        explicit state(Executor const& on)
            : executor(on)
        {
        }

        // Calls the handler with a lease. What is lost on the way, with the context, stays in `all`.
        template <class Handler>
        auto delivery(Handler handler, T& item)
        {
            return
                [handler = std::move(handler), list = this->shared_from_this(), &item]() mutable {
                    std::move(handler)(error_code(), lease(std::move(list), item));
                };
        }

        void give_back(T& item)
        {
            if (waiting.empty())
                return idle.push_back(&item);
            auto next = std::move(waiting.front());
            waiting.pop_front();
            auto const on = asio::get_associated_executor(next, executor);
            asio::post(executor, asio::bind_executor(on, delivery(std::move(next), item)));
        }

        Executor executor;
        std::vector<T*> idle;
        std::deque<asio::any_completion_handler<void(error_code, lease)>> waiting;
        std::vector<std::unique_ptr<T>> all;
    };

    std::shared_ptr<state> state_;
};

} // namespace reference

#endif
