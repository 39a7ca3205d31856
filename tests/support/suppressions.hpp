// What ThreadSanitizer is not to report. To be included by one source file of a program.
#ifndef EXEUNT_TESTS_SUPPORT_SUPPRESSIONS_HPP
#define EXEUNT_TESTS_SUPPORT_SUPPRESSIONS_HPP

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define EXEUNT_TEST_UNDER_TSAN
#endif
#elif defined(__SANITIZE_THREAD__)
#define EXEUNT_TEST_UNDER_TSAN
#endif

#if defined(EXEUNT_TEST_UNDER_TSAN)
// any_io_executor counts the references to a strand with a fence before the last one is destroyed, which
// TSan does not see; a program of Asio alone is reported in the same way.
extern "C" char const* __tsan_default_suppressions()
{
    return "race:boost::asio::execution::detail::shared_target_executor";
}
#endif

#endif
