// SPDX-License-Identifier: Apache-2.0
#include "query/search_order.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "model/span_batch_builder.h"
#include "storage/memory/memory_store.h"
#include "traceql/parser.h"

namespace khtrace::query {
namespace {

using Key = traceql::OrderBy::Key;
using Ids = std::vector<uint64_t>;

constexpr uint64_t kSecond = 1'000'000'000;

TEST(SearchCursor, ComesBackAsItWent) {
  const TraceOrder order({Key::kErrorCount, false});
  const TraceRank rank{3, UINT64_MAX, {0x1234, 0xfedcba9876543210}};
  const std::string text = WriteCursor(order, 77, rank);
  EXPECT_EQ(*ReadCursor(order, 77, text), rank);
  EXPECT_TRUE(std::all_of(text.begin(), text.end(),
                          [](unsigned char c) { return std::isalnum(c); }));
}

TEST(SearchCursor, OfAnotherQueryOrOrderIsRefused) {
  const TraceOrder order;
  const std::string text = WriteCursor(order, 77, {1, 2, {3, 4}});
  EXPECT_EQ(ReadCursor(order, 78, text).error().code, Code::kInvalidArgument);
  EXPECT_FALSE(ReadCursor(TraceOrder({Key::kStart, false}), 77, text));
  EXPECT_FALSE(ReadCursor(TraceOrder({Key::kDuration, true}), 77, text));
  EXPECT_FALSE(ReadCursor(order, 77, text + "0"));
  EXPECT_FALSE(ReadCursor(order, 77, ""));
  EXPECT_FALSE(ReadCursor(order, 77, "2" + text.substr(1)));
  std::string changed = text;
  changed[10] = '-';
  EXPECT_FALSE(ReadCursor(order, 77, changed));
}

// Trace n starts at n seconds and has n spans, n / 2 of them errors; the later
// it starts the shorter it is.
class OrderedSearch : public ::testing::Test {
 protected:
  void Store(uint64_t n) {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddScope("", "");
    for (uint64_t id = 1; id <= n; ++id) {
      model::SpanBatchBuilder::SpanFields fields;
      fields.trace_id = {0, n};
      fields.span_id = {id};
      fields.start = {n * kSecond};
      fields.end = {n * kSecond + (100 - n)};
      fields.status =
          id <= n / 2 ? model::StatusCode::kError : model::StatusCode::kUnset;
      builder.AddSpan(fields);
    }
    store_.Write({}, std::make_shared<const model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  OrderedSearch() {
    for (uint64_t n = 1; n <= 5; ++n) Store(n);
  }

  Result<SearchResult> Run(const char* text, SearchRequest request) {
    const traceql::Query query = *traceql::ParseQuery(text);
    request.query = &query;
    return Search(store_, {}, request);
  }
  Ids Found(const char* text, SearchRequest request = {}) {
    Ids ids;
    const auto result = Run(text, request);
    if (!result) return ids;
    for (const TraceHit& hit : result->traces) ids.push_back(hit.trace_id.low);
    next_ = result->next;
    return ids;
  }

  storage::memory::MemoryStore store_;
  std::string next_;
};

TEST_F(OrderedSearch, OrdersByWhatIsAskedFor) {
  SearchRequest request;
  EXPECT_EQ(Found("{ }"), (Ids{5, 4, 3, 2, 1}));
  request.order = traceql::OrderBy{Key::kStart, false};
  EXPECT_EQ(Found("{ }", request), (Ids{1, 2, 3, 4, 5}));
  request.order = traceql::OrderBy{Key::kDuration, true};
  EXPECT_EQ(Found("{ }", request), (Ids{1, 2, 3, 4, 5}));
  request.order = traceql::OrderBy{Key::kSpanCount, false};
  EXPECT_EQ(Found("{ }", request), (Ids{1, 2, 3, 4, 5}));
  // Of equal ones the newest first.
  request.order = traceql::OrderBy{Key::kErrorCount, true};
  EXPECT_EQ(Found("{ }", request), (Ids{5, 4, 3, 2, 1}));
  request.order = traceql::OrderBy{Key::kErrorCount, false};
  EXPECT_EQ(Found("{ }", request), (Ids{1, 3, 2, 5, 4}));
}

TEST_F(OrderedSearch, HintSaysItWhereTheRequestDoesNot) {
  SearchRequest request;
  EXPECT_EQ(Found("{ } with(order_by=\"start asc\")"), (Ids{1, 2, 3, 4, 5}));
  request.limit = 2;
  EXPECT_EQ(Found("{ } with(order_by=\"spanCount\")", request), (Ids{5, 4}));
  request.order = traceql::OrderBy{Key::kStart, false};
  EXPECT_EQ(Found("{ } with(order_by=\"spanCount\")", request), (Ids{1, 2}));
}

TEST_F(OrderedSearch, PagesHaveEachTraceOnce) {
  for (const Key key :
       {Key::kStart, Key::kDuration, Key::kSpanCount, Key::kErrorCount}) {
    for (const bool descending : {true, false}) {
      SearchRequest request;
      request.order = traceql::OrderBy{key, descending};
      const Ids all = Found("{ }", request);
      EXPECT_EQ(next_, "");
      request.limit = 2;
      Ids together;
      for (int page = 0; page < 5; ++page) {
        const Ids found = Found("{ }", request);
        together.insert(together.end(), found.begin(), found.end());
        request.after = next_;
        if (next_.empty()) break;
      }
      EXPECT_EQ(together, all);
    }
  }
}

TEST_F(OrderedSearch, NewerTracesDoNotMoveThePages) {
  SearchRequest request;
  request.limit = 2;
  EXPECT_EQ(Found("{ }", request), (Ids{5, 4}));
  request.after = next_;
  Store(6);
  EXPECT_EQ(Found("{ }", request), (Ids{3, 2}));
}

TEST_F(OrderedSearch, TotalsAreOfAllPages) {
  SearchRequest request;
  request.limit = 1;
  request.totals = true;
  const auto first = Run("{ status = error }", request);
  ASSERT_TRUE(first);
  EXPECT_EQ(first->total_traces, 4u);
  EXPECT_EQ(first->total_spans, 6u);
  ASSERT_EQ(first->traces.size(), 1u);
  request.after = first->next;
  const auto second = Run("{ status = error }", request);
  ASSERT_TRUE(second);
  EXPECT_EQ(second->total_traces, 4u);
  EXPECT_EQ(second->total_spans, 6u);
  EXPECT_EQ(second->traces[0].trace_id.low, 4u);
  request.after.clear();
  request.limit = 0;
  EXPECT_EQ(Run("{ status = error }", request)->total_traces, 4u);
  request.limit = 20;
  request.start = {2 * kSecond};
  request.end = {3 * kSecond};
  EXPECT_EQ(Run("{ }", request)->total_traces, 2u);
  request.totals = false;
  EXPECT_EQ(Run("{ }", request)->total_traces, std::nullopt);
}

TEST_F(OrderedSearch, CursorOfAnotherQueryIsRefused) {
  SearchRequest request;
  request.limit = 1;
  Found("{ }", request);
  request.after = next_;
  const auto other = Run("{ status = error }", request);
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::kInvalidArgument);
  request.order = traceql::OrderBy{Key::kStart, false};
  EXPECT_FALSE(Run("{ }", request));
}

// A page that memory ends goes on with the next.
TEST_F(OrderedSearch, PagesGoOnWhereMemoryEnded) {
  SearchRequest request;
  request.spans_per_spanset = 0;
  request.max_bytes = 1;
  Ids together;
  for (int page = 0; page < 10; ++page) {
    const auto result = Run("{ }", request);
    ASSERT_TRUE(result);
    ASSERT_EQ(result->traces.size(), 1u);
    together.push_back(result->traces[0].trace_id.low);
    EXPECT_EQ(result->truncated, !result->next.empty());
    request.after = result->next;
    if (request.after.empty()) break;
  }
  EXPECT_EQ(together, (Ids{5, 4, 3, 2, 1}));
}

}  // namespace
}  // namespace khtrace::query
