// SPDX-License-Identifier: Apache-2.0
// Every promise of storage/trace_store.h, one test each, for every backend;
// each time with the spans still in memory and again after a flush.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stop_token>
#include <tuple>

#include "model/span_batch_builder.h"
#include "query/find_traces.h"
#include "store_under_test.h"

namespace khtrace::conformance {
namespace {

using model::AttrValue;
using model::SpanBatchPtr;
using model::TraceId;
using Of = query::SpanCondition::Of;
using testing::ElementsAre;
using testing::IsEmpty;

class TraceStore : public testing::TestWithParam<std::tuple<Backend, bool>> {
 protected:
  TraceStore() : under_test_(std::get<0>(GetParam()).make()) {}

  storage::TraceStore& store() { return under_test_->store(); }
  bool flushes() const { return std::get<1>(GetParam()); }
  void Settle() {
    if (flushes()) under_test_->Flush();
  }
  void Write(SpanBatchPtr batch) {
    const Status status = WriteNow(store(), std::move(batch));
    ASSERT_TRUE(status) << status.error().message;
    Settle();
  }
  std::vector<uint64_t> SpansOf(uint64_t trace) {
    auto batch = store().GetTrace({}, TraceId{7, trace});
    std::vector<uint64_t> ids;
    if (!batch) return ids;
    for (const model::SpanId id : (*batch)->spans().span_id) {
      ids.push_back(id.value);
    }
    return ids;
  }
  // What a search over the store's scan finds.
  std::vector<uint64_t> Found(const query::FindRequest& request = {}) {
    auto found = query::FindTraces(store(), {}, request);
    EXPECT_TRUE(found);
    std::vector<uint64_t> traces;
    if (!found) return traces;
    for (const auto& hit : found->traces) traces.push_back(hit.trace_id.low);
    return traces;
  }
  std::vector<uint64_t> FoundFirst(size_t limit) {
    query::FindRequest request;
    request.limit = limit;
    return Found(request);
  }
  std::vector<uint64_t> FoundBetween(UnixNanos start, UnixNanos end) {
    query::FindRequest request;
    request.spans.start = start;
    request.spans.end = end;
    return Found(request);
  }
  std::vector<uint64_t> FoundWith(query::SpanCondition condition) {
    query::FindRequest request;
    request.spans.all.push_back(std::move(condition));
    return Found(request);
  }

  std::unique_ptr<StoreUnderTest> under_test_;
};

TEST_P(TraceStore, EmptyStoreAnswersEmpty) {
  EXPECT_EQ(store().GetTrace({}, TraceId{7, 1}).error().code, Code::kNotFound);
  EXPECT_THAT(Found(), IsEmpty());
  EXPECT_EQ(DescribeNames(store()), "");
  EXPECT_EQ(DescribeDependencies(store(), {}, UnixNanos::Max()), "");
  EXPECT_EQ(store().Stats({})->spans, 0u);
  EXPECT_THAT(store().Tenants(), IsEmpty());
}

TEST_P(TraceStore, WrittenSpansAreSearchableAtOnce) {
  Write(MakeBatch({{.trace = 1, .span = 5}}));
  EXPECT_THAT(SpansOf(1), ElementsAre(5));
  EXPECT_THAT(Found(), ElementsAre(1));
  EXPECT_THAT(*store().Services({}), ElementsAre("shop"));
}

TEST_P(TraceStore, EmptyBatchIsFine) {
  Write(MakeBatch({}));
  EXPECT_EQ(store().Stats({})->spans, 0u);
}

TEST_P(TraceStore, TraceSplitOverBatchesComesTogetherInOrder) {
  Write(MakeBatch({{.span = 3, .start_ms = 30}, {.span = 1, .start_ms = 10}}));
  Write(MakeBatch({{.span = 2, .start_ms = 20}, {.span = 9, .start_ms = 10}}));
  EXPECT_THAT(SpansOf(1), ElementsAre(1, 9, 2, 3));
}

TEST_P(TraceStore, OtherTracesStayOut) {
  Write(MakeBatch({{.trace = 1, .span = 1}, {.trace = 2, .span = 2}}));
  EXPECT_THAT(SpansOf(2), ElementsAre(2));
  EXPECT_EQ(store().GetTrace({}, TraceId{8, 2}).error().code, Code::kNotFound);
}

TEST_P(TraceStore, RetriedBatchAppearsOnce) {
  const SpanBatchPtr batch = MakeBatch(
      {{.span = 1, .service = "a"}, {.span = 2, .parent = 1, .service = "b"}});
  Write(batch);
  Write(batch);
  EXPECT_THAT(SpansOf(1), ElementsAre(1, 2));
  EXPECT_THAT(Found(), ElementsAre(1));
  EXPECT_EQ(DescribeDependencies(store(), {}, UnixNanos::Max()), "a -> b x1\n");
}

TEST_P(TraceStore, DuplicateWithinABatchAppearsOnce) {
  Write(MakeBatch({{.span = 1}, {.span = 1}}));
  EXPECT_THAT(SpansOf(1), ElementsAre(1));
}

TEST_P(TraceStore, SameIdWithOtherKindIsAnotherSpan) {
  Write(MakeBatch({{.span = 1, .kind = model::SpanKind::kServer},
                   {.span = 1, .kind = model::SpanKind::kClient}}));
  EXPECT_THAT(SpansOf(1), ElementsAre(1, 1));
}

TEST_P(TraceStore, FindsNewestFirstUpToTheLimit) {
  Write(MakeBatch({{.trace = 1, .span = 1, .start_ms = 10},
                   {.trace = 2, .span = 2, .start_ms = 30}}));
  Write(MakeBatch({{.trace = 3, .span = 3, .start_ms = 20},
                   {.trace = 4, .span = 4, .start_ms = 40}}));
  EXPECT_THAT(Found(), ElementsAre(4, 2, 3, 1));
  EXPECT_THAT(FoundFirst(2), ElementsAre(4, 2));
  EXPECT_THAT(FoundFirst(0), IsEmpty());
}

TEST_P(TraceStore, EqualStartsAreOrderedByTraceId) {
  Write(MakeBatch({{.trace = 3, .span = 1}, {.trace = 1, .span = 2}}));
  Write(MakeBatch({{.trace = 2, .span = 3}}));
  EXPECT_THAT(Found(), ElementsAre(1, 2, 3));
  EXPECT_THAT(FoundFirst(2), ElementsAre(1, 2));
}

TEST_P(TraceStore, TraceStartIsThatOfItsEarliestSpanAnywhere) {
  Write(MakeBatch({{.trace = 1, .span = 1, .start_ms = 50, .name = "late"}}));
  Write(MakeBatch({{.trace = 2, .span = 2, .start_ms = 40, .name = "late"}}));
  Write(MakeBatch({{.trace = 1, .span = 3, .start_ms = 5, .name = "early"}}));
  query::FindRequest request;
  request.spans.all.push_back({.of = Of::kName, .text = "late"});
  request.limit = 1;
  EXPECT_THAT(Found(request), ElementsAre(2));
  request.limit = 2;
  EXPECT_EQ(query::FindTraces(store(), {}, request)->traces[1].start,
            AtMillis(5));
}

TEST_P(TraceStore, TimeRangeHoldsBothEndsAndLooksAtSpans) {
  Write(MakeBatch({{.trace = 1, .span = 1, .start_ms = 10},
                   {.trace = 1, .span = 2, .start_ms = 20},
                   {.trace = 2, .span = 3, .start_ms = 30}}));
  EXPECT_THAT(FoundBetween(AtMillis(20), AtMillis(20)), ElementsAre(1));
  EXPECT_THAT(FoundBetween(AtMillis(20), AtMillis(30)), ElementsAre(2, 1));
  EXPECT_THAT(FoundBetween(AtMillis(31), UnixNanos::Max()), IsEmpty());
}

TEST_P(TraceStore, OneSpanMustMeetEveryCondition) {
  Write(MakeBatch({{.trace = 1, .span = 1, .service = "a", .name = "x"},
                   {.trace = 1, .span = 2, .service = "b", .name = "y"}}));
  query::FindRequest request;
  request.spans.all = {{.of = Of::kService, .text = "a"},
                       {.of = Of::kName, .text = "y"}};
  EXPECT_THAT(Found(request), IsEmpty());
  request.spans.all[1].text = "x";
  EXPECT_THAT(Found(request), ElementsAre(1));
}

TEST_P(TraceStore, IntrinsicFieldsCompare) {
  Write(MakeBatch({{.trace = 1,
                    .span = 1,
                    .start_ms = 1,
                    .duration_ms = 100,
                    .service = "a",
                    .name = "n1",
                    .kind = model::SpanKind::kClient,
                    .status = model::StatusCode::kError},
                   {.trace = 2,
                    .span = 2,
                    .start_ms = 0,
                    .duration_ms = 200,
                    .service = "b",
                    .name = "n2"}}));
  EXPECT_THAT(FoundWith({.of = Of::kService, .text = "b"}), ElementsAre(2));
  EXPECT_THAT(FoundWith({.of = Of::kName, .text = "n1"}), ElementsAre(1));
  EXPECT_THAT(FoundWith({.of = Of::kKind, .number = 3}), ElementsAre(1));
  EXPECT_THAT(FoundWith({.of = Of::kStatus, .number = 2}), ElementsAre(1));
  EXPECT_THAT(FoundWith({.of = Of::kNotStatus, .number = 2}), ElementsAre(2));
  const uint64_t ms100 = 100'000'000;
  const auto least = [&](uint64_t nanos) {
    return FoundWith({.of = Of::kMinDuration, .number = nanos});
  };
  EXPECT_THAT(least(ms100), ElementsAre(1, 2));
  EXPECT_THAT(least(ms100 + 1), ElementsAre(2));
  const auto most = [&](uint64_t nanos) {
    return FoundWith({.of = Of::kMaxDuration, .number = nanos});
  };
  EXPECT_THAT(most(ms100), ElementsAre(1));
  EXPECT_THAT(most(ms100 - 1), IsEmpty());
}

model::SpanBatchBuilder::SpanFields Fields(uint64_t span, UnixNanos start,
                                           UnixNanos end) {
  model::SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {7, 1};
  fields.span_id = {span};
  fields.start = start;
  fields.end = end;
  fields.name = "op";
  return fields;
}

SpanBatchPtr BatchWithAttributesEverywhere() {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute("service.name", AttrValue::String("shop"));
  builder.AddResourceAttribute("where", AttrValue::String("resource"));
  builder.AddScope("s", "1");
  builder.AddScopeAttribute("in.scope", AttrValue::Bool(true));
  builder.AddSpan(Fields(1, AtMillis(1), AtMillis(2)));
  builder.AddSpanAttribute("count", AttrValue::Int(42));
  builder.AddSpanAttribute("ratio", AttrValue::Double(0.5));
  builder.AddSpanAttribute("text", AttrValue::String("42"));
  builder.AddEvent(AtMillis(1), "e");
  builder.AddEventAttribute("in.event", AttrValue::Int(7));
  builder.AddLink({7, 9}, {9});
  builder.AddLinkAttribute("in.link", AttrValue::String("yes"));
  return std::make_shared<const model::SpanBatch>(builder.Build());
}

TEST_P(TraceStore, TagsAreFoundInEveryPlace) {
  Write(BatchWithAttributesEverywhere());
  const auto finds = [&](std::string key, std::string text) {
    return !FoundWith({.of = Of::kTag, .key = key, .text = text}).empty();
  };
  EXPECT_TRUE(finds("where", "resource"));
  EXPECT_TRUE(finds("in.scope", "true"));
  EXPECT_TRUE(finds("in.event", "7"));
  EXPECT_TRUE(finds("in.link", "yes"));
  EXPECT_TRUE(finds("count", "42"));
  EXPECT_TRUE(finds("text", "42"));
  EXPECT_TRUE(finds("ratio", "0.5"));
  EXPECT_FALSE(finds("count", "43"));
  EXPECT_FALSE(finds("missing", ""));
}

TEST_P(TraceStore, ServicesAndOperationsAreDistinctAndSorted) {
  using model::SpanKind;
  Write(MakeBatch({{.span = 1, .service = "b", .name = "z"},
                   {.span = 2, .service = "b", .name = "a"},
                   {.span = 3, .service = "", .name = "nameless"}}));
  Write(MakeBatch(
      {{.span = 4, .service = "a", .name = "q"},
       {.span = 5, .service = "b", .name = "a", .kind = SpanKind::kClient},
       {.span = 6, .service = "b", .name = "a"}}));
  EXPECT_THAT(*store().Services({}), ElementsAre("a", "b"));
  EXPECT_EQ(DescribeNames(store()), "a: q/2\nb: a/2 a/3 z/2\n");
  EXPECT_THAT(*store().Operations({}, "unknown"), IsEmpty());
}

TEST_P(TraceStore, DependenciesJoinChildrenToParentsAcrossBatches) {
  Write(MakeBatch({{.span = 2, .parent = 1, .service = "db"},
                   {.span = 3, .parent = 1, .service = "web"},
                   {.span = 4, .parent = 99, .service = "orphan"}}));
  Write(MakeBatch({{.span = 1, .service = "web"},
                   {.trace = 2, .span = 5, .parent = 1, .service = "db"}}));
  EXPECT_EQ(DescribeDependencies(store(), {}, UnixNanos::Max()),
            "web -> db x1\nweb -> web x1\n");
}

TEST_P(TraceStore, DependenciesCountTracesThatStartInTheRange) {
  for (uint64_t trace = 1; trace <= 3; ++trace) {
    Write(MakeBatch(
        {{.trace = trace,
          .span = 2,
          .parent = 1,
          .start_ms = trace * 10 + 5,
          .service = "b"},
         {.trace = trace, .span = 1, .start_ms = trace * 10, .service = "a"}}));
  }
  EXPECT_EQ(DescribeDependencies(store(), AtMillis(11), AtMillis(20)),
            "a -> b x1\n");
  EXPECT_EQ(DescribeDependencies(store(), AtMillis(10), AtMillis(30)),
            "a -> b x3\n");
}

// A part of each write where backends have parts: the trace is put together.
TEST_P(TraceStore, AggregatesAreThoseOfWholeTraces) {
  using model::SpanKind;
  const auto client = SpanKind::kClient;
  const auto error = model::StatusCode::kError;
  const auto root = MakeBatch({{.span = 1, .duration_ms = 100}});
  const auto calls = MakeBatch({{.span = 2,
                                 .parent = 1,
                                 .start_ms = 10,
                                 .name = "GET",
                                 .kind = client,
                                 .status = error},
                                {.span = 3,
                                 .parent = 1,
                                 .start_ms = 30,
                                 .duration_ms = 20,
                                 .name = "GET",
                                 .kind = client}});
  const auto callee =
      MakeBatch({{.span = 4, .parent = 3, .start_ms = 35, .service = "cart"}});
  Write(callee);
  Write(calls);
  Write(root);
  Write(calls);  // once more
  const auto found = store().Aggregate({}, {});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->red.size(), 4u);
  ASSERT_EQ(found->retries.size(), 1u);
  const auto& [key, cell] = *found->retries.begin();
  EXPECT_EQ(found->Text(key.target.name), "cart");
  EXPECT_EQ(cell.retries, 1u);
  EXPECT_EQ(cell.recovered, 1u);
  EXPECT_EQ(cell.back_off.sum(), 10'000'000u);
  uint64_t critical = 0;
  for (const auto& [path, share] : found->critical) {
    EXPECT_EQ(found->Text(path.root_operation), "op");
    critical += share.nanos;
  }
  EXPECT_EQ(critical, 100'000'000u);
  // One failed call to nobody known, one to the cart.
  EXPECT_EQ(found->edges.size(), 2u);
  EXPECT_EQ(found->errors.size(), 1u);
}

TEST_P(TraceStore, AggregatesAreOfTheBucketsThatTheRangeTouches) {
  const uint64_t minute = 60'000;
  Write(MakeBatch({{.trace = 1, .span = 1, .start_ms = 4 * minute},
                   {.trace = 2, .span = 2, .start_ms = 5 * minute}}));
  Write(MakeBatch({{.trace = 3, .span = 3, .start_ms = 9 * minute}}));
  const auto spans = [&](uint64_t from_ms, uint64_t to_ms) {
    const auto found =
        store().Aggregate({}, {AtMillis(from_ms), AtMillis(to_ms)});
    uint64_t count = 0;
    if (!found) return uint64_t{99};
    for (const auto& [key, cell] : found->red) count += cell.durations.count();
    return count;
  };
  EXPECT_EQ(spans(0, minute), 1u);
  EXPECT_EQ(spans(6 * minute, 7 * minute), 2u);
  EXPECT_EQ(spans(0, 5 * minute), 3u);
  EXPECT_EQ(spans(10 * minute, 60 * minute), 0u);
  EXPECT_EQ(store().Aggregate({}, {.step_minutes = 0}).error().code,
            Code::kInvalidArgument);
}

TEST_P(TraceStore, TenantsSeeOnlyTheirOwn) {
  if (!store().capabilities().many_tenants) return;
  ASSERT_TRUE(WriteNow(store(), MakeBatch({{.span = 1}}), "red"));
  ASSERT_TRUE(WriteNow(store(), MakeBatch({{.span = 2}}), "blue"));
  Settle();
  EXPECT_THAT(store().Tenants(), ElementsAre("blue", "red"));
  auto trace = store().GetTrace(For("red"), TraceId{7, 1});
  ASSERT_TRUE(trace);
  EXPECT_THAT((*trace)->spans().span_id, ElementsAre(model::SpanId{1}));
  EXPECT_EQ(store().GetTrace(For("green"), TraceId{7, 1}).error().code,
            Code::kNotFound);
  EXPECT_THAT(*store().Services(For("green")), IsEmpty());
  EXPECT_THAT(store().Tenants(), ElementsAre("blue", "red"));
}

TEST_P(TraceStore, BadTenantNameIsRefusedByEveryCall) {
  for (const std::string tenant : {"", "../x", ".hidden", "a/b", "a b"}) {
    const RequestContext context = For(tenant);
    const auto bad = Code::kInvalidArgument;
    EXPECT_EQ(WriteNow(store(), MakeBatch({{}}), tenant).error().code, bad);
    EXPECT_EQ(store().GetTrace(context, TraceId{7, 1}).error().code, bad);
    EXPECT_EQ(store().Scan(context, {}).error().code, bad);
    EXPECT_EQ(store().Services(context).error().code, bad);
    EXPECT_EQ(store().Operations(context, "a").error().code, bad);
    EXPECT_EQ(store().Dependencies(context, {}, {}).error().code, bad);
    EXPECT_EQ(store().Keys(context, {}, {}).error().code, bad);
    EXPECT_EQ(store().Aggregate(context, {}).error().code, bad);
    EXPECT_EQ(store().Stats(context).error().code, bad);
  }
}

TEST_P(TraceStore, CancelledRequestSaysSo) {
  Write(MakeBatch({{.span = 1}}));
  std::stop_source source;
  source.request_stop();
  RequestContext context;
  context.stop = source.get_token();
  EXPECT_EQ(store().Scan(context, {}).error().code, Code::kCancelled);
  EXPECT_EQ(store().GetTrace(context, TraceId{7, 1}).error().code,
            Code::kCancelled);
}

TEST_P(TraceStore, HintThatIsHalfAnHourWrongStillFindsTheTrace) {
  Write(MakeBatch({{.span = 1, .start_ms = 1000}}));
  const auto half_hour = std::chrono::minutes(30);
  const UnixNanos at = AtMillis(1000);
  const storage::TimeHint later{at.Plus(half_hour), at.Plus(2 * half_hour)};
  const storage::TimeHint earlier{{0}, at.Minus(half_hour)};
  EXPECT_TRUE(store().GetTrace({}, TraceId{7, 1}, later));
  EXPECT_TRUE(store().GetTrace({}, TraceId{7, 1}, earlier));
}

TEST_P(TraceStore, KeysAreToldByWhatCarriesThem) {
  model::SpanBatchBuilder builder;
  const auto value = AttrValue::Int(1);
  builder.AddResource();
  builder.AddResourceAttribute("r", value);
  builder.AddScope("lib", "1");
  builder.AddScopeAttribute("i", value);
  builder.AddSpan(Fields(1, AtMillis(1000), AtMillis(2000)));
  builder.AddSpanAttribute("b", value);
  builder.AddSpanAttribute("a", value);
  builder.AddEvent(AtMillis(1500), "e");
  builder.AddEventAttribute("m", value);
  builder.AddLink(TraceId{7, 2}, {9});
  builder.AddLinkAttribute("l", value);
  builder.AddSpan(Fields(2, AtMillis(1000), AtMillis(2000)));
  builder.AddSpanAttribute("a", AttrValue::String("x"));
  Write(std::make_shared<const model::SpanBatch>(builder.Build()));
  const std::string all =
      "resource: r\nspan: a b\nevent: m\nlink: l\ninstrumentation: i\n";
  const std::string none =
      "resource: \nspan: \nevent: \nlink: \ninstrumentation: \n";
  EXPECT_EQ(DescribeKeys(store()), all);
  EXPECT_EQ(DescribeKeys(store(), AtMillis(2000), AtMillis(9000)), all);
  EXPECT_EQ(DescribeKeys(store(), {}, AtMillis(1000)), all);
  EXPECT_EQ(DescribeKeys(store(), AtMillis(2001), AtMillis(9000)), none);
  EXPECT_EQ(DescribeKeys(store(), {}, AtMillis(999)), none);
}

TEST_P(TraceStore, KeysOfVeryManyAreAllThere) {
  model::SpanBatchBuilder builder;
  builder.AddSpan(Fields(1, AtMillis(1), AtMillis(2)));
  for (int i = 0; i < 1500; ++i) {
    builder.AddSpanAttribute(std::to_string(i), AttrValue::Int(i));
  }
  Write(std::make_shared<const model::SpanBatch>(builder.Build()));
  EXPECT_EQ(store().Keys({}, {}, UnixNanos::Max())->span.size(), 1500u);
}

TEST_P(TraceStore, StatsCountSpansAndTheirTimes) {
  Write(MakeBatch({{.span = 1, .start_ms = 5}, {.span = 2, .start_ms = 9}}));
  auto stats = store().Stats({});
  ASSERT_TRUE(stats);
  EXPECT_EQ(stats->spans, 2u);
  EXPECT_EQ(stats->oldest, AtMillis(5));
  EXPECT_EQ(stats->newest, AtMillis(9));
}

TEST_P(TraceStore, TimesAtBothEndsOfTheScaleAreKept) {
  model::SpanBatchBuilder builder;
  builder.AddSpan(Fields(1, {0}, {0}));
  builder.AddSpan(Fields(2, UnixNanos::Max(), {5}));
  Write(std::make_shared<const model::SpanBatch>(builder.Build()));
  EXPECT_THAT(SpansOf(1), ElementsAre(1, 2));
  EXPECT_THAT(Found(), ElementsAre(1));
}

TEST_P(TraceStore, RestartKeepsEverything) {
  if (!store().capabilities().survives_restart) return;
  Write(MakeBatch({{.span = 1}}));
  under_test_->Reopen();
  EXPECT_THAT(SpansOf(1), ElementsAre(1));
  Write(MakeBatch({{.span = 2, .start_ms = 1}}));
  under_test_->Reopen();
  under_test_->Reopen();
  EXPECT_THAT(SpansOf(1), ElementsAre(1, 2));
  EXPECT_THAT(Found(), ElementsAre(1));
  EXPECT_EQ(store().Stats({})->spans, 2u);
  EXPECT_THAT(store().Tenants(), ElementsAre("default"));
}

TEST_P(TraceStore, WriteAfterCloseIsRefused) {
  Write(MakeBatch({{.span = 1}}));
  ASSERT_TRUE(store().Close());
  EXPECT_EQ(WriteNow(store(), MakeBatch({{.span = 2}})).error().code,
            Code::kFailedPrecondition);
  EXPECT_TRUE(store().Close());
}

INSTANTIATE_TEST_SUITE_P(, TraceStore,
                         testing::Combine(testing::ValuesIn(AllBackends()),
                                          testing::Bool()),
                         [](const auto& test) {
                           return std::get<0>(test.param).name +
                                  (std::get<1>(test.param) ? "Flushed"
                                                           : "InMemory");
                         });

}  // namespace
}  // namespace khtrace::conformance
