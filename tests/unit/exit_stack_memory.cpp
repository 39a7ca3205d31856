// Memory: what registering costs, and what happens when there is none.
#include <exeunt/exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/sync_allocations.hpp"
#include "support/sync_tools.hpp"

#include <boost/test/unit_test.hpp>

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace sync_support;
using exeunt::exit_errors;
using exeunt::exit_handle;
using exeunt::exit_stack;
using exeunt::exit_state;
using exeunt::on_exit;

// Notes without memory.
struct tape
{
    std::array<int, 128> marks{};
    std::size_t length = 0;

    void note(int mark)
    {
        if (length != marks.size())
            marks[length++] = mark;
    }

    std::string text() const
    {
        std::string all;
        for (std::size_t i = 0; i != length; ++i)
            all += (i ? " " : "") + std::to_string(marks[i]);
        return all;
    }
};

struct context
{
    std::unique_ptr<int> held = std::make_unique<int>(1);
    tape* book = nullptr;
    void enter() { book->note(100); }
    void exit(exit_state&) { book->note(101); }
};

// Calls `attempt` with the first, the second ... allocation failing, until it succeeds; after each failure `check`.
// Returns how many it takes.
template <class Attempt, class Check>
int with_each_allocation_failing(Attempt attempt, Check check)
{
    for (int n = 0; n != 1000; ++n) {
        bool threw = false;
        {
            failing_allocations injector(static_cast<std::size_t>(n));
            try {
                attempt();
            } catch (std::bad_alloc const&) {
                threw = true;
            }
            if (!injector.failed())
                return n;
        }
        BOOST_REQUIRE_MESSAGE(threw, "allocation " << n << " failed, and nobody was told");
        check();
    }
    BOOST_ERROR("does not end");
    return -1;
}

// Registers in a stack that is at the end of its memory, whatever its pieces are.
template <class Register, class Intact>
void registration_is_strong(Register register_it, Intact intact)
{
    int failures = 0;
    for (int before = 0; before != 40; ++before) {
        tape book;
        exit_stack stack;
        std::vector<exit_handle> handles;
        handles.reserve(64);
        for (int i = 0; i != before; ++i)
            handles.push_back(stack.push([&book, i] { book.note(i); }));
        failures += with_each_allocation_failing([&] { register_it(stack); },
            [&] {
                BOOST_REQUIRE(stack.size() == static_cast<std::size_t>(before));
                BOOST_REQUIRE(stack.is_open());
                BOOST_REQUIRE(intact());
                BOOST_REQUIRE(stack.pending().size() == static_cast<std::size_t>(before));
            });
        BOOST_TEST(stack.size() == static_cast<std::size_t>(before) + 1);
        stack.close();
        std::string expected;
        for (int i = before - 1; i >= 0; --i)
            expected += (i == before - 1 ? "" : " ") + std::to_string(i);
        BOOST_TEST(book.text() == expected);
        book.length = 0;
    }
    // Else it has proved nothing.
    BOOST_TEST(failures > 0);
}

template <std::size_t Size>
struct of_size
{
    std::array<char, Size> bytes{};
    void operator()() const {}
};

} // namespace

// C18
BOOST_AUTO_TEST_CASE(push_without_memory_leaves_stack_and_callable_C18)
{
    struct callable
    {
        std::shared_ptr<int> held = std::make_shared<int>(1);
        std::array<char, 200> large{};
        void operator()() const {}
    };
    callable f;
    auto const keep = f.held;
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.push(std::move(f));
            f.held = keep;
        },
        [&] { return f.held == keep && keep.use_count() == 2; });
}

// C18
BOOST_AUTO_TEST_CASE(push_of_a_small_callable_without_memory_leaves_stack_and_callable_C18)
{
    auto held = std::make_unique<int>(1);
    struct callable
    {
        std::unique_ptr<int> held;
        void operator()() const {}
    };
    callable f{std::make_unique<int>(1)};
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.push(std::move(f));
            failing_allocations never(1000000);
            f.held = std::move(held);
            held = std::make_unique<int>(1);
        },
        [&] { return f.held != nullptr; });
}

// C18
BOOST_AUTO_TEST_CASE(push_of_a_copied_callable_without_memory_leaves_the_stack_C18)
{
    std::string const text(100, 'x');
    auto const f = [text] { static_cast<void>(text); };
    registration_is_strong([&](exit_stack& stack) { stack.push(f); }, [] { return true; });
}

// C18
BOOST_AUTO_TEST_CASE(push_of_a_named_spec_without_memory_leaves_stack_and_spec_C18)
{
    std::string const name(100, 'n');
    auto spec = on_exit([] {}).named(name);
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.push(std::move(spec));
            failing_allocations never(1000000);
            spec = on_exit(std::move(spec.function())).named(name);
        },
        [&] { return spec.name() == name; });
}

// C18
BOOST_AUTO_TEST_CASE(callback_without_memory_leaves_stack_and_arguments_C18)
{
    auto argument = std::make_shared<int>(1);
    auto const keep = argument;
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.callback([](std::shared_ptr<int> const&, std::array<char, 100> const&) {},
                std::move(argument), std::array<char, 100>());
            argument = keep;
        },
        [&] { return argument == keep; });
}

// C18
BOOST_AUTO_TEST_CASE(callback_whose_argument_is_copied_without_memory_leaves_the_stack_C18)
{
    std::string const text(100, 'x');
    auto first = std::make_shared<int>(1);
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.callback([](std::shared_ptr<int> const&, std::string const&) {}, first, text);
        },
        [&] { return first.use_count() == 1; });
}

// C18
BOOST_AUTO_TEST_CASE(emplace_without_memory_leaves_the_stack_C18)
{
    struct two_parts
    {
        std::string a = std::string(100, 'a');
        std::string b = std::string(100, 'b');
    };
    registration_is_strong(
        [&](exit_stack& stack) { stack.emplace<two_parts>(); }, [] { return true; });
}

// C18
BOOST_AUTO_TEST_CASE(adopt_without_memory_leaves_stack_value_and_release_C18)
{
    auto value = std::make_shared<int>(1);
    auto const keep = value;
    struct releases
    {
        std::shared_ptr<int> held;
        void operator()(std::shared_ptr<int>&) const {}
    };
    releases release{std::make_shared<int>(2)};
    auto const keep_release = release.held;
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.adopt(std::move(value), std::move(release));
            value = keep;
            release.held = keep_release;
        },
        [&] { return value == keep && release.held == keep_release; });
}

// C18
BOOST_AUTO_TEST_CASE(enter_without_memory_leaves_stack_and_context_C18)
{
    tape book;
    context c;
    c.book = &book;
    int entered = 0;
    registration_is_strong(
        [&](exit_stack& stack) {
            stack.enter(std::move(c));
            ++entered;
            failing_allocations never(1000000);
            c.held = std::make_unique<int>(1);
        },
        // What could not be registered was not entered.
        [&] {
            bool const none = book.length == 2 * static_cast<std::size_t>(entered);
            return none && c.held != nullptr;
        });
    BOOST_TEST(entered == 40);
}

// C18
BOOST_AUTO_TEST_CASE(enter_by_reference_without_memory_does_not_enter_C18)
{
    tape book;
    context c;
    c.book = &book;
    exit_stack stack;
    int entered = 0;
    for (int i = 0; i != 40; ++i) {
        with_each_allocation_failing(
            [&] {
                stack.enter(std::ref(c));
                ++entered;
            },
            [&] { BOOST_REQUIRE(book.length == static_cast<std::size_t>(entered)); });
    }
    BOOST_TEST(entered == 40);
    BOOST_TEST(stack.size() == 40u);
    book.length = 0;
    stack.close();
    BOOST_TEST(book.length == 40u);
}

// C18
BOOST_AUTO_TEST_CASE(registration_that_fails_again_and_again_keeps_no_memory_C18)
{
    // In the slot of a small exit, and in memory of its own for a large one.
    struct small
    {
        small() { throw boom(1); }
    };
    struct large
    {
        std::array<char, 1000> bytes;
        large() { throw boom(2); }
    };
    std::size_t const blocks = allocations().blocks;
    {
        exit_stack stack;
        stack.push([] {});
        auto const fail_often = [&] {
            int failed = 0;
            for (int i = 0; i != 1000; ++i) {
                failed += caught([&] { stack.emplace<small>(); }) ? 1 : 0;
                failed += caught([&] { stack.emplace<large>(); }) ? 1 : 0;
            }
            return failed;
        };
        BOOST_TEST(fail_often() == 2000);
        std::size_t const live = allocations().live;
        BOOST_TEST(fail_often() == 2000);
        BOOST_TEST(allocations().live == live);
        BOOST_TEST(stack.size() == 1u);
    }
    BOOST_TEST(allocations().blocks == blocks);
}

// C18
BOOST_AUTO_TEST_CASE(reserve_without_memory_leaves_the_stack_C18)
{
    tape book;
    exit_stack stack;
    stack.push([&] { book.note(1); });
    int const failures = with_each_allocation_failing(
        [&] { stack.reserve(1000); }, [&] { BOOST_REQUIRE(stack.size() == 1u); });
    BOOST_TEST(failures > 0);
    stack.close();
    BOOST_TEST(book.text() == "1");
}

// C18
BOOST_AUTO_TEST_CASE(registering_while_closing_without_memory_is_the_failure_of_that_exit_C18)
{
    tape book;
    exit_stack stack;
    std::exception_ptr error;
    stack.push([&] { book.note(1); });
    stack.push([&] {
        failing_allocations none(0, true);
        for (int i = 0; i != 1000; ++i)
            stack.push([bytes = std::array<char, 5000>()] { static_cast<void>(bytes); });
    });
    error = caught([&] { stack.close(); });
    BOOST_REQUIRE(error);
    BOOST_CHECK_THROW(std::rethrow_exception(error), std::bad_alloc);
    BOOST_TEST(book.text() == "1");
}

// C19
BOOST_AUTO_TEST_CASE(push_after_reserve_does_not_allocate_C19)
{
    using small = of_size<exeunt::small_capture>;
    static_assert(exeunt::small_capture >= sizeof(void*));
    static_assert(sizeof(small) == exeunt::small_capture);
    for (std::size_t const n : {1u, 2u, 3u, 7u, 16u, 17u, 64u, 100u, 1000u, 5000u}) {
        exit_stack stack;
        stack.reserve(n);
        std::size_t const made = allocations_of([&] {
            for (std::size_t i = 0; i != n; ++i)
                stack.push(small());
        });
        BOOST_TEST(made == 0u, "n is " << n);
        BOOST_TEST(stack.size() == n);
        stack.close();
    }
}

// C19
BOOST_AUTO_TEST_CASE(push_after_reserve_on_a_stack_in_use_does_not_allocate_C19)
{
    using small = of_size<exeunt::small_capture>;
    for (std::size_t const before : {1u, 2u, 3u, 5u, 10u, 33u, 100u}) {
        for (std::size_t const n : {1u, 10u, 100u}) {
            exit_stack stack;
            for (std::size_t i = 0; i != before; ++i)
                stack.push(small());
            stack.reserve(n);
            std::size_t const made = allocations_of([&] {
                for (std::size_t i = 0; i != n; ++i)
                    stack.push(small());
            });
            BOOST_TEST(made == 0u, "before " << before << ", n " << n);
            stack.reserve(n);
            BOOST_TEST(stack.size() == before + n);
        }
    }
}

// C19
BOOST_AUTO_TEST_CASE(push_after_reserve_of_shapes_and_alignments_does_not_allocate_C19)
{
    int runs = 0;
    exit_stack stack;
    stack.reserve(100);
    std::size_t const made = allocations_of([&] {
        for (int i = 0; i != 25; ++i) {
            stack.push([&runs] { ++runs; });
            stack.push([&runs](exit_state&) { ++runs; });
            stack.push([] {});
            stack.push(of_size<1>());
        }
    });
    BOOST_TEST(made == 0u);
    stack.close();
    BOOST_TEST(runs == 50);
}

// C19
BOOST_AUTO_TEST_CASE(push_after_reserve_with_filters_does_not_allocate_C19)
{
    using small = of_size<exeunt::small_capture>;
    exit_stack stack;
    stack.reserve(30);
    std::size_t const made = allocations_of([&] {
        for (int i = 0; i != 10; ++i) {
            stack.push(on_exit(small()));
            stack.push(on_exit(small()).only_on_failure());
            stack.push(on_exit(small()).best_effort());
        }
    });
    BOOST_TEST(made == 0u);
}

// C19
BOOST_AUTO_TEST_CASE(push_after_reserve_and_dismissals_does_not_allocate_C19)
{
    using small = of_size<exeunt::small_capture>;
    exit_stack stack;
    stack.reserve(50);
    std::size_t const made = allocations_of([&] {
        for (int round = 0; round != 10; ++round) {
            std::array<exit_handle, 50> handles;
            for (exit_handle& handle : handles)
                handle = stack.push(small());
            for (exit_handle handle : handles)
                stack.dismiss(handle);
        }
    });
    BOOST_TEST(made == 0u);
}

BOOST_AUTO_TEST_CASE(reserve_of_more_than_can_be_addressed_leaves_the_stack)
{
    exit_stack stack;
    stack.push([] {});
    BOOST_CHECK_THROW(stack.reserve(static_cast<std::size_t>(-1)), std::bad_alloc);
    BOOST_CHECK_THROW(stack.reserve(static_cast<std::size_t>(-1) / 8), std::bad_alloc);
    BOOST_TEST(stack.size() == 1u);
    stack.close();
}

BOOST_AUTO_TEST_CASE(reserve_of_nothing_is_harmless)
{
    exit_stack stack;
    stack.reserve(0);
    stack.push([] {});
    stack.reserve(0);
    BOOST_TEST(stack.size() == 1u);
}

BOOST_AUTO_TEST_CASE(exit_stack_that_is_made_moved_and_destroyed_empty_takes_no_memory)
{
    std::size_t const made = allocations_of([] {
        exit_stack stack;
        exit_stack moved(std::move(stack));
        stack = std::move(moved);
        exit_stack popped = stack.pop_all();
        popped.close();
        stack.close();
    });
    BOOST_TEST(made == 0u);
}

BOOST_AUTO_TEST_CASE(close_without_failures_takes_no_memory)
{
    int runs = 0;
    exit_stack stack;
    for (int i = 0; i != 100; ++i)
        stack.push([&] { ++runs; });
    stack.emplace<std::array<char, 1000>>();
    stack.push([](exit_state& state) { state.suppress(); });
    BOOST_TEST(allocations_of([&] { stack.close(); }) == 0u);
    BOOST_TEST(runs == 100);
}

BOOST_AUTO_TEST_CASE(close_with_one_failure_takes_no_memory)
{
    exit_stack stack;
    std::exception_ptr const error = make_boom(1);
    std::exception_ptr out;
    stack.push([] {});
    stack.push(failing(error));
    stack.push([] {});
    std::size_t const made = allocations_of([&] { out = caught([&] { stack.close(); }); });
    BOOST_TEST(made == 0u);
    BOOST_TEST((out == error));
}

BOOST_AUTO_TEST_CASE(exit_stack_gives_all_its_memory_back)
{
    std::size_t const blocks = allocations().blocks;
    {
        exit_stack stack;
        stack.reserve(100);
        for (int i = 0; i != 1000; ++i)
            stack.push(on_exit([text = std::string(50, 'x')] {}).named(std::string(50, 'n')));
        stack.emplace<std::string>(100u, 'x');
        exit_handle const handle = stack.push(of_size<5000>());
        stack.dismiss(handle);
        exit_stack other = stack.pop_all();
        stack.push(failing(1));
        stack.push(failing(2));
        BOOST_TEST(numbers(caught([&] { stack.close(); })) == "2 1");
    }
    BOOST_TEST(allocations().blocks == blocks);
}

// C93
BOOST_AUTO_TEST_CASE(close_without_memory_runs_every_exit_and_keeps_the_primary_C93)
{
    // All allocations from the n-th on fail: the list may be short, but its length and dropped() tell of all.
    std::vector<std::exception_ptr> thrown;
    for (int i = 0; i != 6; ++i)
        thrown.push_back(i < 2 ? make_cancellation() : make_boom(i));
    bool complete = false;
    for (std::size_t n = 0; !complete; ++n) {
        BOOST_REQUIRE(n < 1000u);
        std::size_t const blocks = allocations().blocks;
        {
            tape book;
            exit_stack stack;
            for (int i = 5; i >= 1; --i) {
                stack.push([&book, &thrown, i] {
                    book.note(i);
                    std::rethrow_exception(thrown[static_cast<std::size_t>(i)]);
                });
            }
            std::exception_ptr out;
            {
                failing_allocations none(n, true);
                out = caught([&] { stack.close(thrown[0]); });
                complete = !none.failed();
            }
            BOOST_TEST(book.text() == "1 2 3 4 5");
            // The first in time that is no cancellation.
            BOOST_TEST((exeunt::primary(out) == thrown[2]));
            bool const several = with_report(out, [&](exit_errors const& e) {
                bool primary_listed = false;
                for (exeunt::exit_failure const& failure : e.failures())
                    primary_listed = primary_listed || failure.error == thrown[2];
                std::size_t const kept = e.failures().size() + (primary_listed ? 0 : 1);
                BOOST_TEST(kept + e.dropped() == 6u, "allocation " << n);
                BOOST_TEST(*e.what() != '\0');
                if (complete)
                    BOOST_TEST(
                        describe(e.failures()) == "[body=cancelled, =cancelled, =2, =3, =4, =5]");
            });
            BOOST_TEST(several, "allocation " << n);
        }
        BOOST_TEST(allocations().blocks == blocks);
    }
}

// C93: what comes out is worth more than what is only seen
BOOST_AUTO_TEST_CASE(
    close_without_memory_of_a_stack_that_has_failed_keeps_what_its_exits_fail_with_C93)
{
    std::vector<std::exception_ptr> thrown;
    for (int i = 0; i != 6; ++i)
        thrown.push_back(make_boom(i));
    bool complete = false;
    for (std::size_t n = 0; !complete; ++n) {
        BOOST_REQUIRE(n < 1000u);
        exit_stack stack;
        for (int i = 5; i >= 0; --i)
            stack.push(failing(thrown[static_cast<std::size_t>(i)]));
        stack.fail(make_boom(100));
        std::exception_ptr out;
        {
            failing_allocations none(n, true);
            out = caught([&] { stack.close(); });
            complete = !none.failed();
        }
        BOOST_TEST((exeunt::primary(out) == thrown[0]), "allocation " << n);
        bool const several = with_report(out, [&](exit_errors const& e) {
            bool const listed = !e.failures().empty();
            BOOST_TEST(
                e.failures().size() + (listed ? 0u : 1u) + e.dropped() == 6u, "allocation " << n);
            if (complete)
                BOOST_TEST(describe(e.failures()) == "[=0, =1, =2, =3, =4, =5]");
        });
        BOOST_TEST(several, "allocation " << n);
    }
}

// C93
BOOST_AUTO_TEST_CASE(close_with_one_allocation_failing_runs_every_exit_C93)
{
    std::vector<std::exception_ptr> thrown;
    for (int i = 0; i != 40; ++i)
        thrown.push_back(make_boom(i));
    bool complete = false;
    for (std::size_t n = 0; !complete; ++n) {
        BOOST_REQUIRE(n < 1000u);
        tape book;
        exit_stack stack;
        for (int i = 39; i >= 0; --i) {
            stack.push([&book, &thrown, i] {
                book.note(i);
                std::rethrow_exception(thrown[static_cast<std::size_t>(i)]);
            });
        }
        std::exception_ptr out;
        {
            failing_allocations once(n);
            out = caught([&] { stack.close(); });
            complete = !once.failed();
        }
        BOOST_TEST(book.length == 40u);
        BOOST_TEST((exeunt::primary(out) == thrown[0]));
        bool const several = with_report(out, [&](exit_errors const& e) {
            BOOST_TEST(e.failures().size() + e.dropped() == 40u, "allocation " << n);
            // What is kept is in order.
            int last = -1;
            for (exeunt::exit_failure const& failure : e.failures()) {
                int const number = std::stoi(describe(failure.error));
                BOOST_TEST(number > last);
                last = number;
            }
        });
        BOOST_TEST(several);
    }
}

// C93
BOOST_AUTO_TEST_CASE(close_without_memory_splices_what_it_can_of_a_report_C93)
{
    std::vector<exeunt::exit_failure> failures;
    for (int i = 0; i != 5; ++i)
        failures.push_back({make_boom(10 + i), "inner", {}});
    std::exception_ptr const inner = std::make_exception_ptr(exit_errors(std::move(failures)));
    std::exception_ptr const first = make_boom(1);
    bool complete = false;
    for (std::size_t n = 0; !complete; ++n) {
        BOOST_REQUIRE(n < 1000u);
        exit_stack stack;
        stack.push(failing(inner));
        std::exception_ptr out;
        {
            failing_allocations none(n, true);
            out = caught([&] { stack.close(first); });
            complete = !none.failed();
        }
        BOOST_TEST((exeunt::primary(out) == first));
        bool const several = with_report(out, [&](exit_errors const& e) {
            bool const listed = !e.failures().empty();
            BOOST_TEST(
                e.failures().size() + (listed ? 0u : 1u) + e.dropped() == 6u, "allocation " << n);
        });
        BOOST_TEST(several, "allocation " << n);
    }
}

// C93
BOOST_AUTO_TEST_CASE(close_without_memory_with_cancellations_alone_throws_the_first_C93)
{
    std::exception_ptr const first = make_cancellation();
    std::exception_ptr const second = make_cancellation();
    std::exception_ptr const third = make_cancellation();
    bool complete = false;
    for (std::size_t n = 0; !complete; ++n) {
        BOOST_REQUIRE(n < 1000u);
        exit_stack stack;
        stack.push(failing(third));
        stack.push(failing(second));
        std::exception_ptr out;
        {
            failing_allocations none(n, true);
            out = caught([&] { stack.close(first); });
            complete = !none.failed();
        }
        BOOST_TEST((out == first));
    }
}

// C93
BOOST_AUTO_TEST_CASE(close_without_memory_lets_suppress_and_replace_work_C93)
{
    std::exception_ptr const other = make_boom(9);
    std::exception_ptr const one = make_boom(1);
    std::exception_ptr const two = make_boom(2);
    std::exception_ptr out;
    {
        exit_stack stack;
        stack.push([](exit_state& state) { state.suppress(); });
        stack.push(failing(two));
        failing_allocations none(0, true);
        out = caught([&] { stack.close(one); });
    }
    BOOST_TEST((out == nullptr));
    {
        exit_stack stack;
        stack.push([&](exit_state& state) { state.replace(other); });
        stack.push(failing(two));
        failing_allocations none(0, true);
        out = caught([&] { stack.close(one); });
    }
    BOOST_TEST((out == other));
}

// C93
BOOST_AUTO_TEST_CASE(close_without_memory_tells_primary_only_observers_C93)
{
    struct counting : exeunt::exit_observer
    {
        int heard = 0;
        void failure_unreceived(exeunt::exit_view const&, std::exception_ptr) noexcept override
        {
            ++heard;
        }
    } observer;
    std::exception_ptr const one = make_boom(1);
    std::exception_ptr const two = make_boom(2);
    std::exception_ptr const effort = make_boom(3);
    exit_stack stack(exeunt::close_options{.primary_only = true, .observer = &observer});
    stack.push(on_exit(failing(effort)).named(std::string(100, 'n')).best_effort());
    stack.push(failing(two));
    std::exception_ptr out;
    {
        failing_allocations none(0, true);
        out = caught([&] { stack.close(one); });
    }
    BOOST_TEST((out == one));
    // That of the best effort needs no memory; the other may have been dropped.
    BOOST_TEST(observer.heard >= 1);
}

// C93
BOOST_AUTO_TEST_CASE(destructor_without_memory_runs_every_exit_C93)
{
    struct counting : exeunt::exit_observer
    {
        int heard = 0;
        void failure_unreceived(exeunt::exit_view const&, std::exception_ptr) noexcept override
        {
            ++heard;
        }
    } observer;
    std::exception_ptr const one = make_boom(1);
    std::exception_ptr const two = make_boom(2);
    tape book;
    {
        exit_stack stack(exeunt::close_options{.observer = &observer});
        stack.push([&] { book.note(1); });
        stack.push(failing(one));
        stack.push([&] { book.note(2); });
        stack.push(failing(two));
        stack.push([&] { book.note(3); });
        failing_allocations none(0, true);
        exit_stack moved(std::move(stack));
    }
    BOOST_TEST(book.text() == "3 2 1");
    // Of two there may be no memory to keep both until it is known that neither is suppressed.
    BOOST_TEST(observer.heard >= 1);
}

// C93
BOOST_AUTO_TEST_CASE(default_observer_without_memory_still_writes_its_line_C93)
{
    std::exception_ptr const error = make_boom(4711);
    stderr_capture capture;
    {
        exit_stack stack;
        stack.push(on_exit(failing(error)).named("delete draft"));
        failing_allocations none(0, true);
        exit_stack moved(std::move(stack));
    }
    std::string const text = capture.text();
    BOOST_TEST((text.find("delete draft") != std::string::npos));
    BOOST_TEST(text.back() == '\n');
}
