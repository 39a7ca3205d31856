// error: an exit has one or_force()
#include <exeunt/on_exit.hpp>

auto f()
{
    return exeunt::on_exit([] {}).or_force([] {}).or_force([] {});
}
