// The control: what the rejected files here come close to.
#include <exeunt/exit_stack.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

struct door
{
    int enter();
    void exit(exeunt::exit_state&);
};

struct both_kinds
{
    void exit(exeunt::exit_state&);
    template <class Token>
    auto async_exit(exeunt::exit_state&, Token&&);
};

void close_file(int);

std::optional<int> f(exeunt::exit_stack& stack, door& front, int& number)
{
    stack.push([] {});
    stack.push([] { return 1; });
    stack.push([](exeunt::exit_state& state) { state.suppress(); });
    stack.push([](auto& state) { state.suppress(); });
    stack.push([unique = std::make_unique<int>(1)] { return *unique; });
    stack.push(exeunt::on_exit([] {}).named("exit").only_on_failure().best_effort());
    stack.push(std::ref(front));
    stack.push(door());
    stack.push(both_kinds());
    stack.push(exeunt::exit_stack());
    stack.callback(close_file, 1);
    stack.callback([](std::unique_ptr<int>) {}, std::make_unique<int>(1));
    stack.callback([](int& counter) { ++counter; }, std::ref(number));
    stack.adopt(1, close_file);
    stack.adopt(nullptr, [](std::nullptr_t) {});
    stack.adopt(1, [](int&, exeunt::exit_state&) {});
    stack.emplace<std::string>("text").append("s");
    stack.enter(std::make_unique<int>(1));
    int const entered = stack.enter(door()) + stack.enter(std::ref(front));
    return exeunt::with([&](exeunt::exit_stack&) { return std::optional(entered); });
}
