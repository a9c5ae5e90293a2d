// SPDX-License-Identifier: Apache-2.0
#include "aggregate/partial_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "aggregate/span_traits.h"
#include "aggregate/testing.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"

namespace khtrace::aggregate {
namespace {

using model::AttrValue;
using model::SpanBatch;
using model::SpanBatchPtr;
using model::SpanKind;
using model::StatusCode;

constexpr uint64_t kMinute = 29'453'760;
constexpr uint64_t kMs = 1'000'000;

struct Spec {
  uint64_t span = 1;
  uint64_t parent = 0;
  uint64_t start_ms = 0;
  uint64_t duration_ms = 10;
  std::string_view service = "shop";
  std::string_view name = "op";
  SpanKind kind = SpanKind::kServer;
  bool failed = false;
  std::map<std::string, std::string> attributes = {};
  std::map<std::string, std::string> exception = {};
  std::string_view status_message = {};
};

SpanBatchPtr Batch(std::initializer_list<Spec> specs, uint64_t trace = 1) {
  model::SpanBatchBuilder builder;
  for (const Spec& spec : specs) {
    builder.AddResource();
    builder.AddResourceAttribute("service.name",
                                 AttrValue::String(spec.service));
    builder.AddScope("test", "1");
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, trace};
    fields.span_id = {spec.span};
    fields.parent_span_id = {spec.parent};
    fields.start = {kMinute * kNanosPerMinute + spec.start_ms * kMs};
    fields.end = {fields.start.ns + spec.duration_ms * kMs};
    fields.name = spec.name;
    fields.kind = spec.kind;
    fields.status = spec.failed ? StatusCode::kError : StatusCode::kUnset;
    fields.status_message = spec.status_message;
    builder.AddSpan(fields);
    for (const auto& [key, value] : spec.attributes) {
      builder.AddSpanAttribute(key, AttrValue::String(value));
    }
    if (spec.exception.empty()) continue;
    builder.AddEvent(fields.start, "exception");
    for (const auto& [key, value] : spec.exception) {
      builder.AddEventAttribute(key, AttrValue::String(value));
    }
  }
  return std::make_shared<const SpanBatch>(builder.Build());
}

Partial Of(std::initializer_list<SpanBatchPtr> batches) {
  return AggregateBatches({batches.begin(), batches.size()});
}

// "caller -> target", with what is counted.
std::map<std::string, std::string> Edges(const Partial& partial) {
  constexpr std::string_view kTypes[] = {"", "external ", "db ", "queue "};
  std::map<std::string, std::string> edges;
  for (const auto& [key, cell] : partial.edges) {
    std::string name = std::string(partial.Text(key.caller)) + " -> ";
    name += kTypes[static_cast<int>(key.target.type)];
    name += partial.Text(key.target.name);
    if (key.target.address.value != 0) {
      name += "@" + std::string(partial.Text(key.target.address));
    }
    if (key.async) name += " async";
    edges[name] = std::to_string(cell.calls) + " calls " +
                  std::to_string(cell.caller_errors) + "/" +
                  std::to_string(cell.callee_errors) + " errors " +
                  std::to_string(cell.caller.count()) + "/" +
                  std::to_string(cell.callee.count()) + " times";
  }
  return edges;
}

using testing::ElementsAre;
using testing::Pair;

using Example = std::pair<model::TraceId, uint64_t>;

Trait TraitOfRow(const SpanBatch& batch, model::RowIndex row) {
  Trait trait = Trait::kNone;
  for (const model::Attr& attr :
       batch.Attributes(batch.spans().attributes[row])) {
    const Trait told = TraitOfKey(batch.Key(attr.key));
    if (told == Trait::kNone) continue;
    trait = trait == Trait::kNone ? told : std::min(trait, told);
  }
  return trait;
}

TEST(PartialBuilder, RedEqualsCountingSpanBySpan) {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    model::RandomBatchOptions options;
    options.span_count = 300;
    options.odd_times = seed % 2 == 0;
    const SpanBatch batch = model::RandomBatchForTesting(seed, options);
    struct Expected {
      LatencyHistogram durations;
      Slowest slowest;
      std::set<Example> examples;
    };
    std::map<std::tuple<std::string, std::string, int, int, int, uint32_t>,
             Expected>
        expected;
    for (model::RowIndex row = 0; row < batch.row_count(); ++row) {
      const model::SpanColumns& spans = batch.spans();
      Expected& sums = expected[{std::string(batch.ServiceName(row)),
                                 std::string(batch.String(spans.name[row])),
                                 static_cast<int>(spans.kind[row]),
                                 static_cast<int>(spans.status[row]),
                                 static_cast<int>(TraitOfRow(batch, row)),
                                 BucketOf(spans.start[row], kBucketMinutes)}];
      const uint64_t duration = batch.DurationNanos(row);
      sums.durations.Add(duration);
      sums.examples.insert({spans.trace_id[row], duration});
      if (duration > sums.slowest.duration ||
          (duration == sums.slowest.duration &&
           (sums.slowest.empty() ||
            spans.trace_id[row] < sums.slowest.trace_id))) {
        sums.slowest = {duration, spans.trace_id[row]};
      }
    }
    const Partial partial = Of({std::make_shared<const SpanBatch>(batch)});
    ASSERT_EQ(partial.red.size(), expected.size());
    for (const auto& [key, cell] : partial.red) {
      const auto at =
          expected.find({std::string(partial.Text(key.service)),
                         std::string(partial.Text(key.operation)), key.kind,
                         key.status, static_cast<int>(key.trait), key.minute});
      ASSERT_NE(at, expected.end());
      ASSERT_EQ(cell.durations, at->second.durations);
      ASSERT_EQ(cell.slowest, at->second.slowest);
      ASSERT_TRUE(at->second.examples.count(
          {cell.sampled.trace_id, cell.sampled.duration}));
    }
  }
}

TEST(PartialBuilder, EqualSpansCountOnce) {
  const SpanBatchPtr batch = Batch({{.span = 1}, {.span = 2, .parent = 1}});
  EXPECT_EQ(DescribePartial(Of({batch, batch})), DescribePartial(Of({batch})));
}

TEST(PartialBuilder, CallsAreBetweenServicesOrFromClientToServer) {
  EXPECT_THAT(Edges(Of({Batch(
                  {{.span = 1, .service = "web"},
                   {.span = 2,
                    .parent = 1,
                    .service = "web",
                    .kind = SpanKind::kClient,
                    .failed = true},
                   {.span = 3, .parent = 2, .service = "cart", .failed = true},
                   // Within a service only with client and server.
                   {.span = 4,
                    .parent = 3,
                    .service = "cart",
                    .kind = SpanKind::kInternal},
                   {.span = 5,
                    .parent = 4,
                    .service = "cart",
                    .kind = SpanKind::kClient},
                   {.span = 6, .parent = 5, .service = "cart"},
                   // Without a client's span.
                   {.span = 7, .parent = 1, .service = "old"}})})),
              ElementsAre(Pair("cart -> cart", "1 calls 0/0 errors 1/1 times"),
                          Pair("web -> cart", "1 calls 1/1 errors 1/1 times"),
                          Pair("web -> old", "1 calls 0/0 errors 0/1 times")));
}

TEST(PartialBuilder, ClientsWithoutServerNameTheirTargetByAttributes) {
  const auto client = [](uint64_t span,
                         std::map<std::string, std::string> attributes) {
    return Spec{.span = span,
                .parent = 1,
                .kind = SpanKind::kClient,
                .attributes = std::move(attributes)};
  };
  Spec producer = client(7, {{"messaging.system", "kafka"},
                             {"messaging.destination.name", "orders"}});
  producer.kind = SpanKind::kProducer;
  const auto edges = Edges(Of({Batch(
      {{.span = 1},
       client(2, {{"db.system.name", "postgresql"}, {"server.address", "pg1"}}),
       client(3, {{"db.system", "redis"}}),
       client(4, {{"peer.service", "bank"}, {"server.address", "b.example"}}),
       client(5, {{"net.peer.name", "c.example"}}),
       client(6, {}),
       producer})}));
  std::vector<std::string> names;
  for (const auto& [name, counts] : edges) names.push_back(name);
  EXPECT_THAT(
      names, ElementsAre("shop -> db postgresql@pg1", "shop -> db redis",
                         "shop -> external ", "shop -> external bank@b.example",
                         "shop -> external c.example",
                         "shop -> queue kafka@orders async"));
}

TEST(PartialBuilder, ConsumersMakeACallAsync) {
  EXPECT_THAT(
      Edges(Of({Batch({{.span = 1, .kind = SpanKind::kProducer},
                       {.span = 2,
                        .parent = 1,
                        .service = "mail",
                        .kind = SpanKind::kConsumer}})})),
      ElementsAre(Pair("shop -> mail async", "1 calls 0/0 errors 1/1 times")));
}

// Attempts of one parent, one row each: start, duration, failed.
RetryCell Retries(std::vector<std::tuple<uint64_t, uint64_t, bool>> attempts) {
  std::vector<SpanBatchPtr> batches = {Batch({{.span = 1}})};
  uint64_t span = 1;
  for (const auto& [start, duration, failed] : attempts) {
    batches.push_back(Batch({{.span = ++span,
                              .parent = 1,
                              .start_ms = start,
                              .duration_ms = duration,
                              .name = "GET",
                              .kind = SpanKind::kClient,
                              .failed = failed}}));
  }
  const Partial partial = AggregateBatches(batches);
  EXPECT_LE(partial.retries.size(), 1u);
  return partial.retries.empty() ? RetryCell()
                                 : partial.retries.begin()->second;
}

TEST(PartialBuilder, AttemptAfterAFailedOneIsARetry) {
  const RetryCell cell =
      Retries({{0, 10, true}, {20, 10, true}, {50, 10, false}});
  EXPECT_EQ(cell.calls, 1u);
  EXPECT_EQ(cell.retries, 2u);
  EXPECT_EQ(cell.hedges, 0u);
  EXPECT_EQ(cell.recovered, 1u);
  EXPECT_EQ(cell.attempts.sum(), 3u);
  EXPECT_EQ(cell.back_off.sum(), (10 + 20) * kMs);
  EXPECT_EQ(cell.back_off.count(), 2u);
}

TEST(PartialBuilder, AttemptBesideAFailingOneIsAHedge) {
  const RetryCell cell = Retries({{0, 30, true}, {10, 10, false}});
  EXPECT_EQ(cell.calls, 1u);
  EXPECT_EQ(cell.retries, 0u);
  EXPECT_EQ(cell.hedges, 1u);
  EXPECT_EQ(cell.recovered, 1u);
}

TEST(PartialBuilder, CallThatNeverSucceededIsNotRecovered) {
  const RetryCell cell = Retries({{0, 10, true}, {20, 10, true}});
  EXPECT_EQ(cell.calls, 1u);
  EXPECT_EQ(cell.recovered, 0u);
}

TEST(PartialBuilder, RepeatedSuccessIsNoRetry) {
  EXPECT_EQ(Retries({{0, 10, false}, {20, 10, false}, {40, 10, true}}).calls,
            0u);
  // Two calls, each made twice.
  EXPECT_EQ(
      Retries({{0, 1, true}, {2, 1, false}, {4, 1, true}, {6, 1, false}}).calls,
      2u);
}

TEST(PartialBuilder, OtherOperationsAndTargetsAreNoAttempts) {
  const auto client = [](uint64_t span, std::string_view name, std::string host,
                         bool failed) {
    return Spec{.span = span,
                .parent = 1,
                .start_ms = span * 20,
                .name = name,
                .kind = SpanKind::kClient,
                .failed = failed,
                .attributes = {{"server.address", std::move(host)}}};
  };
  const Partial partial = Of({Batch({{.span = 1},
                                     client(2, "GET", "a", true),
                                     client(3, "GET", "b", false),
                                     client(4, "PUT", "a", false)})});
  EXPECT_TRUE(partial.retries.empty());
}

TEST(PartialBuilder, RetriesNameTheServiceThatAnsweredInTheEnd) {
  const Partial partial = Of({Batch(
      {{.span = 1},
       {.span = 2, .parent = 1, .kind = SpanKind::kClient, .failed = true},
       {.span = 3, .parent = 1, .start_ms = 20, .kind = SpanKind::kClient},
       {.span = 4, .parent = 3, .start_ms = 21, .service = "cart"}})});
  ASSERT_EQ(partial.retries.size(), 1u);
  EXPECT_EQ(partial.Text(partial.retries.begin()->first.target.name), "cart");
}

TEST(PartialBuilder, ErrorsThatLookAlikeAreOne) {
  const auto failing = [](uint64_t span, std::string message) {
    return Spec{.span = span,
                .parent = 1,
                .start_ms = span,
                .failed = true,
                .exception = {{"exception.type", "Timeout"},
                              {"exception.message", std::move(message)}}};
  };
  Spec handled = failing(4, "after 3 ms");
  handled.failed = false;
  const Partial partial =
      Of({Batch({{.span = 1},
                 failing(2, "after 1 ms"),
                 failing(3, "after 20 ms"),
                 handled,
                 {.span = 5, .failed = true, .status_message = "host 7 down"}},
                9)});
  ASSERT_EQ(partial.errors.size(), 2u);
  for (const auto& [key, cell] : partial.errors) {
    if (partial.Text(key.type) == "Timeout") {
      EXPECT_EQ(partial.Text(key.message), "after <n> ms");
      EXPECT_EQ(cell.count, 3u);
      EXPECT_EQ(cell.failed, 2u);
      EXPECT_EQ(cell.first.start.ns % kNanosPerMinute, 2 * kMs);
      EXPECT_EQ(cell.first.trace_id, (model::TraceId{7, 9}));
      EXPECT_EQ(cell.last.start.ns % kNanosPerMinute, 4 * kMs);
    } else {
      EXPECT_EQ(partial.Text(key.message), "host <n> down");
      EXPECT_EQ(cell.count, 1u);
    }
  }
}

TEST(PartialBuilder, CriticalSharesAddUpToTheRootsDurations) {
  const Partial partial =
      Of({Batch({{.span = 1, .duration_ms = 100, .name = "page"},
                 {.span = 2,
                  .parent = 1,
                  .start_ms = 10,
                  .duration_ms = 30,
                  .service = "db",
                  .name = "read"},
                 {.span = 3,
                  .parent = 1,
                  .start_ms = 50,
                  .duration_ms = 20,
                  .service = "db",
                  .name = "read"}}),
          Batch({{.span = 1, .duration_ms = 5, .name = "page"}}, 2)});
  std::map<std::string, std::pair<uint64_t, uint64_t>> shares;
  for (const auto& [key, cell] : partial.critical) {
    EXPECT_EQ(partial.Text(key.root_operation), "page");
    shares[std::string(partial.Text(key.operation))] = {cell.nanos / kMs,
                                                        cell.traces};
  }
  EXPECT_THAT(shares, ElementsAre(Pair("page", std::pair(55u, 2u)),
                                  Pair("read", std::pair(50u, 1u))));
}

TEST(PartialBuilder, SpansStandForThoseThatWereNotSampled) {
  model::SpanBatchBuilder builder;
  const auto add = [&](uint64_t id, std::string_view state, double ratio) {
    builder.AddResource();
    builder.AddScope("", "");
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {7, id};
    fields.span_id = {id};
    fields.name = "op";
    fields.trace_state = state;
    builder.AddSpan(fields);
    if (ratio > 0) {
      builder.AddSpanAttribute("sampling.ratio", AttrValue::Double(ratio));
    }
  };
  add(1, "ot=th:8", 0);    // one more
  add(2, "ot=th:8", 0.1);  // the same, said twice
  add(3, "", 0.25);        // three more
  add(4, "vendor=x", 0);
  const Partial partial =
      Of({std::make_shared<const SpanBatch>(builder.Build())});
  ASSERT_EQ(partial.red.size(), 1u);
  EXPECT_EQ(partial.red.begin()->second.unsampled, 5 * kSampleUnit);
  EXPECT_EQ(partial.red.begin()->second.durations.count(), 4u);
}

TEST(PartialBuilder, ErrorsBeginWhereNothingFailedBelow) {
  const Partial partial = Of(
      {Batch({{.span = 1, .name = "page", .failed = true},
              {.span = 2, .parent = 1, .name = "call"},  // says nothing of it
              {.span = 3, .parent = 2, .name = "read", .failed = true},
              {.span = 4, .parent = 1, .name = "other", .failed = true}})});
  std::map<std::string, uint64_t> origins;
  for (const auto& [key, cell] : partial.errors) {
    origins[std::string(partial.Text(key.operation))] = cell.origins;
  }
  EXPECT_THAT(origins, ElementsAre(Pair("other", 1u), Pair("page", 0u),
                                   Pair("read", 1u)));
}

TEST(PartialBuilder, TakesTracesWithoutRootAndCycles) {
  const Partial partial = Of({Batch({{.span = 1, .parent = 2},
                                     {.span = 2, .parent = 1},
                                     {.span = 3, .parent = 99}})});
  EXPECT_EQ(partial.critical.size(), 1u);
}

}  // namespace
}  // namespace khtrace::aggregate
