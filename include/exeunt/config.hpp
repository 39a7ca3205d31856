#ifndef EXEUNT_CONFIG_HPP
#define EXEUNT_CONFIG_HPP

#include <boost/asio/version.hpp>

/// Version of the library: major * 10000 + minor * 100 + patch.
#define EXEUNT_VERSION 100

// Functions that need no template are inline by default. A program that links exeunt::compiled
// defines EXEUNT_SEPARATE_COMPILATION (the target does it) and gets them from one object file.
#if defined(EXEUNT_SEPARATE_COMPILATION)
#define EXEUNT_DECL
#else
#define EXEUNT_HEADER_ONLY 1
#define EXEUNT_DECL inline
#endif

#if BOOST_ASIO_VERSION < 102600
#error "exeunt needs Boost 1.81 (Asio 1.26) or newer"
#endif

// What newer versions of Asio add. This is the only place that reads BOOST_ASIO_VERSION.
#if BOOST_ASIO_VERSION >= 102700
#define EXEUNT_HAS_IMMEDIATE_EXECUTOR 1
// An awaitable can await an operation that completes with (exception_ptr, T).
#define EXEUNT_AWAITS_VALUES 1
#endif

// Stands before a function that is called where something has gone wrong or is rare, so that it does not weigh
// on its callers.
#if defined(__GNUC__)
#define EXEUNT_RARE [[gnu::cold]]
#else
#define EXEUNT_RARE
#endif

// Stands before a function that is called for each exit from one place that matters.
#if defined(__GNUC__)
#define EXEUNT_EACH_EXIT [[gnu::always_inline]] inline
#else
#define EXEUNT_EACH_EXIT inline
#endif

// g++ up to 12 destroys some temporaries inside the operand of co_await twice.
#if defined(__GNUC__) && !defined(__clang__)
#if __GNUC__ <= 12
#define EXEUNT_CO_AWAIT_DESTROYS_TWICE 1
#endif
#endif

#endif // EXEUNT_CONFIG_HPP
