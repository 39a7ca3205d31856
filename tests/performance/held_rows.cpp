// How G15 grows: by itself, so that it does not change how G15 is compiled.
#include "pools.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <utility>

namespace performance {

namespace {

// So many leases are out at the same time; then all come back.
template <class Pool>
class all_out
{
public:
    all_out(std::shared_ptr<Pool> pool, std::size_t size)
        : pool_(std::move(pool))
        , size_(size)
    {
    }

    void start(std::function<void()> done)
    {
        done_ = std::move(done);
        acquire();
    }

private:
    void acquire()
    {
        if (leases_.size() != size_)
            return pool_->async_acquire([this](auto, auto lease) {
                leases_.push_back(std::move(lease));
                acquire();
            });
        leases_.clear();
        done_();
    }

    std::shared_ptr<Pool> pool_;
    std::size_t size_;
    std::deque<typename Pool::lease> leases_;
    std::function<void()> done_;
};

template <class MakePool>
auto holding(MakePool make)
{
    return [make](std::size_t n) {
        return in_context([make, n](asio::io_context& context) {
            auto pool = make(context, n);
            using pool_type = typename decltype(pool)::element_type;
            auto shared = std::make_shared<all_out<pool_type>>(std::move(pool), n);
            return [shared](auto done) { shared->start(done); };
        });
    };
}

} // namespace

void add_held_rows(suite& all)
{
    all.push_back({"G15.held", "library", {}, holding(make_pool)});
    all.push_back({"G15.held", "reference", {}, holding(make_list)});
}

} // namespace performance
