#ifndef EXAMPLES_SHOW_HPP
#define EXAMPLES_SHOW_HPP

#include <cstddef>
#include <iostream>
#include <string>
#include <vector>

// What an example prints, kept so that it can be compared with what it promises to print.
inline std::vector<std::string> shown;

inline void show(std::string line)
{
    std::cout << line << '\n';
    shown.push_back(std::move(line));
}

// The exit status of an example: 0 if exactly these lines were shown.
inline int expect_shown(std::vector<std::string> const& promised)
{
    if (shown == promised)
        return 0;
    std::cerr << "promised:\n";
    for (auto const& line : promised)
        std::cerr << "  " << line << '\n';
    return 1;
}

#endif // EXAMPLES_SHOW_HPP
