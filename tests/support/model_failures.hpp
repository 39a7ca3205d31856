// The failures that random sequences of operations throw, known by number; and the plain list of those in
// flight that a model keeps.
#ifndef EXEUNT_TESTS_SUPPORT_MODEL_FAILURES_HPP
#define EXEUNT_TESTS_SUPPORT_MODEL_FAILURES_HPP

#include <exeunt/exit_errors.hpp>

#include <boost/asio/error.hpp>
#include <boost/system/system_error.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace support {

// The number of a failure tells what it is, and whose: that of an exit, or of an operation.
constexpr int failures_of_a_kind = 100;
constexpr int plain_failures = 0;
constexpr int cancellations = 100;
constexpr int odd_failures = 200; // that are no std::exception
// Those that the library makes are new objects each time, and known by their code.
constexpr int made_failures = 300;
constexpr int made_aborted = 300;
constexpr int made_timed_out = 301;
constexpr int made_deadlock = 302;
constexpr int made_stack_closed = 303;

constexpr bool is_cancellation(int error)
{
    return error == made_aborted || (error >= cancellations && error < odd_failures);
}

// The same objects for all sequences: making them takes longer than most operations.
class known_failures
{
public:
    static std::exception_ptr const& get(int error)
    {
        return instance().made_[static_cast<std::size_t>(error)];
    }

    static int number_of(std::exception_ptr const& error)
    {
        auto const& numbers = instance().numbers_;
        auto const found = numbers.find(address_of(error));
        return found == numbers.end() ? number_of_made(error) : found->second;
    }

private:
    known_failures()
    {
        for (int k = 0; k != failures_of_a_kind; ++k) {
            made_[at(plain_failures + k)] =
                std::make_exception_ptr(std::runtime_error(std::to_string(k)));
            made_[at(cancellations + k)] = std::make_exception_ptr(boost::system::system_error(
                boost::system::error_code(boost::asio::error::operation_aborted)));
            made_[at(odd_failures + k)] = std::make_exception_ptr(k);
        }
        for (std::size_t k = 0; k != made_.size(); ++k)
            numbers_.emplace(address_of(made_[k]), static_cast<int>(k));
    }

    static int number_of_made(std::exception_ptr const& error)
    {
        namespace errors = boost::asio::error;
        try {
            std::rethrow_exception(error);
        } catch (boost::system::system_error const& e) {
            if (e.code() == errors::operation_aborted)
                return made_aborted;
            if (e.code() == errors::timed_out)
                return made_timed_out;
            if (e.code() == boost::system::errc::resource_deadlock_would_occur)
                return made_deadlock;
        } catch (exeunt::stack_closed const&) {
            return made_stack_closed;
        } catch (...) {
        }
        return -9;
    }

    static std::size_t at(int error) { return static_cast<std::size_t>(error); }

    static known_failures const& instance()
    {
        static known_failures const all;
        return all;
    }

    static void const* address_of(std::exception_ptr const& error)
    {
        void const* address = nullptr;
        std::memcpy(&address, &error, sizeof address);
        return address;
    }

    std::array<std::exception_ptr, 3 * failures_of_a_kind> made_;
    std::unordered_map<void const*, int> numbers_;
};

// The names of exits are their numbers; these are the others.
constexpr int no_name = -1;
constexpr int body_name = -2;

inline int number_of_name(std::string_view name)
{
    if (name.empty())
        return no_name;
    if (name == "body")
        return body_name;
    int number = 0;
    for (char const digit : name)
        number = number * 10 + (digit - '0');
    return number;
}

struct model_failure
{
    int error;
    int name;
};

// What is thrown: nothing, one failure, or a report of several.
struct model_thrown
{
    std::vector<model_failure> all = {};
    bool several = false;

    explicit operator bool() const { return !all.empty(); }

    static model_thrown one(int error) { return {{{error, no_name}}, false}; }
};

inline int primary_of(std::vector<model_failure> const& all)
{
    for (model_failure const& each : all)
        if (!is_cancellation(each.error))
            return each.error;
    return all.empty() ? -1 : all.front().error;
}

// What is in flight in one unwinding, oldest first.
class model_flight
{
public:
    model_flight() = default;

    // `reported`: what began it comes out of it.
    model_flight(model_thrown const& cause, bool reported)
        : cause_(primary_of(cause.all))
    {
        add(cause, body_name);
        if (!reported)
            unreported_ = all_.size();
    }

    std::vector<model_failure> const& all() const { return all_; }
    bool failed() const { return !all_.empty(); }
    int primary() const { return primary_of(all_); }
    int cause() const { return cause_; }

    void suppress()
    {
        all_.clear();
        unreported_ = 0;
    }

    void replace(int error, int name)
    {
        if (!failed())
            return;
        suppress();
        all_.push_back({error, name});
    }

    // A report is spliced in; one failure has the name of who has thrown it.
    void add(model_thrown const& thrown, int name)
    {
        for (model_failure const& each : thrown.all)
            if (!has(each.error))
                all_.push_back({each.error, thrown.several ? each.name : name});
    }

    // What comes out; `others` are those that do not because the primary alone shall.
    model_thrown outcome(bool primary_only, std::vector<model_failure>& others) const
    {
        model_thrown out{reported(), false};
        if (out.all.size() < 2)
            return out;
        int const first = primary_of(out.all);
        if (is_cancellation(first))
            return {{out.all.front()}, false};
        if (!primary_only)
            return {out.all, true};
        others = out.all;
        others.erase(std::find_if(others.begin(), others.end(),
            [&](model_failure const& each) { return each.error == first; }));
        return model_thrown::one(first);
    }

    std::vector<model_failure> reported() const
    {
        return {all_.begin() + static_cast<std::ptrdiff_t>(unreported_), all_.end()};
    }

private:
    bool has(int error) const
    {
        return error < made_failures
            && std::any_of(all_.begin(), all_.end(),
                [&](model_failure const& each) { return each.error == error; });
    }

    std::vector<model_failure> all_;
    std::size_t unreported_ = 0;
    int cause_ = -1;
};

} // namespace support

#endif
