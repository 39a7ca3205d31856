// A random plan of what a scope registers and what its exits do, and its text, from which CPython reads it.
#ifndef EXEUNT_TESTS_DIFFERENTIAL_PLAN_HPP
#define EXEUNT_TESTS_DIFFERENTIAL_PLAN_HPP

#include <random>
#include <string>
#include <utility>
#include <vector>

namespace differential {

// How an exit is registered. From async_callback on it is an asynchronous one.
enum class form {
    callback,
    push,
    enter,
    child,
    async_callback,
    async_push,
    async_enter,
    async_child
};

enum class act {
    nothing,
    fail,
    suppress,
    suppress_and_fail,
    replace,
    rethrow,
    enter_fails,
    late,
    late_and_fail,
    transfer,
    close_own,
};

enum class filter { always, only_on_failure, only_on_success };

// What becomes of a stack that pop_all has made: closed at once, closed after the scope, or destroyed.
enum class fate { closed, kept, dropped };

struct step
{
    int number = 0;
    form how = form::push;
    act what = act::nothing;
    filter when = filter::always;
    fate rest = fate::closed;
    bool cancels = false; // its failure is a cancellation
    std::vector<step> inside; // of a child, or registered late; oldest first
};

inline bool is_async(form how) noexcept
{
    return how >= form::async_callback;
}

// What a body does.
struct operation
{
    enum kind { add, close, transfer } what = add;
    step exit; // that is added
    fate rest = fate::closed; // of what is transferred
};

struct plan
{
    unsigned seed = 0;
    bool async = false;
    bool given = false; // the body's failure is given to close(), instead of thrown through a scope
    bool fails = false;
    bool cancelled = false; // the body's failure is a cancellation
    std::vector<operation> body;
};

class planner
{
public:
    explicit planner(unsigned seed)
        : random_(seed)
    {
        plan_.seed = seed;
    }

    plan make() &&
    {
        plan_.async = below(2) == 0;
        plan_.given = below(4) == 0;
        plan_.fails = below(2) == 0;
        cancellations_ = below(4) == 0;
        plan_.cancelled = cancels();
        for (unsigned n = below(8); n != 0; --n)
            plan_.body.push_back(next_operation());
        return std::move(plan_);
    }

private:
    unsigned below(unsigned n) { return static_cast<unsigned>(random_() % n); }

    bool cancels() { return cancellations_ && below(2) == 0; }

    operation next_operation()
    {
        operation o;
        if (auto const kind = below(20); kind == 0)
            o.what = operation::close;
        else if (kind < 3)
            o.what = operation::transfer;
        o.rest = static_cast<fate>(below(3));
        if (o.what == operation::add)
            o.exit = next_step(0, plan_.async, true);
        return o;
    }

    // `async`: it is registered with an asynchronous stack; `by_body`: where that can await.
    step next_step(unsigned depth, bool async, bool by_body)
    {
        step s;
        s.number = ++number_;
        s.how = next_form(depth, async, by_body);
        s.rest = static_cast<fate>(below(3));
        s.cancels = cancels();
        if (s.how == form::child || s.how == form::async_child) {
            fill(s, depth, s.how == form::async_child);
            return s;
        }
        s.what = next_act(s, depth, async);
        if ((s.how == form::push || s.how == form::async_push) && below(6) == 0)
            s.when = below(2) == 0 ? filter::only_on_failure : filter::only_on_success;
        if (s.what == act::late || s.what == act::late_and_fail)
            fill(s, depth, async);
        return s;
    }

    void fill(step& s, unsigned depth, bool async)
    {
        for (unsigned n = below(4); n != 0; --n)
            s.inside.push_back(next_step(depth + 1, async, false));
    }

    form next_form(unsigned depth, bool async, bool by_body)
    {
        auto const how = below(9);
        bool const awaited = async && below(2) == 0;
        if (how < 2)
            return awaited ? form::async_callback : form::callback;
        if (how < 4 && (!awaited || by_body))
            return awaited ? form::async_enter : form::enter;
        if (how == 4 && depth < 2)
            return awaited ? form::async_child : form::child;
        return awaited ? form::async_push : form::push;
    }

    act next_act(step& s, unsigned depth, bool async)
    {
        bool const sees = s.how != form::callback && s.how != form::async_callback;
        bool const enters = s.how == form::enter || s.how == form::async_enter;
        // A synchronous exit cannot await the close of an asynchronous stack, nor is what a child of another
        // kind hands over closed in an order with the rest.
        bool const mixes = async != is_async(s.how) || async != plan_.async;
        switch (below(16)) {
        case 0:
        case 1:
        case 2:
        case 3: return act::fail;
        case 4:
        case 5: return sees ? act::suppress : act::nothing;
        case 6: return sees ? act::suppress_and_fail : act::fail;
        case 7:
        case 8: return sees ? act::replace : act::fail;
        case 9: return enters ? act::rethrow : act::nothing;
        case 10: return enters && below(3) == 0 ? act::enter_fails : act::nothing;
        case 11: return depth < 2 ? act::late : act::nothing;
        case 12: return depth < 2 ? act::late_and_fail : act::fail;
        case 13:
            if (async != plan_.async || (mixes && s.rest == fate::closed))
                return act::nothing;
            return act::transfer;
        case 14: return mixes || !sees || below(3) != 0 ? act::nothing : act::close_own;
        default: return act::nothing;
        }
    }

    std::mt19937 random_;
    plan plan_;
    int number_ = 0;
    bool cancellations_ = false;
};

// JSON, on one line.
class plan_writer
{
public:
    static std::string text(plan const& p)
    {
        std::string body;
        for (operation const& o : p.body)
            body += (body.empty() ? "" : ",") + text(o);
        return "{\"seed\":" + std::to_string(p.seed) + ",\"async\":" + truth(p.async)
            + ",\"given\":" + truth(p.given) + ",\"fails\":" + truth(p.fails)
            + ",\"cancelled\":" + truth(p.cancelled) + ",\"body\":[" + body + "]}";
    }

private:
    static std::string truth(bool value) { return value ? "true" : "false"; }

    static std::string word(char const* const* words, int n)
    {
        return "\"" + std::string(words[n]) + "\"";
    }

    static std::string text(fate rest)
    {
        static char const* const words[] = {"closed", "kept", "dropped"};
        return word(words, static_cast<int>(rest));
    }

    static std::string text(operation const& o)
    {
        if (o.what == operation::close)
            return "{\"op\":\"close\"}";
        if (o.what == operation::transfer)
            return "{\"op\":\"transfer\",\"rest\":" + text(o.rest) + "}";
        return "{\"op\":\"add\",\"exit\":" + text(o.exit) + "}";
    }

    static std::string text(step const& s)
    {
        static char const* const forms[] = {"callback", "push", "enter", "child", "async_callback",
            "async_push", "async_enter", "async_child"};
        static char const* const acts[] = {"nothing", "fail", "suppress", "suppress_and_fail",
            "replace", "rethrow", "enter_fails", "late", "late_and_fail", "transfer", "close_own"};
        static char const* const filters[] = {"always", "only_on_failure", "only_on_success"};
        std::string inside;
        for (step const& each : s.inside)
            inside += (inside.empty() ? "" : ",") + text(each);
        return "{\"n\":" + std::to_string(s.number)
            + ",\"form\":" + word(forms, static_cast<int>(s.how))
            + ",\"act\":" + word(acts, static_cast<int>(s.what))
            + ",\"when\":" + word(filters, static_cast<int>(s.when)) + ",\"rest\":" + text(s.rest)
            + ",\"cancels\":" + truth(s.cancels) + ",\"inside\":[" + inside + "]}";
    }
};

} // namespace differential

#endif
