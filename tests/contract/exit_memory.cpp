// What an exit takes through the allocator of its handler. Built with Asio's recycling on, also where a
// sanitizer turns that off for the other programs: what is handed out again is what can go wrong.
#include "support/async_fixture.hpp"
#include "support/probe.hpp"

#include <boost/asio/bind_allocator.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

using namespace support;

namespace {

// What an exit's handler hands out is filled, so that blocks which overlap tell.
class filled_block
{
public:
    using allocator =
        std::allocator_traits<exeunt::exit_handler::allocator_type>::rebind_alloc<unsigned char>;

    filled_block(exeunt::exit_handler const& handler, std::size_t size, unsigned char with)
        : allocator_(handler.get_allocator())
        , bytes_(allocator_.allocate(size))
        , size_(size)
        , with_(with)
    {
        std::fill_n(bytes_, size_, with_);
    }
    filled_block(filled_block const&) = delete;
    filled_block& operator=(filled_block const&) = delete;
    ~filled_block()
    {
        BOOST_TEST(std::count(bytes_, bytes_ + size_, with_) == static_cast<long>(size_));
        allocator_.deallocate(bytes_, size_);
    }

private:
    allocator allocator_;
    unsigned char* bytes_;
    std::size_t size_;
    unsigned char with_;
};

} // namespace

BOOST_FIXTURE_TEST_SUITE(exit_memory, async_fixture)

// C78
BOOST_AUTO_TEST_CASE(exit_memory_blocks_that_are_held_together_do_not_overlap)
{
    stack.push([&](exeunt::exit_handler handler) {
        for (int turn = 0; turn != 2; ++turn) {
            filled_block const first(handler, 64, 1);
            filled_block const second(handler, 64, 2);
            filled_block const large(handler, 4096, 3);
        }
        asio::post(context, std::move(handler));
    });
    closed().expect_success();
}

// C78: the operation has ended, its memory is there until the last of it is given back
BOOST_AUTO_TEST_CASE(exit_memory_kept_by_an_exit_that_was_dropped_stays_valid)
{
    for (std::size_t const size : {64u, 4096u}) {
        allocation_record record;
        std::optional<filled_block> kept;
        stack.push([&](exeunt::exit_handler handler) { kept.emplace(handler, size, 4); });
        stack.async_close(asio::bind_allocator(counting_allocator<>(record), into(result)));
        drive();
        BOOST_TEST(is_broken_promise(result.error));
        BOOST_TEST(record.live != 0u);
        kept.reset();
        BOOST_TEST(record.live == 0u);
        stack = async_exit_stack(context);
        result = {};
    }
}

// C78
BOOST_AUTO_TEST_CASE(exit_memory_is_aligned_as_it_is_asked_for)
{
    struct alignas(128) wide
    {
        unsigned char bytes[128];
    };
    using allocator =
        std::allocator_traits<exeunt::exit_handler::allocator_type>::rebind_alloc<wide>;
    allocation_record record;
    stack.push([&](exeunt::exit_handler handler) {
        allocator memory(handler.get_allocator());
        for (std::size_t const count : {1u, 100u}) {
            wide* const block = memory.allocate(count);
            BOOST_TEST(reinterpret_cast<std::uintptr_t>(block) % alignof(wide) == 0u);
            std::fill_n(block, count, wide());
            filled_block const after(handler, 64, 2);
            memory.deallocate(block, count);
        }
        std::move(handler)();
    });
    stack.async_close(asio::bind_allocator(counting_allocator<>(record), into(result)));
    drive();
    result.expect_success();
    BOOST_TEST(record.live == 0u);
}

// C78: what one thread gives back another one is given
BOOST_AUTO_TEST_CASE(exit_memory_goes_from_thread_to_thread)
{
    bool overlaps = false;
    stack.push([&](exeunt::exit_handler handler) {
        using allocator =
            std::allocator_traits<exeunt::exit_handler::allocator_type>::rebind_alloc<std::size_t>;
        auto use = [memory = allocator(handler.get_allocator())](bool& wrong) mutable {
            for (int round = 0; round != 3000; ++round) {
                auto* const block = memory.allocate(4);
                auto const mine = reinterpret_cast<std::size_t>(&wrong);
                std::fill_n(block, 4, mine);
                wrong = wrong || std::count(block, block + 4, mine) != 4;
                memory.deallocate(block, 4);
            }
        };
        bool theirs = false;
        bool ours = false;
        std::thread other([&, use]() mutable { use(theirs); });
        use(ours);
        other.join();
        overlaps = theirs || ours;
        std::move(handler)();
    });
    closed().expect_success();
    BOOST_TEST(!overlaps);
}

BOOST_AUTO_TEST_SUITE_END()
