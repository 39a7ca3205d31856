// Which shapes of callables a synchronous stack takes, and how it calls them.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <concepts>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>

namespace {

using namespace sync_support;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

journal* page = nullptr;

void plain_function()
{
    page->note("plain");
}
void function_with_state(exit_state& state)
{
    page->note(state.failed() ? "failed" : "fine");
}
int function_with_result() noexcept
{
    return 1;
}
void function_noexcept_with_state(exit_state&) noexcept
{
    page->note("noexcept");
}

struct overloaded
{
    void operator()() const { page->note("nothing"); }
    void operator()(exit_state&) const { page->note("state"); }
};

struct with_default
{
    void operator()(int n = 3) const { page->note("default" + std::to_string(n)); }
};

struct templated
{
    template <class State>
    void operator()(State& state) const
    {
        // Only written for a state.
        page->note(state.failed() ? "failed" : "fine");
    }
};

struct variadic
{
    template <class... Args>
    void operator()(Args&&...) const
    {
        page->note("args" + std::to_string(sizeof...(Args)));
    }
};

struct const_state
{
    void operator()(exit_state const& state) const
    {
        page->note(state.failed() ? "failed" : "fine");
    }
};

struct state_and_copy
{
    // Both without arguments and with anything: the first wins.
    void operator()() { page->note("nothing"); }
    template <class T>
    void operator()(T&&)
    {
        page->note("anything");
    }
};

struct generic_exit
{
    template <class State>
    void exit(State& state)
    {
        page->note(state.failed() ? "failed" : "fine");
    }
};

struct hidden_call
{
    void operator()() && { page->note("rvalue"); }
    void operator()() & { page->note("lvalue"); }
};

std::string run(auto&& callable)
{
    journal book;
    page = &book;
    exit_stack stack;
    stack.push(std::forward<decltype(callable)>(callable));
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "1");
    return book.text();
}

} // namespace

// C99
BOOST_AUTO_TEST_CASE(push_of_functions_and_pointers_calls_them_C99)
{
    BOOST_TEST(run(plain_function) == "plain");
    BOOST_TEST(run(&plain_function) == "plain");
    BOOST_TEST(run(function_with_state) == "failed");
    BOOST_TEST(run(&function_with_state) == "failed");
    BOOST_TEST(run(function_with_result) == "");
    BOOST_TEST(run(function_noexcept_with_state) == "noexcept");
}

// C99
BOOST_AUTO_TEST_CASE(push_of_std_functions_calls_them_C99)
{
    BOOST_TEST(run(std::function<void()>(plain_function)) == "plain");
    BOOST_TEST(run(std::function<void(exit_state&)>(function_with_state)) == "failed");
    std::function<void()> const lvalue = plain_function;
    BOOST_TEST(run(lvalue) == "plain");
    BOOST_TEST(run(std::ref(lvalue)) == "plain");
    BOOST_TEST(run(std::bind<void>(plain_function)) == "plain");
}

// C99
BOOST_AUTO_TEST_CASE(push_of_an_overloaded_callable_calls_the_one_without_arguments_C99)
{
    BOOST_TEST(run(overloaded()) == "nothing");
    BOOST_TEST(run(with_default()) == "default3");
    BOOST_TEST(run(state_and_copy()) == "nothing");
    BOOST_TEST(run(variadic()) == "args0");
}

// C99
BOOST_AUTO_TEST_CASE(push_of_generic_lambdas_gives_them_the_state_C99)
{
    BOOST_TEST(
        run([](auto& state) { page->note(state.failed() ? "failed" : "fine"); }) == "failed");
    BOOST_TEST(
        run([](auto&& state) { page->note(state.failed() ? "failed" : "fine"); }) == "failed");
    BOOST_TEST(
        run([](auto const& state) { page->note(state.failed() ? "failed" : "fine"); }) == "failed");
    BOOST_TEST(run([](auto& state) {
        state.replace(state.error());
        page->note("typed");
    }) == "typed");
    BOOST_TEST(
        run([](auto... none) { page->note("args" + std::to_string(sizeof...(none))); }) == "args0");
    BOOST_TEST(run(templated()) == "failed");
    BOOST_TEST(run(const_state()) == "failed");
}

// C99
BOOST_AUTO_TEST_CASE(push_of_constrained_lambdas_respects_the_constraint_C99)
{
    BOOST_TEST(run([]<class S>(S & state) requires std::is_same_v<S, exit_state> {
        page->note(state.failed() ? "failed" : "fine");
    }) == "failed");
    BOOST_TEST(run([](std::same_as<exit_state> auto& state) {
        page->note(state.failed() ? "failed" : "fine");
    }) == "failed");
}

// C99
BOOST_AUTO_TEST_CASE(push_generic_lambda_suppresses_through_its_state_C99)
{
    exit_stack stack;
    stack.push([](auto& state) { state.suppress(); });
    BOOST_TEST(report(caught([&] { stack.close(make_boom(1)); })) == "nothing");
}

// C99
BOOST_AUTO_TEST_CASE(push_mutable_callables_are_called_as_rvalues_C99)
{
    BOOST_TEST(run(hidden_call()) == "rvalue");
    BOOST_TEST(run([n = 0]() mutable { page->note(std::to_string(++n)); }) == "1");
    BOOST_TEST(run([p = std::make_unique<int>(4)](exit_state&) mutable {
        std::unique_ptr<int> const taken = std::move(p);
        page->note(std::to_string(*taken));
    }) == "4");
}

// C99
BOOST_AUTO_TEST_CASE(push_noexcept_callables_run_C99)
{
    BOOST_TEST(run([]() noexcept { page->note("noexcept"); }) == "noexcept");
    BOOST_TEST(run([](exit_state&) noexcept { page->note("noexcept"); }) == "noexcept");
}

// C99
BOOST_AUTO_TEST_CASE(push_of_specs_of_all_of_these_calls_the_same_C99)
{
    BOOST_TEST(run(on_exit(overloaded())) == "nothing");
    BOOST_TEST(run(on_exit([](auto& state) { page->note(state.failed() ? "failed" : "fine"); }))
        == "failed");
    BOOST_TEST(run(on_exit(plain_function).named("n")) == "plain");
    BOOST_TEST(run(on_exit(function_with_state).only_on_failure()) == "failed");
}

// C99
BOOST_AUTO_TEST_CASE(push_callable_that_is_a_context_too_is_taken_as_one_thing_once_C99)
{
    struct both
    {
        void operator()() { page->note("called"); }
        void exit(exit_state&) { page->note("exited"); }
    } object;
    std::string const text = run(std::ref(object));
    bool const once = text == "called" || text == "exited";
    BOOST_TEST(once, text);
}

// C99
BOOST_AUTO_TEST_CASE(enter_of_contexts_of_all_shapes_exits_them_C99)
{
    struct derived : generic_exit
    {
    };
    struct noexcept_exit
    {
        bool exit(exit_state&) noexcept
        {
            page->note("noexcept");
            return true;
        }
    };
    journal book;
    page = &book;
    exit_stack stack;
    stack.enter(generic_exit());
    stack.enter(derived());
    stack.enter(noexcept_exit());
    std::exception_ptr const error = make_boom(1);
    BOOST_TEST((caught([&] { stack.close(error); }) == error));
    BOOST_TEST(book.text() == "noexcept failed failed");
}

// C99
BOOST_AUTO_TEST_CASE(callback_of_a_generic_callable_gets_its_arguments_and_nothing_else_C99)
{
    journal book;
    page = &book;
    exit_stack stack;
    stack.callback([](auto... args) { page->note("args" + std::to_string(sizeof...(args))); });
    stack.callback(
        [](auto... args) { page->note("args" + std::to_string(sizeof...(args))); }, 1, 2);
    stack.callback(variadic(), std::make_unique<int>(1));
    stack.callback(overloaded());
    stack.close();
    BOOST_TEST(book.text() == "nothing args1 args2 args0");
}
