// Synchronous cleanup by hand, the fast form: an array of function pointers, run from its end.
// It has room for a number that the programmer knows, owns nothing, and calls what has outlived it.
// What every correct form does it does as well: a failing exit does not keep the older ones from running, and
// the first failure comes out.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_FUNCTION_ARRAY_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_FUNCTION_ARRAY_HPP

#include <cstddef>
#include <exception>
#include <utility>

namespace reference {

class function_array
{
public:
    static constexpr std::size_t room = 1024;

    struct exit
    {
        void (*run)(void* context);
        void* context;
    };

    void push(void (*run)(void*), void* context) noexcept { exits_[count_++] = {run, context}; }

    void close()
    {
        std::exception_ptr first;
        while (count_ != 0) {
            exit const last = exits_[--count_];
            try {
                last.run(last.context);
            } catch (...) {
                if (!first)
                    first = std::current_exception();
            }
        }
        if (first)
            std::rethrow_exception(std::move(first));
    }

private:
    exit exits_[room];
    std::size_t count_ = 0;
};

} // namespace reference

#endif
