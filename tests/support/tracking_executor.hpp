// An executor that counts what is submitted to it and the work it tracks, and knows whether the
// current function runs in it.
#ifndef EXEUNT_TESTS_SUPPORT_TRACKING_EXECUTOR_HPP
#define EXEUNT_TESTS_SUPPORT_TRACKING_EXECUTOR_HPP

#include <boost/asio/execution.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/query.hpp>
#include <boost/asio/require.hpp>

#include <atomic>
#include <type_traits>
#include <utility>

namespace asio = boost::asio;

namespace support {

// Shared by all copies of an executor; outlives them.
class executor_record
{
public:
    std::atomic<long> copies{0};
    std::atomic<long> works{0}; // copies that track outstanding work
    std::atomic<long> submits{0}; // functions given to execute()
    std::atomic<bool> closed{false}; // from now on, what is submitted counts as a misuse
    std::atomic<long> misuses{0};

    executor_record() = default;
    executor_record(executor_record const&) = delete;
    executor_record& operator=(executor_record const&) = delete;

    bool running_here() const noexcept
    {
        for (frame const* each = top(); each; each = each->below)
            if (each->record == this)
                return true;
        return false;
    }

private:
    template <class Inner>
    friend class tracking_executor;

    struct frame
    {
        executor_record const* record;
        frame const* below;

        explicit frame(executor_record const* r) noexcept
            : record(r)
            , below(top())
        {
            top() = this;
        }

        frame(frame const&) = delete;
        frame& operator=(frame const&) = delete;
        ~frame() { top() = below; }
    };

    static frame const*& top() noexcept
    {
        thread_local frame const* current = nullptr;
        return current;
    }
};

template <class Inner = asio::io_context::executor_type>
class tracking_executor
{
public:
    tracking_executor(Inner inner, executor_record& record, bool tracked = false) noexcept
        : inner_(std::move(inner))
        , record_(&record)
        , tracked_(tracked)
    {
        count(+1);
    }

    tracking_executor(tracking_executor const& other) noexcept
        : inner_(other.inner_)
        , record_(other.record_)
        , tracked_(other.tracked_)
    {
        count(+1);
    }

    tracking_executor& operator=(tracking_executor const& other) noexcept
    {
        other.count(+1);
        count(-1);
        inner_ = other.inner_;
        record_ = other.record_;
        tracked_ = other.tracked_;
        return *this;
    }

    ~tracking_executor() { count(-1); }

    Inner const& inner() const noexcept { return inner_; }

    friend bool operator==(tracking_executor const& a, tracking_executor const& b) noexcept
    {
        return a.inner_ == b.inner_ && a.record_ == b.record_;
    }

    friend bool operator!=(tracking_executor const& a, tracking_executor const& b) noexcept
    {
        return !(a == b);
    }

    template <class Property>
    requires asio::can_query<Inner const&, Property>::value auto query(
        Property const& property) const noexcept
        -> decltype(asio::query(std::declval<Inner const&>(), property))
    {
        return asio::query(inner_, property);
    }

    template <class Property>
    requires asio::can_require<Inner const&, Property>::value auto require(
        Property const& property) const noexcept
        -> tracking_executor<
            std::decay_t<decltype(asio::require(std::declval<Inner const&>(), property))>>
    {
        return {asio::require(inner_, property), *record_, tracks(property)};
    }

    template <class Property>
    requires asio::can_prefer<Inner const&, Property>::value auto prefer(
        Property const& property) const noexcept
        -> tracking_executor<
            std::decay_t<decltype(asio::prefer(std::declval<Inner const&>(), property))>>
    {
        return {asio::prefer(inner_, property), *record_, tracks(property)};
    }

    template <class Function>
    void execute(Function&& function) const
    {
        ++record_->submits;
        if (record_->closed)
            ++record_->misuses;
        inner_.execute([record = record_,
                           f = std::decay_t<Function>(std::forward<Function>(function))]() mutable {
            executor_record::frame const in(record);
            std::move(f)();
        });
    }

private:
    template <class>
    friend class tracking_executor;

    using tracked_t = asio::execution::outstanding_work_t::tracked_t;
    using untracked_t = asio::execution::outstanding_work_t::untracked_t;

    // any_io_executor wraps what it only prefers.
    template <class Property, class Wanted>
    static constexpr bool is =
        std::is_same_v<Property,
            Wanted> || std::is_same_v<Property, asio::execution::prefer_only<Wanted>>;

    template <class Property>
    bool tracks(Property const&) const noexcept
    {
        return is<Property, tracked_t> || (tracked_ && !is<Property, untracked_t>);
    }

    void count(long change) const noexcept
    {
        record_->copies += change;
        if (tracked_)
            record_->works += change;
    }

    Inner inner_;
    executor_record* record_;
    bool tracked_;
};

inline tracking_executor<> track(asio::io_context& context, executor_record& record)
{
    return {context.get_executor(), record};
}

} // namespace support

#endif
