#include "trace_file.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

namespace lease_server {

trace_file::trace_file(std::string name)
    : name_(std::move(name))
    , file_(name_)
    , observer_(file_)
{
    if (!file_)
        throw unwritable_file(
            "cannot write to '" + name_ + "': " + std::generic_category().message(errno));
}

bool trace_file::finish()
{
    observer_.finish();
    file_.close();
    return !file_.fail();
}

} // namespace lease_server
