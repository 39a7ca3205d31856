// Where random tests begin.
#ifndef EXEUNT_TESTS_SUPPORT_SEED_HPP
#define EXEUNT_TESTS_SUPPORT_SEED_HPP

#include <cstdlib>

namespace support {

// The same each time, unless EXEUNT_TEST_SEED says otherwise: to run one failure again, or others.
inline unsigned first_seed()
{
    char const* const wanted = std::getenv("EXEUNT_TEST_SEED");
    return wanted ? static_cast<unsigned>(std::strtoul(wanted, nullptr, 10)) : 1;
}

} // namespace support

#endif
