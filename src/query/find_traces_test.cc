// SPDX-License-Identifier: Apache-2.0
#include "query/find_traces.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

#include "model/span_batch_builder.h"
#include "storage/memory/memory_store.h"

namespace khtrace::query {
namespace {

// A store in which trace n starts at second n and has one span.
class FindTracesTest : public testing::Test {
 protected:
  void Store(uint64_t trace) {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddScope("", "");
    model::SpanBatchBuilder::SpanFields span;
    span.trace_id = {0, trace};
    span.span_id = {trace};
    span.start = {trace * 1'000'000'000};
    span.end = {trace * 1'000'000'000 + 1};
    builder.AddSpan(span);
    store_.Write(context_, std::make_shared<model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }
  static FindRequest Newest(size_t limit) {
    FindRequest request;
    request.limit = limit;
    return request;
  }
  static std::vector<uint64_t> Ids(
      const std::vector<model::SpanBatchPtr>& traces) {
    std::vector<uint64_t> ids;
    for (const auto& trace : traces) {
      ids.push_back(trace->spans().trace_id[0].low);
    }
    return ids;
  }

  RequestContext context_;
  storage::memory::MemoryStore store_;
};

TEST_F(FindTracesTest, FetchesNewestFirstUpToTheLimit) {
  for (uint64_t i = 1; i <= 5; ++i) Store(i);
  const auto found = FetchTraces(store_, context_, Newest(3), 1 << 20);
  ASSERT_TRUE(found);
  EXPECT_EQ(Ids(found->traces), (std::vector<uint64_t>{5, 4, 3}));
  EXPECT_FALSE(found->truncated);
}

TEST_F(FindTracesTest, StopsAtTheBudgetButAlwaysGivesOne) {
  Store(1);
  Store(2);
  const auto found = FetchTraces(store_, context_, Newest(20), 1);
  ASSERT_TRUE(found);
  EXPECT_EQ(Ids(found->traces), (std::vector<uint64_t>{2}));
  EXPECT_TRUE(found->truncated);
}

TEST_F(FindTracesTest, FetchesByIdOnceEachAndNamesTheMissing) {
  Store(1);
  Store(2);
  const std::vector<model::TraceId> ids = {{0, 2}, {0, 9}, {0, 1}, {0, 2}};
  const auto found = FetchTracesById(store_, context_, ids, {}, 1 << 20);
  ASSERT_TRUE(found);
  EXPECT_EQ(Ids(found->traces), (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(found->missing, (std::vector<model::TraceId>{{0, 9}}));
}

TEST_F(FindTracesTest, FindsTraceWhateverTheHintSays) {
  Store(1);
  const storage::TimeHint wrong{.start = {uint64_t{1} << 62},
                                .end = {(uint64_t{1} << 62) + 1}};
  EXPECT_TRUE(GetTrace(store_, context_, {0, 1}, wrong));
  const auto missing = GetTrace(store_, context_, {0, 2}, wrong);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code, Code::kNotFound);
}

TEST_F(FindTracesTest, StopsWhenTheRequestIsCancelled) {
  Store(1);
  std::stop_source source;
  source.request_stop();
  context_.stop = source.get_token();
  const auto found = FetchTraces(store_, context_, Newest(20), 1 << 20);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::kCancelled);
}

}  // namespace
}  // namespace khtrace::query
