// Asynchronous cleanup by hand without knowing types: a vector of functions that take a type-erased
// completion handler, in a loop that does not recurse.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_HANDLER_VECTOR_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_HANDLER_VECTOR_HPP

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace reference {

namespace asio = boost::asio;
using boost::system::error_code;

template <class Executor, class Handler>
class handler_vector
{
public:
    using exit_handler = asio::any_completion_handler<void(error_code)>;

    explicit handler_vector(Executor const& executor)
        : executor_(executor)
    {
    }

    template <class F>
    void push(F&& f)
    {
        exits_.emplace_back(std::forward<F>(f));
    }

    void async_close(Handler handler)
    {
        handler_.emplace(std::move(handler));
        run();
    }

private:
    enum class progress : unsigned char { starting, waiting, ended };

    // Given to an exit; on the executor of the loop.
    class step
    {
    public:
        using executor_type = Executor;

        explicit step(handler_vector* loop) noexcept
            : loop_(loop)
        {
        }
        executor_type get_executor() const noexcept { return loop_->executor_; }
        void operator()(error_code error) const { loop_->complete(error); }

    private:
        handler_vector* loop_;
    };

    void complete(error_code error)
    {
        if (error && !first_)
            first_ = error;
        if (std::exchange(progress_, progress::ended) == progress::waiting)
            run();
    }

    void run()
    {
        for (; !exits_.empty(); exits_.pop_back()) {
            progress_ = progress::starting;
            exits_.back()(exit_handler(step(this)));
            if (progress_ != progress::ended) {
                progress_ = progress::waiting;
                return;
            }
        }
        exits_ = {}; // the list belongs to the scope that it cleans up
        asio::post(executor_, [handler = std::move(*handler_), error = first_]() mutable {
            std::move(handler)(error);
        });
    }

    Executor executor_;
    std::vector<std::function<void(exit_handler)>> exits_;
    progress progress_ = progress::ended;
    error_code first_;
    std::optional<Handler> handler_;
};

} // namespace reference

#endif
