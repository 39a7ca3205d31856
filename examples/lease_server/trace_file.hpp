#ifndef LEASE_SERVER_TRACE_FILE_HPP
#define LEASE_SERVER_TRACE_FILE_HPP

#include <exeunt/trace_observer.hpp>

#include <fstream>
#include <stdexcept>
#include <string>

namespace lease_server {

// The file cannot be written; what() is the one line to show.
class unwritable_file : public std::runtime_error
{
public:
    using std::runtime_error::runtime_error;
};

// A file for the picture of all that is unwound.
class trace_file
{
public:
    // Throws unwritable_file.
    explicit trace_file(std::string name);

    std::string const& name() const { return name_; }
    exeunt::trace_observer& observer() { return observer_; }

    // Nothing more is written. False: not all of it could be.
    bool finish();

private:
    std::string name_;
    std::ofstream file_;
    exeunt::trace_observer observer_;
};

} // namespace lease_server

#endif // LEASE_SERVER_TRACE_FILE_HPP
