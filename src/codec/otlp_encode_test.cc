// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>

#include "codec/otlp.h"
#include "model/span_batch_builder.h"
#include "model/testing.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb.h"

namespace khtrace::codec {
namespace {

namespace pb = opentelemetry::proto;
using model::AttrValue;
using model::SpanBatch;
using model::SpanBatchBuilder;

SpanBatch SmallBatch() {
  SpanBatchBuilder builder;
  SpanBatchBuilder::SpanFields span;
  span.trace_id = {1, 2};
  const auto add = [&](uint64_t id) {
    span.span_id = {id};
    builder.AddSpan(span);
  };
  builder.AddResource();
  builder.AddResourceAttribute("service.name", AttrValue::String("a"));
  builder.AddScope("one", "");
  span.name = "op";
  span.kind = model::SpanKind::kServer;
  span.status = model::StatusCode::kError;
  span.start = {1};
  add(1);
  span = {};
  span.trace_id = {1, 2};
  builder.AddResource();
  builder.AddScope("two", "");
  add(2);
  builder.AddScope("one", "");
  add(3);
  return builder.Build();
}

TEST(EncodeOtlpJson, WritesHexIdsAndEnumNumbers) {
  std::string json;
  EncodeOtlpJson(SmallBatch(), OtlpJsonStyle::kOtlp, &json);
  EXPECT_EQ(
      json,
      R"([{"resource":{"attributes":[{"key":"service.name",)"
      R"("value":{"stringValue":"a"}}]},"scopeSpans":[{"scope":{"name":"one"},)"
      R"("spans":[{"traceId":"00000000000000010000000000000002",)"
      R"("spanId":"0000000000000001","name":"op","kind":2,)"
      R"("startTimeUnixNano":"1","status":{"code":2}}]}]},)"
      R"({"resource":{},"scopeSpans":[{"scope":{"name":"two"},"spans":[)"
      R"({"traceId":"00000000000000010000000000000002",)"
      R"("spanId":"0000000000000002","status":{}}]},)"
      R"({"scope":{"name":"one"},"spans":[)"
      R"({"traceId":"00000000000000010000000000000002",)"
      R"("spanId":"0000000000000003","status":{}}]}]}])");
}

TEST(EncodeOtlpJson, WritesBase64IdsAndEnumNamesForTempo) {
  std::string json;
  EncodeOtlpJson(SmallBatch(), OtlpJsonStyle::kTempo, &json);
  EXPECT_NE(json.find(R"("traceId":"AAAAAAAAAAEAAAAAAAAAAg==",)"
                      R"("spanId":"AAAAAAAAAAE=","name":"op",)"
                      R"("kind":"SPAN_KIND_SERVER",)"
                      R"("startTimeUnixNano":"1",)"
                      R"("status":{"code":"STATUS_CODE_ERROR"}})"),
            std::string::npos)
      << json;
}

TEST(EncodeOtlpProtobuf, GroupsRowsThatAreNotAdjacent) {
  // Rows alternate between the groups of a batch.
  const SpanBatch batch = SmallBatch();
  model::SpanBatchData data = batch.data();
  data.spans.scope = {1, 0, 1};
  std::string bytes;
  EncodeOtlpProtobuf(SpanBatch(std::move(data)), &bytes);
  pb::trace::v1::TracesData traces;
  ASSERT_TRUE(traces.ParseFromString(bytes));
  ASSERT_EQ(traces.resource_spans_size(), 2);
  EXPECT_EQ(traces.resource_spans(0).scope_spans(0).spans_size(), 2);
  EXPECT_EQ(traces.resource_spans(0).scope_spans(0).scope().name(), "two");
  EXPECT_EQ(traces.resource_spans(1).scope_spans(0).spans_size(), 1);
}

// Protobuf's own classes lose nothing of what we write, nor we of theirs.
TEST(EncodeOtlpProtobuf, AgreesWithProtobufsOwnClasses) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const SpanBatch batch =
        model::RandomBatchForTesting(seed, {.odd_times = true});
    std::string bytes;
    EncodeOtlpProtobuf(batch, &bytes);
    pb::collector::trace::v1::ExportTraceServiceRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    const auto again = DecodeOtlpProtobuf(request.SerializeAsString());
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(DescribeBatch(again->batch), DescribeBatch(batch));
  }
}

TEST(EncodeOtlpResponse, IsEmptyOnSuccess) {
  EXPECT_EQ(EncodeOtlpResponseProtobuf(0, ""), "");
  EXPECT_EQ(EncodeOtlpResponseJson(0, ""), R"({"partialSuccess":{}})");
}

TEST(EncodeOtlpResponse, TellsWhatWasRejectedAndWhy) {
  pb::collector::trace::v1::ExportTraceServiceResponse response;
  ASSERT_TRUE(
      response.ParseFromString(EncodeOtlpResponseProtobuf(3, "3 dropped")));
  EXPECT_EQ(response.partial_success().rejected_spans(), 3);
  EXPECT_EQ(response.partial_success().error_message(), "3 dropped");
  EXPECT_EQ(
      EncodeOtlpResponseJson(3, "3 \"dropped\""),
      R"({"partialSuccess":{"rejectedSpans":"3","errorMessage":"3 \"dropped\""}})");
}

}  // namespace
}  // namespace khtrace::codec
