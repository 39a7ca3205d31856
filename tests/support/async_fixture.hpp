// What nearly every test of the asynchronous stack begins with.
#ifndef EXEUNT_TESTS_SUPPORT_ASYNC_FIXTURE_HPP
#define EXEUNT_TESTS_SUPPORT_ASYNC_FIXTURE_HPP

#include <exeunt/async_exit_stack.hpp>
#include <exeunt/on_exit.hpp>

#include "support/expect.hpp"
#include "support/recording_observer.hpp"
#include "support/scripted_exit.hpp"

#include <boost/asio/io_context.hpp>

#include <string>
#include <utility>

namespace support {

using exeunt::async_exit_stack;
using exeunt::exit_handle;
using exeunt::exit_handler;
using exeunt::exit_state;

struct async_fixture
{
    default_observer_guard observer;
    event_log log;
    asio::io_context context;
    async_exit_stack stack{context};
    outcome result;

    std::size_t drive() { return support::drive(context); }

    // Begins to close, and runs what can run.
    void close()
    {
        result = {};
        stack.async_close(into(result));
        drive();
    }

    void close(std::exception_ptr cause)
    {
        result = {};
        stack.async_close(std::move(cause), into(result));
        drive();
    }

    // Begins to close; all exits complete without being answered.
    outcome& closed(where_t where = where_t::current())
    {
        close();
        result.expect_once(where);
        return result;
    }

    outcome& closed(std::exception_ptr cause, where_t where = where_t::current())
    {
        close(std::move(cause));
        result.expect_once(where);
        return result;
    }

    scripted_exit script(std::string name) { return scripted_exit(log, std::move(name)); }

    exit_handle push(scripted_exit const& exit, shape s)
    {
        return in_shape(exit, s, [&](auto callable) { return stack.push(std::move(callable)); });
    }

    exit_handle push_named(scripted_exit const& exit, shape s)
    {
        return in_shape(exit, s, [&](auto callable) {
            return stack.push(exeunt::on_exit(std::move(callable)).named(exit.name()));
        });
    }

    // A sync exit that notes "+name -name".
    exit_handle push_note(std::string name)
    {
        return stack.push(script(std::move(name)).function());
    }
};

} // namespace support

#endif
