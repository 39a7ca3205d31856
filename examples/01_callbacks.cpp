// Exits run in reverse order of their registration, on every way out of the scope.

#include <exeunt/exit_stack.hpp>

#include "show.hpp"

#include <stdexcept>

void evening(bool fire)
{
    // [callbacks]
    exeunt::with([&](exeunt::exit_stack& stack) {
        show("doors open");
        stack.push([] { show("doors close"); });

        show("lamps on");
        stack.callback(show, "lamps off"); // with arguments, captured now

        if (fire)
            throw std::runtime_error("fire");
        show("play");
    });
    // [/callbacks]
}

int main()
{
    evening(false);
    try {
        evening(true);
    } catch (std::runtime_error const& error) {
        show(error.what());
    }
    return expect_shown({
        "doors open",
        "lamps on",
        "play",
        "lamps off",
        "doors close",

        "doors open",
        "lamps on",
        "lamps off",
        "doors close",
        "fire",
    });
}
