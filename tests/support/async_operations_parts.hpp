// What the model of asynchronous stacks consists of: vectors, a log, and what is posted or waits.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_PARTS_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_OPERATIONS_PARTS_HPP

#include "support/async_operations.hpp"
#include "support/model_failures.hpp"
#include "support/op_sequence.hpp"

#include <algorithm>
#include <climits>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

namespace support::async_operations {

class parts
{
protected:
    static constexpr int never = INT_MAX;
    static constexpr int nothing = -1;

    struct core;
    struct unwinding;

    struct exit
    {
        int id = 0;
        shape how = shape::sync;
        behaviour does = {};
        std::shared_ptr<core> child = {};
        limits limited = {}; // of the child
        bool entered = false;
    };

    enum class phase { open, closing, closed };

    // What the stack objects hold, and the operations on them share.
    struct core
    {
        std::vector<exit> exits = {}; // oldest first
        int cause = nothing;
        phase now = phase::open;
        bool forced = false;
        bool busy = false; // an operation runs exits
        bool inside = false; // the code of an exit is being called
        unwinding* active = nullptr;
        unwinding* closer = nullptr; // waits for an exit that is run by itself
        std::vector<int> running = {}; // the exits that have begun, and those that are forgotten
        exit const* shown = nullptr; // as running
        std::deque<unwinding*> requests = {}; // to run one exit
        std::deque<unwinding*> answering = {};
        std::vector<int> joined = {}; // operations
    };

    using core_ptr = std::shared_ptr<core>;

    enum class kind { close, run_now, child, release };

    // One operation that runs exits, or waits to.
    struct unwinding
    {
        kind what = kind::close;
        core_ptr on = {};
        limits limited = {};
        int operation = nothing;
        int wanted = nothing; // of run_now
        unwinding* parent = nullptr; // of a child
        model_flight own = {};
        model_flight* flight = nullptr; // its own, or its parent's
        model_thrown cause = {};
        bool ended = false;

        bool cancelled = false;
        bool terminal_seen = false;
        int forced = nothing; // by a failure of this number
        int deadline = never;

        bool waits = false; // for the exit that runs
        int cut = nothing;
        int within = never;
        exit running = {};
    };

    // ---- the log

    void note(int word) { log_.push_back(word); }
    void note(int word, int number)
    {
        log_.push_back(word);
        log_.push_back(number);
    }

    static void append(int_log& log, std::vector<model_failure> const& all)
    {
        for (model_failure const& each : all) {
            log.push_back(each.error);
            log.push_back(each.name);
        }
    }

    static int_log numbers_of(model_thrown const& thrown)
    {
        int_log log{outcome_word};
        if (thrown.several)
            append(log, thrown.all);
        else
            log.push_back(thrown ? thrown.all.front().error : nothing);
        return log;
    }

    void tell(int name, model_thrown const& thrown)
    {
        note(told, name);
        int_log const numbers = numbers_of(thrown);
        log_.insert(log_.end(), numbers.begin(), numbers.end());
    }

    void complete(int operation, model_thrown const& thrown)
    {
        completions_.end(operation, numbers_of(thrown));
    }

    static int name_of(exit const& e) { return is_named(e.how) ? e.id : nothing; }

    static model_thrown thrown_of(int error)
    {
        return error < 0 ? model_thrown() : model_thrown::one(error);
    }

    static model_thrown end_of(exit const& e)
    {
        switch (e.does.end) {
        case ending::fails: return model_thrown::one(plain_failures + e.id);
        case ending::is_cancelled: return model_thrown::one(cancellations + e.id);
        default: return {};
        }
    }

    unwinding& make(kind what, core_ptr const& on, limits const& limited, int operation)
    {
        auto made = std::make_unique<unwinding>();
        made->what = what;
        made->on = on;
        made->limited = limited;
        made->operation = operation;
        unwindings_.push_back(std::move(made));
        return *unwindings_.back();
    }

    // ---- what waits for an answer

    struct held
    {
        exit e;
        std::function<void(model_thrown const&)> then;
    };

    void cut_held(int id)
    {
        note(cut, id);
        auto const one = std::find_if(
            held_.begin(), held_.end(), [&](auto const& each) { return each.e.id == id; });
        if (one == held_.end() || one->e.does.ignores_cut)
            return;
        finish(one, model_thrown::one(made_aborted));
    }

    void finish(std::vector<held>::iterator which, model_thrown const& thrown)
    {
        held one = std::move(*which);
        held_.erase(which);
        posted_.push_back([this, one = std::move(one), thrown] {
            note(ended, one.e.id);
            one.then(thrown);
        });
    }

    // What is begun where the stacks' executor does not run, begins later.
    template <class F>
    void dispatch(F f)
    {
        if (draining_)
            f();
        else
            posted_.push_back(std::move(f));
    }

    void drain()
    {
        draining_ = true;
        while (!posted_.empty()) {
            auto const next = std::move(posted_.front());
            posted_.pop_front();
            next();
        }
        draining_ = false;
    }

    ~parts() = default;

    int_log log_;
    completions completions_;
    std::vector<std::unique_ptr<unwinding>> unwindings_;
    std::vector<held> held_;
    std::deque<std::function<void()>> posted_;
    int now_ = 0;
    bool draining_ = false;
};

} // namespace support::async_operations

#endif
