// What can be registered with a synchronous stack, and what becomes of it.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_handle;
using exeunt::exit_stack;
using exeunt::exit_state;

static_assert(std::is_trivially_copyable_v<exit_handle>);
static_assert(std::is_default_constructible_v<exit_handle>);
static_assert(!std::is_copy_constructible_v<exit_stack>);
static_assert(!std::is_copy_assignable_v<exit_stack>);
static_assert(std::is_nothrow_move_constructible_v<exit_stack>);
static_assert(std::is_move_assignable_v<exit_stack>);
static_assert(noexcept(std::declval<exit_stack&>().dismiss(exit_handle())));
static_assert(noexcept(std::declval<exit_stack const&>().handle_of(nullptr)));

int where_am_i = 0;
void first_function()
{
    where_am_i = 1;
}
void second_function()
{
    where_am_i = 2;
}

struct immovable
{
    immovable(journal& book, int& value)
        : book_(book)
        , value_(value)
    {
        book_.note("made");
    }
    immovable(immovable const&) = delete;
    immovable& operator=(immovable const&) = delete;
    ~immovable() { book_.note("destroyed" + std::to_string(value_)); }

    journal& book_;
    int& value_;
};

struct immovable_context
{
    explicit immovable_context(journal& book)
        : book_(book)
    {
    }
    immovable_context(immovable_context const&) = delete;
    immovable_context& operator=(immovable_context const&) = delete;
    void enter() { book_.note("enter"); }
    void exit(exit_state&) { book_.note("exit"); }

    journal& book_;
};

// Has a door and no way out: no context.
struct door
{
    explicit door(journal& book)
        : book_(&book)
    {
    }
    void enter() { book_->note("entered"); }

    journal* book_;
};

struct throws_when_made
{
    throws_when_made() { throw boom(5); }
};

struct throws_when_moved
{
    throws_when_moved() = default;
    throws_when_moved(throws_when_moved&&) { throw boom(6); }
    void operator()() const {}
    void operator()(int&) const {}
};

struct throws_when_copied
{
    throws_when_copied() = default;
    throws_when_copied(throws_when_copied const&) { throw boom(7); }
    void operator()() const {}
};

struct socket_like
{
    journal* book = nullptr;
    void close() { book->note("closed"); }
    void shut(int how) { book->note("shut" + std::to_string(how)); }
};

} // namespace

// C10
BOOST_AUTO_TEST_CASE(callback_arguments_are_captured_at_registration_C10)
{
    journal book;
    exit_stack stack;
    std::string text = "then";
    int number = 1;
    stack.callback(
        [&](std::string const& s, int n) { book.note(s + std::to_string(n)); }, text, number);
    text = "now";
    number = 2;
    stack.close();
    BOOST_TEST(book.text() == "then1");
}

// C10
BOOST_AUTO_TEST_CASE(callback_arguments_are_decayed_C10)
{
    exit_stack stack;
    char buffer[8] = "abc";
    bool decayed = false;
    auto const take = [&](auto&& pointer, auto&& function) {
        decayed = std::is_same_v<decltype(pointer),
                      char*&&> && std::is_same_v<decltype(function), void (*&&)()>;
    };
    stack.callback(take, buffer, first_function);
    stack.close();
    BOOST_TEST(decayed);
}

// C10
BOOST_AUTO_TEST_CASE(callback_arguments_are_passed_as_rvalues_move_only_included_C10)
{
    exit_stack stack;
    std::unique_ptr<int> taken;
    auto value = std::make_unique<int>(42);
    stack.callback([&](std::unique_ptr<int> p) { taken = std::move(p); }, std::move(value));
    BOOST_TEST(!value);
    stack.close();
    BOOST_REQUIRE(taken);
    BOOST_TEST(*taken == 42);
}

// C10
BOOST_AUTO_TEST_CASE(callback_argument_in_std_ref_is_the_original_C10)
{
    exit_stack stack;
    int number = 1;
    stack.callback([](int& n) { n += 10; }, std::ref(number));
    number = 5;
    stack.close();
    BOOST_TEST(number == 15);
}

// C10
BOOST_AUTO_TEST_CASE(callback_of_a_member_function_calls_it_C10)
{
    journal book;
    socket_like socket{&book};
    auto shared = std::make_shared<socket_like>(socket);
    exit_stack stack;
    stack.callback(&socket_like::close, &socket);
    stack.callback(&socket_like::shut, std::ref(socket), 2);
    stack.callback(&socket_like::shut, shared, 3);
    stack.close();
    BOOST_TEST(book.text() == "shut3 shut2 closed");
}

// C10
BOOST_AUTO_TEST_CASE(callback_lvalue_arguments_are_left_as_they_were_C10)
{
    exit_stack stack;
    std::string text(100, 'x');
    auto const callable = [](std::string) {};
    stack.callback(callable, text);
    BOOST_TEST(text == std::string(100, 'x'));
    stack.close();
    BOOST_TEST(text == std::string(100, 'x'));
}

// C10
BOOST_AUTO_TEST_CASE(callback_many_arguments_arrive_in_order_C10)
{
    journal book;
    exit_stack stack;
    stack.callback(
        [&](int a, std::string b, char const* c, std::unique_ptr<int> d) {
            book.note(std::to_string(a) + b + c + std::to_string(*d));
        },
        1, std::string("b"), "c", std::make_unique<int>(4));
    stack.close();
    BOOST_TEST(book.text() == "1bc4");
}

BOOST_AUTO_TEST_CASE(push_move_only_callable_is_taken)
{
    exit_stack stack;
    int seen = 0;
    auto value = std::make_unique<int>(9);
    stack.push([&seen, value = std::move(value)] { seen = *value; });
    stack.close();
    BOOST_TEST(seen == 9);
}

BOOST_AUTO_TEST_CASE(push_lvalue_callable_is_copied)
{
    exit_stack stack;
    std::vector<int> log;
    auto callable = [&log, n = 1]() mutable { log.push_back(n++); };
    stack.push(callable);
    callable();
    callable();
    stack.close();
    BOOST_TEST((log == std::vector<int>{1, 2, 1}));
}

BOOST_AUTO_TEST_CASE(push_std_ref_of_a_callable_uses_the_original)
{
    exit_stack stack;
    struct counter
    {
        int runs = 0;
        void operator()() { ++runs; }
    } callable;
    stack.push(std::ref(callable));
    stack.close();
    BOOST_TEST(callable.runs == 1);
}

BOOST_AUTO_TEST_CASE(push_mutable_and_rvalue_qualified_callables_run)
{
    exit_stack stack;
    int runs = 0;
    struct once
    {
        int& runs;
        void operator()() && { ++runs; }
    };
    stack.push(once{runs});
    stack.push([&runs, n = 1]() mutable { runs += n++; });
    stack.close();
    BOOST_TEST(runs == 2);
}

BOOST_AUTO_TEST_CASE(push_over_aligned_callable_is_aligned)
{
    auto const all_places = []<std::size_t Alignment>(
                                std::integral_constant<std::size_t, Alignment>) {
        struct alignas(Alignment) wide
        {
            bool* aligned;
            explicit wide(bool* out)
                : aligned(out)
            {
            }
            void operator()()
            {
                *aligned = *aligned && reinterpret_cast<std::uintptr_t>(this) % Alignment == 0;
            }
        };
        bool aligned = true;
        exit_stack stack;
        for (int i = 0; i != 20; ++i) {
            stack.push([] {});
            stack.push(wide(&aligned));
            wide& value = stack.emplace<wide>(&aligned);
            value();
            wide& adopted = stack.adopt(wide(&aligned), [](wide& own) { own(); });
            adopted();
        }
        stack.close();
        BOOST_TEST(aligned, "alignment " << Alignment);
    };
    all_places(std::integral_constant<std::size_t, 16>());
    all_places(std::integral_constant<std::size_t, 32>());
    all_places(std::integral_constant<std::size_t, 64>());
    all_places(std::integral_constant<std::size_t, 4096>());
}

BOOST_AUTO_TEST_CASE(push_large_callable_is_kept_whole)
{
    exit_stack stack;
    std::array<unsigned char, 70000> big{};
    for (std::size_t i = 0; i != big.size(); ++i)
        big[i] = static_cast<unsigned char>(i % 251);
    bool same = false;
    stack.push([] {});
    auto callable = std::make_unique<decltype(big)>(big);
    stack.push([&same, &callable, copy = big] { same = copy == *callable; });
    stack.push([] {});
    stack.close();
    BOOST_TEST(same);
}

// C11
BOOST_AUTO_TEST_CASE(push_of_an_empty_function_throws_and_leaves_the_stack_C11)
{
    exit_stack stack;
    journal book;
    stack.push(book.noting("a"));
    std::function<void()> const empty;
    std::function<void(exit_state&)> const empty_with_state;
    void (*null_function)() = nullptr;
    void (*null_with_state)(exit_state&) = nullptr;
    BOOST_CHECK_THROW(stack.push(empty), std::exception);
    BOOST_CHECK_THROW(stack.push(empty_with_state), std::exception);
    BOOST_CHECK_THROW(stack.push(null_function), std::exception);
    BOOST_CHECK_THROW(stack.push(null_with_state), std::exception);
    BOOST_CHECK_THROW(stack.push(exeunt::on_exit(null_function).named("n")), std::exception);
    BOOST_CHECK_THROW(stack.push(exeunt::on_exit(std::function<void()>())), std::exception);
    BOOST_CHECK_THROW(stack.callback(null_function), std::exception);
    BOOST_CHECK_THROW(stack.callback(std::function<void(int)>(), 1), std::exception);
    BOOST_TEST(stack.size() == 1u);
    stack.close();
    BOOST_TEST(book.text() == "a");
}

// C11
BOOST_AUTO_TEST_CASE(adopt_with_an_empty_release_throws_and_leaves_the_stack_C11)
{
    exit_stack stack;
    void (*null_release)(int&) = nullptr;
    BOOST_CHECK_THROW(stack.adopt(1, null_release), std::exception);
    BOOST_CHECK_THROW(stack.adopt(1, std::function<void(int&)>()), std::exception);
    BOOST_TEST(stack.empty());
    stack.close();
}

// C12
BOOST_AUTO_TEST_CASE(push_and_callback_return_handles_of_their_exits_C12)
{
    journal book;
    exit_stack stack;
    exit_handle const a = stack.push(book.noting("a"));
    exit_handle const b = stack.callback([&] { book.note("b"); });
    exit_handle const c = stack.push(book.noting("c"));
    BOOST_TEST((a == a));
    BOOST_TEST((a != b));
    BOOST_TEST((b != c));
    BOOST_TEST((a != exit_handle()));
    BOOST_TEST((exit_handle() == exit_handle()));
    BOOST_TEST(stack.dismiss(b));
    stack.close();
    BOOST_TEST(book.text() == "c a");
}

// C12
BOOST_AUTO_TEST_CASE(emplace_adopt_and_enter_return_references_that_stay_valid_C12)
{
    exit_stack source;
    std::string& emplaced = source.emplace<std::string>(100u, 'e');
    std::string& adopted = source.adopt(std::string(100, 'a'), [](std::string&) {});
    std::string& entered = source.enter(std::string(100, 'r'));
    for (int i = 0; i != 1000; ++i)
        source.push([] {});
    exit_stack moved(std::move(source));
    exit_stack assigned;
    assigned = std::move(moved);
    exit_stack last = assigned.pop_all();
    BOOST_TEST(emplaced == std::string(100, 'e'));
    BOOST_TEST(adopted == std::string(100, 'a'));
    BOOST_TEST(entered == std::string(100, 'r'));
    std::string seen;
    last.push([&] { seen = emplaced.substr(0, 1) + adopted.substr(0, 1) + entered.substr(0, 1); });
    last.close();
    BOOST_TEST(seen == "ear");
}

// C12
BOOST_AUTO_TEST_CASE(reference_to_a_value_is_valid_until_its_own_exit_has_ended_C12)
{
    exit_stack stack;
    std::string seen;
    std::string* value = nullptr;
    value = &stack.adopt(std::string(100, 'v'), [&](std::string& own) {
        seen = &own == value ? own : "another";
        own = "changed";
    });
    stack.push([&] { value->append("!"); });
    stack.close();
    BOOST_TEST(seen == std::string(100, 'v') + "!");
}

// C12
BOOST_AUTO_TEST_CASE(handle_of_a_value_finds_its_exit_C12)
{
    journal book;
    exit_stack stack;
    last_word& emplaced = stack.emplace<last_word>(book, "emplaced");
    int& adopted = stack.adopt(1, [&](int&) { book.note("adopted"); });
    last_word& entered = stack.enter(last_word(book, "entered"));
    int other = 0;
    BOOST_TEST((stack.handle_of(&emplaced) != exit_handle()));
    BOOST_TEST((stack.handle_of(&adopted) != stack.handle_of(&emplaced)));
    BOOST_TEST((stack.handle_of(&other) == exit_handle()));
    BOOST_TEST((stack.handle_of(nullptr) == exit_handle()));
    BOOST_TEST(stack.dismiss(stack.handle_of(&adopted)));
    BOOST_TEST((stack.handle_of(&adopted) == exit_handle()));
    BOOST_TEST(book.text() == "");
    BOOST_TEST(stack.dismiss(stack.handle_of(&entered)));
    BOOST_TEST(book.text() == "entered");
    stack.close();
    BOOST_TEST(book.text() == "entered emplaced");
}

// C12
BOOST_AUTO_TEST_CASE(handle_of_an_entered_context_finds_its_exit_C12)
{
    journal book;
    immovable_context borrowed(book);
    struct owned_context
    {
        journal* book;
        owned_context* enter() { return this; }
        void exit(exit_state&) { book->note("exit"); }
    };
    exit_stack stack;
    owned_context* const owned = stack.enter(owned_context{&book});
    exit_handle const handle = stack.handle_of(owned);
    BOOST_TEST((handle != exit_handle()));
    BOOST_TEST(stack.dismiss(handle));
    stack.close();
    BOOST_TEST(book.text() == "");
}

// C12
BOOST_AUTO_TEST_CASE(handle_of_a_value_follows_it_to_another_stack_C12)
{
    exit_stack source;
    int& value = source.adopt(1, [](int&) {});
    exit_handle const handle = source.handle_of(&value);
    exit_stack target = source.pop_all();
    BOOST_TEST((source.handle_of(&value) == exit_handle()));
    BOOST_TEST((target.handle_of(&value) == handle));
}

// C13
BOOST_AUTO_TEST_CASE(adopt_of_any_value_calls_its_release_with_it_C13)
{
    journal book;
    exit_stack stack;
    stack.adopt(nullptr, [&](std::nullptr_t&) { book.note("nullptr"); });
    stack.adopt(0, [&](int& n) { book.note("zero" + std::to_string(n)); });
    stack.adopt(false, [&](bool& b) { book.note(b ? "true" : "false"); });
    stack.adopt(std::unique_ptr<int>(),
        [&](std::unique_ptr<int>& p) { book.note(p ? "pointer" : "empty"); });
    stack.adopt(static_cast<int*>(nullptr), [&](int*& p) { book.note(p ? "pointer" : "null"); });
    stack.adopt(std::string(), [&](std::string& s) { book.note("text" + s); });
    stack.adopt(std::error_code(), [&](std::error_code& e) { book.note(e ? "error" : "success"); });
    stack.close();
    BOOST_TEST(book.text() == "success text null empty false zero0 nullptr");
}

// C13
BOOST_AUTO_TEST_CASE(adopt_release_shapes_all_get_the_value_C13)
{
    journal book;
    exit_stack stack;
    stack.adopt(1, [&](int& n) { book.note("ref" + std::to_string(n)); });
    stack.adopt(2, [&](int& n, exit_state& state) {
        book.note((state.failed() ? "failed" : "fine") + std::to_string(n));
    });
    stack.adopt(3, [&](int n) { book.note("value" + std::to_string(n)); });
    stack.adopt(4, [&](int const& n) { book.note("const" + std::to_string(n)); });
    stack.adopt(5, [&](auto& n) { book.note("generic" + std::to_string(n)); });
    stack.adopt(6, [&](auto&& n) { book.note("forward" + std::to_string(n)); });
    stack.adopt(7, [&](auto& n, auto& state) {
        book.note((state.failed() ? "failed" : "fine") + std::to_string(n));
    });
    socket_like socket{&book};
    stack.adopt(socket, &socket_like::close);
    stack.adopt(&socket, [](socket_like* s) { s->close(); });
    BOOST_TEST(stack.size() == 9u);
    stack.close();
    BOOST_TEST(book.text() == "closed closed fine7 forward6 generic5 const4 value3 fine2 ref1");
}

// C13
BOOST_AUTO_TEST_CASE(adopt_gives_the_release_the_same_object_it_returned_C13)
{
    exit_stack stack;
    void const* released = nullptr;
    int& value = stack.adopt(1, [&](int& n) { released = &n; });
    value = 2;
    stack.close();
    BOOST_TEST((released == static_cast<void const*>(&value)));
}

// C14
BOOST_AUTO_TEST_CASE(push_function_pointer_rebound_later_changes_nothing_C14)
{
    void (*function)() = first_function;
    exit_stack stack;
    stack.push(function);
    function = second_function;
    where_am_i = 0;
    stack.close();
    BOOST_TEST(where_am_i == 1);
}

// C14
BOOST_AUTO_TEST_CASE(push_function_by_name_runs_it_C14)
{
    exit_stack stack;
    where_am_i = 0;
    stack.push(second_function);
    stack.close();
    BOOST_TEST(where_am_i == 2);
}

// C16
BOOST_AUTO_TEST_CASE(push_of_a_context_by_reference_exits_it_without_entering_C16)
{
    journal book;
    immovable_context context(book);
    exit_stack stack;
    exit_handle const handle = stack.push(std::ref(context));
    BOOST_TEST((handle != exit_handle()));
    BOOST_TEST(book.text() == "");
    stack.close();
    BOOST_TEST(book.text() == "exit");
}

// C16
BOOST_AUTO_TEST_CASE(enter_of_an_object_with_a_door_and_no_exit_only_owns_it_C16)
{
    journal book;
    exit_stack stack;
    door& owned = stack.enter(door(book));
    BOOST_TEST(book.text() == "");
    BOOST_TEST((owned.book_ == &book));
    stack.close();
    BOOST_TEST(book.text() == "");
}

BOOST_AUTO_TEST_CASE(enter_of_a_context_by_reference_enters_and_exits_the_original)
{
    journal book;
    immovable_context context(book);
    exit_stack stack;
    static_assert(std::is_void_v<decltype(stack.enter(std::ref(context)))>);
    stack.enter(std::ref(context));
    BOOST_TEST(book.text() == "enter");
    stack.close();
    BOOST_TEST(book.text() == "enter exit");
}

BOOST_AUTO_TEST_CASE(enter_returns_what_enter_returns_by_value_or_reference)
{
    struct by_reference
    {
        int& inside;
        int& enter() { return inside; }
        void exit(exit_state&) {}
    };
    struct by_value
    {
        std::unique_ptr<int> enter() { return std::make_unique<int>(3); }
        void exit(exit_state&) {}
    };
    struct without_door
    {
        int value = 4;
        void exit(exit_state&) {}
    };
    exit_stack stack;
    int number = 0;
    static_assert(std::is_same_v<decltype(stack.enter(by_reference{number})), int&>);
    static_assert(std::is_same_v<decltype(stack.enter(by_value())), std::unique_ptr<int>>);
    static_assert(std::is_same_v<decltype(stack.enter(without_door())), without_door&>);
    BOOST_TEST((&stack.enter(by_reference{number}) == &number));
    BOOST_TEST(*stack.enter(by_value()) == 3);
    BOOST_TEST(stack.enter(without_door()).value == 4);
    BOOST_TEST(stack.size() == 3u);
    stack.close();
}

// C18
BOOST_AUTO_TEST_CASE(enter_that_throws_registers_nothing_C18)
{
    journal book;
    struct refuses
    {
        last_word last;
        void enter() { throw boom(4); }
        void exit(exit_state&) { BOOST_ERROR("was never entered"); }
    };
    exit_stack stack;
    stack.push(book.noting("earlier"));
    BOOST_TEST(
        describe(caught([&] { stack.enter(refuses{last_word(book, "destroyed")}); })) == "4");
    BOOST_TEST(stack.size() == 1u);
    BOOST_TEST(stack.is_open());
    BOOST_TEST(book.text() == "destroyed");
    stack.push(book.noting("later"));
    stack.close();
    BOOST_TEST(book.text() == "destroyed later earlier");
}

// C18
BOOST_AUTO_TEST_CASE(enter_by_reference_that_throws_registers_nothing_C18)
{
    struct refuses
    {
        int exits = 0;
        void enter() { throw boom(4); }
        void exit(exit_state&) { ++exits; }
    } context;
    exit_stack stack;
    BOOST_TEST(describe(caught([&] { stack.enter(std::ref(context)); })) == "4");
    BOOST_TEST(stack.empty());
    stack.close();
    BOOST_TEST(context.exits == 0);
}

// C18
BOOST_AUTO_TEST_CASE(registration_that_throws_in_the_users_type_leaves_the_stack_C18)
{
    journal book;
    exit_stack stack;
    exit_handle const a = stack.push(book.noting("a"));
    throws_when_copied copied;
    throws_when_moved moved;
    std::size_t const blocks = allocations().blocks;
    for (int i = 0; i != 1000; ++i) {
        BOOST_REQUIRE(describe(caught([&] { stack.emplace<throws_when_made>(); })) == "5");
        BOOST_REQUIRE(describe(caught([&] { stack.push(std::move(moved)); })) == "6");
        BOOST_REQUIRE(describe(caught([&] { stack.push(copied); })) == "7");
        BOOST_REQUIRE(describe(caught([&] { stack.callback([](auto const&) {}, copied); })) == "7");
        BOOST_REQUIRE(describe(caught([&] { stack.adopt(1, std::move(moved)); })) == "6");
    }
    BOOST_TEST(allocations().blocks < blocks + 20);
    exit_handle const b = stack.push(book.noting("b"));
    BOOST_TEST((a != b));
    stack.close();
    BOOST_TEST(book.text() == "b a");
}

BOOST_AUTO_TEST_CASE(emplace_of_an_immovable_type_destroys_it_at_its_turn)
{
    journal book;
    int value = 1;
    exit_stack stack;
    stack.push(book.noting("older"));
    immovable& made = stack.emplace<immovable>(book, value);
    BOOST_TEST((&made.value_ == &value));
    stack.push([&] {
        book.note("newer");
        value = 2;
    });
    exit_stack moved(std::move(stack));
    BOOST_TEST(book.text() == "made");
    moved.close();
    BOOST_TEST(book.text() == "made newer destroyed2 older");
}

BOOST_AUTO_TEST_CASE(emplace_that_registers_from_its_constructor_keeps_order)
{
    struct server
    {
        journal& book;
        server(journal& b, exit_stack& stack)
            : book(b)
        {
            stack.push(book.noting("part1"));
            stack.push(book.noting("part2"));
        }
        ~server() { book.note("server"); }
    };
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.emplace<server>(book, stack);
    stack.push(book.noting("newer"));
    BOOST_TEST(stack.size() == 5u);
    stack.close();
    // Registered when it has been made, as what its enter() registered would be.
    BOOST_TEST(book.text() == "newer server part2 part1 older");
}

BOOST_AUTO_TEST_CASE(enter_that_registers_with_the_same_stack_keeps_order)
{
    struct server
    {
        journal& book;
        exit_stack& stack;
        void enter() { stack.push(book.noting("part")); }
        void exit(exit_state&) { book.note("server"); }
    };
    journal book;
    exit_stack stack;
    stack.push(book.noting("older"));
    stack.enter(server{book, stack});
    stack.close();
    BOOST_TEST(book.text() == "server part older");
}

BOOST_AUTO_TEST_CASE(adopt_of_an_array_or_a_literal_decays)
{
    exit_stack stack;
    std::string seen;
    static_assert(
        std::is_same_v<decltype(stack.adopt("literal", [](char const*&) {})), char const*&>);
    stack.adopt("literal", [&](char const*& text) { seen = text; });
    stack.close();
    BOOST_TEST(seen == "literal");
}

BOOST_AUTO_TEST_CASE(adopt_of_a_move_only_value_owns_it)
{
    exit_stack stack;
    int seen = 0;
    auto value = std::make_unique<int>(8);
    std::unique_ptr<int>& owned =
        stack.adopt(std::move(value), [&](std::unique_ptr<int>& p) { seen = *p; });
    BOOST_TEST(*owned == 8);
    stack.close();
    BOOST_TEST(seen == 8);
}

BOOST_AUTO_TEST_CASE(adopt_of_an_lvalue_copies_it)
{
    exit_stack stack;
    std::string text(50, 'x');
    std::string& owned = stack.adopt(text, [](std::string&) {});
    owned = "other";
    BOOST_TEST(text == std::string(50, 'x'));
}
