// The observers that come with the library: the lines of a log, the line on a terminal, the picture.
#include <exeunt/exit_stack.hpp>
#include <exeunt/log_observer.hpp>
#include <exeunt/progress_observer.hpp>
#include <exeunt/trace_observer.hpp>

#include "support/expect.hpp"

#include <boost/json/src.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <regex>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

using namespace std::chrono_literals;
namespace json = boost::json;
using exeunt::exit_view;
using exeunt::on_exit;
using exeunt::unwinding_view;

namespace {

// The views of a end_of_program that a test tells an observer of.
struct end_of_program
{
    std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now() + 1h;
    unwinding_view outer{.id = 7, .exits = 2, .async = true, .began = began};
    unwinding_view inner{
        .id = 9, .parent = 7, .exits = 12, .depth = 1, .async = true, .began = began + 1s};

    exit_view exit(unwinding_view const& in, std::string_view name, std::size_t position,
        std::chrono::steady_clock::duration since)
    {
        exit_view view{.name = name, .where = {"session.cpp", 41}, .position = position};
        view.depth = in.depth;
        view.async = true;
        view.running = true;
        view.running_since = began + since;
        view.unwinding = in.id;
        return view;
    }

    // All that can happen.
    void tell(exeunt::exit_observer& observer)
    {
        auto const error = std::make_exception_ptr(std::runtime_error("out of\npaper \"A4\""));
        auto const server = exit(outer, "server", 1, 1s);
        auto const quit = exit(inner, "quit", 11, 1s);
        auto lost = exit(inner, "lost", 10, 0s);
        lost.running = false;
        lost.running_since.reset();
        outer.cause = error;
        observer.unwinding_began(outer);
        observer.exit_began(server);
        observer.unwinding_began(inner);
        observer.exit_began(quit);
        observer.exit_slow(quit, 2s);
        observer.unwinding_forced(inner, 3s);
        observer.exit_cut(quit, 3s);
        observer.exit_forced(quit, 4s);
        observer.exit_ended(quit, nullptr, 5s);
        observer.exit_abandoned(lost);
        std::string_view const names[] = {"lost"};
        observer.stack_abandoned(3, names);
        observer.unwinding_ended(inner, nullptr, 6s);
        observer.exit_ended(server, error, 7s);
        observer.failure_unreceived(server, error);
        observer.unwinding_ended(outer, error, 8s);
    }
};

std::vector<std::string> lines_of(std::string const& text)
{
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);)
        lines.push_back(line);
    return lines;
}

// The events of a trace.
json::array events_of(std::string const& text)
{
    return json::parse(text).as_array();
}

json::object const& event_named(json::array const& events, std::string_view name)
{
    for (auto const& each : events)
        if (each.at("name") == json::value(name))
            return each.as_object();
    throw std::runtime_error("no event " + std::string(name));
}

// A terminal that nobody sits at.
class terminal
{
public:
    terminal()
        : master_(::posix_openpt(O_RDWR | O_NOCTTY))
    {
        BOOST_REQUIRE(master_ >= 0);
        BOOST_REQUIRE(::grantpt(master_) == 0 && ::unlockpt(master_) == 0);
        screen_ = std::fopen(::ptsname(master_), "w");
        BOOST_REQUIRE(screen_ != nullptr);
    }
    terminal(terminal const&) = delete;
    terminal& operator=(terminal const&) = delete;
    ~terminal()
    {
        std::fclose(screen_);
        ::close(master_);
    }

    std::FILE* screen() const { return screen_; }

    // What was written last; empty for the cleared line. It may come in pieces.
    void expect_last_line(
        std::string_view expected, support::where_t where = support::where_t::current())
    {
        std::string const last = "\r\x1b[K" + std::string(expected);
        std::string text;
        while (!text.ends_with(last) && readable()) {
            std::array<char, 4096> buffer;
            auto const size = ::read(master_, buffer.data(), buffer.size());
            BOOST_REQUIRE(size > 0);
            text.append(buffer.data(), static_cast<std::size_t>(size));
        }
        support::expect(text.ends_with(last), "found " + text, where);
    }

private:
    // Only a test that fails waits for long.
    bool readable() const
    {
        ::pollfd one{.fd = master_, .events = POLLIN, .revents = 0};
        return ::poll(&one, 1, 10'000) == 1;
    }

    int master_;
    std::FILE* screen_ = nullptr;
};

} // namespace

BOOST_AUTO_TEST_CASE(log_observer_writes_one_line_for_each_event)
{
    std::ostringstream out;
    exeunt::log_observer log(out);
    end_of_program().tell(log);
    std::vector<std::string> const expected{
        "#7 begins: 2 exits, after out of; paper \"A4\"",
        "#7 server (session.cpp:41) begins",
        "  #9 begins in #7: 12 exits",
        "  #9 quit (session.cpp:41) begins",
        "  #9 quit (session.cpp:41) has been running for 2.000 s",
        "  #9 is forced after 3.000 s",
        "  #9 quit (session.cpp:41) is cut after 3.000 s",
        "  #9 quit (session.cpp:41) is forced",
        "  #9 quit (session.cpp:41) ends after 5.000 s",
        "  #9 lost (session.cpp:41) can never run",
        "a stack was destroyed with 3 asynchronous exits that never ended: lost and 2 more",
        "  #9 ends after 6.000 s",
        "#7 server (session.cpp:41) fails after 7.000 s: out of; paper \"A4\"",
        "a failure that no one receives, of server (session.cpp:41): out of; paper \"A4\"",
        "#7 fails after 8.000 s: out of; paper \"A4\"",
    };
    auto const found = lines_of(out.str());
    BOOST_REQUIRE(found.size() == expected.size());
    std::regex const line("([0-9]+[.][0-9]{3}) s  (.*)");
    double before = 0;
    for (std::size_t i = 0; i != found.size(); ++i) {
        std::smatch parts;
        BOOST_REQUIRE(std::regex_match(found[i], parts, line));
        BOOST_TEST(parts[2].str() == expected[i]);
        BOOST_TEST(std::stod(parts[1].str()) >= before);
        before = std::stod(parts[1].str());
    }
    BOOST_TEST(before >= 3608.0); // the end, after the hour in which nothing began
    BOOST_TEST(before < 3660.0);
}

BOOST_AUTO_TEST_CASE(log_observer_of_a_report_writes_all_failures_on_one_line)
{
    std::ostringstream out;
    exeunt::log_observer log(out);
    BOOST_CHECK_THROW(exeunt::with({.observer = &log},
                          [](exeunt::exit_stack& stack) {
                              stack.push(on_exit([] { throw std::runtime_error("b"); }));
                              stack.push(on_exit([] { throw std::runtime_error("a"); }).named("x"));
                          }),
        exeunt::exit_errors);
    auto const lines = lines_of(out.str());
    BOOST_REQUIRE(lines.size() == 6u);
    BOOST_TEST(lines[1].find("observers.cpp:") != std::string::npos);
    BOOST_TEST(lines[3].find("(unnamed)") != std::string::npos);
    BOOST_TEST(lines[5].find("2 failures while unwinding; x (") != std::string::npos);
}

// Whatever ends its lines, and however they are indented.
BOOST_AUTO_TEST_CASE(log_observer_of_a_message_of_several_lines_writes_one)
{
    std::ostringstream out;
    exeunt::log_observer log(out);
    BOOST_CHECK_THROW(exeunt::with({.observer = &log},
                          [](exeunt::exit_stack& stack) {
                              stack.push([] { throw std::runtime_error("a b\r\n \tc\td\n\ne"); });
                          }),
        std::runtime_error);
    auto const lines = lines_of(out.str());
    BOOST_REQUIRE(lines.size() == 4u);
    BOOST_TEST(lines[3].find("a b; c\td; e") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(log_observer_on_a_stream_that_throws_goes_on)
{
    std::ostringstream out;
    out.setstate(std::ios::badbit);
    try {
        out.exceptions(std::ios::badbit);
    } catch (std::ios::failure const&) {
        // It throws for what is set already.
    }
    exeunt::log_observer log(out);
    end_of_program().tell(log);
    exeunt::trace_observer trace(out);
    end_of_program().tell(trace);
}

BOOST_AUTO_TEST_CASE(trace_observer_writes_a_complete_event_for_each_exit_and_unwinding)
{
    std::ostringstream out;
    {
        exeunt::trace_observer trace(out);
        end_of_program().tell(trace);
    }
    auto const events = events_of(out.str());
    auto const& quit = event_named(events, "quit");
    BOOST_TEST(quit.at("ph").as_string() == "X");
    BOOST_TEST(quit.at("dur").as_double() == 5e6);
    BOOST_TEST(quit.at("args").at("where").as_string() == "session.cpp:41");
    BOOST_TEST(quit.at("args").at("position").as_int64() == 11);
    BOOST_TEST(quit.at("args").at("cut").as_bool());
    BOOST_TEST(quit.at("args").at("forced").as_bool());
    BOOST_TEST(quit.at("args").at("slow").as_int64() == 1);
    auto const& server = event_named(events, "server");
    BOOST_TEST(server.at("args").at("error").as_string() == "out of; paper \"A4\"");
    BOOST_TEST(!server.at("args").as_object().contains("cut"));
    BOOST_TEST(server.at("tid") != quit.at("tid"));
    BOOST_TEST(event_named(events, "lost").at("args").at("abandoned").as_bool());
    BOOST_TEST(event_named(events, "lost").at("tid") == quit.at("tid"));
    // An exit that is nested lies within the exit that it is nested in.
    BOOST_TEST(server.at("ts").as_double() <= quit.at("ts").as_double());
    BOOST_TEST(server.at("ts").as_double() + server.at("dur").as_double()
        >= quit.at("ts").as_double() + quit.at("dur").as_double());
    BOOST_TEST(std::count_if(events.begin(), events.end(), [](json::value const& each) {
        return each.at("name") == json::value("unwinding") && each.at("ph") == json::value("X");
    }) == 2);
    BOOST_TEST(std::count_if(events.begin(), events.end(), [](json::value const& each) {
        return each.at("ph") == json::value("M");
    }) == 2);
    BOOST_TEST(event_named(events, "cut").at("ph").as_string() == "i");
    BOOST_TEST(event_named(events, "force").at("ph").as_string() == "i");
    BOOST_TEST(event_named(events, "forced").at("ph").as_string() == "i");
}

BOOST_AUTO_TEST_CASE(trace_observer_of_nothing_is_an_empty_array)
{
    std::ostringstream out;
    {
        exeunt::trace_observer const trace(out);
    }
    BOOST_TEST(events_of(out.str()).empty());
}

BOOST_AUTO_TEST_CASE(trace_observer_that_has_finished_writes_no_more)
{
    std::ostringstream out;
    exeunt::trace_observer trace(out);
    exeunt::with({.observer = &trace}, [](exeunt::exit_stack& stack) { stack.push([] {}); });
    trace.finish();
    auto const written = out.str();
    exeunt::with({.observer = &trace}, [](exeunt::exit_stack& stack) { stack.push([] {}); });
    trace.finish();
    BOOST_TEST(out.str() == written);
    BOOST_TEST(events_of(written).size() == 3u);
}

BOOST_AUTO_TEST_CASE(trace_observer_that_has_finished_while_exits_run_writes_no_more)
{
    std::ostringstream out;
    exeunt::trace_observer trace(out);
    end_of_program told;
    auto const server = told.exit(told.outer, "server", 1, 0s);
    trace.unwinding_began(told.outer);
    trace.exit_began(server);
    trace.finish();
    auto const written = out.str();
    trace.exit_ended(server, nullptr, 1s);
    trace.unwinding_ended(told.outer, nullptr, 1s);
    BOOST_TEST(out.str() == written);
    BOOST_TEST(events_of(written).size() == 1u); // the name of the lane
}

BOOST_AUTO_TEST_CASE(trace_observer_of_an_exit_that_cannot_end_lets_it_last_to_the_end)
{
    std::ostringstream out;
    {
        exeunt::trace_observer trace(out);
        end_of_program told;
        auto const hanging = told.exit(told.outer, "hanging", 0, 2s);
        trace.unwinding_began(told.outer);
        trace.exit_began(hanging);
        trace.exit_abandoned(hanging);
        trace.unwinding_ended(told.outer, nullptr, 9s);
    }
    auto const events = events_of(out.str());
    BOOST_TEST(event_named(events, "hanging").at("dur").as_double() == 7e6);
    BOOST_TEST(event_named(events, "hanging").at("args").at("abandoned").as_bool());
}

BOOST_AUTO_TEST_CASE(trace_observer_of_names_that_are_no_text_writes_valid_json)
{
    std::string every_byte;
    for (int c = 1; c != 256; ++c)
        every_byte += static_cast<char>(c);
    // Text of two, three and four bytes; overlong, a surrogate, beyond Unicode, cut off.
    std::string const names[] = {"\"quoted\" \\ \t",
        "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x8e\xad",
        "\xc0\xaf \xe0\x80\xaf \xed\xa0\x80 \xf0\x80\x80\x80 \xf4\x90\x80\x80 \xe2\x82", every_byte,
        // The first and the last of those that are text.
        "\xe0\xa0\x80 \xed\x9f\xbf \xf0\x90\x80\x80 \xf4\x8f\xbf\xbf"};
    std::ostringstream out;
    {
        exeunt::trace_observer trace(out);
        exeunt::with({.observer = &trace}, [&](exeunt::exit_stack& stack) {
            for (auto const& name : names)
                stack.push(on_exit([] {}).named(name));
        });
    }
    auto const events = events_of(out.str());
    BOOST_TEST(event_named(events, names[0]).at("ph").as_string() == "X");
    BOOST_TEST(event_named(events, names[1]).at("ph").as_string() == "X");
    BOOST_TEST(event_named(events, "?? ??? ??? ???? ???? ??").at("ph").as_string() == "X");
    BOOST_TEST(event_named(events, names[4]).at("ph").as_string() == "X");
}

BOOST_AUTO_TEST_CASE(progress_observer_on_a_terminal_shows_what_runs)
{
    terminal tty;
    exeunt::progress_observer progress(tty.screen());
    end_of_program told;
    auto const server = told.exit(told.outer, "server", 1, 0s);
    auto const quit = told.exit(told.inner, "quit\n", 11, 1s);
    progress.unwinding_began(told.outer);
    progress.exit_began(server);
    tty.expect_last_line("1 of 2: server");
    progress.unwinding_began(told.inner);
    progress.exit_began(quit);
    tty.expect_last_line("1 of 2: server > 1 of 12: quit ");
    progress.exit_slow(quit, 2s);
    tty.expect_last_line("1 of 2: server > 1 of 12: quit , 2.000 s");
    progress.exit_ended(quit, nullptr, 2s);
    tty.expect_last_line("1 of 2: server");
    progress.exit_began(told.exit(told.inner, "next", 10, 3s));
    tty.expect_last_line("1 of 2: server > 2 of 12: next");
    progress.exit_abandoned(told.exit(told.inner, "next", 10, 3s));
    progress.unwinding_ended(told.inner, nullptr, 3s);
    tty.expect_last_line("1 of 2: server");
    progress.exit_ended(server, nullptr, 4s);
    progress.exit_began(told.exit(told.outer, "late", 0, 4s));
    tty.expect_last_line("2 of 2: late");
    progress.unwinding_ended(told.outer, nullptr, 4s);
    tty.expect_last_line("");
}

BOOST_AUTO_TEST_CASE(progress_observer_without_a_terminal_writes_nothing)
{
    std::unique_ptr<std::FILE, int (*)(std::FILE*)> const file(std::tmpfile(), &std::fclose);
    BOOST_REQUIRE(file.get() != nullptr);
    exeunt::progress_observer progress(file.get());
    end_of_program().tell(progress);
    std::fflush(file.get());
    BOOST_TEST(std::ftell(file.get()) == 0);
}
