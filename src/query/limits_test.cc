// SPDX-License-Identifier: Apache-2.0
// What a query may take: columns, memory, time.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <string>

#include "model/span_batch_builder.h"
#include "query/metrics.h"
#include "query/search.h"
#include "storage/memory/memory_store.h"
#include "traceql/parser.h"

namespace khtrace::query {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;

model::SpanBatchBuilder::SpanFields Span(uint64_t trace, uint64_t id,
                                         uint64_t parent) {
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {0, trace};
  fields.span_id = {id};
  fields.parent_span_id = {parent};
  fields.start = {kSecond + id};
  fields.end = {kSecond + id + 1};
  return fields;
}

// Stands still until it was looked at so often, then is an hour later.
class StepClock : public Clock {
 public:
  explicit StepClock(int looks) : left_(looks) {}
  UnixNanos Now() const override { return {0}; }
  std::chrono::nanoseconds Monotonic() const override {
    ++looks_;
    return left_-- > 0 ? std::chrono::nanoseconds(0) : std::chrono::hours(1);
  }
  int looks() const { return looks_; }

 private:
  mutable int left_;
  mutable int looks_ = 0;
};

class QueryLimits : public ::testing::Test {
 protected:
  void Write(model::SpanBatchBuilder& builder) {
    store_.Write({}, std::make_shared<const model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  // One trace: a chain of `spans`.
  void StoreChain(uint64_t spans) {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddScope("", "");
    for (uint64_t id = 1; id <= spans; ++id) {
      builder.AddSpan(Span(1, id, id - 1));
      builder.AddSpanAttribute("n",
                               model::AttrValue::Int(static_cast<int64_t>(id)));
    }
    Write(builder);
  }
  Result<SearchResult> Run(const std::string& text,
                           const RequestContext& context = {}) {
    query_ = *traceql::ParseQuery(text);
    SearchRequest request;
    request.query = &query_;
    return Search(store_, context, request);
  }

  storage::memory::MemoryStore store_;
  traceql::Query query_;
};

TEST_F(QueryLimits, ColumnsAreCounted) {
  // Each attribute without scope takes three; name, status and the like of the
  // answer come on top.
  const auto query = [](int attributes) {
    std::string text = "{ } | select(.a0";
    for (int i = 1; i < attributes; ++i) text += ", .a" + std::to_string(i);
    return text + ")";
  };
  EXPECT_TRUE(Run(query(98)));
  const auto refused = Run(query(99));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kInvalidArgument);
  EXPECT_THAT(refused.error().message, HasSubstr("columns, limit 300"));
}

// Conditions that go span by span look at the deadline in the middle of a unit.
TEST_F(QueryLimits, DeadlineEndsAUnitInItsMiddle) {
  StoreChain(200'000);
  const StepClock patient(1'000'000);
  RequestContext context;
  context.clock = &patient;
  context.deadline = std::chrono::minutes(1);
  const std::string query = "{ parent.n * 2 = -1 || span.n * 2 = -1 }";
  ASSERT_TRUE(Run(query, context));
  // Less patient by the last look: that one is within the unit.
  const StepClock impatient(patient.looks() - 1);
  context.clock = &impatient;
  const auto late = Run(query, context);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code, Code::kDeadlineExceeded);
}

TEST_F(QueryLimits, SeriesTakeOnlySoMuchMemory) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("", "");
  for (uint64_t id = 1; id <= 20'000; ++id) {
    builder.AddSpan(Span(id, id, 0));
    builder.AddSpanAttribute("n",
                             model::AttrValue::Int(static_cast<int64_t>(id)));
  }
  Write(builder);
  query_ = *traceql::ParseQuery(
      "{ } | rate() by "
      "(span.n)");
  MetricsRequest request;
  request.query = &query_;
  request.start = {0};
  request.end = {9'000 * kSecond};
  request.step_nanos = kSecond;
  const auto refused = RunMetrics(store_, {}, request);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kResourceExhausted);
  // Coarser steps are the way out.
  request.step_nanos = 3'000 * kSecond;
  EXPECT_TRUE(RunMetrics(store_, {}, request));
}

// Each span of a long chain in a group of its own or all in one: a walk from
// every span to every ancestor would take minutes.
TEST_F(QueryLimits, StructureWithinGroupsIsLinear) {
  StoreChain(200'000);
  for (const char* text :
       {"{ } | by(span.n % 2) | { } >> { span.n > 199998 }",
        "{ } | by(span.n) | { } >> { }", "{ } | by(span.n % 2) | { } << { }"}) {
    const auto begin = std::chrono::steady_clock::now();
    ASSERT_TRUE(Run(text)) << text;
    EXPECT_LT(std::chrono::steady_clock::now() - begin,
              std::chrono::seconds(20))
        << text;
  }
}

}  // namespace
}  // namespace khtrace::query
