// What is measured, and how: instructions by callgrind, allocations by replaced functions, or time.
#ifndef EXEUNT_TESTS_PERFORMANCE_MEASURE_HPP
#define EXEUNT_TESTS_PERFORMANCE_MEASURE_HPP

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace performance {

namespace asio = boost::asio;

enum class mode { instructions, allocations, time };

// What has been asked of malloc so far; stays zero where it is not counted.
struct allocations
{
    std::size_t calls = 0;
    std::size_t bytes = 0;
};
extern allocations allocated;

// Counts what happens between begin() and end().
class sampler
{
public:
    sampler(mode what, std::size_t cycles, std::size_t warm_up = 3)
        : mode_(what)
        , cycles_(cycles)
        , warm_up_(warm_up)
    {
    }

    void begin() noexcept;
    void end() noexcept;

    // How often the measured cycle is to be repeated, and how often before that.
    std::size_t cycles() const noexcept { return cycles_; }
    std::size_t warm_up() const noexcept { return warm_up_; }

    // Allocations or nanoseconds; instructions are with callgrind.
    double total() const noexcept { return total_; }

private:
    mode mode_;
    std::size_t cycles_;
    std::size_t warm_up_;
    double total_ = 0;
    std::size_t calls_before_ = 0;
    std::chrono::steady_clock::time_point began_;
};

// One way to do the work of a row of the table, with any number of exits.
struct subject
{
    static constexpr std::size_t any_number = static_cast<std::size_t>(-1);

    // The rows, separated by commas, that it stands in.
    std::string rows;
    std::string who;
    // With how many exits it is measured.
    std::vector<std::size_t> at;
    // Given that number, what is measured.
    std::function<std::function<void(sampler&)>(std::size_t)> with;
    // How many exits it has room for; 0 if its cost is not one of exits.
    std::size_t room = any_number;
};

using suite = std::vector<subject>;

void add_sync_rows(suite& all);
void add_async_rows(suite& all);
void add_coroutine_rows(suite& all);
void add_pool_rows(suite& all);
void add_held_rows(suite& all);

// The same exits in the library, and in a copy of it without the features that they do not use.
namespace exeunt_rows {
void add(suite& all, char const* who);
}
namespace bare_rows {
void add(suite& all, char const* who);
}

// Figures that are no repeated cycle: "row who n value", one a line.
void print_memory();

// The compiler has to assume that this is read and written here.
template <class T>
void touch(T& value) noexcept
{
    asm volatile("" : : "r"(&value) : "memory");
}

// A cycle is called again and again.
template <class Cycle>
void repeat(sampler& samples, Cycle cycle)
{
    for (std::size_t i = 0; i != samples.warm_up(); ++i)
        cycle();
    samples.begin();
    for (std::size_t i = 0; i != samples.cycles(); ++i)
        cycle();
    samples.end();
}

// A cycle is start(handler), and over when the handler is called: by a posted function, so that there
// is no recursion. All of them run in one run() of a context that has a timer, as programs have.
template <class Start>
class asynchronous_cycles
{
public:
    asynchronous_cycles(sampler& samples, asio::io_context& context, Start start)
        : samples_(samples)
        , start_(std::move(start))
        , left_(samples.warm_up() + samples.cycles())
    {
        asio::steady_timer first(context);
        asio::post(context, next(this));
        context.run();
    }

private:
    class next
    {
    public:
        explicit next(asynchronous_cycles* cycles) noexcept
            : cycles_(cycles)
        {
        }
        template <class... Results>
        void operator()(Results&&...) const
        {
            cycles_->go_on();
        }

    private:
        asynchronous_cycles* cycles_;
    };

    void go_on()
    {
        if (left_ == samples_.cycles())
            samples_.begin();
        if (left_ == 0)
            return samples_.end();
        --left_;
        start_(next(this));
    }

    sampler& samples_;
    Start start_;
    std::size_t left_;
};

// make(context) gives the function that starts a cycle.
template <class Make>
auto in_context(Make make)
{
    return [make](sampler& samples) {
        asio::io_context context;
        asynchronous_cycles cycles(samples, context, make(context));
    };
}

} // namespace performance

#endif
