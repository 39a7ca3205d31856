// Asynchronous cleanup by hand, as a loop: starts the exits from the end of an array, one after the
// other. One that completes while it is being started does not recurse: the loop goes on with the next. A
// plain flag tells, which is enough where one thread runs the executor.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_TRAMPOLINE_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_TRAMPOLINE_HPP

#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace reference {

namespace asio = boost::asio;
using boost::system::error_code;

template <class Executor, class Handler>
class trampoline
{
public:
    static constexpr std::size_t room = 1024;

    explicit trampoline(Executor const& executor)
        : executor_(executor)
    {
    }

    void push(void (*start)(void*, trampoline&), void* context) noexcept
    {
        exits_[count_++] = {start, context};
    }

    // Completes by a post: it may not complete within the call.
    void async_close(Handler handler)
    {
        handler_.emplace(std::move(handler));
        run();
    }

    // Ends the exit that has been started last.
    void complete(error_code error = {})
    {
        if (error && !first_)
            first_ = error;
        if (std::exchange(progress_, progress::ended) == progress::waiting)
            run();
    }

private:
    enum class progress : unsigned char { starting, waiting, ended };

    struct exit
    {
        void (*start)(void*, trampoline&);
        void* context;
    };

    void run()
    {
        while (count_ != 0) {
            exit const last = exits_[--count_];
            progress_ = progress::starting;
            last.start(last.context, *this);
            if (progress_ != progress::ended) {
                progress_ = progress::waiting;
                return;
            }
        }
        asio::post(executor_, [handler = std::move(*handler_), error = first_]() mutable {
            std::move(handler)(error);
        });
    }

    Executor executor_;
    exit exits_[room];
    std::size_t count_ = 0;
    progress progress_ = progress::ended;
    error_code first_;
    std::optional<Handler> handler_;
};

} // namespace reference

#endif
