// SPDX-License-Identifier: Apache-2.0
#include "app/allocator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <vector>

namespace khtrace::app {
namespace {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kOwnAllocator = true;
#elif defined(__has_feature)
constexpr bool kOwnAllocator =
    __has_feature(address_sanitizer) || __has_feature(thread_sanitizer);
#else
constexpr bool kOwnAllocator = false;
#endif

size_t ResidentBytes() {
  size_t all = 0;
  size_t resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<size_t>(sysconf(_SC_PAGESIZE));
}

TEST(Allocator, TrimGivesBackWhatLiesBetweenWhatIsInUse) {
  if (kOwnAllocator) GTEST_SKIP() << "a sanitizer has an allocator of its own";
  std::vector<std::unique_ptr<char[]>> blocks;
  for (int i = 0; i < 50'000; ++i) {
    blocks.push_back(std::make_unique<char[]>(4'000));
  }
  // Every hundredth stays, the last of all among them.
  for (size_t i = 0; i + 1 < blocks.size(); ++i) {
    if (i % 100 != 0) blocks[i] = nullptr;
  }
  const size_t before = ResidentBytes();
  TrimAllocator();
  EXPECT_LT(ResidentBytes() + (100 << 20), before);
}

}  // namespace
}  // namespace khtrace::app
