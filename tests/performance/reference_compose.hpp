// Asynchronous cleanup by hand, as Asio's users write it: one composed operation that runs the exits
// from the end of an array; each takes one hop through the executor.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_COMPOSE_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_COMPOSE_HPP

#include <boost/asio/compose.hpp>
#include <boost/asio/post.hpp>
#include <boost/system/error_code.hpp>

#include <cstddef>
#include <utility>

namespace reference {

namespace asio = boost::asio;
using boost::system::error_code;

template <class Executor>
class composed
{
public:
    static constexpr std::size_t room = 1024;

    explicit composed(Executor const& executor)
        : executor_(executor)
    {
    }

    void push(void (*start)(void*), void* context) noexcept { exits_[count_++] = {start, context}; }

    template <class Token>
    auto async_close(Token&& token)
    {
        return asio::async_compose<Token, void(error_code)>(
            implementation{*this}, token, executor_);
    }

private:
    struct exit
    {
        void (*start)(void*);
        void* context;
    };

    struct implementation
    {
        composed& exits;
        bool has_hopped = false;

        template <class Self>
        void operator()(Self& self, error_code error = {})
        {
            if (exits.count_ != 0) {
                exit const last = exits.exits_[--exits.count_];
                last.start(last.context);
            } else if (has_hopped) {
                return self.complete(error);
            }
            has_hopped = true;
            asio::post(std::move(self));
        }
    };

    Executor executor_;
    exit exits_[room];
    std::size_t count_ = 0;
};

} // namespace reference

#endif
