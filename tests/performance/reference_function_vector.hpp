// Synchronous cleanup by hand, the usual form: a vector of std::function, run from its end.
#ifndef EXEUNT_TESTS_PERFORMANCE_REFERENCE_FUNCTION_VECTOR_HPP
#define EXEUNT_TESTS_PERFORMANCE_REFERENCE_FUNCTION_VECTOR_HPP

#include <exception>
#include <functional>
#include <utility>
#include <vector>

namespace reference {

class function_vector
{
public:
    template <class F>
    void push(F&& f)
    {
        exits_.emplace_back(std::forward<F>(f));
    }

    // What an exit holds is destroyed before the next older one runs.
    void close()
    {
        std::exception_ptr first;
        for (; !exits_.empty(); exits_.pop_back()) {
            try {
                exits_.back()();
            } catch (...) {
                if (!first)
                    first = std::current_exception();
            }
        }
        if (first)
            std::rethrow_exception(std::move(first));
    }

private:
    std::vector<std::function<void()>> exits_;
};

} // namespace reference

#endif
