// SPDX-License-Identifier: Apache-2.0
#include "query/tag_names.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "model/span_batch_builder.h"
#include "storage/memory/memory_store.h"
#include "traceql/checker.h"
#include "traceql/parser.h"

namespace khtrace::query {
namespace {

using model::AttrValue;
using testing::ElementsAre;
using testing::IsEmpty;

// Span "GET" of "shop" with an event and a link, and span "job" of nobody.
class TagNamesTest : public testing::Test {
 protected:
  TagNamesTest() {
    model::SpanBatchBuilder builder;
    builder.AddResource();
    builder.AddResourceAttribute("service.name", AttrValue::String("shop"));
    builder.AddScope("s", "1");
    builder.AddScopeAttribute("in.scope", AttrValue::Int(1));
    builder.AddSpan(Fields(1, "GET"));
    builder.AddSpanAttribute("http.route", AttrValue::String("/"));
    builder.AddSpanAttribute("none", AttrValue());
    builder.AddEvent({5}, "e");
    builder.AddEventAttribute("in.event", AttrValue::Int(7));
    builder.AddLink({7, 9}, {9});
    builder.AddLinkAttribute("in.link", AttrValue::Int(7));
    builder.AddResource();
    builder.AddResourceAttribute("host.name", AttrValue::String("h"));
    builder.AddScope("", "");
    builder.AddSpan(Fields(2, "job"));
    builder.AddSpanAttribute("cron", AttrValue::Bool(true));
    store_.Write({}, std::make_shared<model::SpanBatch>(builder.Build()),
                 [](Status status) { ASSERT_TRUE(status); });
  }

  static model::SpanBatchBuilder::SpanFields Fields(uint64_t span,
                                                    std::string_view name) {
    model::SpanBatchBuilder::SpanFields fields;
    fields.trace_id = {0, 1};
    fields.span_id = {span};
    fields.name = name;
    fields.start = {5};
    fields.end = {6};
    return fields;
  }

  storage::AttributeKeys Keys(std::string_view filter) {
    const auto query = traceql::ParseQuery(filter);
    EXPECT_TRUE(query && traceql::CheckQuery(*query));
    const auto& pipeline = std::get<traceql::Pipeline>(query->root);
    const auto& spans = std::get<traceql::SpansetExpr>(pipeline.stages[0]);
    TagNamesRequest request;
    request.filter = &std::get<traceql::SpansetFilter>(spans.node).condition;
    const auto names = FindTagNames(store_, {}, request);
    EXPECT_TRUE(names);
    return names ? names->keys : storage::AttributeKeys();
  }

  storage::memory::MemoryStore store_;
};

TEST_F(TagNamesTest, AreThoseOfSpansThatFit) {
  const storage::AttributeKeys keys = Keys("{ name = \"GET\" }");
  EXPECT_THAT(keys.span, ElementsAre("http.route", "none"));
  EXPECT_THAT(keys.resource, ElementsAre("service.name"));
  EXPECT_THAT(keys.instrumentation, ElementsAre("in.scope"));
  EXPECT_THAT(keys.event, ElementsAre("in.event"));
  EXPECT_THAT(keys.link, ElementsAre("in.link"));
}

TEST_F(TagNamesTest, EventsAndLinksOfOthersDoNotCount) {
  const storage::AttributeKeys keys = Keys("{ .cron }");
  EXPECT_THAT(keys.span, ElementsAre("cron"));
  EXPECT_THAT(keys.resource, ElementsAre("host.name"));
  EXPECT_THAT(keys.event, IsEmpty());
  EXPECT_THAT(keys.link, IsEmpty());
  EXPECT_THAT(keys.instrumentation, IsEmpty());
}

TEST_F(TagNamesTest, WithoutFittingSpansThereAreNone) {
  EXPECT_EQ(Keys("{ name = \"no\" }"), storage::AttributeKeys());
}

TEST_F(TagNamesTest, OfAllSpansAreAll) {
  EXPECT_EQ(Keys("{ }"), *store_.Keys({}, UnixNanos{0}, UnixNanos::Max()));
}

}  // namespace
}  // namespace khtrace::query
