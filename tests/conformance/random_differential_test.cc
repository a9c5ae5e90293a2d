// SPDX-License-Identifier: Apache-2.0
// Every backend gives the oracle's answers on random spans, whatever happens
// in between: flushes and restarts at random points, batches sent again.
// KHTRACE_DIFFERENTIAL_SEEDS raises the number of seeds for a long run.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <random>

#include "model/testing.h"
#include "naive_find.h"
#include "query/find_traces.h"
#include "store_under_test.h"

namespace khtrace::conformance {
namespace {

using model::RowIndex;
using model::SpanBatch;
using model::SpanBatchPtr;

uint64_t SeedCount() {
  const char* text = std::getenv("KHTRACE_DIFFERENTIAL_SEEDS");
  return text == nullptr ? 200 : std::strtoull(text, nullptr, 10);
}

class Differential {
 public:
  Differential(uint64_t seed, StoreUnderTest& oracle, StoreUnderTest& tested)
      : random_(seed), oracle_(oracle), tested_(tested) {}

  void Run() {
    for (uint64_t step = 3 + Below(8); step > 0; --step) {
      WriteSomething();
      if (OneIn(3)) tested_.Flush();
      if (OneIn(4) && tested_.store().capabilities().survives_restart) {
        tested_.Reopen();
      }
      if (OneIn(2)) CompareAnswers();
    }
    CompareAnswers();
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  void WriteSomething() {
    if (sent_.empty() || !OneIn(4)) {
      model::RandomBatchOptions options;
      options.span_count = static_cast<uint32_t>(1 + Below(60));
      options.trace_count = static_cast<uint32_t>(1 + Below(12));
      options.start.ns += Below(10) * 5'000'000'000;
      options.odd_times = OneIn(4);
      sent_.push_back(std::make_shared<const SpanBatch>(
          model::RandomBatchForTesting(random_(), options)));
    } else {
      std::swap(sent_.back(), sent_[Below(sent_.size())]);
    }
    ASSERT_TRUE(WriteNow(oracle_.store(), sent_.back()));
    const Status status = WriteNow(tested_.store(), sent_.back());
    ASSERT_TRUE(status) << status.error().message;
  }

  void CompareAnswers() {
    EXPECT_EQ(DescribeNames(oracle_.store()), DescribeNames(tested_.store()));
    const SpanBatch& batch = *sent_[Below(sent_.size())];
    for (int i = 0; i < 3; ++i) {
      const RowIndex row = RandomRow(batch);
      const model::TraceId id = batch.spans().trace_id[row];
      EXPECT_EQ(DescribeTrace(oracle_.store(), id),
                DescribeTrace(tested_.store(), id));
    }
    for (int i = 0; i < 8; ++i) CompareFinds(batch);
    EXPECT_EQ(DescribeDependencies(oracle_.store(), {}, UnixNanos::Max()),
              DescribeDependencies(tested_.store(), {}, UnixNanos::Max()));
    CompareAggregates(batch);
    CompareKeys(batch);
  }

  // What Jaeger's API asks, through the plan of TraceQL: as one span after the
  // other says. Taken from stored spans, so that it often fits.
  query::FindRequest RandomFind(const SpanBatch& batch) {
    query::FindRequest request;
    request.limit = OneIn(3) ? 1000 : 1 + Below(5);
    if (OneIn(2)) {
      request.spans.start = batch.spans().start[RandomRow(batch)];
      request.spans.end =
          request.spans.start.Plus(std::chrono::seconds(Below(30)));
    }
    const RowIndex row = RandomRow(batch);
    for (uint64_t n = Below(4); n > 0; --n) {
      request.spans.all.push_back(RandomSpanCondition(batch, row));
    }
    return request;
  }

  void CompareFinds(const SpanBatch& batch) {
    const query::FindRequest request = RandomFind(batch);
    std::vector<std::string> expected;
    for (const FoundTrace& trace : NaiveFind(sent_, request)) {
      expected.push_back(
          fmt::format("{} {}", trace.trace_id.ToHex(), trace.start.ns));
    }
    const auto result = query::FindTraces(tested_.store(), {}, request);
    ASSERT_TRUE(result) << result.error().message;
    std::vector<std::string> found;
    for (const query::TraceHit& hit : result->traces) {
      found.push_back(fmt::format("{} {}", hit.trace_id.ToHex(), hit.start.ns));
    }
    std::string asked;
    for (const query::SpanCondition& c : request.spans.all) {
      asked += fmt::format("{} '{}' '{}' {}\n", static_cast<int>(c.of), c.key,
                           c.text, c.number);
    }
    EXPECT_EQ(expected, found)
        << asked << request.spans.start.ns << " to " << request.spans.end.ns;
  }

  query::SpanCondition RandomSpanCondition(const SpanBatch& batch,
                                           RowIndex row) {
    using Of = query::SpanCondition::Of;
    query::SpanCondition condition;
    condition.of = static_cast<Of>(Below(7));
    switch (condition.of) {
      case Of::kService:
        condition.text = batch.ServiceName(row);
        if (!condition.text.empty()) return condition;
        break;
      case Of::kName:
        condition.text = batch.String(batch.spans().name[row]);
        return condition;
      case Of::kMinDuration:
      case Of::kMaxDuration:
        condition.number = batch.DurationNanos(row);
        return condition;
      case Of::kKind:
        condition.number = static_cast<uint64_t>(batch.spans().kind[row]);
        return condition;
      case Of::kStatus:
      case Of::kNotStatus:
        if (OneIn(2)) break;
        condition.number = static_cast<uint64_t>(batch.spans().status[row]);
        return condition;
      case Of::kTag:
        break;
    }
    return RandomTag(batch, row);
  }

  // Of the span, its resource, or one of its events or links.
  query::SpanCondition RandomTag(const SpanBatch& batch, RowIndex row) {
    std::vector<model::AttrRange> ranges = {batch.spans().attributes[row],
                                            batch.ResourceOf(row).attributes,
                                            batch.ScopeOf(row).attributes};
    const model::AttrRange events = batch.EventRange(row);
    for (uint32_t i = events.begin; i < events.end; ++i) {
      ranges.push_back(batch.events().attributes[i]);
    }
    const model::AttrRange links = batch.LinkRange(row);
    for (uint32_t i = links.begin; i < links.end; ++i) {
      ranges.push_back(batch.links().attributes[i]);
    }
    const model::AttrRange range = ranges[Below(ranges.size())];
    query::SpanCondition tag;
    tag.key = "missing";
    if (range.size() == 0) return tag;
    const model::Attr& attr = batch.Attributes(range)[Below(range.size())];
    tag.key = batch.Key(attr.key);
    tag.text = model::ToDisplayString(batch.Value(attr));
    return tag;
  }

  // All of them are the same; of a range there may be more than asked for.
  void CompareKeys(const SpanBatch& batch) {
    EXPECT_EQ(DescribeKeys(oracle_.store()), DescribeKeys(tested_.store()));
    const UnixNanos start = batch.spans().start[RandomRow(batch)];
    const UnixNanos end = start.Plus(std::chrono::seconds(Below(30)));
    auto wanted = oracle_.store().Keys({}, start, end);
    auto found = tested_.store().Keys({}, start, end);
    ASSERT_TRUE(wanted && found);
    const auto includes = [](const auto& all, const auto& some) {
      return std::includes(all.begin(), all.end(), some.begin(), some.end());
    };
    EXPECT_TRUE(includes(found->resource, wanted->resource));
    EXPECT_TRUE(includes(found->span, wanted->span));
    EXPECT_TRUE(includes(found->event, wanted->event));
    EXPECT_TRUE(includes(found->link, wanted->link));
    EXPECT_TRUE(includes(found->instrumentation, wanted->instrumentation));
  }

  void CompareAggregates(const SpanBatch& batch) {
    storage::AggregateRequest request;
    ExpectSameAggregates(request);
    request.start = batch.spans().start[RandomRow(batch)];
    request.end = request.start.Plus(std::chrono::minutes(Below(20)));
    request.kinds = static_cast<uint32_t>(1 + Below(aggregate::kAllKinds));
    request.step_minutes = static_cast<uint32_t>(1 + Below(20));
    ExpectSameAggregates(request);
    // Of whole hours a store may keep less.
    constexpr uint32_t kCoarse[] = {60, 120, 180, UINT32_MAX};
    request.start = request.start.Minus(std::chrono::minutes(Below(240)));
    request.end = request.start.Plus(std::chrono::minutes(Below(480)));
    request.step_minutes = kCoarse[Below(std::size(kCoarse))];
    ExpectSameAggregates(request);
    if (!OneIn(4)) return;
    request.start = {0};
    request.end = UnixNanos::Max();
    ExpectSameAggregates(request);
  }

  void ExpectSameAggregates(const storage::AggregateRequest& request) {
    EXPECT_EQ(DescribeAggregates(oracle_.store(), request),
              DescribeAggregates(tested_.store(), request));
  }

  RowIndex RandomRow(const SpanBatch& batch) {
    return static_cast<RowIndex>(Below(batch.row_count()));
  }

  std::mt19937_64 random_;
  StoreUnderTest& oracle_;
  StoreUnderTest& tested_;
  std::vector<SpanBatchPtr> sent_;
};

class RandomDifferential : public testing::TestWithParam<Backend> {};

TEST_P(RandomDifferential, AnswersLikeTheOracle) {
  for (uint64_t seed = 1; seed <= SeedCount(); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    auto oracle = AllBackends().front().make();
    auto tested = GetParam().make();
    Differential(seed, *oracle, *tested).Run();
    if (HasFailure()) return;
  }
}

INSTANTIATE_TEST_SUITE_P(, RandomDifferential, testing::ValuesIn(AllBackends()),
                         [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace khtrace::conformance
