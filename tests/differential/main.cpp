// Writes random plans and what the stacks of this library make of them: a plan, its log, a plan, its log, one a
// line; then how many there were.
#include <exeunt/exit_observer.hpp>

#include "differential/plan.hpp"
#include "differential/stage.hpp"
#include "support/count.hpp"
#include "support/seed.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdio>
#include <string>

int main()
{
    // Much is lost, on purpose.
    exeunt::set_default_observer(nullptr);
    unsigned const first = support::first_seed();
    unsigned const count = support::count_from("EXEUNT_DIFFERENTIAL_PLANS", 10000);
    boost::asio::io_context context(1);
    for (unsigned k = 0; k != count; ++k) {
        auto const plan = differential::planner(first + k).make();
        std::string const text = differential::plan_writer::text(plan) + "\n"
            + differential::stage::perform(plan, context) + "\n";
        std::fwrite(text.data(), 1, text.size(), stdout);
    }
    std::printf("%u plans\n", count);
}
