// SPDX-License-Identifier: Apache-2.0
#include "query/top_traces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace khtrace::query {
namespace {

using Key = traceql::OrderBy::Key;

SizedHit Hit(uint64_t start, uint64_t id, size_t bytes = 1) {
  SizedHit made;
  made.hit.start = {start};
  made.hit.trace_id = {0, id};
  made.bytes = bytes;
  return made;
}

std::vector<uint64_t> Ids(const TopTraces::Page& page) {
  std::vector<uint64_t> ids;
  for (const TraceHit& hit : page.traces) ids.push_back(hit.trace_id.low);
  return ids;
}

TEST(TopTraces, KeepsTheFirstOfAll) {
  TopTraces top(TraceOrder(), 2, 100);
  EXPECT_EQ(top.bound(), std::nullopt);
  top.Add({Hit(5, 1), Hit(3, 2)}, false);
  EXPECT_EQ(top.bound(), (TraceRank{3, 3, {0, 2}}));
  top.Add({Hit(9, 3), Hit(4, 4), Hit(1, 5)}, false);
  EXPECT_EQ(top.bound(), (TraceRank{5, 5, {0, 1}}));
  const auto page = top.Take();
  EXPECT_EQ(Ids(page), (std::vector<uint64_t>{3, 1}));
  EXPECT_TRUE(page.more);
  EXPECT_FALSE(page.truncated);
}

// Against sorting everything, for limits below, near and above what is there.
TEST(TopTraces, AreTheFirstOfAnyNumberInAnyOrder) {
  std::mt19937 random(7);
  for (const size_t limit : {1, 16, 100, 399, 400, 5000}) {
    TopTraces top(TraceOrder(), limit, SIZE_MAX);
    std::vector<uint64_t> starts;
    for (size_t unit = 0; unit < 40; ++unit) {
      std::vector<uint64_t> own;
      for (size_t i = 0; i < 10; ++i) own.push_back(random() % 1'000'000);
      std::sort(own.rbegin(), own.rend());
      std::vector<SizedHit> found;
      for (const uint64_t start : own) found.push_back(Hit(start, start));
      top.Add(std::move(found), false);
      starts.insert(starts.end(), own.begin(), own.end());
    }
    std::sort(starts.rbegin(), starts.rend());
    starts.resize(std::min(limit, starts.size()));
    const auto page = top.Take();
    EXPECT_EQ(Ids(page), starts) << limit;
    EXPECT_EQ(page.more, limit < 400) << limit;
  }
}

TEST(TopTraces, KnowsWhenThereIsNothingMore) {
  TopTraces top(TraceOrder(), 2, 100);
  top.Add({Hit(5, 1), Hit(3, 2)}, false);
  EXPECT_FALSE(top.Take().more);
}

TEST(TopTraces, OfEqualOnesTheLesserIdComesFirst) {
  TopTraces top(TraceOrder({Key::kStart, false}), 2, 100);
  top.Add({Hit(5, 1), Hit(5, 7)}, false);
  top.Add({Hit(5, 3)}, false);
  EXPECT_EQ(Ids(top.Take()), (std::vector<uint64_t>{1, 3}));
}

TEST(TopTraces, FewerStayWhereMemoryEnds) {
  TopTraces top(TraceOrder(), 10, 100);
  top.Add({Hit(9, 1, 60), Hit(3, 2, 30)}, false);
  top.Add({Hit(5, 3, 30)}, false);
  EXPECT_EQ(top.limit(), 2u);
  EXPECT_EQ(top.bound(), (TraceRank{5, 5, {0, 3}}));
  const auto page = top.Take();
  EXPECT_EQ(Ids(page), (std::vector<uint64_t>{1, 3}));
  EXPECT_TRUE(page.truncated);
  EXPECT_TRUE(page.more);
}

TEST(TopTraces, TheFirstOneStaysHoweverLarge) {
  TopTraces top(TraceOrder(), 10, 100);
  top.Add({Hit(9, 1, 600)}, false);
  top.Add({Hit(8, 2, 1)}, false);
  EXPECT_EQ(Ids(top.Take()), (std::vector<uint64_t>{1}));
}

// Who was left out is not to be jumped over.
TEST(TopTraces, NothingBehindACutIsAnswered) {
  TopTraces top(TraceOrder(), 10, 100);
  top.Add({Hit(2, 1)}, false);
  top.Add({Hit(9, 2), Hit(5, 3)}, true);
  const auto page = top.Take();
  EXPECT_EQ(Ids(page), (std::vector<uint64_t>{2, 3}));
  EXPECT_TRUE(page.truncated);
}

}  // namespace
}  // namespace khtrace::query
