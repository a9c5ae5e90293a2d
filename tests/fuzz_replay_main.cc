// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target over every file of the folders given, so that each corpus
// is a regression test under any compiler.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

int main(int argc, char** argv) {
  size_t count = 0;
  for (int i = 1; i < argc; ++i) {
    std::error_code missing;
    for (const auto& entry :
         std::filesystem::recursive_directory_iterator(argv[i], missing)) {
      if (!entry.is_regular_file()) continue;
      std::ifstream in(entry.path(), std::ios::binary);
      std::string bytes{std::istreambuf_iterator<char>(in), {}};
      LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()),
                             bytes.size());
      ++count;
    }
    if (missing) {
      std::fprintf(stderr, "cannot list %s: %s\n", argv[i],
                   missing.message().c_str());
      return 1;
    }
  }
  std::printf("replayed %zu inputs\n", count);
  return count == 0;
}
