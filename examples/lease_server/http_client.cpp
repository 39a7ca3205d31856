#include "http_client.hpp"

#include "limits.hpp"

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>

#include <optional>
#include <string>
#include <utility>

namespace lease_server {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

// What to send, and the answer that is right. Status 0: go away without waiting for one.
struct exchange
{
    std::string request;
    unsigned status = 200;
    std::optional<std::string> body = std::nullopt;
};

class client
{
public:
    client(asio::any_io_executor executor, tcp::endpoint server, std::size_t number,
        bool may_forget, tally& count)
        : executor_(executor)
        , server_(server)
        , key_("client-" + std::to_string(number))
        , turn_(number * 7)
        , may_forget_(may_forget)
        , count_(count)
    {
    }

    asio::awaitable<void> run()
    {
        while (co_await connect()) {
            for (bool go_on = true; go_on;) {
                auto const next = next_exchange();
                go_on = co_await perform(next);
            }
        }
    }

private:
    asio::awaitable<bool> connect()
    {
        error_code failed;
        input_.clear();
        stream_.emplace(executor_);
        stream_->expires_after(limits::client_answer);
        co_await stream_->async_connect(server_, asio::redirect_error(asio::use_awaitable, failed));
        if (failed && !count_.stopping)
            surprise("cannot connect: " + failed.message());
        co_return !failed;
    }

    // True: the connection can be used again.
    asio::awaitable<bool> perform(exchange const& wanted)
    {
        error_code failed;
        http::response<http::string_body> answer;
        ++count_.client_requests;
        stream_->expires_after(limits::client_answer);
        co_await asio::async_write(*stream_, asio::buffer(wanted.request),
            asio::redirect_error(asio::use_awaitable, failed));
        if (wanted.status == 0) {
            ++count_.client_hung_up;
            co_return false;
        }
        if (!failed) {
            co_await http::async_read(
                *stream_, input_, answer, asio::redirect_error(asio::use_awaitable, failed));
        }
        if (failed) {
            if (count_.stopping)
                ++count_.client_cut;
            else
                surprise("no answer: " + failed.message());
            co_return false;
        }
        judge(wanted, answer);
        co_return answer.keep_alive();
    }

    void judge(exchange const& wanted, http::response<http::string_body> const& answer)
    {
        auto const status = answer.result_int();
        if (status == wanted.status && (!wanted.body || *wanted.body == answer.body())) {
            ++count_.client_answers;
        } else if (answer.result() == http::status::service_unavailable) {
            ++count_.client_refused;
            value_.reset();
        } else if (status == 404 && (may_forget_ || !value_)) {
            ++count_.client_answers;
            value_.reset();
        } else {
            surprise("status " + std::to_string(status) + " instead of "
                + std::to_string(wanted.status));
        }
    }

    void surprise(std::string what)
    {
        if (count_.client_surprises++ == 0)
            count_.first_surprise = std::move(what);
    }

    exchange next_exchange()
    {
        auto const turn = turn_++;
        switch (turn % 100) {
        case 10: return {get("/fail"), 500};
        case 20: return {get("/nowhere"), 404};
        case 30: return {request("POST", "/kv/" + key_, "value"), 405};
        case 40: return {get("/kv/not+a+key"), 400};
        case 50: return {request("PUT", "/kv/" + key_, std::string(limits::value + 1, 'x')), 413};
        case 60: return {get("/" + std::string(limits::request_header, 'x')), 431};
        case 70: return {"This is not HTTP.\r\n\r\n", 400};
        case 80: return {get("/kv/" + key_), 0};
        default: break;
        }
        if (turn % 2 == 0 || !value_) {
            value_ = "value " + std::to_string(turn) + " of " + key_;
            return {request("PUT", "/kv/" + key_, *value_), 204};
        }
        return {get("/kv/" + key_), 200, value_};
    }

    static std::string get(std::string const& target)
    {
        return "GET " + target + " HTTP/1.1\r\nHost: localhost\r\n\r\n";
    }

    static std::string request(
        std::string const& method, std::string const& target, std::string const& body)
    {
        return method + ' ' + target + " HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
            + std::to_string(body.size()) + "\r\n\r\n" + body;
    }

    asio::any_io_executor executor_;
    tcp::endpoint server_;
    std::string key_;
    std::size_t turn_;
    bool may_forget_;
    tally& count_;
    std::optional<beast::tcp_stream> stream_;
    beast::flat_buffer input_;
    std::optional<std::string> value_; // as far as it is known
};

} // namespace

asio::awaitable<void> run_client(
    tcp::endpoint server, std::size_t number, bool may_forget, tally& count)
{
    client self(co_await asio::this_coro::executor, server, number, may_forget, count);
    co_await self.run();
}

} // namespace lease_server
