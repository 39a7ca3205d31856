// Runs what a fuzzer has found worth keeping, or what it has found wrong: each file that is named, and each
// in a folder that is named. For compilers that have no fuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

int runs = 0;

void replay(std::filesystem::path const& file)
{
    std::ifstream stream(file, std::ios::binary);
    std::vector<char> const bytes{std::istreambuf_iterator<char>(stream), {}};
    std::fprintf(stderr, "%s\n", file.c_str());
    LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size());
    ++runs;
}

} // namespace

int main(int count, char** names)
{
    for (int k = 1; k < count; ++k) {
        std::filesystem::path const name = names[k];
        if (!std::filesystem::is_directory(name))
            replay(name);
        else
            for (auto const& each : std::filesystem::directory_iterator(name))
                replay(each.path());
    }
    std::printf("%d inputs\n", runs);
    return runs == 0 ? 1 : 0;
}
