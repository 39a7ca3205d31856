// What the tests of the asynchronous half share: checks that name their caller, failures that can be
// told apart, a log of events.
#ifndef EXEUNT_TESTS_SUPPORT_EXPECT_HPP
#define EXEUNT_TESTS_SUPPORT_EXPECT_HPP

#include <exeunt/exit_errors.hpp>
#include <exeunt/source_location.hpp>

#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>
#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <exception>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace asio = boost::asio;

namespace support {

using where_t = exeunt::source_location;

// While one of these lives, the fault injector (faults.hpp) lets this thread's allocations pass:
// what the tests themselves need is not what is being tested.
class allocation_pause
{
public:
    allocation_pause() noexcept { ++depth(); }
    ~allocation_pause() { --depth(); }
    allocation_pause(allocation_pause const&) = delete;
    allocation_pause& operator=(allocation_pause const&) = delete;

    static bool active() noexcept { return depth() != 0; }

private:
    static int& depth() noexcept
    {
        thread_local int count = 0;
        return count;
    }
};

// A check that is reported at the place of its caller.
inline bool expect(bool ok, std::string_view what, where_t where = where_t::current())
{
    allocation_pause const pause;
    boost::test_tools::tt_detail::report_assertion(boost::test_tools::assertion_result(ok),
        ::boost::unit_test::lazy_ostream::instance() << what,
        boost::unit_test::const_string(where.file), where.line, boost::test_tools::tt_detail::CHECK,
        boost::test_tools::tt_detail::CHECK_MSG, 0);
    return ok;
}

// A failure with a name.
struct test_error : std::runtime_error
{
    explicit test_error(std::string const& name)
        : std::runtime_error(name)
    {
    }
};

inline std::exception_ptr failure(std::string const& name)
{
    allocation_pause const pause;
    return std::make_exception_ptr(test_error(name));
}

inline std::exception_ptr failure(boost::system::error_code ec)
{
    allocation_pause const pause;
    return std::make_exception_ptr(boost::system::system_error(ec));
}

inline std::exception_ptr cancellation()
{
    return failure(boost::system::error_code(asio::error::operation_aborted));
}

// "none", the name of a test_error, a number, "cancelled", "code <value>", or "[first, second, ...]".
inline std::string describe(std::exception_ptr const& error)
{
    allocation_pause const pause;
    if (!error)
        return "none";
    try {
        std::rethrow_exception(error);
    } catch (exeunt::exit_errors const& all) {
        std::string text = "[";
        for (exeunt::exit_failure const& one : all.failures()) {
            if (text.size() > 1)
                text += ", ";
            text += describe(one.error);
        }
        return text + "]";
    } catch (boost::system::system_error const& e) {
        if (e.code() == asio::error::operation_aborted)
            return "cancelled";
        return std::string("code ") + e.code().category().name() + ":"
            + std::to_string(e.code().value());
    } catch (exeunt::stack_closed const&) {
        return "stack_closed";
    } catch (std::exception const& e) {
        return e.what();
    } catch (int number) {
        return std::to_string(number);
    } catch (...) {
        return "unknown";
    }
}

// The failures of a report, oldest first; of a failure that came out as it is, that one.
inline std::vector<exeunt::exit_failure> failures_of(std::exception_ptr const& error)
{
    if (!error)
        return {};
    try {
        std::rethrow_exception(error);
    } catch (exeunt::exit_errors const& all) {
        return {all.failures().begin(), all.failures().end()};
    } catch (...) {
        return {exeunt::exit_failure{error, {}, {}}};
    }
}

// How many failures a report counts and does not list.
inline std::size_t dropped_of(std::exception_ptr const& error)
{
    try {
        std::rethrow_exception(error);
    } catch (exeunt::exit_errors const& all) {
        return all.dropped();
    } catch (...) {
        return 0;
    }
}

// The names under which a report holds its failures.
inline std::vector<std::string> names_of(std::exception_ptr const& error)
{
    std::vector<std::string> names;
    for (exeunt::exit_failure const& one : failures_of(error))
        names.push_back(one.name);
    return names;
}

inline bool is_broken_promise(std::exception_ptr const& error)
{
    if (!error)
        return false;
    try {
        std::rethrow_exception(error);
    } catch (std::future_error const& e) {
        return e.code() == std::future_errc::broken_promise;
    } catch (boost::system::system_error const& e) {
        return e.code() == std::make_error_code(std::future_errc::broken_promise)
            || e.code() == boost::system::errc::broken_pipe;
    } catch (std::system_error const& e) {
        return e.code() == std::future_errc::broken_promise;
    } catch (...) {
        return false;
    }
}

inline bool is_stack_closed(std::exception_ptr const& error)
{
    return describe(error) == "stack_closed";
}

inline std::string joined(std::vector<std::string> const& words)
{
    std::string text;
    for (std::string const& word : words) {
        if (!text.empty())
            text += ' ';
        text += word;
    }
    return text;
}

// Words in the order in which they were noted. By habit: "+x" exit x began, "-x" it ended, "!x" it
// was told to stop, "~x" its captures were destroyed.
class event_log
{
public:
    void add(std::string word)
    {
        allocation_pause const pause;
        words_.push_back(std::move(word));
    }

    void operator()(std::string_view word) { add(std::string(word)); }

    std::vector<std::string> const& words() const { return words_; }
    std::string text() const { return joined(words_); }
    void clear() { words_.clear(); }

    bool has(std::string_view word) const { return count(word) != 0; }

    std::size_t count(std::string_view word) const
    {
        std::size_t found = 0;
        for (std::string const& each : words_)
            found += each == word ? 1u : 0u;
        return found;
    }

    // Compares with words separated by a space, and forgets them.
    bool expect(std::string_view expected, where_t where = where_t::current())
    {
        allocation_pause const pause;
        std::string const found = text();
        words_.clear();
        return support::expect(found == expected,
            "events: expected \"" + std::string(expected) + "\", found \"" + found + "\"", where);
    }

private:
    std::vector<std::string> words_;
};

// Notes a word when the one that holds it last is destroyed. Moves with its owner, cannot be copied.
class capture_mark
{
public:
    capture_mark(event_log& log, std::string word)
        : log_(&log)
        , word_(std::move(word))
    {
    }

    capture_mark(capture_mark&& other) noexcept
        : log_(std::exchange(other.log_, nullptr))
        , word_(std::move(other.word_))
    {
    }

    capture_mark& operator=(capture_mark&&) = delete;

    ~capture_mark()
    {
        if (log_)
            log_->add(word_);
    }

private:
    event_log* log_;
    std::string word_;
};

// What a completion handler was called with.
struct outcome
{
    int calls = 0;
    std::exception_ptr error = {};

    bool done() const { return calls != 0; }

    bool expect_pending(where_t where = where_t::current()) const
    {
        return expect(calls == 0, "the operation has completed, with " + describe(error), where);
    }

    bool expect_success(where_t where = where_t::current()) const
    {
        return expect_once(where) && expect(!error, "failed with " + describe(error), where);
    }

    // The very exception object.
    bool expect_error(std::exception_ptr const& expected, where_t where = where_t::current()) const
    {
        return expect_once(where)
            && expect(error == expected,
                "expected the exception object " + describe(expected) + ", found " + describe(error)
                    + (describe(expected) == describe(error) ? " (another object)" : ""),
                where);
    }

    bool expect_error(std::string_view expected, where_t where = where_t::current()) const
    {
        return expect_once(where)
            && expect(describe(error) == expected,
                "expected " + std::string(expected) + ", found " + describe(error), where);
    }

    bool expect_code(boost::system::error_code expected, where_t where = where_t::current()) const
    {
        return expect_once(where)
            && expect(exeunt::code_of(error) == expected,
                "expected the code " + expected.message() + ", found " + describe(error), where);
    }

    bool expect_stack_closed(where_t where = where_t::current()) const
    {
        return expect_once(where)
            && expect(
                is_stack_closed(error), "expected stack_closed, found " + describe(error), where);
    }

    bool expect_once(where_t where = where_t::current()) const
    {
        return expect(calls == 1, "completed " + std::to_string(calls) + " times", where);
    }
};

// A handler that writes to an outcome.
inline auto into(outcome& result)
{
    return [&result](std::exception_ptr error) {
        ++result.calls;
        result.error = std::move(error);
    };
}

template <class T>
struct outcome_of : outcome
{
    std::optional<T> value = {};
};

template <class T>
auto into(outcome_of<T>& result)
{
    return [&result](std::exception_ptr error, T value) {
        ++result.calls;
        result.error = std::move(error);
        result.value.emplace(std::move(value));
    };
}

// Runs what is ready, and what that makes ready.
inline std::size_t drive(asio::io_context& context)
{
    context.restart();
    return context.poll();
}

// How far apart the native stack was at the places where note() was called.
class stack_depth
{
public:
    void note() noexcept
    {
        char here = 0;
        auto const address = reinterpret_cast<std::uintptr_t>(&here);
        lowest_ = lowest_ == 0 || address < lowest_ ? address : lowest_;
        highest_ = address > highest_ ? address : highest_;
    }

    std::size_t spread() const noexcept { return highest_ - lowest_; }

    bool expect_flat(where_t where = where_t::current()) const
    {
        return expect(spread() < 64u * 1024u,
            "the native stack grew by " + std::to_string(spread()) + " bytes", where);
    }

private:
    std::uintptr_t lowest_ = 0;
    std::uintptr_t highest_ = 0;
};

} // namespace support

#endif
