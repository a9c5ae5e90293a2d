// SPDX-License-Identifier: Apache-2.0
#include "query/span_conditions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "model/span_batch_builder.h"
#include "query/find_traces.h"
#include "storage/memory/memory_store.h"

namespace khtrace::query {
namespace {

using model::AttrValue;
using testing::ElementsAre;
using testing::IsEmpty;
using Of = SpanCondition::Of;

constexpr uint64_t kSecond = 1'000'000'000;

// Trace 1 has its values everywhere; trace 2, a second later, nearly none.
class SpanConditionsTest : public testing::Test {
 protected:
  SpanConditionsTest() {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddResourceAttribute("service.name", AttrValue::String("shop"));
    builder.AddResourceAttribute("where", AttrValue::String("resource"));
    builder.AddScope("s", "1");
    builder.AddScopeAttribute("in.scope", AttrValue::Bool(true));
    builder.AddSpan(Fields(1, 1, "GET", model::SpanKind::kServer));
    builder.AddSpanAttribute("where", AttrValue::String("span"));
    builder.AddSpanAttribute("count", AttrValue::Int(42));
    builder.AddSpanAttribute("ratio", AttrValue::Double(0.5));
    builder.AddSpanAttribute("raw", AttrValue::Bytes("abc"));
    builder.AddSpanAttribute("none", AttrValue());
    builder.AddEvent({kSecond}, "e");
    builder.AddEventAttribute("a", AttrValue::Int(7));
    builder.AddEvent({kSecond}, "e");
    builder.AddEventAttribute("b", AttrValue::Int(8));
    builder.AddLink({7, 9}, {9});
    builder.AddLinkAttribute("in.link", AttrValue::String("yes"));
    builder.AddResource();
    builder.AddScope("", "");
    auto failed = Fields(2, 2, "PUT", model::SpanKind::kClient);
    failed.end.ns += kSecond;
    failed.status = model::StatusCode::kError;
    builder.AddSpan(failed);
    builder.AddSpanAttribute("count", AttrValue::String("42"));
    store_.Write({}, std::make_shared<model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }

  static model::SpanBatchBuilder::SpanFields Fields(uint64_t trace,
                                                    uint64_t second,
                                                    std::string_view name,
                                                    model::SpanKind kind) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {0, trace};
    fields.span_id = {trace};
    fields.name = name;
    fields.kind = kind;
    fields.start = {second * kSecond};
    fields.end = {second * kSecond + 5};
    return fields;
  }

  std::vector<uint64_t> Found(const SpanConditions& spans) {
    FindRequest request;
    request.spans = spans;
    std::vector<uint64_t> ids;
    const Status status =
        VisitTraces(store_, {}, request, [&](const model::SpanBatchPtr& trace) {
          ids.push_back(trace->spans().trace_id[0].low);
          return true;
        });
    EXPECT_TRUE(status);
    return ids;
  }
  std::vector<uint64_t> Found(const std::vector<SpanCondition>& all) {
    SpanConditions spans;
    spans.all = all;
    return Found(spans);
  }
  static SpanCondition Text(Of of, std::string text) {
    SpanCondition condition;
    condition.of = of;
    condition.text = std::move(text);
    return condition;
  }
  static SpanCondition Number(Of of, uint64_t number) {
    SpanCondition condition;
    condition.of = of;
    condition.number = number;
    return condition;
  }
  static SpanCondition Tag(std::string key, std::string text) {
    SpanCondition condition = Text(Of::kTag, std::move(text));
    condition.key = std::move(key);
    return condition;
  }

  storage::memory::MemoryStore store_;
};

TEST_F(SpanConditionsTest, WithoutAnyAllTracesFitNewestFirst) {
  EXPECT_THAT(Found(SpanConditions()), ElementsAre(2, 1));
}

TEST_F(SpanConditionsTest, TagsAreComparedAsTextWhereverTheyStand) {
  EXPECT_THAT(Found({Tag("count", "42")}), ElementsAre(2, 1));
  EXPECT_THAT(Found({Tag("count", "042")}), IsEmpty());
  EXPECT_THAT(Found({Tag("ratio", "0.5")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("raw", "YWJj")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("none", "")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("missing", "")}), IsEmpty());
  EXPECT_THAT(Found({Tag("in.scope", "true")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("in.link", "yes")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("where", "span")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("where", "resource")}), ElementsAre(1));
}

TEST_F(SpanConditionsTest, EachTagMayBeOnAnotherEvent) {
  EXPECT_THAT(Found({Tag("a", "7"), Tag("b", "8")}), ElementsAre(1));
  EXPECT_THAT(Found({Tag("a", "8")}), IsEmpty());
}

TEST_F(SpanConditionsTest, FieldsCompare) {
  EXPECT_THAT(Found({Text(Of::kService, "shop")}), ElementsAre(1));
  EXPECT_THAT(Found({Text(Of::kName, "PUT")}), ElementsAre(2));
  EXPECT_THAT(Found({Number(Of::kKind, 2)}), ElementsAre(1));
  EXPECT_THAT(Found({Number(Of::kStatus, 2)}), ElementsAre(2));
  EXPECT_THAT(Found({Number(Of::kNotStatus, 2)}), ElementsAre(1));
  EXPECT_THAT(Found({Number(Of::kMinDuration, 6)}), ElementsAre(2));
  EXPECT_THAT(Found({Number(Of::kMinDuration, 5)}), ElementsAre(2, 1));
  EXPECT_THAT(Found({Number(Of::kMaxDuration, 5)}), ElementsAre(1));
  EXPECT_THAT(Found({Number(Of::kMinDuration, UINT64_MAX)}), IsEmpty());
  EXPECT_THAT(Found({Number(Of::kMaxDuration, UINT64_MAX)}), ElementsAre(2, 1));
}

TEST_F(SpanConditionsTest, OneSpanMeetsAll) {
  EXPECT_THAT(Found({Text(Of::kName, "PUT"), Tag("count", "42")}),
              ElementsAre(2));
  EXPECT_THAT(Found({Text(Of::kService, "shop"), Number(Of::kStatus, 2)}),
              IsEmpty());
}

TEST_F(SpanConditionsTest, StartOfTheSpanLiesInTheRange) {
  SpanConditions spans;
  spans.start = {kSecond};
  spans.end = {kSecond};
  EXPECT_THAT(Found(spans), ElementsAre(1));
  spans.start = {kSecond + 1};
  spans.end = {3 * kSecond};
  EXPECT_THAT(Found(spans), ElementsAre(2));
  spans.start = {2 * kSecond + 1};  // the span goes on, but has begun before
  EXPECT_THAT(Found(spans), IsEmpty());
}

}  // namespace
}  // namespace khtrace::query
