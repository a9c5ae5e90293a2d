// SPDX-License-Identifier: Apache-2.0
#include "model/span_batch.h"

#include <gtest/gtest.h>

#include <string>

#include "model/attr_value.h"
#include "model/span_batch_builder.h"

namespace khtrace::model {
namespace {

SpanBatchBuilder::SpanFields Fields(uint64_t id, std::string_view name) {
  SpanBatchBuilder::SpanFields fields;
  fields.trace_id = {1, 2};
  fields.span_id = {id};
  fields.name = name;
  return fields;
}

TEST(SpanBatchBuilder, KeepsSpansApartWithTheirAttributesEventsAndLinks) {
  SpanBatchBuilder b;
  b.AddResource();
  b.AddResourceAttribute("service.name", AttrValue::String("cart"));
  b.AddScope("http", "1.0");
  b.AddSpan(Fields(1, "GET /"));
  b.AddSpanAttribute("n", AttrValue::Int(-7));
  b.AddEvent({5}, "exception");
  b.AddEventAttribute("exception.type", AttrValue::String("Timeout"));
  b.AddLink({3, 4}, {9}, "state");
  b.AddSpan(Fields(2, "SELECT"));
  b.AddSpanAttribute("ok", AttrValue::Bool(true));
  const SpanBatch batch = b.Build();

  ASSERT_EQ(batch.row_count(), 2u);
  EXPECT_EQ(batch.ServiceName(1), "cart");
  EXPECT_EQ(batch.String(batch.spans().name[1]), "SELECT");
  EXPECT_EQ(batch.EventRange(0).size(), 1u);
  EXPECT_EQ(batch.EventRange(1).size(), 0u);
  EXPECT_EQ(batch.LinkRange(0).size(), 1u);
  const Attr* n = batch.Find(batch.spans().attributes[0], "n");
  ASSERT_NE(n, nullptr);
  EXPECT_EQ(batch.Value(*n).AsInt(), -7);
  EXPECT_EQ(batch.Find(batch.spans().attributes[0], "ok"), nullptr);
}

TEST(SpanBatchBuilder, LetsTheLastOfEqualKeysCount) {
  SpanBatchBuilder b;
  b.AddSpan(Fields(1, "a"));
  b.AddSpanAttribute("k", AttrValue::Int(1));
  b.AddSpanAttribute("other", AttrValue::Int(2));
  b.AddSpanAttribute("k", AttrValue::String("last"));
  const SpanBatch batch = b.Build();

  const AttrRange range = batch.spans().attributes[0];
  EXPECT_EQ(range.size(), 2u);
  EXPECT_EQ(batch.Value(*batch.Find(range, "k")).bytes, "last");
}

TEST(SpanBatchBuilder, RefersIntoAdoptedTextAndTakesMoreBesideIt) {
  SpanBatchBuilder b("keyvalue");
  b.AddSpan(Fields(1, "added"));
  const KeyCode key = b.InternBorrowedKey(0, 3);
  EXPECT_EQ(key, b.InternKey("key"));
  const StringCode value = b.AddBorrowed(3, 5);
  const SpanBatch batch = b.Build();

  EXPECT_EQ(batch.Key(key), "key");
  EXPECT_EQ(batch.String(value), "value");
  EXPECT_EQ(batch.String(batch.spans().name[0]), "added");
}

TEST(SpanBatchBuilder, InternsThousandsOfKeysWithoutMixingThemUp) {
  SpanBatchBuilder b;
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(b.InternKey("key" + std::to_string(i)), static_cast<KeyCode>(i));
  }
  for (int i = 0; i < 5000; ++i) {
    EXPECT_EQ(b.InternKey("key" + std::to_string(i)), static_cast<KeyCode>(i));
  }
}

TEST(Compact, KeepsSelectedRowsWholeAndDropsTheTextOfOthers) {
  SpanBatchBuilder b;
  b.AddResource();
  b.AddResourceAttribute("service.name", AttrValue::String("cart"));
  b.AddScope("s", "1");
  b.AddSpan(Fields(1, std::string(1000, 'x')));
  b.AddSpan(Fields(2, "kept"));
  b.AddSpanAttribute("k", AttrValue::String("kept"));
  b.AddEvent({5}, "kept");
  const SpanBatch batch = b.Build();

  const RowIndex rows[] = {1};
  const SpanBatch compact = Compact(batch, rows);
  ASSERT_EQ(compact.row_count(), 1u);
  EXPECT_EQ(compact.spans().span_id[0].value, 2u);
  EXPECT_EQ(compact.ServiceName(0), "cart");
  // One text, one code, wherever it stands.
  EXPECT_EQ(compact.spans().name[0], compact.events().name[0]);
  EXPECT_LT(compact.data().text.size(), 100u);
}

TEST(RowCopier, JoinsBatchesWithTheirOwnResources) {
  SpanBatchBuilder joined;
  for (const char* service : {"a", "b", "a"}) {
    SpanBatchBuilder one;
    one.AddResource();
    one.AddResourceAttribute("service.name", AttrValue::String(service));
    one.AddSpan(Fields(1, service));
    const SpanBatch source = one.Build();
    RowCopier(source, joined).Append(0);
  }
  const SpanBatch batch = joined.Build();
  ASSERT_EQ(batch.row_count(), 3u);
  EXPECT_EQ(batch.ServiceName(0), "a");
  EXPECT_EQ(batch.ServiceName(1), "b");
  EXPECT_EQ(batch.ServiceName(2), "a");
}

TEST(TraceId, ReadsShortAndMixedCaseHexAndPrintsItPadded) {
  EXPECT_EQ(TraceId::FromHex("Af")->ToHex(),
            "000000000000000000000000000000af");
  EXPECT_EQ(TraceId::FromHex("0af7651916cd43dd8448eb211c80319c")->ToHex(),
            "0af7651916cd43dd8448eb211c80319c");
  EXPECT_EQ(SpanId::FromHex("b7ad6b7169203331")->ToHex(), "b7ad6b7169203331");
}

TEST(TraceId, RefusesWhatIsNotHexOrTooLong) {
  EXPECT_FALSE(TraceId::FromHex(""));
  EXPECT_FALSE(TraceId::FromHex("xyz"));
  EXPECT_FALSE(TraceId::FromHex(std::string(33, '1')));
  EXPECT_FALSE(SpanId::FromHex(std::string(17, '1')));
}

TEST(AttrValue, ReadsAndWritesEveryTypeAlike) {
  std::string array;
  wire::ProtoWriter w(array);
  std::string element;
  AppendAnyValue(AttrValue::String("a\"b"), &element);
  w.Bytes(1, element);
  w.Bytes(1, "");  // an empty AnyValue
  const AttrValue values[] = {
      {},
      AttrValue::String("text"),
      AttrValue::Bool(true),
      AttrValue::Int(-1),
      AttrValue::Double(0.5),
      AttrValue::Bytes(std::string_view("\0\x01", 2)),
      {AttrType::kArray, 0, array},
  };
  for (const AttrValue& value : values) {
    std::string bytes;
    AppendAnyValue(value, &bytes);
    AttrValue parsed;
    ASSERT_TRUE(ParseAnyValue(bytes, &parsed));
    EXPECT_EQ(parsed, value);
  }
  EXPECT_EQ(ToDisplayString(values[5]), "AAE=");
  EXPECT_EQ(ToDisplayString(values[6]), R"(["a\"b",null])");
}

TEST(AttrValue, BoundsTheDepthOfNestedValues) {
  std::string inner;
  for (int depth = 0; depth < 5; ++depth) {
    std::string any;
    wire::ProtoWriter(any).Bytes(5, inner);
    std::string array;
    wire::ProtoWriter(array).Bytes(1, any);
    inner = array;
  }
  const AttrValue value{AttrType::kArray, 0, inner};
  EXPECT_TRUE(ValidateNested(value, 6));
  EXPECT_FALSE(ValidateNested(value, 5));
}

}  // namespace
}  // namespace khtrace::model
