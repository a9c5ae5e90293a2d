// SPDX-License-Identifier: Apache-2.0
#include "alerting/shared_scan.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>

#include "alerting/query_measure.h"
#include "model/span_batch_builder.h"
#include "storage/memory/memory_store.h"

namespace khtrace::alerting {
namespace {

constexpr UnixNanos kNow{1'767'225'600'000'000'000};

// A store that counts how often it brought its spans in order.
class CountingStore : public storage::memory::MemoryStore {
 public:
  Result<std::unique_ptr<storage::FrameScan>> Scan(
      const RequestContext& context,
      const storage::FrameRequest& request) override {
    ++scans;
    return MemoryStore::Scan(context, request);
  }
  int scans = 0;
};

class SharedScanTest : public testing::Test {
 protected:
  void Store(const std::string& service, uint64_t count,
             const std::string& tenant = kDefaultTenant) {
    model::SpanBatchBuilder builder;
    for (uint64_t i = 0; i < count; ++i) {
      builder.AddResource();
      builder.AddResourceAttribute("service.name",
                                   model::AttrValue::String(service));
      builder.AddScope("", "");
      model::SpanBatchBuilder::SpanFields fields;
      fields.trace_id = {1, ++spans_};
      fields.span_id = {spans_};
      fields.start = kNow.Minus(std::chrono::seconds(60 + i));
      fields.end = fields.start.Plus(std::chrono::milliseconds(10 * i));
      fields.name = i % 2 == 0 ? "GET /" : "PUT /";
      builder.AddSpan(fields);
    }
    RequestContext context;
    context.tenant = tenant;
    store_.Write(context, std::make_shared<model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  // Values in the order of their labels.
  std::vector<double> Ask(storage::TraceReader& reader,
                          const std::string& query,
                          const std::string& tenant = kDefaultTenant) {
    Rule rule;
    rule.query = query;
    rule.kind = RuleKind::kQuery;
    rule.alert = 1e9;
    rule.min_samples = 0;
    RequestContext context;
    context.tenant = tenant;
    const auto all =
        MeasureQuery({.reader = reader, .cache = cache_}, context, rule, kNow);
    EXPECT_TRUE(all) << all.error().message;
    std::vector<double> values;
    for (const Measurement& m : *all) values.push_back(*m.value);
    return values;
  }

  CountingStore store_;
  query::MetricsCache cache_;
  uint64_t spans_ = 0;
};

const char* const kQueries[] = {
    "{ } | count_over_time() by (resource.service.name)",
    "{ name = \"GET /\" } | quantile_over_time(duration, .5) by (name)",
    "{ duration > 50ms } | rate()",
    "{ resource.service.name = \"shop\" } | max_over_time(duration)",
    "{ name =~ \"P.*\" && .missing = 1 } | rate()",
};

TEST_F(SharedScanTest, AnswersAsTheStoreItselfAndReadsOnce) {
  Store("shop", 30);
  Store("cart", 20);
  SharedScanReader shared(store_);
  for (int round = 0; round < 3; ++round) {
    store_.scans = 0;
    for (const char* query : kQueries) {
      const std::vector<double> got = Ask(shared, query);
      const int scans = store_.scans;
      EXPECT_EQ(got, Ask(store_, query)) << query;
      store_.scans = scans;
    }
    // All columns are known after the first round.
    if (round > 0) {
      EXPECT_EQ(store_.scans, 1);
    }
    shared.Reset();
  }
}

TEST_F(SharedScanTest, TenantsAndLaterSpansAreNotMixedUp) {
  Store("shop", 30);
  Store("shop", 5, "other");
  SharedScanReader shared(store_);
  EXPECT_EQ(Ask(shared, kQueries[0]), std::vector<double>{30});
  EXPECT_EQ(Ask(shared, kQueries[0], "other"), std::vector<double>{5});
  EXPECT_EQ(Ask(shared, kQueries[0]), std::vector<double>{30});
  Store("shop", 10);
  EXPECT_EQ(Ask(shared, kQueries[0]), std::vector<double>{30});  // one moment
  shared.Reset();
  EXPECT_EQ(Ask(shared, kQueries[0]), std::vector<double>{40});
}

}  // namespace
}  // namespace khtrace::alerting
