// Who is told what no caller can be told; the lines of the default observer.
#include <exeunt/exit_observer.hpp>
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <string>
#include <string_view>

namespace {

using namespace sync_support;
using exeunt::exit_stack;
using exeunt::on_exit;

bool contains(std::string const& text, std::string const& part)
{
    return text.find(part) != std::string::npos;
}

std::ptrdiff_t lines_of(std::string const& text)
{
    return std::count(text.begin(), text.end(), '\n');
}

} // namespace

BOOST_AUTO_TEST_CASE(default_observer_at_the_start_is_there)
{
    BOOST_TEST((exeunt::default_observer() != nullptr));
}

BOOST_AUTO_TEST_CASE(set_default_observer_returns_the_former_one)
{
    exeunt::exit_observer* const built_in = exeunt::default_observer();
    writing_observer mine;
    BOOST_TEST((exeunt::set_default_observer(&mine) == built_in));
    BOOST_TEST((exeunt::default_observer() == &mine));
    BOOST_TEST((exeunt::set_default_observer(nullptr) == &mine));
    BOOST_TEST((exeunt::default_observer() == nullptr));
    BOOST_TEST((exeunt::set_default_observer(built_in) == nullptr));
    BOOST_TEST((exeunt::default_observer() == built_in));
}

BOOST_AUTO_TEST_CASE(exit_observer_without_overrides_does_nothing)
{
    exeunt::exit_observer observer;
    stderr_capture capture;
    observer.exit_abandoned({});
    observer.stack_abandoned(3, {});
    observer.failure_unreceived({}, make_boom(1));
    BOOST_TEST(capture.text() == "");
}

// C89
BOOST_AUTO_TEST_CASE(
    default_observer_of_an_abandoned_stack_writes_one_line_with_count_and_names_C89)
{
    std::string_view const names[] = {"tls shutdown", "lease", ""};
    exeunt::exit_view view;
    stderr_capture capture;
    for (std::string_view name : names) {
        view.name = name;
        exeunt::default_observer()->exit_abandoned(view);
    }
    exeunt::default_observer()->stack_abandoned(4711, names);
    std::string const text = capture.text();
    BOOST_TEST(lines_of(text) == 1);
    BOOST_TEST(contains(text, "4711"));
    BOOST_TEST(contains(text, "tls shutdown"));
    BOOST_TEST(contains(text, "lease"));
    BOOST_TEST(text.find("tls shutdown") < text.find("lease"));
    BOOST_TEST(text.back() == '\n');
}

BOOST_AUTO_TEST_CASE(default_observer_of_two_abandoned_stacks_writes_two_lines)
{
    std::string_view const names[] = {"one"};
    stderr_capture capture;
    exeunt::default_observer()->stack_abandoned(1, names);
    exeunt::default_observer()->stack_abandoned(1, {});
    BOOST_TEST(lines_of(capture.text()) == 2);
}

BOOST_AUTO_TEST_CASE(default_observer_of_an_unreceived_failure_writes_one_line_with_name_and_text)
{
    stderr_capture capture;
    {
        exit_stack stack;
        stack.push(on_exit(failing(4711)).named("delete draft"));
    }
    std::string const text = capture.text();
    BOOST_TEST(lines_of(text) == 1);
    BOOST_TEST(contains(text, "delete draft"));
    BOOST_TEST(contains(text, "boom 4711"));
}

BOOST_AUTO_TEST_CASE(default_observer_of_a_failure_that_is_no_exception_writes_one_line)
{
    stderr_capture capture;
    {
        exit_stack stack;
        stack.push(on_exit([] { throw 42; }).named("answer"));
        stack.push([] { throw "text"; });
    }
    std::string const text = capture.text();
    BOOST_TEST(lines_of(text) == 2);
    BOOST_TEST(contains(text, "answer"));
}

// A line stays a line whatever the text of the failure.
BOOST_AUTO_TEST_CASE(default_observer_of_a_failure_whose_text_has_many_lines_writes_one_line)
{
    stderr_capture capture;
    {
        exit_stack stack;
        stack.push(on_exit([] { throw std::runtime_error("first\nsecond\nthird"); }).named("poem"));
    }
    std::string const text = capture.text();
    BOOST_TEST(lines_of(text) == 1);
    BOOST_TEST(contains(text, "first"));
}

BOOST_AUTO_TEST_CASE(default_observer_hears_nothing_of_a_stack_that_is_closed)
{
    stderr_capture capture;
    {
        exit_stack stack;
        stack.push([] {});
        stack.push(failing(1));
        BOOST_TEST(report(caught([&] { stack.close(); })) == "1");
        exit_stack empty;
    }
    {
        exit_stack stack;
        stack.push([] {});
    }
    BOOST_TEST(capture.text() == "");
}

BOOST_AUTO_TEST_CASE(default_observer_silenced_writes_nothing)
{
    stderr_capture capture;
    {
        default_observer_guard guard(nullptr);
        exit_stack stack;
        stack.push(failing(1));
    }
    BOOST_TEST(capture.text() == "");
}

BOOST_AUTO_TEST_CASE(observer_of_the_stack_is_told_instead_of_the_default_one)
{
    writing_observer observer;
    stderr_capture capture;
    {
        exit_stack stack(exeunt::close_options{.observer = &observer});
        stack.push(on_exit(failing(1)).named("older"));
        stack.push(on_exit(failing(2)).named("newer"));
    }
    BOOST_TEST(capture.text() == "");
    BOOST_TEST(observer.book.text() == "newer=2 older=1");
}

BOOST_AUTO_TEST_CASE(observer_moves_along_with_the_stack_and_pop_all)
{
    writing_observer observer;
    default_observer_guard guard(nullptr);
    {
        exit_stack stack(exeunt::close_options{.observer = &observer});
        stack.push(on_exit(failing(1)).named("a"));
        exit_stack moved(std::move(stack));
        moved.push(on_exit(failing(2)).named("b"));
        exit_stack popped = moved.pop_all();
        exit_stack assigned;
        assigned = std::move(popped);
    }
    BOOST_TEST(observer.book.text() == "b=2 a=1");
}

BOOST_AUTO_TEST_CASE(default_observer_of_a_slow_exit_writes_one_line_with_name_and_time)
{
    exeunt::exit_view view;
    view.name = "tls shutdown";
    view.where = {"session.cpp", 41};
    stderr_capture capture;
    exeunt::default_observer()->exit_slow(view, std::chrono::milliseconds(2590));
    BOOST_TEST(capture.text()
        == "exeunt: exit tls shutdown (session.cpp:41) has been running for 2.5 s\n");
}
