// Runs a scenario in all orders in which what happens in it can happen, or in many of them.
#ifndef EXEUNT_TESTS_SUPPORT_ORDERS_HPP
#define EXEUNT_TESTS_SUPPORT_ORDERS_HPP

#include "support/count.hpp"
#include "support/order_world.hpp"
#include "support/seed.hpp"

#include <boost/test/framework.hpp>
#include <boost/test/results_collector.hpp>

#include <cstddef>
#include <cstdlib>
#include <iostream>

namespace support {

using order_scenario = void (*)(order_world&);

// How many random orders of each scenario are run.
inline unsigned random_orders()
{
    char const* const wanted = std::getenv("EXEUNT_TEST_ORDERS");
    return wanted                ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10))
        : with_address_sanitizer ? 400
                                 : 4000;
}

// One order of it; false if something was not as it should be.
inline bool run_order(order_scenario scenario, order_choices& choices)
{
    order_world world(choices);
    scenario(world);
    world.check_end();
    auto const test = boost::unit_test::framework::current_test_case().p_id;
    if (boost::unit_test::results_collector.results(test).p_assertions_failed == 0)
        return true;
    expect(false, "the order was" + choices.text());
    return false;
}

// All of them, of which there may be so many; then random ones. A sanitizer sees the first ones: it is too slow
// for all.
inline void run_orders(order_scenario scenario, std::size_t most = 60000)
{
    if (with_address_sanitizer)
        most = 2000;
    order_choices choices;
    std::size_t count = 0;
    bool more = true;
    choices.begin();
    for (; more && count != most; ++count) {
        if (!run_order(scenario, choices))
            return;
        more = choices.advance();
    }
    if (!with_address_sanitizer && !expect(!more, "there are too many orders to run all"))
        return;
    auto const random = random_orders();
    for (unsigned seed = first_seed(), end = seed + random; seed != end; ++seed) {
        choices.draw(seed);
        if (!run_order(scenario, choices))
            return;
    }
    std::cout << boost::unit_test::framework::current_test_case().p_name << (more ? ": " : ": all ")
              << count << " orders, " << random << " random\n";
}

} // namespace support

#endif
