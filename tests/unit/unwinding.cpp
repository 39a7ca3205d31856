// What an unwinding decides, for every short sequence of events and every stack of three exits.
#include <exeunt/detail/unwinding.hpp>

#include <boost/test/unit_test.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <string>

namespace {

using namespace std::chrono_literals;
using exeunt::detail::stop_reason;
using exeunt::detail::unwinding;
using ending = unwinding::ending;
using facts = unwinding::exit_facts;
using time_point = unwinding::time_point;
using duration = unwinding::duration;

constexpr duration unlimited = unwinding::unlimited;
constexpr duration tick = duration(1);
constexpr time_point start_time = time_point() + 1h;
constexpr time_point never = time_point::max();

constexpr facts sync_exit{};
constexpr facts plain_exit{true, false, false, unlimited};
constexpr facts forcible_exit{true, true, false, unlimited};
constexpr facts committing_exit{true, true, true, unlimited};
constexpr facts limited_exit{true, false, false, 2s};

struct exit_kind
{
    char const* name;
    facts what;
};

constexpr std::array<exit_kind, 5> kinds{{{"sync", sync_exit}, {"plain", plain_exit},
    {"forcible", forcible_exit}, {"committing", committing_exit}, {"limited", limited_exit}}};

enum class event : unsigned char { succeed, fail, cancelled, terminal, force, deadline, late };

constexpr std::array<event, 7> events{event::succeed, event::fail, event::cancelled,
    event::terminal, event::force, event::deadline, event::late};

char const* name_of(event what)
{
    constexpr std::array<char const*, 7> names{
        "succeed", "fail", "cancelled", "terminal", "force", "deadline", "late"};
    return names[static_cast<std::size_t>(what)];
}

// What happens before the unwinding begins.
enum class prelude : unsigned char { nothing, cancelled, terminal, force };

constexpr std::size_t exits = 3;

struct setting
{
    std::array<exit_kind, exits> stack{};
    duration timeout = unlimited;
    duration grace = unlimited;
    prelude before = prelude::nothing;
    duration report_after = unlimited;
    // So many events come while an exit is being started, before it is waited for.
    unsigned start_takes = 0;
    // Asks the machine about an exit only where time, a force or a failure make it count, as a close does.
    bool sparing = false;
};

// Carries out what is decided for a stack of exits that do nothing, and compares that with what is
// expected. Copied for each branch of the enumeration, and so without a test macro: the first
// expectation that is not met is remembered.
class driver
{
public:
    explicit driver(setting const& what)
        : setting_(&what)
    {
        switch (what.before) {
        case prelude::nothing: break;
        case prelude::cancelled:
            cancelled_ = true;
            asked(machine_.cancel_before(what.grace, now_));
            break;
        case prelude::terminal:
            ++terminals_;
            cancelled_ = true;
            asked(machine_.terminal(what.grace, now_));
            break;
        case prelude::force:
            expect_forced(stop_reason::cancelled);
            asked(machine_.force(stop_reason::cancelled));
            break;
        }
        machine_.begin(what.timeout, what.grace, now_);
        shorten(what.timeout);
        if (cancelled_)
            shorten(what.grace);
        expect_time();
        advance();
        compare();
    }

    char const* broken() const { return broken_; }
    bool completed() const { return at_ == exits && !running_; }

    void take(event what)
    {
        bool const was_completed = completed();
        auto const done = done_;
        switch (what) {
        case event::succeed: answer(ending::succeeded); break;
        case event::fail: answer(ending::failed); break;
        case event::cancelled: answer(ending::cancelled); break;
        case event::terminal: terminal(); break;
        case event::force:
            expect_forced(stop_reason::cancelled);
            asked(machine_.force(stop_reason::cancelled));
            break;
        case event::deadline: go_to_deadline(); break;
        case event::late:
            now_ += 1h;
            pass_time();
            break;
        }
        if (starting_ != 0 && --starting_ == 0)
            wait();
        compare();
        expect(
            !was_completed || (completed() && done == done_), "nothing happens after completion");
    }

private:
    struct history
    {
        unsigned runs = 0;
        unsigned forces = 0;
        unsigned cuts = 0;
        bool unwanted = false;
        bool succeeded = false;

        bool operator==(history const&) const = default;
    };

    void expect(bool met, char const* what)
    {
        if (!met && !broken_)
            broken_ = what;
    }

    facts const& current() const { return setting_->stack[at_].what; }

    void shorten(duration time)
    {
        if (time != unlimited)
            limit_ = std::min(limit_, now_ + time);
    }

    void expect_forced(stop_reason reason)
    {
        if (forced_ == stop_reason::none)
            forced_ = reason;
    }

    void expect_time()
    {
        if (limit_ <= now_)
            expect_forced(stop_reason::timed_out);
    }

    // It has been told whether to cut.
    void asked(bool cut)
    {
        if (!cut)
            return;
        expect(waits_, "only an exit that is waited for is cut");
        if (waits_)
            expect(++done_[at_].cuts == 1, "an exit is cut once");
    }

    void terminal()
    {
        cancelled_ = true;
        bool const first = terminals_++ == 0;
        bool const was_cut = waits_ && done_[at_].cuts != 0;
        bool const was_forced = machine_.is_forced();
        if (first)
            shorten(setting_->grace);
        else
            expect_forced(stop_reason::cancelled);
        expect_time();
        bool const cut = machine_.terminal(setting_->grace, now_);
        if (first && setting_->grace > 0s)
            expect(!cut && machine_.is_forced() == was_forced, "the first terminal only shortens");
        else
            expect(
                machine_.is_forced() && cut == (waits_ && !was_cut), "the second terminal forces");
        asked(cut);
    }

    void go_to_deadline()
    {
        auto const until = machine_.deadline();
        if (!until)
            return;
        expect(now_ < *until, "a deadline lies ahead");
        asked(machine_.elapsed(*until - tick));
        expect(!machine_.slow(*until - tick) && machine_.deadline() == until,
            "nothing happens before the deadline");
        now_ = *until;
        pass_time();
        expect(machine_.deadline() != until, "a deadline is over when it has been told");
    }

    void pass_time()
    {
        expect_time();
        bool const slow = report_ <= now_;
        expect(machine_.slow(now_) == slow && !machine_.slow(now_), "a slow exit is reported once");
        if (slow)
            report_ = now_ + setting_->report_after;
        asked(machine_.elapsed(now_));
    }

    void answer(ending how)
    {
        // Without an exit that runs, nobody is there to answer.
        if (!running_)
            return;
        auto& mine = done_[at_];
        auto const verdict = end(how);
        mine.succeeded = how == ending::succeeded;
        expect(!mine.succeeded || (!verdict.keep_failure && verdict.failure == stop_reason::none),
            "an exit that succeeds does not fail");
        expect(!(verdict.keep_failure && verdict.failure != stop_reason::none),
            "one failure is not counted twice");
        bool const excused = mine.cuts != 0 && current().has_force && !current().only_on_success;
        expect(mine.succeeded || excused == !fails(verdict),
            "a failure is forgiven only where a force makes up for a cut");
        settle(verdict);
        running_ = false;
        waits_ = false;
        starting_ = 0;
        within_ = never;
        report_ = never;
        ++at_;
        advance();
    }

    unwinding::verdict end(ending how)
    {
        if (!setting_->sparing)
            return machine_.end(how);
        unwinding::verdict verdict{};
        if (how != ending::succeeded && !is_timed_)
            machine_.look_at(current());
        if (how != ending::succeeded || is_timed_)
            verdict = machine_.end(how);
        if (waits_)
            machine_.rest();
        is_timed_ = false;
        return verdict;
    }

    // The turn of the exit that is next.
    unwinding::turn turn()
    {
        if (!setting_->sparing || (machine_.is_forced() && current().has_force))
            return machine_.next(current());
        return current().async ? unwinding::turn::start : unwinding::turn::run;
    }

    static bool fails(unwinding::verdict const& verdict)
    {
        return verdict.keep_failure || verdict.failure != stop_reason::none;
    }

    void settle(unwinding::verdict const& verdict)
    {
        if (verdict.force)
            ++done_[at_].forces;
        failed_ = failed_ || fails(verdict);
    }

    // Goes on to the next exit that does not end at once.
    void advance()
    {
        for (; at_ != exits; ++at_) {
            auto& mine = done_[at_];
            expect(!running_, "no exit starts before the newer one has ended");
            if (current().only_on_success && failed_) {
                mine.unwanted = true;
                continue;
            }
            bool const forced = forced_ != stop_reason::none;
            auto const turn = this->turn();
            if (turn == unwinding::turn::run) {
                expect(!current().async, "only a synchronous exit runs synchronously");
                ++mine.runs;
                mine.succeeded = true;
                continue;
            }
            expect(current().async, "a synchronous exit always runs");
            expect((turn == unwinding::turn::force) == (forced && current().has_force),
                "a force replaces its exit exactly if forced");
            if (turn == unwinding::turn::force) {
                settle(machine_.force_alone());
                continue;
            }
            ++mine.runs;
            running_ = true;
            starting_ =
                setting_->start_takes == 0 ? 0 : setting_->start_takes + (inside_event_ ? 1 : 0);
            if (starting_ == 0)
                wait();
            break;
        }
        inside_event_ = true;
    }

    void wait()
    {
        waits_ = true;
        if (current().within != unlimited)
            within_ = now_ + current().within;
        if (setting_->report_after != unlimited)
            report_ = now_ + setting_->report_after;
        if (setting_->sparing) {
            is_timed_ = current().within != unlimited || machine_.is_forced()
                || machine_.has_deadline() || setting_->report_after != unlimited;
            if (!is_timed_)
                return machine_.wait_untimed();
            static_cast<void>(machine_.next(current()));
        }
        asked(machine_.wait(now_, setting_->report_after));
    }

    // What holds after every event.
    void compare()
    {
        expect(machine_.is_forced() == (forced_ != stop_reason::none),
            "forced exactly if there is a reason");
        expect(machine_.forced_by() == forced_, "the first reason stays");
        expect(machine_.is_cancelled() == cancelled_, "a cancellation is remembered");
        bool const over = within_ <= now_;
        if (waits_) {
            auto const& mine = done_[at_];
            expect((mine.cuts == 1) == (machine_.is_forced() || over),
                "an exit is cut exactly if forced or out of its own time");
            expect(
                (machine_.cut_by() != stop_reason::none) == (mine.cuts == 1), "a cut has a reason");
            expect(forced_ != stop_reason::none || mine.cuts == 0
                    || machine_.cut_by() == stop_reason::timed_out,
                "an exit that is out of its own time is cut for time");
        }
        auto until = forced_ == stop_reason::none ? limit_ : never;
        if (waits_ && done_[at_].cuts == 0)
            until = std::min(until, within_);
        until = std::min(until, report_);
        expect(machine_.deadline().value_or(never) == until,
            "the deadline is the earliest that counts");
        for (std::size_t i = 0; i != exits; ++i) {
            auto const& one = done_[i];
            bool const ended = i < at_;
            bool const has_force = setting_->stack[i].what.has_force;
            expect(one.runs <= 1 && (ended || one.forces == 0), "an exit runs once");
            expect(i <= at_ || one == history(), "an older exit is left alone");
            if (!ended)
                continue;
            expect(one.unwanted ? one.runs + one.forces == 0 : one.runs == 1 || one.forces == 1,
                "each exit runs or is forced");
            expect(one.unwanted || one.forces == (has_force && !one.succeeded ? 1u : 0u),
                "a force runs once, and where its exit did not succeed");
        }
    }

    setting const* setting_;
    unwinding machine_;
    time_point now_ = start_time;
    char const* broken_ = nullptr;
    std::array<history, exits> done_{};
    // The exit whose turn it is, the newest first.
    std::size_t at_ = 0;
    bool running_ = false;
    bool waits_ = false;
    bool is_timed_ = false;
    // The event that let an exit start is not one that comes while it starts.
    bool inside_event_ = false;
    unsigned starting_ = 0;
    bool failed_ = false;
    // What is expected of the machine.
    time_point limit_ = never;
    time_point within_ = never;
    time_point report_ = never;
    stop_reason forced_ = stop_reason::none;
    unsigned terminals_ = 0;
    bool cancelled_ = false;
};

class enumeration
{
public:
    // Returns whether all went as expected.
    bool run(setting what, unsigned length)
    {
        for (bool const sparing : {false, true}) {
            what.sparing = sparing;
            driver const begin(what);
            if (!check(begin, what) || !extend(begin, what, length))
                return false;
        }
        return true;
    }

    // Every stack.
    bool run_stacks(setting what, unsigned length)
    {
        for (auto const& newest : kinds)
            for (auto const& middle : kinds)
                for (auto const& oldest : kinds) {
                    what.stack = {newest, middle, oldest};
                    if (!run(what, length))
                        return false;
                }
        return true;
    }

    std::size_t sequences() const { return sequences_; }
    std::size_t completed() const { return completed_; }
    std::string const& complaint() const { return complaint_; }

private:
    bool extend(driver const& from, setting const& what, unsigned length)
    {
        if (length == 0)
            return true;
        for (event const next : events) {
            driver branch = from;
            branch.take(next);
            path_[depth_++] = next;
            if (!check(branch, what) || !extend(branch, what, length - 1))
                return false;
            --depth_;
        }
        return true;
    }

    bool check(driver const& after, setting const& what)
    {
        ++sequences_;
        completed_ += after.completed() ? 1 : 0;
        if (!after.broken())
            return true;
        complaint_ =
            std::string(what.sparing ? "sparing, " : "") + "not so: " + after.broken() + "; stack";
        for (auto const& one : what.stack)
            complaint_ += std::string(" ") + one.name;
        complaint_ += "; before " + std::to_string(static_cast<int>(what.before)) + "; start takes "
            + std::to_string(what.start_takes) + "; timeout " + std::to_string(what.timeout.count())
            + "; grace " + std::to_string(what.grace.count()) + "; report after "
            + std::to_string(what.report_after.count()) + "; events";
        for (std::size_t i = 0; i != depth_; ++i)
            complaint_ += std::string(" ") + name_of(path_[i]);
        return false;
    }

    std::array<event, 8> path_{};
    std::size_t depth_ = 0;
    std::size_t sequences_ = 0;
    std::size_t completed_ = 0;
    std::string complaint_;
};

// An unwinding without any limit of its own, that waits for an exit.
unwinding waiting_for(facts const& what)
{
    unwinding machine;
    machine.begin(unlimited, unlimited, start_time);
    static_cast<void>(machine.next(what));
    static_cast<void>(machine.wait(start_time));
    return machine;
}

unwinding cut_because(facts const& what, stop_reason reason)
{
    unwinding machine = waiting_for(what);
    BOOST_TEST(machine.force(reason));
    BOOST_TEST((machine.cut_by() == reason));
    return machine;
}

bool is(unwinding::verdict const& found, bool force, bool keep, stop_reason failure)
{
    return found.force == force && found.keep_failure == keep && found.failure == failure;
}

} // namespace

BOOST_AUTO_TEST_SUITE(unwinding_decisions)

BOOST_AUTO_TEST_CASE(unwinding_in_every_sequence_of_six_events_keeps_the_rules)
{
    enumeration all;
    setting what;
    what.timeout = 60s;
    what.grace = 5s;
    bool const kept = all.run_stacks(what, 6);
    BOOST_TEST(kept, all.complaint());
    BOOST_TEST_MESSAGE(all.sequences() << " sequences, " << all.completed() << " completed");
    // The sum of the powers of 7 up to the sixth, for each of the 125 stacks.
    BOOST_TEST(all.sequences() == 2u * 125u * 137257u);
    BOOST_TEST(all.completed() > 1000000u);
}

// Fewer events, for these come on top of what differs before the first of them.
BOOST_AUTO_TEST_CASE(unwinding_with_any_limits_preludes_and_starts_keeps_the_rules)
{
    enumeration all;
    bool kept = true;
    for (duration const timeout : {duration(60s), duration(1s), duration(0), unlimited})
        for (duration const grace : {duration(5s), duration(0), unlimited})
            for (prelude const before :
                {prelude::nothing, prelude::cancelled, prelude::terminal, prelude::force})
                for (unsigned const start_takes : {0u, 1u, 2u}) {
                    setting what;
                    what.timeout = timeout;
                    what.grace = grace;
                    what.before = before;
                    what.start_takes = start_takes;
                    kept = kept && all.run_stacks(what, 3);
                }
    BOOST_TEST(kept, all.complaint());
    BOOST_TEST_MESSAGE(all.sequences() << " sequences, " << all.completed() << " completed");
    BOOST_TEST(all.sequences() == 2u * 144u * 125u * 400u);
}

BOOST_AUTO_TEST_CASE(unwinding_that_reports_slow_exits_keeps_the_rules)
{
    enumeration all;
    bool kept = true;
    for (duration const report_after : {duration(1s), duration(2s), duration(7s)}) {
        setting what;
        what.timeout = 60s;
        what.grace = 5s;
        what.report_after = report_after;
        kept = kept && all.run_stacks(what, 5);
    }
    BOOST_TEST(kept, all.complaint());
    BOOST_TEST_MESSAGE(all.sequences() << " sequences, " << all.completed() << " completed");
    BOOST_TEST(all.sequences() == 2u * 3u * 125u * 19608u);
}

BOOST_AUTO_TEST_CASE(verdict_of_a_cut_exit_with_a_force_is_no_failure)
{
    for (auto const reason : {stop_reason::cancelled, stop_reason::timed_out})
        for (auto const how : {ending::failed, ending::cancelled})
            BOOST_TEST(
                is(cut_because(forcible_exit, reason).end(how), true, false, stop_reason::none));
}

BOOST_AUTO_TEST_CASE(verdict_of_a_cut_exit_only_on_success_is_the_reason)
{
    for (auto const reason : {stop_reason::cancelled, stop_reason::timed_out})
        for (auto const how : {ending::failed, ending::cancelled})
            BOOST_TEST(is(cut_because(committing_exit, reason).end(how), true, false, reason));
}

BOOST_AUTO_TEST_CASE(verdict_of_a_force_alone_is_a_failure_only_on_success)
{
    for (auto const reason : {stop_reason::cancelled, stop_reason::timed_out}) {
        unwinding machine;
        machine.begin(unlimited, unlimited, start_time);
        BOOST_TEST(!machine.force(reason));
        BOOST_TEST((machine.next(forcible_exit) == unwinding::turn::force));
        BOOST_TEST(is(machine.force_alone(), true, false, stop_reason::none));
        BOOST_TEST((machine.next(committing_exit) == unwinding::turn::force));
        BOOST_TEST(is(machine.force_alone(), true, false, reason));
    }
}

BOOST_AUTO_TEST_CASE(verdict_of_a_failed_exit_with_a_force_keeps_its_own_failure)
{
    for (auto const& what : {forcible_exit, committing_exit})
        for (auto const how : {ending::failed, ending::cancelled})
            BOOST_TEST(is(waiting_for(what).end(how), true, true, stop_reason::none));
}

BOOST_AUTO_TEST_CASE(verdict_of_an_exit_cut_for_time_that_is_cancelled_is_timed_out)
{
    BOOST_TEST(is(cut_because(plain_exit, stop_reason::timed_out).end(ending::cancelled), false,
        false, stop_reason::timed_out));

    unwinding machine = waiting_for(limited_exit);
    BOOST_TEST(machine.elapsed(start_time + 2s));
    BOOST_TEST(!machine.is_forced());
    BOOST_TEST(is(machine.end(ending::cancelled), false, false, stop_reason::timed_out));
}

BOOST_AUTO_TEST_CASE(verdict_of_an_exit_cut_by_a_cancellation_keeps_its_own_failure)
{
    BOOST_TEST(is(cut_because(plain_exit, stop_reason::cancelled).end(ending::cancelled), false,
        true, stop_reason::none));
}

BOOST_AUTO_TEST_CASE(verdict_of_a_real_error_after_the_cut_keeps_it)
{
    for (auto const reason : {stop_reason::cancelled, stop_reason::timed_out})
        BOOST_TEST(is(
            cut_because(plain_exit, reason).end(ending::failed), false, true, stop_reason::none));
}

BOOST_AUTO_TEST_CASE(verdict_of_an_exit_that_succeeds_after_the_cut_is_nothing)
{
    for (auto const& what : {plain_exit, forcible_exit, committing_exit, limited_exit})
        for (auto const reason : {stop_reason::cancelled, stop_reason::timed_out})
            BOOST_TEST(is(
                cut_because(what, reason).end(ending::succeeded), false, false, stop_reason::none));
}

BOOST_AUTO_TEST_CASE(deadline_without_limits_is_empty)
{
    BOOST_TEST(!waiting_for(plain_exit).deadline().has_value());
}

BOOST_AUTO_TEST_CASE(deadline_with_a_timeout_is_shortened_by_the_grace_but_not_prolonged)
{
    unwinding machine;
    machine.begin(10s, unlimited, start_time);
    BOOST_TEST((machine.deadline() == start_time + 10s));
    BOOST_TEST(!machine.cancel_before(20s, start_time));
    BOOST_TEST((machine.deadline() == start_time + 10s));
    BOOST_TEST(!machine.terminal(3s, start_time + 1s));
    BOOST_TEST((machine.deadline() == start_time + 4s));
}

BOOST_AUTO_TEST_CASE(deadline_of_a_cancellation_counts_from_the_beginning)
{
    unwinding machine;
    BOOST_TEST(!machine.cancel_before(3s, start_time));
    BOOST_TEST(!machine.deadline().has_value());
    machine.begin(unlimited, 3s, start_time + 1h);
    BOOST_TEST((machine.deadline() == start_time + 1h + 3s));
}

BOOST_AUTO_TEST_CASE(deadline_of_an_exit_with_its_own_time_lasts_until_it_is_cut_or_ends)
{
    unwinding machine;
    machine.begin(60s, unlimited, start_time);
    static_cast<void>(machine.next(limited_exit));
    BOOST_TEST((machine.deadline() == start_time + 60s));
    BOOST_TEST(!machine.wait(start_time + 1s));
    BOOST_TEST((machine.deadline() == start_time + 3s));
    unwinding ended = machine;
    static_cast<void>(ended.end(ending::succeeded));
    BOOST_TEST((ended.deadline() == start_time + 60s));
    BOOST_TEST(machine.elapsed(start_time + 3s));
    BOOST_TEST((machine.deadline() == start_time + 60s));
}

BOOST_AUTO_TEST_CASE(deadline_after_a_force_is_empty)
{
    unwinding machine;
    machine.begin(60s, unlimited, start_time);
    static_cast<void>(machine.next(limited_exit));
    static_cast<void>(machine.wait(start_time));
    BOOST_TEST(machine.force(stop_reason::cancelled));
    BOOST_TEST(!machine.deadline().has_value());
}

BOOST_AUTO_TEST_CASE(report_of_a_slow_exit_is_due_again_and_again_until_it_ends)
{
    unwinding machine;
    machine.begin(unlimited, unlimited, start_time);
    static_cast<void>(machine.next(plain_exit));
    BOOST_TEST(!machine.wait(start_time, 2s));
    BOOST_TEST((machine.deadline() == start_time + 2s));
    BOOST_TEST(machine.slow(start_time + 3s));
    BOOST_TEST((machine.deadline() == start_time + 5s));
    BOOST_TEST(machine.force(stop_reason::cancelled));
    BOOST_TEST((machine.deadline() == start_time + 5s));
    static_cast<void>(machine.end(ending::cancelled));
    BOOST_TEST(!machine.deadline().has_value());
    BOOST_TEST(!machine.slow(start_time + 1h));
}

BOOST_AUTO_TEST_CASE(report_after_no_time_is_due_after_a_millisecond)
{
    unwinding machine;
    machine.begin(unlimited, unlimited, start_time);
    static_cast<void>(machine.next(plain_exit));
    static_cast<void>(machine.wait(start_time, duration(0)));
    BOOST_TEST((machine.deadline() == start_time + 1ms));
}

BOOST_AUTO_TEST_CASE(deadline_of_times_out_of_range_is_at_once_or_never)
{
    unwinding unreachable;
    unreachable.begin(unlimited - tick, unlimited, start_time);
    BOOST_TEST(!unreachable.deadline().has_value());
    unwinding at_once;
    at_once.begin(-1s, unlimited, start_time);
    BOOST_TEST(at_once.is_forced());
    BOOST_TEST((at_once.forced_by() == stop_reason::timed_out));
}

BOOST_AUTO_TEST_SUITE_END()
