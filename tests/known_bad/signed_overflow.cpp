// UndefinedBehaviorSanitizer must see a signed overflow, and must not go on after it.
#include <limits>

int main(int argc, char**)
{
    int const sum = std::numeric_limits<int>::max() + argc;
    return sum == 0 ? 1 : 0;
}
