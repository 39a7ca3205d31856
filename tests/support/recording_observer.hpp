// An observer that writes down what it hears.
#ifndef EXEUNT_TESTS_SUPPORT_RECORDING_OBSERVER_HPP
#define EXEUNT_TESTS_SUPPORT_RECORDING_OBSERVER_HPP

#include <exeunt/exit_observer.hpp>

#include "support/expect.hpp"

#include <cstddef>
#include <exception>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace support {

class recording_observer : public exeunt::exit_observer
{
public:
    recording_observer()
        : exit_observer(exeunt::observed::losses)
    {
    }

    struct lost_stack
    {
        std::size_t count;
        std::vector<std::string> first_names;
    };

    struct lost_failure
    {
        std::string name;
        std::exception_ptr error;
    };

    void exit_abandoned(exeunt::exit_view const& exit) noexcept override
    {
        allocation_pause const pause;
        abandoned.emplace_back(exit.name);
        if (log)
            log->add("lost:" + std::string(exit.name));
    }

    void stack_abandoned(
        std::size_t count, std::span<std::string_view const> first_names) noexcept override
    {
        allocation_pause const pause;
        stacks.push_back({count, {first_names.begin(), first_names.end()}});
    }

    void failure_unreceived(
        exeunt::exit_view const& exit, std::exception_ptr error) noexcept override
    {
        allocation_pause const pause;
        failures.push_back({std::string(exit.name), std::move(error)});
    }

    bool silent() const { return abandoned.empty() && stacks.empty() && failures.empty(); }

    void clear()
    {
        abandoned.clear();
        stacks.clear();
        failures.clear();
    }

    std::string text() const
    {
        std::string all;
        for (std::string const& name : abandoned)
            all += " abandoned:" + name;
        for (lost_stack const& stack : stacks)
            all += " stack:" + std::to_string(stack.count);
        for (lost_failure const& lost : failures)
            all += " unreceived:" + describe(lost.error);
        return all;
    }

    std::vector<std::string> abandoned;
    std::vector<lost_stack> stacks;
    std::vector<lost_failure> failures;
    event_log* log = nullptr; // where it is to note "lost:<name>" as well
};

// The default observer for as long as this lives. What it heard and no test looked at is a failure
// of the test: read it, then clear() it.
class default_observer_guard : public recording_observer
{
public:
    default_observer_guard()
        : former_(exeunt::set_default_observer(this))
    {
    }

    default_observer_guard(default_observer_guard const&) = delete;
    default_observer_guard& operator=(default_observer_guard const&) = delete;

    ~default_observer_guard() override
    {
        exeunt::set_default_observer(former_);
        expect(silent(), "the default observer heard of" + text(), {"the end of the test", 0});
    }

private:
    exeunt::exit_observer* former_;
};

} // namespace support

#endif
