// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "codec/otlp.h"
#include "model/testing.h"

namespace khtrace::codec {
namespace {

using model::AttrValue;
using model::SpanBatch;
using telemetry::DropReason;
using telemetry::Outcome;
using ::testing::HasSubstr;

constexpr std::string_view kIds =
    R"("traceId":"5B8EFFF798038103D269B633813FC60C",)"
    R"("spanId":"eee19b7ec3c1b174")";

std::string Request(std::string_view spans) {
  return fmt::format(
      R"({{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}})", spans);
}
std::string OneSpan(std::string_view more) {
  return Request(fmt::format("{{{},{}}}", kIds, more));
}
std::string OneValue(std::string_view value) {
  return OneSpan(
      fmt::format(R"("attributes":[{{"key":"k","value":{}}}])", value));
}

OtlpDecoded Decode(std::string_view body,
                   const OtlpDecodeOptions& options = {}) {
  auto decoded = DecodeOtlpJson(body, options);
  EXPECT_TRUE(decoded) << decoded.error().message << "\n" << body;
  return decoded ? *std::move(decoded) : OtlpDecoded{};
}

std::string Refusal(std::string_view body) {
  const auto decoded = DecodeOtlpJson(body);
  EXPECT_FALSE(decoded) << body;
  if (decoded) return "";
  EXPECT_EQ(decoded.error().code, Code::kInvalidArgument);
  return decoded.error().message;
}

AttrValue ValueOf(const SpanBatch& batch) {
  const model::Attr* attr = batch.Find(batch.spans().attributes[0], "k");
  return attr != nullptr ? batch.Value(*attr) : AttrValue::String("ABSENT");
}

TEST(DecodeOtlpJson, ReadsEmptyRequests) {
  for (const char* body : {"{}", R"({"resourceSpans":[]})",
                           R"({"resourceSpans":null})", R"({"other":1})"}) {
    EXPECT_TRUE(Decode(body).batch.empty());
  }
}

TEST(DecodeOtlpJson, ReadsMembersInAnyOrder) {
  const OtlpDecoded decoded = Decode(R"({"resourceSpans":[{
    "scopeSpans":[{"schemaUrl":"s","spans":[{
      "events":[{"attributes":[{"value":{"intValue":"1"},"key":"e"}],
                 "name":"event","timeUnixNano":"7"}],
      "links":[{"spanId":"eee19b7ec3c1b174",
                "traceId":"5b8efff798038103d269b633813fc60c","flags":769}],
      "attributes":[{"value":{"stringValue":"v"},"key":"a"}],
      "status":{"message":"m","code":2},"kind":2,"name":"n",
      "endTimeUnixNano":9,"startTimeUnixNano":"8","flags":257,
      "droppedAttributesCount":1,"droppedEventsCount":2,"droppedLinksCount":3,
      "traceState":"a=b","parentSpanId":"EEE19B7EC3C1B173",
      "spanId":"eee19b7ec3c1b174",
      "traceId":"5B8EFFF798038103D269B633813FC60C"}],
      "scope":{"name":"lib","version":"1","droppedAttributesCount":4}}],
    "schemaUrl":"r",
    "resource":{"entityRefs":[{"type":"service","idKeys":["service.name"]}],
      "attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]}
  }]})");
  EXPECT_EQ(
      DescribeBatch(decoded.batch),
      R"(span 5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 parent eee19b7ec3c1b173
name "n" kind 2 status 2 "m"
time 8 to 9 flags 0x101 state "a=b"
dropped attributes 1 events 2 links 3
span.attribute "a" = "v"
event "event" at 7 dropped 0
event.attribute "e" = int 1
link 5b8efff798038103d269b633813fc60c eee19b7ec3c1b174 state "" flags 0x301 dropped 0
scope "lib" version "1" dropped 4 schema "s"
resource dropped 0 schema "r" entities GhcSB3NlcnZpY2UaDHNlcnZpY2UubmFtZQ==
resource.attribute "service.name" = "shop"
)");
}

TEST(DecodeOtlpJson, TakesSnakeCaseEnumNamesAndNulls) {
  const OtlpDecoded decoded = Decode(
      R"({"resource_spans":[{"scope_spans":[{"spans":[null,{
      "trace_id":"5B8EFFF798038103D269B633813FC60C",
      "span_id":"eee19b7ec3c1b174","parent_span_id":null,"name":null,
      "start_time_unix_nano":"1","end_time_unix_nano":"2",
      "kind":"SPAN_KIND_SERVER","status":{"code":"STATUS_CODE_ERROR"},
      "unknown_member":{"deep":[1,2,{"x":null}]}}]}]}]})");
  ASSERT_EQ(decoded.batch.row_count(), 1u);
  EXPECT_EQ(decoded.batch.spans().kind[0], model::SpanKind::kServer);
  EXPECT_EQ(decoded.batch.spans().status[0], model::StatusCode::kError);
  EXPECT_EQ(decoded.batch.spans().end[0], UnixNanos{2});
  EXPECT_EQ(decoded.counts[DropReason::kZeroTraceId], 1u);
}

// JavaScript cuts texts in the middle of a pair.
TEST(DecodeOtlpJson, RepairsHalvesOfSurrogatePairs) {
  const OtlpDecoded decoded = Decode(OneValue(
      R"({"stringValue":"\\ud83d \ud83d \ude00 \ud83d\ude00 \ud83d\ud83d"})"));
  EXPECT_EQ(ValueOf(decoded.batch),
            AttrValue::String("\\ud83d \ufffd \ufffd \U0001f600 \ufffd\ufffd"));
  EXPECT_EQ(decoded.counts[DropReason::kInvalidUtf8], 4u);
  EXPECT_THAT(Refusal(OneValue(R"({"stringValue":"\x"})")),
              HasSubstr("cannot decode"));
}

TEST(DecodeOtlpJson, ReadsValuesOfEveryForm) {
  EXPECT_EQ(ValueOf(Decode(OneValue("{}")).batch), AttrValue());
  EXPECT_EQ(ValueOf(Decode(OneValue("null")).batch), AttrValue());
  EXPECT_EQ(ValueOf(Decode(OneValue(R"({"stringValue":""})")).batch),
            AttrValue::String(""));
  for (const char* json : {R"({"intValue":-7})", R"({"intValue":"-7"})",
                           R"({"int_value":-7.0})"}) {
    EXPECT_EQ(ValueOf(Decode(OneValue(json)).batch), AttrValue::Int(-7));
  }
  EXPECT_EQ(
      ValueOf(Decode(OneValue(R"({"intValue":"-9223372036854775808"})")).batch),
      AttrValue::Int(INT64_MIN));
  EXPECT_EQ(
      ValueOf(Decode(OneValue(R"({"intValue":9223372036854775807})")).batch),
      AttrValue::Int(INT64_MAX));
  EXPECT_EQ(ValueOf(Decode(OneValue(R"({"doubleValue":2})")).batch),
            AttrValue::Double(2));
  EXPECT_EQ(ValueOf(Decode(OneValue(R"({"doubleValue":"1e3"})")).batch),
            AttrValue::Double(1000));
  EXPECT_EQ(ValueOf(Decode(OneValue(R"({"doubleValue":"-Infinity"})")).batch),
            AttrValue::Double(-std::numeric_limits<double>::infinity()));
  for (const char* json :
       {R"({"bytesValue":"_-8="})", R"({"bytesValue":"/+8="})",
        R"({"bytesValue":"/+8"})"}) {
    EXPECT_EQ(ValueOf(Decode(OneValue(json)).batch),
              AttrValue::Bytes("\xff\xef"));
  }
  EXPECT_THAT(
      DescribeBatch(
          Decode(OneValue(R"({"kvlistValue":{"values":[{"key":"x","value":)"
                          R"({"arrayValue":{"values":[{"intValue":"1"},{},)"
                          R"({"arrayValue":{}}]}}}]}})"))
              .batch),
      HasSubstr(R"("k" = {"x": [int 1, empty, [], ], })"));
}

TEST(DecodeOtlpJson, RefusesValuesOfAWrongType) {
  EXPECT_THAT(Refusal(OneValue(R"({"intValue":"9223372036854775808"})")),
              HasSubstr("intValue must be a signed 64-bit integer"));
  Refusal(OneValue(R"({"intValue":9223372036854775808})"));
  Refusal(OneValue(R"({"intValue":1.5})"));
  EXPECT_EQ(ValueOf(Decode(OneValue(R"({"intValue":-1e+300})")).batch),
            AttrValue::Double(-1e300));
  Refusal(OneValue(R"({"intValue":"1x"})"));
  Refusal(OneValue(R"({"boolValue":"true"})"));
  Refusal(OneValue(R"({"bytesValue":"*"})"));
  Refusal(OneValue(R"({"doubleValue":"big"})"));
  Refusal(OneValue(R"({"stringValue":5})"));
  Refusal(OneSpan(R"("name":5)"));
  Refusal(OneSpan(R"("attributes":{})"));
  Refusal(OneSpan(R"("kind":"SERVER")"));
  EXPECT_THAT(Refusal(OneSpan(R"("flags":4294967296)")),
              HasSubstr("flags must be an unsigned 32-bit integer"));
  EXPECT_THAT(Refusal(OneSpan(R"("startTimeUnixNano":"-1")")),
              HasSubstr("startTimeUnixNano must be an unsigned 64-bit"));
  Refusal(R"({"resourceSpans":{}})");
  Refusal("[]");
}

TEST(DecodeOtlpJson, RefusesWhatIsNotJson) {
  Refusal("");
  Refusal("{");
  Refusal("{}{}");
  Refusal(std::string(5000, '['));
  const std::string body = OneSpan(R"("name":"n")");
  for (size_t size = 0; size < body.size(); ++size) {
    Refusal(std::string_view(body).substr(0, size));
  }
}

TEST(DecodeOtlpJson, RefusesIdsOfAnotherLengthOrAlphabet) {
  EXPECT_THAT(Refusal(Request(R"({"traceId":"5b8e"})")),
              HasSubstr("traceId has 4 characters, must be 32 hex digits"));
  Refusal(Request(R"({"spanId":"gee19b7ec3c1b174"})"));
  Refusal(OneSpan(R"("parentSpanId":"eee19b7ec3c1b17400")"));
}

TEST(DecodeOtlpJson, DropsSpansWithoutIds) {
  const OtlpDecoded decoded = Decode(Request(
      fmt::format(R"({{}},{{"traceId":"","spanId":""}},{{{}}})", kIds)));
  EXPECT_EQ(decoded.batch.row_count(), 1u);
  EXPECT_EQ(decoded.message, "2 spans dropped: 2 zero_trace_id");
}

TEST(DecodeOtlpJson, RepairsMalformedUtf8) {
  const OtlpDecoded decoded =
      Decode(OneSpan("\"name\":\"a\xff"
                     "b\""));
  EXPECT_EQ(decoded.batch.String(decoded.batch.spans().name[0]), "a\ufffdb");
  EXPECT_EQ(decoded.counts[DropReason::kInvalidUtf8], 1u);
}

TEST(DecodeOtlpJson, LimitsHowDeepValuesNest) {
  std::string value = R"({"intValue":"1"})";
  for (int level = 0; level < 4; ++level) {
    value = fmt::format(R"({{"arrayValue":{{"values":[{}]}}}})", value);
  }
  OtlpDecodeOptions options;
  options.max_attribute_depth = 4;
  EXPECT_EQ(Decode(OneValue(value), options).batch.row_count(), 1u);
  options.max_attribute_depth = 3;
  const OtlpDecoded decoded = Decode(OneValue(value), options);
  EXPECT_EQ(decoded.batch.row_count(), 0u);
  EXPECT_EQ(decoded.counts[DropReason::kAttributeTooDeep], 1u);
}

TEST(DecodeOtlpJson, AgreesWithProtobufOnRandomBatches) {
  const model::RandomBatchOptions shape{.span_count = 200, .odd_times = true};
  for (uint64_t seed = 100; seed < 120; ++seed) {
    const SpanBatch batch = model::RandomBatchForTesting(seed, shape);
    std::string json = "{\"resourceSpans\":";
    EncodeOtlpJson(batch, OtlpJsonStyle::kOtlp, &json);
    json += "}";
    const OtlpDecoded decoded = Decode(json);
    EXPECT_EQ(DescribeBatch(decoded.batch), DescribeBatch(batch)) << seed;
    EXPECT_EQ(decoded.counts.Total(Outcome::kDropped), 0u);
    EXPECT_EQ(decoded.counts.Total(Outcome::kRepaired), 0u);
  }
}

}  // namespace
}  // namespace khtrace::codec
