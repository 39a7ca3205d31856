// Boost.Test itself, compiled once for all tests: no library of Boost has to be installed.
#define BOOST_TEST_MODULE exeunt
#include <boost/test/included/unit_test.hpp>
