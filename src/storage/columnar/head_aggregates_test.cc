// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/head_aggregates.h"

#include <gtest/gtest.h>

#include <stop_token>

#include "aggregate/partial_builder.h"
#include "aggregate/testing.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"
#include "storage/columnar/part_testing.h"
#include "storage/columnar/split_traces.h"
#include "storage/columnar/tenant_query.h"

namespace khtrace::storage::columnar {
namespace {

using aggregate::DescribePartial;
using model::SpanBatchPtr;

// The spans of a few traces, as they come in: now one of this, now one of that;
// some of them twice.
std::vector<SpanBatchPtr> Arrivals(uint64_t seed) {
  model::RandomBatchOptions options;
  options.span_count = 200;
  options.odd_times = seed % 2 == 0;
  const model::SpanBatch all = model::RandomBatchForTesting(seed, options);
  std::vector<model::RowIndex> rows[8];
  for (model::RowIndex row = 0; row < all.row_count(); ++row) {
    rows[(row * 7 + seed) % 8].push_back(row);
    if (row % 11 == 0) rows[(row * 3 + seed) % 8].push_back(row);
  }
  std::vector<SpanBatchPtr> batches;
  for (const auto& some : rows) {
    batches.push_back(
        std::make_shared<const model::SpanBatch>(model::Compact(all, some)));
  }
  return batches;
}

// A tenant of parts and heads that a test fills.
class Tenant {
 public:
  void AddPart(const std::vector<SpanBatchPtr>& batches) {
    const std::string path = "p" + std::to_string(parts_.size());
    EXPECT_TRUE(WritePart(fs_, path, batches, {}, {}));
    parts_.push_back(*Part::Open(fs_, path));
    view_.parts = std::make_shared<const PartList>(parts_);
  }
  void AddHead() { heads_.push_back(std::make_shared<HeadGeneration>()); }
  void Append(const SpanBatchPtr& batch) {
    heads_.back()->Append(HeadBatch(batch), {});
  }
  void DropHeads() { heads_.clear(); }

  Result<aggregate::Partial> Ask(const RequestContext& context = {}) {
    view_.heads.clear();
    for (const auto& head : heads_) {
      view_.heads.push_back({head, head->size()});
    }
    return Aggregate(context, view_, {});
  }
  std::string Told() {
    const auto partial = Ask();
    return partial ? DescribePartial(*partial) : partial.error().message;
  }

 private:
  BytesFsForTesting fs_;
  PartList parts_;
  std::vector<std::shared_ptr<HeadGeneration>> heads_;
  DamageLog damage_;
  TenantView view_{std::make_shared<const PartList>(),
                   {},
                   &damage_,
                   std::make_shared<AggregateCache>(),
                   std::make_shared<SplitTraces>(),
                   std::make_shared<HeadAggregates>()};
};

std::string Expected(const std::vector<SpanBatchPtr>& batches, size_t count) {
  return DescribePartial(
      aggregate::AggregateBatches(std::span(batches).first(count)));
}

TEST(HeadAggregates, AreThoseOfWholeTracesAtEachMoment) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<SpanBatchPtr> batches = Arrivals(seed);
    Tenant tenant;
    tenant.AddHead();
    for (size_t i = 0; i < batches.size(); ++i) {
      tenant.Append(batches[i]);
      if (i % 3 == 1) continue;  // not every batch is followed by a question
      ASSERT_EQ(tenant.Told(), Expected(batches, i + 1)) << seed << " " << i;
    }
    ASSERT_EQ(tenant.Told(), Expected(batches, batches.size()));
  }
}

TEST(HeadAggregates, FollowPartsAndHeadsAsTheyComeAndGo) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    const std::vector<SpanBatchPtr> batches = Arrivals(seed);
    Tenant tenant;
    tenant.AddHead();
    tenant.Append(batches[0]);
    tenant.Append(batches[1]);
    ASSERT_EQ(tenant.Told(), Expected(batches, 2));
    // The head is sealed with a batch that no question saw, another takes over.
    tenant.Append(batches[2]);
    tenant.AddHead();
    tenant.Append(batches[3]);
    ASSERT_EQ(tenant.Told(), Expected(batches, 4));
    tenant.Append(batches[4]);
    ASSERT_EQ(tenant.Told(), Expected(batches, 5));
    // Both become a part.
    tenant.AddPart({batches.begin(), batches.begin() + 5});
    tenant.DropHeads();
    tenant.AddHead();
    ASSERT_EQ(tenant.Told(), Expected(batches, 5));
    // Their traces go on, in a head and then in a part more.
    tenant.Append(batches[5]);
    ASSERT_EQ(tenant.Told(), Expected(batches, 6));
    tenant.Append(batches[6]);
    ASSERT_EQ(tenant.Told(), Expected(batches, 7));
    tenant.AddPart({batches[5], batches[6]});
    tenant.DropHeads();
    tenant.AddHead();
    ASSERT_EQ(tenant.Told(), Expected(batches, 7));
    tenant.Append(batches[7]);
    ASSERT_EQ(tenant.Told(), Expected(batches, 8));
  }
}

TEST(HeadAggregates, AQuestionThatWasCutShortSpoilsNothing) {
  const std::vector<SpanBatchPtr> batches = Arrivals(1);
  Tenant tenant;
  tenant.AddHead();
  tenant.Append(batches[0]);
  ASSERT_EQ(tenant.Told(), Expected(batches, 1));
  tenant.AddPart({batches[1]});
  tenant.Append(batches[2]);
  RequestContext cancelled;
  std::stop_source stop;
  stop.request_stop();
  cancelled.stop = stop.get_token();
  EXPECT_EQ(tenant.Ask(cancelled).error().code, Code::kCancelled);
  EXPECT_EQ(tenant.Told(), Expected(batches, 3));
}

}  // namespace
}  // namespace khtrace::storage::columnar
