// error: with <exeunt/closing_ssl.hpp> TLS streams, with <exeunt/closing_beast.hpp> WebSockets
#include <exeunt/closing.hpp>

#include <memory>

void f(std::unique_ptr<int>& value)
{
    exeunt::closing(value);
}
