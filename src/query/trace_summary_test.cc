// SPDX-License-Identifier: Apache-2.0
#include "query/trace_summary.h"

#include <gtest/gtest.h>

#include <string_view>

#include "model/span_batch_builder.h"

namespace khtrace::query {
namespace {

using model::StatusCode;

class SummarizeTest : public testing::Test {
 protected:
  void Service(std::string_view name) {
    builder_.AddResource();
    if (!name.empty()) {
      builder_.AddResourceAttribute("service.name",
                                    model::AttrValue::String(name));
    }
    builder_.AddScope("", "");
  }
  void Span(uint64_t id, uint64_t parent, uint64_t start, uint64_t end,
            std::string_view name, StatusCode status = StatusCode::kUnset) {
    model::SpanBatchBuilder::SpanFields span;
    span.trace_id = {7, 8};
    span.span_id = {id};
    span.parent_span_id = {parent};
    span.start = {start};
    span.end = {end};
    span.name = name;
    span.status = status;
    builder_.AddSpan(span);
  }

  model::SpanBatchBuilder builder_;
};

TEST_F(SummarizeTest, CountsSpansErrorsOrphansAndServices) {
  Service("shop");
  Span(1, 0, 100, 200, "GET /");
  Span(2, 1, 110, 300, "call", StatusCode::kError);
  Service("db");
  Span(3, 2, 120, 130, "SELECT", StatusCode::kError);
  Span(4, 77, 121, 122, "late");
  const TraceSummary summary = Summarize(builder_.Build());
  EXPECT_EQ(summary.trace_id, (model::TraceId{7, 8}));
  EXPECT_EQ(summary.root_service, "shop");
  EXPECT_EQ(summary.root_name, "GET /");
  EXPECT_EQ(summary.start.ns, 100u);
  EXPECT_EQ(summary.end.ns, 300u);
  EXPECT_EQ(summary.span_count, 4u);
  EXPECT_EQ(summary.error_count, 2u);
  EXPECT_EQ(summary.orphan_count, 1u);
  ASSERT_EQ(summary.services.size(), 2u);
  EXPECT_EQ(summary.services[0].name, "db");
  EXPECT_EQ(summary.services[0].span_count, 2u);
  EXPECT_EQ(summary.services[0].error_count, 1u);
  EXPECT_EQ(summary.services[1].name, "shop");
}

TEST_F(SummarizeTest, PrefersSpanWithoutParentToEarlierOrphan) {
  Service("a");
  Span(2, 99, 5, 6, "orphan");
  Span(1, 0, 10, 11, "root");
  EXPECT_EQ(Summarize(builder_.Build()).root_name, "root");
}

TEST_F(SummarizeTest, TakesEarliestOrphanWhenTheRootIsMissing) {
  Service("");
  Span(3, 98, 9, 10, "later");
  Span(2, 99, 5, 6, "earlier");
  Span(4, 2, 4, 6, "child");
  const TraceSummary summary = Summarize(builder_.Build());
  EXPECT_EQ(summary.root_name, "earlier");
  EXPECT_EQ(summary.root_service, "");
  EXPECT_EQ(summary.orphan_count, 2u);
}

TEST_F(SummarizeTest, TakesEarliestSpanOfCycle) {
  Service("a");
  Span(1, 2, 20, 21, "one");
  Span(2, 1, 10, 11, "two");
  EXPECT_EQ(Summarize(builder_.Build()).root_name, "two");
}

TEST_F(SummarizeTest, NeverEndsBeforeItStarts) {
  Service("a");
  Span(1, 0, 20, 1, "backwards");
  const TraceSummary summary = Summarize(builder_.Build());
  EXPECT_EQ(summary.start.ns, 20u);
  EXPECT_EQ(summary.end.ns, 20u);
}

}  // namespace
}  // namespace khtrace::query
