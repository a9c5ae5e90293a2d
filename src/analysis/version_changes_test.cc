// SPDX-License-Identifier: Apache-2.0
#include "analysis/version_changes.h"

#include <gtest/gtest.h>

#include "analysis/testing.h"
#include "storage/memory/memory_store.h"

namespace khtrace::analysis {
namespace {

class VersionChangesTest : public testing::Test {
 protected:
  void Store(const std::string& service, const std::string& version,
             uint64_t second) {
    TestSpan span;
    span.service = service;
    span.version = version;
    store_.Write(context_,
                 TraceOf({span}, ++traces_, kEpoch + second * kSecond),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  VersionChanges Changes() {
    auto changes = FindVersionChanges(
        store_, context_,
        {{kEpoch + 3600 * kSecond}, {kEpoch + 7200 * kSecond}}, nullptr);
    EXPECT_TRUE(changes) << changes.error().message;
    return changes ? *std::move(changes) : VersionChanges();
  }

  storage::memory::MemoryStore store_;
  RequestContext context_;
  uint64_t traces_ = 0;
};

TEST_F(VersionChangesTest, DeploymentsAreFoundWithTheirFirstSpan) {
  for (uint64_t second = 0; second < 7200; second += 10) {
    Store("shop", second < 5000 ? "1" : "2", second);
    Store("cart", second < 4003 ? "7" : second < 6500 ? "8" : "9", second + 1);
    Store("stock", "1", second + 2);
    // New, but it had no version before.
    if (second > 6000) Store("rank", "1", second + 3);
  }
  const VersionChanges changes = Changes();
  ASSERT_EQ(changes.changes.size(), 3u);
  EXPECT_TRUE(changes.complete);
  EXPECT_EQ(changes.changes[0].service, "cart");
  EXPECT_EQ(changes.changes[0].version, "9");
  EXPECT_EQ(changes.changes[0].first_seen.ns, kEpoch + 6501 * kSecond);
  EXPECT_EQ(changes.changes[1].service, "shop");
  EXPECT_EQ(changes.changes[1].first_seen.ns, kEpoch + 5000 * kSecond);
  EXPECT_EQ(changes.changes[2].version, "8");
  EXPECT_EQ(changes.changes[2].first_seen.ns, kEpoch + 4011 * kSecond);
}

TEST_F(VersionChangesTest, VersionsThatWereThereBeforeAreNoChange) {
  for (uint64_t second = 0; second < 7200; second += 10) {
    // A rare one, which samples of most slices miss.
    Store("shop", second % 1500 == 40 ? "canary" : "1", second);
  }
  EXPECT_TRUE(Changes().changes.empty());
}

TEST_F(VersionChangesTest, EmptyStoreHasNone) {
  EXPECT_TRUE(Changes().changes.empty());
}

}  // namespace
}  // namespace khtrace::analysis
