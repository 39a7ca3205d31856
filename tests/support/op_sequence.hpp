// Random sequences of operations, drawn from a seed, that two worlds carry out: the library and a model of it.
// Where their logs differ the sequence is shrunk: what can be left out is, as long as they still differ.
#ifndef EXEUNT_TESTS_SUPPORT_OP_SEQUENCE_HPP
#define EXEUNT_TESTS_SUPPORT_OP_SEQUENCE_HPP

#include "support/count.hpp"
#include "support/seed.hpp"

#include <boost/test/unit_test.hpp>

#include <cstddef>
#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace support {

// What is done, and three bytes that say on what and how; any value is a valid one.
struct op
{
    std::uint8_t bytes[4] = {};

    unsigned what() const { return bytes[0]; }
    unsigned a() const { return bytes[1]; }
    unsigned b() const { return bytes[2]; }
    unsigned c() const { return bytes[3]; }
};

// A verb of an enumeration that begins with add and ends with count: two of five add.
template <class Verb>
Verb weighted_verb(op const& o)
{
    constexpr unsigned adding = 102;
    return o.what() < adding
        ? Verb::add
        : static_cast<Verb>((o.what() - adding) % static_cast<unsigned>(Verb::count));
}

using op_sequence = std::vector<op>;
using int_log = std::vector<int>;

// Splitmix: cheap to seed, and neighbouring seeds have nothing in common.
inline std::uint64_t next_random(std::uint64_t& state)
{
    state += 0x9e3779b97f4a7c15u;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

inline op_sequence random_ops(unsigned seed, unsigned at_most)
{
    std::uint64_t state = seed;
    op_sequence ops(1 + next_random(state) % at_most);
    for (op& each : ops) {
        std::uint64_t const bits = next_random(state);
        for (unsigned k = 0; k != 4; ++k)
            each.bytes[k] = static_cast<std::uint8_t>(bits >> (8 * k));
    }
    return ops;
}

// Leaves out operations, then sets bytes to 0, as long as `fails` holds.
template <class Fails>
op_sequence shrunk(op_sequence ops, Fails fails)
{
    for (bool smaller = true; smaller;) {
        smaller = false;
        for (std::size_t k = ops.size(); k-- != 0;) {
            op_sequence fewer = ops;
            fewer.erase(fewer.begin() + static_cast<std::ptrdiff_t>(k));
            if (fails(fewer)) {
                ops = std::move(fewer);
                smaller = true;
            }
        }
        for (std::size_t k = 0; k != ops.size() * 4; ++k) {
            op_sequence simpler = ops;
            std::uint8_t& byte = simpler[k / 4].bytes[k % 4];
            if (std::exchange(byte, std::uint8_t{0}) != 0 && fails(simpler)) {
                ops = std::move(simpler);
                smaller = true;
            }
        }
    }
    return ops;
}

// The log in words: `words` are the names of the numbers from `first_word` on.
constexpr int first_word = 1000;

template <class Words>
std::string text_of(int_log const& log, Words const& words)
{
    std::ostringstream text;
    for (int each : log)
        if (each >= first_word)
            text << (text.tellp() == 0 ? "" : " ") << words[each - first_word];
        else
            text << ' ' << each;
    return text.str();
}

inline std::string text_of(op_sequence const& ops)
{
    std::ostringstream text;
    for (op const& each : ops)
        text << "{{" << each.bytes[0] + 0 << ", " << each.bytes[1] + 0 << ", " << each.bytes[2] + 0
             << ", " << each.bytes[3] + 0 << "}}, ";
    return text.str();
}

// `World` has: static int_log by_the_library(ops), static int_log by_the_model(ops), static names.
template <class World>
bool differ(op_sequence const& ops)
{
    return World::by_the_library(ops) != World::by_the_model(ops);
}

template <class World>
void report_difference(unsigned seed, op_sequence const& ops)
{
    op_sequence const small = shrunk(ops, &differ<World>);
    BOOST_ERROR("they differ at EXEUNT_TEST_SEED="
        << seed << ", after " << ops.size() << " operations; " << small.size() << " are enough:\n  "
        << text_of(small) << "\n  expected " << text_of(World::by_the_model(small), World::words)
        << "\n  found    " << text_of(World::by_the_library(small), World::words));
}

// EXEUNT_MODEL_SEQUENCES many times; with a sanitizer a tenth of what is usual.
template <class World>
void expect_no_difference(unsigned usual, unsigned longest)
{
    unsigned const first = first_seed();
    unsigned const count =
        count_from("EXEUNT_MODEL_SEQUENCES", with_address_sanitizer ? usual / 10 : usual);
    BOOST_TEST_MESSAGE(count << " sequences, from seed " << first);
    for (unsigned seed = first; seed != first + count; ++seed) {
        op_sequence const ops = random_ops(seed, longest);
        if (differ<World>(ops))
            return report_difference<World>(seed, ops);
    }
    BOOST_TEST(count != 0u);
}

} // namespace support

#endif
