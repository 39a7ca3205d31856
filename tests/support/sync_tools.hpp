// What the tests of the synchronous half share: a journal, failures that can be told apart, observers that write down.
#ifndef EXEUNT_TESTS_SUPPORT_SYNC_TOOLS_HPP
#define EXEUNT_TESTS_SUPPORT_SYNC_TOOLS_HPP

#include <exeunt/exit_errors.hpp>
#include <exeunt/exit_observer.hpp>

#include <boost/system/error_code.hpp>
#include <boost/system/system_error.hpp>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <pthread.h>
#include <unistd.h>

namespace sync_support {

// Words in the order in which they were noted; compared as one line of text.
class journal
{
public:
    void note(std::string_view word)
    {
        if (!text_.empty())
            text_ += ' ';
        text_ += word;
    }

    std::string const& text() const { return text_; }
    void clear() { text_.clear(); }

    // An exit that notes a word.
    auto noting(std::string word)
    {
        return [this, word = std::move(word)] { note(word); };
    }

private:
    std::string text_;
};

// Notes a word when it is destroyed, once for all the objects it was moved through.
class last_word
{
public:
    last_word(journal& book, std::string word)
        : book_(&book)
        , word_(std::move(word))
    {
    }
    last_word(last_word&& other) noexcept
        : book_(std::exchange(other.book_, nullptr))
        , word_(std::move(other.word_))
    {
    }
    last_word& operator=(last_word&&) = delete;
    ~last_word()
    {
        if (book_)
            book_->note(word_);
    }

private:
    journal* book_;
    std::string word_;
};

// A failure with a number; throwing it takes nothing from operator new.
class boom : public std::exception
{
public:
    explicit boom(int number) noexcept
        : number_(number)
    {
        std::snprintf(text_, sizeof text_, "boom %d", number);
    }
    char const* what() const noexcept override { return text_; }
    int number() const noexcept { return number_; }

private:
    int number_;
    char text_[24];
};

inline std::exception_ptr make_boom(int number)
{
    return std::make_exception_ptr(boom(number));
}

inline std::exception_ptr make_cancellation()
{
    return std::make_exception_ptr(boost::system::system_error(
        boost::system::error_code(ECANCELED, boost::system::system_category())));
}

// An exit that fails with this very object.
inline auto failing(std::exception_ptr error)
{
    return [error = std::move(error)] { std::rethrow_exception(error); };
}

inline auto failing(int number)
{
    return [number] { throw boom(number); };
}

// What a call throws; null: it returned.
template <class F>
std::exception_ptr caught(F&& f)
{
    try {
        static_cast<F&&>(f)();
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

inline std::string describe(std::exception_ptr const& error)
{
    if (!error)
        return "nothing";
    try {
        std::rethrow_exception(error);
    } catch (boom const& e) {
        return std::to_string(e.number());
    } catch (boost::system::system_error const& e) {
        return e.code() == boost::system::errc::operation_canceled
            ? "cancelled"
            : "code " + std::to_string(e.code().value());
    } catch (std::exception const& e) {
        return e.what();
    } catch (int n) {
        return "int " + std::to_string(n);
    } catch (...) {
        return "unknown";
    }
}

inline std::string describe(std::span<exeunt::exit_failure const> failures)
{
    std::string text = "[";
    for (exeunt::exit_failure const& failure : failures) {
        if (text.size() > 1)
            text += ", ";
        text += failure.name + "=" + describe(failure.error);
    }
    return text + "]";
}

// Calls f with the exit_errors inside; false: it is none.
template <class F>
bool with_report(std::exception_ptr const& error, F&& f)
{
    if (!error)
        return false;
    try {
        std::rethrow_exception(error);
    } catch (exeunt::exit_errors const& e) {
        static_cast<F&&>(f)(e);
        return true;
    } catch (...) {
        return false;
    }
}

// "7" for a lone failure, "[body=1, a=2]" for a report of several.
inline std::string report(std::exception_ptr const& error)
{
    std::string text;
    if (with_report(error, [&](exeunt::exit_errors const& e) { text = describe(e.failures()); }))
        return text;
    return describe(error);
}

// The failures alone, without their names: "1 2 cancelled".
inline std::string numbers(std::exception_ptr const& error)
{
    std::string text;
    bool const several = with_report(error, [&](exeunt::exit_errors const& e) {
        for (exeunt::exit_failure const& failure : e.failures())
            text += (text.empty() ? "" : " ") + describe(failure.error);
    });
    return several ? text : describe(error);
}

inline std::size_t failure_count(std::exception_ptr const& error)
{
    std::size_t count = error ? 1 : 0;
    with_report(error, [&](exeunt::exit_errors const& e) { count = e.failures().size(); });
    return count;
}

// How many failures a report counts and does not list.
inline std::size_t dropped_count(std::exception_ptr const& error)
{
    std::size_t count = 0;
    with_report(error, [&](exeunt::exit_errors const& e) { count = e.dropped(); });
    return count;
}

class writing_observer : public exeunt::exit_observer
{
public:
    void failure_unreceived(
        exeunt::exit_view const& view, std::exception_ptr error) noexcept override
    {
        book.note(std::string(view.name) + "=" + describe(error));
        errors.push_back(std::move(error));
        wheres.push_back(view.where);
    }

    void exit_abandoned(exeunt::exit_view const& view) noexcept override
    {
        book.note("abandoned:" + std::string(view.name));
    }

    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> names) noexcept override
    {
        book.note("stack_abandoned:" + std::to_string(count));
        for (std::string_view name : names)
            book.note(name);
    }

    journal book;
    std::vector<std::exception_ptr> errors;
    std::vector<exeunt::source_location> wheres;
};

// Puts an observer in the place of the default one.
class default_observer_guard
{
public:
    explicit default_observer_guard(exeunt::exit_observer* observer)
        : former_(exeunt::set_default_observer(observer))
    {
    }
    ~default_observer_guard() { exeunt::set_default_observer(former_); }
    default_observer_guard(default_observer_guard const&) = delete;
    default_observer_guard& operator=(default_observer_guard const&) = delete;

    exeunt::exit_observer* former() const { return former_; }

private:
    exeunt::exit_observer* former_;
};

// What is written to the file descriptor of stderr meanwhile.
class stderr_capture
{
public:
    stderr_capture()
        : file_(std::tmpfile())
    {
        std::fflush(stderr);
        saved_ = ::dup(STDERR_FILENO);
        ::dup2(::fileno(file_), STDERR_FILENO);
    }

    ~stderr_capture()
    {
        restore();
        std::fclose(file_);
    }

    stderr_capture(stderr_capture const&) = delete;
    stderr_capture& operator=(stderr_capture const&) = delete;

    // Ends the capture.
    std::string text()
    {
        restore();
        std::rewind(file_);
        std::string all;
        char buffer[512];
        while (std::size_t const n = std::fread(buffer, 1, sizeof buffer, file_))
            all.append(buffer, n);
        return all;
    }

private:
    void restore()
    {
        if (saved_ < 0)
            return;
        std::fflush(stderr);
        ::dup2(saved_, STDERR_FILENO);
        ::close(saved_);
        saved_ = -1;
    }

    std::FILE* file_;
    int saved_ = -1;
};

// Runs f on a thread whose stack has no room for a recursion as deep as the data is long.
template <class F>
void on_small_stack(F f)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 256 * 1024);
    pthread_t thread;
    int const started = pthread_create(
        &thread, &attributes,
        [](void* argument) -> void* {
            (*static_cast<F*>(argument))();
            return nullptr;
        },
        &f);
    pthread_attr_destroy(&attributes);
    if (started != 0)
        throw std::runtime_error("no thread for the test");
    pthread_join(thread, nullptr);
}

} // namespace sync_support

#endif
