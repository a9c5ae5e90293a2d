// SPDX-License-Identifier: Apache-2.0
#include "query/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <string_view>

#include "model/span_batch_builder.h"
#include "storage/memory/memory_store.h"
#include "traceql/parser.h"

namespace khtrace::query {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kSecond = 1'000'000'000;

// Three traces of two spans: a server of service "api", n = 0, 1, 2, and a
// client below it.
void Fill(storage::memory::MemoryStore* store) {
  for (uint64_t trace = 1; trace <= 3; ++trace) {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddResourceAttribute("service.name",
                                 model::AttrValue::String("api"));
    builder.AddScope("", "");
    for (uint64_t span = 1; span <= 2; ++span) {
      model::SpanBatchBuilder::SpanFields fields;
      fields.trace_id = {0, trace};
      fields.span_id = {span};
      fields.parent_span_id = {span - 1};
      fields.name = span == 1 ? "GET" : "SELECT";
      fields.start = {trace * kSecond};
      fields.end = {trace * kSecond + kSecond / span};
      builder.AddSpan(fields);
      builder.AddSpanAttribute(
          "n", model::AttrValue::Int(static_cast<int64_t>(trace) - 1));
    }
    store->Write({}, std::make_shared<const model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }
}

class ExplainTest : public ::testing::Test {
 protected:
  ExplainTest() { Fill(&store_); }

  Explanation Search(const char* text, bool analyze = false) {
    query_ = *traceql::ParseQuery(text);
    SearchRequest request;
    request.query = &query_;
    return *ExplainSearch(store_, {}, request, analyze);
  }
  Explanation Metrics(const char* text, bool analyze = false,
                      MetricsCache* cache = nullptr) {
    query_ = *traceql::ParseQuery(text);
    MetricsRequest request;
    request.query = &query_;
    request.end = {60 * kSecond};
    request.step_nanos = 10 * kSecond;
    request.cache = cache;
    return *ExplainMetrics(store_, {}, request, analyze);
  }

  storage::memory::MemoryStore store_;
  traceql::Query query_;
};

// The first node with this operator, depth first.
const PlanNode* Find(const PlanNode& node, std::string_view op) {
  if (node.op == op) return &node;
  for (const PlanNode& child : node.children) {
    if (const PlanNode* found = Find(child, op)) return found;
  }
  return nullptr;
}

TEST_F(ExplainTest, TellsWhatAndHow) {
  EXPECT_EQ(
      ToText(Search("{ .n > 0 && resource.service.name = \"api\" } | "
                    "by(name) | count() > 0")),
      R"({ .n > 0 && resource.service.name = "api" } | by(name) | count() > 0

what
  search the newest 20 traces, 3 spans of each spanset
    source whole traces with any time in the range
    keep spans of { .n > 0 && resource.service.name = "api" }
    group a spanset for each value, by(name)
    keep spansets with count() > 0

how
  search unit by unit, until none can hold a newer trace
    scan 1 units, newest first, on up to 1 threads
    prune units that cannot match, before any column is read
      unless .n > 0: by zone map
      unless resource.service.name = "api": by dictionary or filter
    filter rows of the unit as one mask
      all each on the rows that are left, cheap ones first
        test resource.service.name = "api": by column
        test .n > 0: by column: of span, resource and scope the first that has it
    group by(name): a segment for each value
    having count() > 0
    hits the newest 20 traces so far, 3 spans of each spanset
    columns decoded when the first operator needs them
      column span.n
      column resource.n
      column instrumentation.n
      column resource.service.name
      column name
      column span:id
      column start
      column duration
      column status
)");
}

TEST_F(ExplainTest, TellsHowStructureRuns) {
  EXPECT_EQ(ToText(Search("{ name = \"GET\" } >> { duration > 1ms || "
                          "name =~ \"S.*\" }")),
            R"({ name = "GET" } >> { duration > 1ms || name =~ "S.*" }

what
  search the newest 20 traces, 3 spans of each spanset
    source whole traces with any time in the range
    keep spans of { name = "GET" } >> { duration > 1ms || name =~ "S.*" }

how
  search unit by unit, until none can hold a newer trace
    scan 1 units, newest first, on up to 1 threads
    prune units that cannot match, before any column is read
      unless name = "GET": by dictionary or filter
    filter rows of the unit as one mask
      relate >>: by parents, in one pass over the rows
        test name = "GET": by column
        any each on the rows that none before took
          test duration > 1ms: by column
          test name =~ "S.*": by column
    hits the newest 20 traces so far, 3 spans of each spanset
    columns decoded when the first operator needs them
      column name
      column duration
      column span:id
      column start
      column status
      column resource.service.name
)");
}

TEST_F(ExplainTest, TellsHowSeriesAreMade) {
  EXPECT_EQ(ToText(Metrics("({ span.n = 1 } | rate()) / ({ } | rate() by "
                           "(name)) * 100")),
            R"(({ span.n = 1 } | rate()) / ({ } | rate() by (name)) * 100

what
  calculate *, series of equal labels
    calculate /, series of equal labels
      series rate()
        source whole traces; their spans that start in the range
        keep spans of { span.n = 1 }
      series rate() by (name)
        source whole traces; their spans that start in the range
        keep spans of { }
    number 100

how
  metrics unit by unit
    scan 1 units, newest first, on up to 1 threads
    function rate()
      prune units that cannot match, before any column is read
        unless span.n = 1: by zone map
      filter rows of the unit as one mask
        test span.n = 1: by column
      fold rate(): 7 intervals, of each thread, merged once
    function rate() by (name)
      filter rows of the unit as one mask
        test true: constant
      fold rate() by (name): 7 intervals, of each thread, merged once
    columns decoded when the first operator needs them
      column span.n
      column start
      column name
)");
}

TEST_F(ExplainTest, TellsTheOrderOfTheAnswer) {
  const std::string text =
      ToText(Search("{ } with(order_by=\"duration desc\")"));
  EXPECT_THAT(text, HasSubstr("the first 20 traces by duration desc"));
  EXPECT_THAT(text, HasSubstr("every unit, without traces that come too late"));
}

TEST_F(ExplainTest, AlternativesRuleOutOnlyTogether) {
  const auto prunes = [](const Explanation& plan) {
    return Find(plan.physical, "prune") != nullptr;
  };
  EXPECT_TRUE(prunes(Search("{ name = \"a\" || .n = 1 }")));
  EXPECT_FALSE(prunes(Search("{ name = \"a\" || name =~ \"b.*\" }")));
  EXPECT_TRUE(prunes(Search("{ name = \"a\" } || { .n > 1 }")));
  EXPECT_FALSE(prunes(Search("{ name = \"a\" } || { }")));
  EXPECT_TRUE(prunes(Search("{ name = \"a\" } && { }")));
}

TEST_F(ExplainTest, AnalyzeCountsRowsOfEachOperator) {
  const Explanation plan =
      Search("{ span.n > 0 && name = \"GET\" }", /*analyze=*/true);
  ASSERT_TRUE(plan.analysis);
  EXPECT_EQ(plan.analysis->results, 2u);
  EXPECT_EQ(plan.analysis->threads, 1u);
  EXPECT_EQ(plan.analysis->stats.inspected_spans, 6u);
  const PlanNode* all = Find(plan.physical, "all");
  ASSERT_NE(all, nullptr);
  EXPECT_EQ(all->counts->rows_in, 6u);
  EXPECT_EQ(all->counts->rows_out, 2u);
  ASSERT_EQ(all->children.size(), 2u);
  // The cheaper one comes first, and the other sees what it left.
  EXPECT_THAT(all->children[0].text, HasSubstr("name = \"GET\""));
  EXPECT_EQ(all->children[0].counts->rows_in, 6u);
  EXPECT_EQ(all->children[0].counts->rows_out, 3u);
  EXPECT_EQ(all->children[1].counts->rows_in, 3u);
  EXPECT_EQ(all->children[1].counts->rows_out, 2u);
  const PlanNode* hits = Find(plan.physical, "hits");
  ASSERT_NE(hits, nullptr);
  EXPECT_EQ(hits->counts->rows_in, 2u);
  EXPECT_EQ(hits->counts->rows_out, 2u);
}

TEST_F(ExplainTest, AnalyzeCountsWhatTheStagesLeave) {
  const Explanation plan =
      Search("{ } | by(name) | max(span.n) > 1 | coalesce()", /*analyze=*/true);
  const PlanNode* group = Find(plan.physical, "group");
  EXPECT_EQ(group->counts->rows_out, 6u);
  const PlanNode* having = Find(plan.physical, "having");
  EXPECT_EQ(having->counts->rows_in, 6u);
  EXPECT_EQ(having->counts->rows_out, 2u);
  EXPECT_EQ(Find(plan.physical, "coalesce")->counts->rows_in, 2u);
}

TEST_F(ExplainTest, AnalyzeTellsOfOperatorsThatNeverRan) {
  const Explanation plan =
      Search("{ name = \"no such\" } >> { name = \"GET\" } | count() > 1",
             /*analyze=*/true);
  EXPECT_EQ(plan.analysis->results, 0u);
  EXPECT_EQ(Find(plan.physical, "having")->counts->units, 0u);
  EXPECT_THAT(ToText(plan), HasSubstr("[never ran]"));
}

TEST_F(ExplainTest, AnalyzeFollowsTheFoldOfEachFunction) {
  const Explanation plan =
      Metrics("({ span.n = 1 } | rate()) / ({ } | rate())", /*analyze=*/true);
  EXPECT_EQ(plan.analysis->results, 1u);
  const auto& children = plan.physical.children;
  std::vector<uint64_t> rows;
  for (const PlanNode& child : children) {
    if (child.op == "function") {
      rows.push_back(Find(child, "fold")->counts->rows_in);
    }
  }
  EXPECT_EQ(rows, (std::vector<uint64_t>{2, 6}));
}

TEST_F(ExplainTest, WhatCannotRunWithoutAJudgeIsRefusedAsItsRunIs) {
  query_ = *traceql::ParseQuery("{ perf:grade = \"A\" }");
  SearchRequest request;
  request.query = &query_;
  EXPECT_EQ(ExplainSearch(store_, {}, request, false).error().code,
            Code::kUnimplemented);
}

}  // namespace
}  // namespace khtrace::query
