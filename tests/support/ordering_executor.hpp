// An executor that asks which of the functions that are ready runs next: any order is one that an
// execution context might have chosen.
#ifndef EXEUNT_TESTS_SUPPORT_ORDERING_EXECUTOR_HPP
#define EXEUNT_TESTS_SUPPORT_ORDERING_EXECUTOR_HPP

#include <boost/asio/execution.hpp>
#include <boost/asio/execution_context.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace support {

// Answers each question "which of n": by going through all sequences of answers, by chance, or as it is
// told.
class order_choices
{
public:
    // One of many, by chance.
    void draw(unsigned seed)
    {
        taken_.clear();
        asked_ = 0;
        by_chance_ = true;
        random_.seed(seed);
    }

    // The first of all sequences.
    void begin()
    {
        taken_.clear();
        asked_ = 0;
        by_chance_ = false;
    }

    // The next one: the last answer that could have been another one is that. False: there is none.
    bool advance()
    {
        taken_.resize(asked_);
        while (!taken_.empty() && taken_.back().answer + 1 == taken_.back().of)
            taken_.pop_back();
        if (taken_.empty())
            return false;
        ++taken_.back().answer;
        asked_ = 0;
        return true;
    }

    // As the caller says.
    void follow(std::function<std::size_t(std::size_t)> answers) { answers_ = std::move(answers); }

    std::size_t pick(std::size_t of)
    {
        if (of == 1)
            return 0;
        if (answers_)
            return answers_(of);
        if (asked_ == taken_.size())
            taken_.push_back({by_chance_ ? random_() % of : 0, of});
        return taken_[asked_++].answer;
    }

    std::string text() const
    {
        std::string all;
        for (auto const& each : taken_)
            all += " " + std::to_string(each.answer) + "/" + std::to_string(each.of);
        return all;
    }

private:
    struct choice
    {
        std::size_t answer;
        std::size_t of;
    };

    std::function<std::size_t(std::size_t)> answers_;
    std::vector<choice> taken_;
    std::size_t asked_ = 0;
    bool by_chance_ = false;
    std::minstd_rand random_;
};

class ordering_context : public asio::execution_context
{
public:
    class executor_type;

    explicit ordering_context(order_choices& choices)
        : choices_(choices)
    {
    }
    ordering_context(ordering_context const&) = delete;
    ordering_context& operator=(ordering_context const&) = delete;

    ~ordering_context()
    {
        shutdown();
        while (!ready_.empty()) {
            auto const doomed = std::move(ready_.back());
            ready_.pop_back();
        }
        destroy();
    }

    executor_type get_executor() noexcept;

    // Runs one function; false if none is ready.
    bool step()
    {
        if (ready_.empty())
            return false;
        auto const place =
            ready_.begin() + static_cast<std::ptrdiff_t>(choices_.pick(ready_.size()));
        auto const taken = std::move(*place);
        ready_.erase(place);
        ++steps_;
        running const here(runs_);
        taken->run();
        return true;
    }

    // How many functions have begun.
    std::size_t steps() const noexcept { return steps_; }
    // Whether one of them runs.
    bool runs() const noexcept { return runs_; }

private:
    class function
    {
    public:
        virtual ~function() = default;
        virtual void run() = 0;
    };

    template <class F>
    class function_of final : public function
    {
    public:
        explicit function_of(F&& f)
            : f_(std::move(f))
        {
        }
        // What it holds is destroyed before it is called, as Asio does.
        void run() override
        {
            F f(std::move(f_));
            std::move(f)();
        }

    private:
        F f_;
    };

    class running
    {
    public:
        explicit running(bool& runs) noexcept
            : runs_(runs)
        {
            runs_ = true;
        }
        running(running const&) = delete;
        running& operator=(running const&) = delete;
        ~running() { runs_ = false; }

    private:
        bool& runs_;
    };

    order_choices& choices_;
    std::vector<std::unique_ptr<function>> ready_;
    std::size_t steps_ = 0;
    bool runs_ = false;
};

class ordering_context::executor_type
{
public:
    explicit executor_type(ordering_context& context, bool never_blocks = false) noexcept
        : context_(&context)
        , never_blocks_(never_blocks)
    {
    }

    asio::execution_context& query(asio::execution::context_t) const noexcept { return *context_; }

    asio::execution::blocking_t query(asio::execution::blocking_t) const noexcept
    {
        return never_blocks_ ? asio::execution::blocking_t(asio::execution::blocking.never)
                             : asio::execution::blocking_t(asio::execution::blocking.possibly);
    }

    executor_type require(asio::execution::blocking_t::never_t) const noexcept
    {
        return executor_type(*context_, true);
    }
    executor_type require(asio::execution::blocking_t::possibly_t) const noexcept
    {
        return executor_type(*context_, false);
    }

    template <class F>
    void execute(F&& f) const
    {
        using type = std::decay_t<F>;
        type function(std::forward<F>(f));
        if (!never_blocks_ && context_->runs_)
            return std::move(function)();
        context_->ready_.push_back(std::make_unique<function_of<type>>(std::move(function)));
    }

    friend bool operator==(executor_type const& a, executor_type const& b) noexcept
    {
        return a.context_ == b.context_ && a.never_blocks_ == b.never_blocks_;
    }
    friend bool operator!=(executor_type const& a, executor_type const& b) noexcept
    {
        return !(a == b);
    }

private:
    ordering_context* context_;
    bool never_blocks_;
};

using ordering_executor = ordering_context::executor_type;

inline ordering_executor ordering_context::get_executor() noexcept
{
    return executor_type(*this);
}

static_assert(asio::execution::is_executor<ordering_executor>::value);

} // namespace support

#endif
