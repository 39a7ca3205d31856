// An observer that writes every event down as a word, with the time that has passed.
#ifndef EXEUNT_TESTS_SUPPORT_FOLLOWING_OBSERVER_HPP
#define EXEUNT_TESTS_SUPPORT_FOLLOWING_OBSERVER_HPP

#include <exeunt/exit_observer.hpp>

#include "support/expect.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace support {

// Unwindings are numbered from 1 in the order in which they began. "1(3" the first one began, with three
// exits; "1+a" its exit a began; "1?a:2" that has been running for 2 s; "1!a" cut; "1^a" forced;
// "1-a" ended, "1-a=x" with x; "1#a" abandoned; "1!" forced; "1)" ended, "1)=x" with x.
//
// Checks what holds for all: one exit at a time, nothing before the begin and after the end, times that
// do not go backwards, elapsed times that fit them.
class following_observer : public exeunt::exit_observer
{
public:
    explicit following_observer(event_log& log)
        : log_(log)
    {
    }

    void unwinding_began(exeunt::unwinding_view const& unwinding) noexcept override
    {
        allocation_pause const pause;
        expect(unwinding.id != 0 && !known_.contains(unwinding.id), "an unwinding began twice");
        auto& mine = known_[unwinding.id];
        mine.number = known_.size();
        mine.now = unwinding.began;
        log_.add(word(unwinding.id) + "(" + std::to_string(unwinding.exits)
            + (unwinding.parent == 0 ? "" : " in " + word(unwinding.parent))
            + (unwinding.cause ? " for " + describe(unwinding.cause) : ""));
        depths.push_back(unwinding.depth);
    }

    void unwinding_forced(
        exeunt::unwinding_view const& unwinding, duration elapsed) noexcept override
    {
        allocation_pause const pause;
        auto& mine = open(unwinding.id);
        expect(!std::exchange(mine.forced, true), "an unwinding was forced twice");
        pass(mine, unwinding.began + elapsed);
        log_.add(word(unwinding.id) + "!");
    }

    void unwinding_ended(exeunt::unwinding_view const& unwinding, std::exception_ptr error,
        duration elapsed) noexcept override
    {
        allocation_pause const pause;
        auto& mine = open(unwinding.id);
        expect(!mine.exit_runs, "an unwinding ended before its exit");
        mine.ended = true;
        pass(mine, unwinding.began + elapsed);
        log_.add(word(unwinding.id) + ")" + with(error));
    }

    void exit_began(exeunt::exit_view const& exit) noexcept override
    {
        allocation_pause const pause;
        auto& mine = open(exit.unwinding);
        expect(!std::exchange(mine.exit_runs, true), "an exit began before the newer had ended");
        mine.cut = mine.exit_forced = false;
        expect(exit.running && exit.running_since, "an exit that began runs");
        pass(mine, *exit.running_since);
        positions.push_back(exit.position);
        log_.add(word(exit) + "+" + std::string(exit.name));
    }

    void exit_slow(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        allocation_pause const pause;
        running(exit, elapsed);
        log_.add(word(exit) + "?" + std::string(exit.name) + ":" + seconds(elapsed));
    }

    void exit_cut(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        allocation_pause const pause;
        expect(!std::exchange(running(exit, elapsed).cut, true), "an exit was cut twice");
        log_.add(word(exit) + "!" + std::string(exit.name) + ":" + seconds(elapsed));
    }

    void exit_forced(exeunt::exit_view const& exit, duration elapsed) noexcept override
    {
        allocation_pause const pause;
        expect(
            !std::exchange(running(exit, elapsed).exit_forced, true), "an exit was forced twice");
        log_.add(word(exit) + "^" + std::string(exit.name));
    }

    void exit_ended(
        exeunt::exit_view const& exit, std::exception_ptr error, duration elapsed) noexcept override
    {
        allocation_pause const pause;
        running(exit, elapsed).exit_runs = false;
        log_.add(word(exit) + "-" + std::string(exit.name) + with(error));
    }

    void exit_abandoned(exeunt::exit_view const& exit) noexcept override
    {
        allocation_pause const pause;
        auto& mine = open(exit.unwinding);
        if (exit.running_since)
            expect(std::exchange(mine.exit_runs, false), "what was given up had not begun");
        log_.add(word(exit) + "#" + std::string(exit.name));
    }

    void stack_abandoned(std::size_t count, std::span<std::string_view const>) noexcept override
    {
        allocation_pause const pause;
        log_.add("lost:" + std::to_string(count));
    }

    void failure_unreceived(
        exeunt::exit_view const& exit, std::exception_ptr error) noexcept override
    {
        allocation_pause const pause;
        log_.add("unreceived:" + std::string(exit.name) + with(error));
    }

    // Everything that began has ended.
    bool expect_settled(where_t where = where_t::current()) const
    {
        bool settled = true;
        for (auto const& each : known_)
            settled = settled && each.second.ended && !each.second.exit_runs;
        return expect(settled, "an unwinding that began was not told to have ended", where);
    }

    std::size_t unwindings() const { return known_.size(); }

    // In the order of the events.
    std::vector<std::size_t> positions;
    std::vector<std::size_t> depths;

private:
    struct history
    {
        std::size_t number = 0;
        std::chrono::steady_clock::time_point now;
        bool forced = false;
        bool ended = false;
        bool exit_runs = false;
        bool cut = false;
        bool exit_forced = false;
    };

    history& open(std::uint64_t id)
    {
        expect(known_.contains(id), "an event of an unwinding that had not begun");
        auto& mine = known_[id];
        expect(!mine.ended, "an event of an unwinding that had ended");
        return mine;
    }

    history& running(exeunt::exit_view const& exit, duration elapsed)
    {
        auto& mine = open(exit.unwinding);
        expect(mine.exit_runs && exit.running, "an event of an exit that had not begun");
        if (expect(exit.running_since.has_value(), "an exit that runs says since when"))
            pass(mine, *exit.running_since + elapsed);
        return mine;
    }

    static void pass(history& mine, std::chrono::steady_clock::time_point now)
    {
        expect(now >= mine.now, "time went backwards");
        mine.now = now;
    }

    std::string word(std::uint64_t id) { return std::to_string(known_[id].number); }
    std::string word(exeunt::exit_view const& exit) { return word(exit.unwinding); }

    static std::string with(std::exception_ptr const& error)
    {
        return error ? "=" + describe(error) : "";
    }

    static std::string seconds(duration time)
    {
        return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(time).count());
    }

    event_log& log_;
    std::map<std::uint64_t, history> known_;
};

} // namespace support

#endif
