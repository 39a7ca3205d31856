// error: an exit has one filter
#include <exeunt/on_exit.hpp>

auto f()
{
    return exeunt::on_exit([] {}).only_on_failure().only_on_success();
}
