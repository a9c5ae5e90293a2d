// SPDX-License-Identifier: Apache-2.0
#include "codec/jaeger_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include "model/span_batch_builder.h"

namespace khtrace::codec {
namespace {

using model::AttrValue;
using model::SpanKind;
using testing::HasSubstr;
using testing::Not;

constexpr model::TraceId kTrace{0x0af7651916cd43dd, 0x8448eb211c80319c};
constexpr uint64_t kStart = 1'485'467'191'639'875'999;

using SpanFields = model::SpanBatchBuilder::SpanFields;

SpanFields Span(uint64_t id, uint64_t parent = 0,
                SpanKind kind = SpanKind::kUnspecified,
                uint64_t start = kStart) {
  SpanFields span;
  span.trace_id = kTrace;
  span.span_id = {id};
  span.parent_span_id = {parent};
  span.start = {start};
  span.end = {start + 5999};
  span.name = "op";
  span.kind = kind;
  return span;
}

std::string Json(model::SpanBatchBuilder& builder, bool adjust = true) {
  std::string out;
  wire::JsonWriter writer(&out);
  WriteJaegerTraces(builder.Build(), {.adjust = adjust}, &writer);
  return out;
}

class JaegerJson : public testing::Test {
 protected:
  JaegerJson() {
    builder_.AddResource();
    builder_.AddResourceAttribute("service.name", AttrValue::String("shop"));
    builder_.AddScope("", "");
  }
  // The tags array of a single span with this attribute.
  std::string Tag(const AttrValue& value) {
    builder_.AddSpan(Span(1));
    builder_.AddSpanAttribute("k", value);
    const std::string json = Json(builder_);
    const size_t begin = json.find("\"tags\":") + 7;
    return json.substr(begin, json.find(",\"logs\"") - begin);
  }

  model::SpanBatchBuilder builder_;
};

TEST(JaegerJsonGolden, WritesEveryFieldOfASpan) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute("service.name", AttrValue::String("frontend"));
  builder.AddResourceAttribute("host.name", AttrValue::String("h1"));
  builder.AddScope("lib", "1.2");
  SpanFields span =
      Span(0xb7ad6b7169203331, 0xf067aa0ba902b7, SpanKind::kServer);
  span.name = "GET /x";
  span.flags = 0x101;
  span.trace_state = "a=b";
  span.status = model::StatusCode::kError;
  span.status_message = "broken";
  builder.AddSpan(span);
  builder.AddSpanAttribute("http.status_code", AttrValue::Int(200));
  builder.AddSpanAttribute("cached", AttrValue::Bool(true));
  builder.AddEvent({kStart + 1000}, "e");
  builder.AddEventAttribute("n", AttrValue::Double(1.5));
  builder.AddLink({0, 0xabc}, {0xdef});
  EXPECT_EQ(
      Json(builder),
      R"({"traceID":"0af7651916cd43dd8448eb211c80319c","spans":[)"
      R"({"traceID":"0af7651916cd43dd8448eb211c80319c",)"
      R"("spanID":"b7ad6b7169203331","flags":1,"operationName":"GET /x",)"
      R"("references":[{"refType":"CHILD_OF",)"
      R"("traceID":"0af7651916cd43dd8448eb211c80319c",)"
      R"("spanID":"00f067aa0ba902b7"},{"refType":"FOLLOWS_FROM",)"
      R"("traceID":"0000000000000abc","spanID":"0000000000000def"}],)"
      R"("startTime":1485467191639875,"duration":5,"tags":[)"
      R"({"key":"otel.scope.name","type":"string","value":"lib"},)"
      R"({"key":"otel.scope.version","type":"string","value":"1.2"},)"
      R"({"key":"cached","type":"bool","value":true},)"
      R"({"key":"http.status_code","type":"int64","value":200},)"
      R"({"key":"span.kind","type":"string","value":"server"},)"
      R"({"key":"otel.status_code","type":"string","value":"ERROR"},)"
      R"({"key":"error","type":"bool","value":true},)"
      R"({"key":"otel.status_description","type":"string","value":"broken"},)"
      R"({"key":"w3c.tracestate","type":"string","value":"a=b"}],)"
      R"("logs":[{"timestamp":1485467191639876,"fields":[)"
      R"({"key":"event","type":"string","value":"e"},)"
      R"({"key":"n","type":"float64","value":1.5}]}],)"
      R"("processID":"p1","warnings":null}],)"
      R"("processes":{"p1":{"serviceName":"frontend","tags":[)"
      R"({"key":"host.name","type":"string","value":"h1"}]}},)"
      R"("warnings":null})");
}

TEST(JaegerJsonGolden, WritesEmptyListsForABareSpan) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddScope("", "");
  SpanFields span = Span(1);
  span.trace_id = {0, 0xff};
  builder.AddSpan(span);
  EXPECT_EQ(
      Json(builder),
      R"({"traceID":"00000000000000ff","spans":[)"
      R"({"traceID":"00000000000000ff","spanID":"0000000000000001",)"
      R"("operationName":"op","references":[],"startTime":1485467191639875,)"
      R"("duration":5,"tags":[],"logs":[],"processID":"p1",)"
      R"("warnings":null}],"processes":{"p1":)"
      R"({"serviceName":"OTLPResourceNoServiceName","tags":[]}},)"
      R"("warnings":null})");
}

TEST_F(JaegerJson, QuotesIntegersThatJavaScriptWouldRound) {
  const int64_t edge = (int64_t{1} << 53) - 1;
  EXPECT_THAT(Tag(AttrValue::Int(edge)), HasSubstr(":9007199254740991}"));
}
TEST_F(JaegerJson, QuotesIntegerBeyondTheEdge) {
  EXPECT_THAT(Tag(AttrValue::Int(int64_t{1} << 53)),
              HasSubstr(R"("type":"int64","value":"9007199254740992")"));
}
TEST_F(JaegerJson, QuotesTheLeastInteger) {
  EXPECT_THAT(Tag(AttrValue::Int(std::numeric_limits<int64_t>::min())),
              HasSubstr(R"("value":"-9223372036854775808")"));
}
TEST_F(JaegerJson, WritesBytesAsBase64) {
  EXPECT_THAT(Tag(AttrValue::Bytes("\x01\x02\xff")),
              HasSubstr(R"("type":"binary","value":"AQL/")"));
}
TEST_F(JaegerJson, WritesEmptyValueAsEmptyText) {
  EXPECT_THAT(Tag(AttrValue{}), HasSubstr(R"("type":"string","value":"")"));
}
TEST_F(JaegerJson, WritesNotANumberAsText) {
  EXPECT_THAT(Tag(AttrValue::Double(std::nan(""))),
              HasSubstr(R"("type":"float64","value":"NaN")"));
}
TEST_F(JaegerJson, WritesArraysAsJsonText) {
  std::string element;  // ArrayValue{values: [AnyValue{string "a"}]}
  element +=
      "\x0a\x03\x0a\x01"
      "a";
  EXPECT_THAT(Tag({model::AttrType::kArray, 0, element}),
              HasSubstr(R"("type":"string","value":"[\"a\"]")"));
}

TEST_F(JaegerJson, ServiceIsEmptyTextWhenOnlyOtherAttributesAreThere) {
  model::SpanBatchBuilder builder;
  builder.AddResource();
  builder.AddResourceAttribute("a", AttrValue::Int(1));
  builder.AddScope("", "");
  builder.AddSpan(Span(1));
  EXPECT_THAT(Json(builder), HasSubstr(R"("serviceName":"")"));
}

TEST_F(JaegerJson, SharesProcessAmongEqualResources) {
  builder_.AddSpan(Span(1));
  for (const char* service : {"other", "shop"}) {
    builder_.AddResource();
    builder_.AddResourceAttribute("service.name", AttrValue::String(service));
    builder_.AddScope("", "");
    builder_.AddSpan(Span(service[0]));
  }
  const std::string json = Json(builder_);
  EXPECT_THAT(json, HasSubstr(R"("processes":{"p1":{"serviceName":"shop",)"
                              R"("tags":[]},"p2":{"serviceName":"other")"));
  EXPECT_THAT(json, Not(HasSubstr("p3")));
}

TEST_F(JaegerJson, LinkToTheParentOnlyChangesTheKindOfReference) {
  builder_.AddSpan(Span(2, 1));
  builder_.AddLink(kTrace, {1});
  EXPECT_THAT(Json(builder_),
              HasSubstr(R"("references":[{"refType":"FOLLOWS_FROM",)"
                        R"("traceID":"0af7651916cd43dd8448eb211c80319c",)"
                        R"("spanID":"0000000000000001"}])"));
}

TEST_F(JaegerJson, LinkSaysChildOfByItsAttribute) {
  builder_.AddSpan(Span(2));
  builder_.AddLink({0, 5}, {6});
  builder_.AddLinkAttribute("opentracing.ref_type",
                            AttrValue::String("child_of"));
  EXPECT_THAT(Json(builder_),
              HasSubstr(R"("references":[{"refType":"CHILD_OF",)"
                        R"("traceID":"0000000000000005")"));
}

TEST_F(JaegerJson, EventAttributeNamedEventReplacesTheName) {
  builder_.AddSpan(Span(2));
  builder_.AddEvent({kStart}, "name");
  builder_.AddEventAttribute("event", AttrValue::String("own"));
  const std::string json = Json(builder_);
  EXPECT_THAT(json, HasSubstr(R"("fields":[{"key":"event","type":"string",)"
                              R"("value":"own"}])"));
}

TEST_F(JaegerJson, SpanThatEndsBeforeItStartsHasNoDurationAndAWarning) {
  SpanFields span = Span(1);
  span.end = {kStart - 1};
  builder_.AddSpan(span);
  const std::string json = Json(builder_);
  EXPECT_THAT(json, HasSubstr(R"("duration":0,)"));
  EXPECT_THAT(json, HasSubstr(R"("warnings":["this span ends before)"));
}

TEST_F(JaegerJson, GivesZipkinServerItsOwnIdBelowTheClient) {
  builder_.AddSpan(Span(0x1, 0, SpanKind::kInternal, kStart));
  builder_.AddSpan(Span(0xa, 1, SpanKind::kClient, kStart + 1000));
  builder_.AddSpan(Span(0xa, 1, SpanKind::kServer, kStart + 2000));
  builder_.AddSpan(Span(0xb, 0xa, SpanKind::kInternal, kStart + 3000));
  const std::string json = Json(builder_);
  // 1 is taken: the server becomes 2, its parent the client, its child b.
  EXPECT_THAT(json, HasSubstr(R"("spanID":"0000000000000002","operationName")"
                              R"(:"op","references":[{"refType":"CHILD_OF",)"
                              R"("traceID":"0af7651916cd43dd8448eb211c80319c",)"
                              R"("spanID":"000000000000000a"}])"));
  EXPECT_THAT(json, HasSubstr(R"("spanID":"000000000000000b","operationName")"
                              R"(:"op","references":[{"refType":"CHILD_OF",)"
                              R"("traceID":"0af7651916cd43dd8448eb211c80319c",)"
                              R"("spanID":"0000000000000002"}])"));
}

TEST_F(JaegerJson, SortsAndDropsExactDuplicatesUnlessRaw) {
  for (int copy = 0; copy < 2; ++copy) {
    builder_.AddSpan(Span(0xb, 0, SpanKind::kInternal, kStart + 1000));
    SpanFields other = Span(0xb, 0, SpanKind::kInternal, kStart + 1000);
    other.name = "same id, another name";
    builder_.AddSpan(other);
    builder_.AddSpan(Span(0xa));
  }
  const model::SpanBatch batch = builder_.Build();
  const auto count = [&batch](bool adjust) {
    std::string out;
    wire::JsonWriter writer(&out);
    WriteJaegerTraces(batch, {.adjust = adjust}, &writer);
    size_t spans = 0;
    for (size_t at = 0; (at = out.find("\"spanID\"", at)) != out.npos; ++at) {
      ++spans;
    }
    return spans;
  };
  EXPECT_EQ(count(true), 3u);
  EXPECT_EQ(count(false), 6u);
}

TEST_F(JaegerJson, WritesEachTraceOfABatch) {
  builder_.AddSpan(Span(1));
  SpanFields other = Span(2);
  other.trace_id = {0, 7};
  builder_.AddSpan(other);
  const std::string json = Json(builder_);
  EXPECT_THAT(json,
              HasSubstr(R"("warnings":null},{"traceID":"0000000000000007")"));
}

}  // namespace
}  // namespace khtrace::codec
