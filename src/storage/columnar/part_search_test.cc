// SPDX-License-Identifier: Apache-2.0
#include "storage/columnar/part_search.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

#include "model/testing.h"
#include "storage/columnar/part_testing.h"

namespace khtrace::storage::columnar {
namespace {

using model::AttrRange;
using model::RowIndex;
using model::SpanBatch;
using model::SpanBatchPtr;
using model::TraceId;

// Draws conditions that often hold: their texts and numbers come from spans.
class ConditionMaker {
 public:
  ConditionMaker(uint64_t seed, const SpanBatch& batch)
      : random_(seed), batch_(batch) {}

  ScanRequest Request() {
    ScanRequest request;
    request.limit = 1'000'000;
    for (uint64_t n = Below(4); n > 0; --n) {
      request.conditions.push_back(Make());
    }
    if (Below(3) == 0) request.start = batch_.spans().start[Row()];
    if (Below(3) == 0) request.end = batch_.spans().start[Row()];
    return request;
  }

 private:
  uint64_t Below(uint64_t n) { return random_() % n; }
  RowIndex Row() { return static_cast<RowIndex>(Below(batch_.row_count())); }

  Condition Make() {
    Condition c;
    c.field = static_cast<Field>(Below(8));
    c.compare = static_cast<Compare>(Below(7));
    const RowIndex row = Row();
    switch (c.field) {
      case Field::kService:
        c.text = batch_.ServiceName(row);
        break;
      case Field::kName:
        c.text = batch_.String(batch_.spans().name[row]);
        break;
      case Field::kDuration:
        c.integer = batch_.DurationNanos(row);
        break;
      case Field::kKind:
        c.integer = Below(7);
        break;
      case Field::kStatus:
        c.integer = Below(4);
        break;
      default:
        FromAttribute(row, &c);
    }
    if (Below(12) == 0) c.text += "?";
    return c;
  }

  void FromAttribute(RowIndex row, Condition* c) {
    const auto& attributes = batch_.data().attributes;
    c->key = "no.such.key";
    if (attributes.empty()) return;
    const AttrRange own = batch_.spans().attributes[row];
    const model::Attr& attr = own.size() > 0 && Below(2) == 0
                                  ? attributes[own.begin + Below(own.size())]
                                  : attributes[Below(attributes.size())];
    c->key = batch_.Key(attr.key);
    const model::AttrValue value = batch_.Value(attr);
    c->text = ToDisplayString(value);
    c->number = value.type == model::AttrType::kInt
                    ? static_cast<double>(value.AsInt())
                : value.type == model::AttrType::kDouble ? value.AsDouble()
                                                         : 100.0;
  }

  std::mt19937_64 random_;
  const SpanBatch& batch_;
};

std::set<TraceId> BruteForce(const std::vector<SpanBatchPtr>& batches,
                             const ScanRequest& request) {
  std::set<TraceId> found;
  for (const auto& batch : batches) {
    for (RowIndex row = 0; row < batch->row_count(); ++row) {
      if (Matches(request, *batch, row)) {
        found.insert(batch->spans().trace_id[row]);
      }
    }
  }
  return found;
}

TEST(PartSearch, AgreesWithMatchingEverySpan) {
  size_t found = 0;
  for (uint64_t seed = 0; seed < 40; ++seed) {
    model::RandomBatchOptions options;
    options.span_count = 150;
    options.trace_count = 40;
    options.odd_times = seed % 3 == 0;
    std::vector<SpanBatchPtr> batches;
    for (uint64_t i = 0; i < 2; ++i) {
      batches.push_back(std::make_shared<const SpanBatch>(
          model::RandomBatchForTesting(seed * 2 + i, options)));
    }
    BytesFsForTesting fs;
    PartWriteOptions write;
    write.row_group_spans = seed % 2 == 0 ? 40 : 65536;
    ASSERT_TRUE(WritePart(fs, "p", batches, {}, write).has_value());
    const auto part = Part::Open(fs, "p");
    ASSERT_TRUE(part.has_value());
    ConditionMaker maker(seed, *batches[0]);
    for (int i = 0; i < 150; ++i) {
      const ScanRequest request = maker.Request();
      std::vector<TraceMatch> matches;
      ScanStats stats;
      const Status status = (*part)->FindTraces({}, request, &matches, &stats);
      ASSERT_TRUE(status.has_value());
      std::set<TraceId> answer;
      for (const TraceMatch& match : matches) answer.insert(match.trace_id);
      ASSERT_EQ(answer.size(), matches.size());
      ASSERT_EQ(answer, BruteForce(batches, request)) << seed << " " << i;
      found += answer.size();
    }
  }
  EXPECT_GT(found, 10'000u);
}

TEST(PartSearch, StopsBehindTheNewestTracesButKeepsTheirOrder) {
  model::RandomBatchOptions options;
  options.span_count = 2000;
  options.trace_count = 400;
  const auto batch = std::make_shared<const SpanBatch>(
      model::RandomBatchForTesting(1, options));
  BytesFsForTesting fs;
  PartWriteOptions write;
  write.row_group_spans = 100;
  ASSERT_TRUE(WritePart(fs, "p", std::vector{batch}, {}, write).has_value());
  const auto part = Part::Open(fs, "p");
  ScanRequest request;
  request.limit = 1'000'000;
  std::vector<TraceMatch> all;
  ScanStats everything;
  ASSERT_TRUE((*part)->FindTraces({}, request, &all, &everything).has_value());
  EXPECT_EQ(everything.inspected_spans, 2000u);
  request.limit = 15;
  std::vector<TraceMatch> newest;
  ScanStats some;
  ASSERT_TRUE((*part)->FindTraces({}, request, &newest, &some).has_value());
  EXPECT_LT(some.inspected_spans, 400u);
  ASSERT_GE(newest.size(), 15u);
  for (size_t i = 0; i < 15; ++i) {
    EXPECT_EQ(newest[i].trace_id, all[i].trace_id);
    EXPECT_EQ(newest[i].start, all[i].start);
  }
}

TEST(PartSearch, ValueThatIsNowhereSkipsThePart) {
  const auto batch =
      std::make_shared<const SpanBatch>(model::RandomBatchForTesting(1, {}));
  BytesFsForTesting fs;
  ASSERT_TRUE(WritePart(fs, "p", std::vector{batch}, {}).has_value());
  const auto part = Part::Open(fs, "p");
  ScanRequest request;
  request.conditions = {{Field::kName, Compare::kEqual, "", "nowhere"}};
  std::vector<TraceMatch> matches;
  ScanStats stats;
  ASSERT_TRUE((*part)->FindTraces({}, request, &matches, &stats).has_value());
  EXPECT_TRUE(matches.empty());
  EXPECT_EQ(stats.parts, 1u);
  EXPECT_EQ(stats.parts_skipped, 1u);
}

TEST(PartSearch, CancelledRequestStops) {
  const auto batch =
      std::make_shared<const SpanBatch>(model::RandomBatchForTesting(1, {}));
  BytesFsForTesting fs;
  ASSERT_TRUE(WritePart(fs, "p", std::vector{batch}, {}).has_value());
  const auto part = Part::Open(fs, "p");
  std::stop_source stop;
  stop.request_stop();
  RequestContext context;
  context.stop = stop.get_token();
  std::vector<TraceMatch> matches;
  ScanStats stats;
  const Status status = (*part)->FindTraces(context, {}, &matches, &stats);
  ASSERT_FALSE(status.has_value());
  EXPECT_EQ(status.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace khtrace::storage::columnar
