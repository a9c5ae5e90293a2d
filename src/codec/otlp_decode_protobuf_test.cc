// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>

#include "codec/otlp.h"
#include "model/testing.h"
#include "wire/protobuf.h"

namespace khtrace::codec {
namespace {

using model::AttrRange;
using model::AttrType;
using model::AttrValue;
using model::SpanBatch;
using telemetry::DropReason;
using telemetry::Outcome;
using ::testing::HasSubstr;
using wire::ProtoWriter;

using Fields = std::function<void(ProtoWriter&)>;

std::string Message(const Fields& fields) {
  std::string out;
  ProtoWriter w(out);
  fields(w);
  return out;
}

void Ids(ProtoWriter& w) {
  w.Bytes(1, "0123456789abcdef");
  w.Bytes(2, "12345678");
}

std::string KeyValue(std::string_view key, const AttrValue& value) {
  std::string any;
  model::AppendAnyValue(value, &any);
  return Message([&](ProtoWriter& w) {
    w.Bytes(1, key);
    w.Bytes(2, any);
  });
}

// One resource and one scope around spans of the fields given.
std::string Request(const std::vector<Fields>& spans) {
  return Message([&](ProtoWriter& w) {
    const size_t resource_spans = w.Begin(1);
    const size_t scope_spans = w.Begin(2);
    for (const Fields& span : spans) w.Bytes(2, Message(span));
    w.End(scope_spans);
    w.End(resource_spans);
  });
}
std::string OneSpan(const Fields& more) {
  return Request({[&](ProtoWriter& w) {
    Ids(w);
    more(w);
  }});
}

OtlpDecoded Decode(const std::string& body,
                   const OtlpDecodeOptions& options = {}) {
  auto decoded = DecodeOtlpProtobuf(body, options);
  EXPECT_TRUE(decoded) << decoded.error().message;
  return decoded ? *std::move(decoded) : OtlpDecoded{};
}

std::string Refusal(const std::string& body) {
  const auto decoded = DecodeOtlpProtobuf(body);
  EXPECT_FALSE(decoded);
  if (decoded) return "";
  EXPECT_EQ(decoded.error().code, Code::kInvalidArgument);
  return decoded.error().message;
}

AttrValue ValueOf(const SpanBatch& batch, std::string_view key) {
  const model::Attr* attr = batch.Find(batch.spans().attributes[0], key);
  return attr != nullptr ? batch.Value(*attr) : AttrValue::String("ABSENT");
}

TEST(DecodeOtlpProtobuf, ReadsAnEmptyRequest) {
  EXPECT_TRUE(Decode("").batch.empty());
  EXPECT_TRUE(Decode(Request({})).batch.empty());
}

TEST(DecodeOtlpProtobuf, KeepsNoGroupWithoutSpans) {
  const OtlpDecoded decoded = Decode(Request({}) + OneSpan([](auto&) {}) +
                                     Request({[](ProtoWriter&) {}}));
  EXPECT_EQ(decoded.batch.row_count(), 1u);
  EXPECT_EQ(decoded.batch.resources().size(), 1u);
  EXPECT_EQ(decoded.batch.scopes().size(), 1u);
}

TEST(DecodeOtlpProtobuf, TakesGroupFieldsThatComeAfterTheirMembers) {
  const std::string body = Message([](ProtoWriter& w) {
    const size_t resource_spans = w.Begin(1);
    const size_t scope_spans = w.Begin(2);
    w.Bytes(2, Message([](ProtoWriter& s) {
              s.Bytes(9, KeyValue("k", AttrValue::Int(1)));
              Ids(s);
            }));
    w.Bytes(3, "scope-schema");
    w.Bytes(1, Message([](ProtoWriter& s) {
              s.Bytes(3, KeyValue("in", AttrValue::String("scope")));
              s.Bytes(1, "lib");
            }));
    w.End(scope_spans);
    w.Bytes(1, Message([](ProtoWriter& r) {
              r.Bytes(1, KeyValue("service.name", AttrValue::String("shop")));
            }));
    w.End(resource_spans);
  });
  const OtlpDecoded decoded = Decode(body);
  ASSERT_EQ(decoded.batch.row_count(), 1u);
  const std::string text = DescribeSpan(decoded.batch, 0);
  EXPECT_EQ(decoded.batch.ServiceName(0), "shop");
  EXPECT_THAT(text, HasSubstr("scope \"lib\""));
  EXPECT_THAT(text, HasSubstr("schema \"scope-schema\""));
  EXPECT_THAT(text, HasSubstr("scope.attribute \"in\" = \"scope\""));
  EXPECT_THAT(text, HasSubstr("span.attribute \"k\" = int 1"));
}

TEST(DecodeOtlpProtobuf, JoinsSplitAttributesAndMergesRepeatedMessages) {
  const std::string body = Message([](ProtoWriter& w) {
    const size_t resource_spans = w.Begin(1);
    w.Bytes(1, Message([](ProtoWriter& r) {
              r.Bytes(1, KeyValue("a", AttrValue::Int(1)));
              r.Varint(2, 5);
            }));
    w.Bytes(1, Message([](ProtoWriter& r) {
              r.Bytes(1, KeyValue("b", AttrValue::Int(2)));
            }));
    w.Bytes(2, Message([](ProtoWriter& s) {
              s.Bytes(2, Message([](ProtoWriter& span) {
                        span.Bytes(9, KeyValue("first", AttrValue::Int(1)));
                        span.Bytes(11, Message([](ProtoWriter& event) {
                                     event.Bytes(3, KeyValue("e", {}));
                                   }));
                        span.Bytes(15, Message([](ProtoWriter& status) {
                                     status.Bytes(2, "broken");
                                   }));
                        span.Bytes(9, KeyValue("second", AttrValue::Int(2)));
                        span.Bytes(15, Message([](ProtoWriter& status) {
                                     status.Varint(3, 2);
                                   }));
                        Ids(span);
                      }));
            }));
    w.End(resource_spans);
  });
  const std::string text = DescribeSpan(Decode(body).batch, 0);
  EXPECT_THAT(text, HasSubstr("status 2 \"broken\""));
  EXPECT_THAT(text, HasSubstr("span.attribute \"first\" = int 1\n"
                              "span.attribute \"second\" = int 2\nevent"));
  EXPECT_THAT(text, HasSubstr("event.attribute \"e\" = empty"));
  EXPECT_THAT(text, HasSubstr("resource dropped 5"));
  EXPECT_THAT(text, HasSubstr("resource.attribute \"a\" = int 1\n"
                              "resource.attribute \"b\" = int 2"));
}

TEST(DecodeOtlpProtobuf, SkipsUnknownFieldsAndOtherWireTypes) {
  const OtlpDecoded decoded = Decode(OneSpan([](ProtoWriter& w) {
    w.Varint(5, 7);  // a name cannot be a number
    w.Varint(900, 1);
    w.Fixed32(901, 1);
    w.Bytes(1000, "?");
    w.Bytes(5, "name");
  }));
  ASSERT_EQ(decoded.batch.row_count(), 1u);
  EXPECT_EQ(decoded.batch.String(decoded.batch.spans().name[0]), "name");
}

TEST(DecodeOtlpProtobuf, RefusesTruncationsOfTheRequest) {
  const std::string body = OneSpan([](ProtoWriter& w) { w.Bytes(5, "name"); });
  for (size_t size = 1; size < body.size(); ++size) {
    EXPECT_THAT(Refusal(body.substr(0, size)), HasSubstr("well-formed"));
  }
}

TEST(DecodeOtlpProtobuf, RefusesIdsOfAnotherLength) {
  EXPECT_THAT(Refusal(Request(
                  {[](ProtoWriter& w) { w.Bytes(1, "0123456789abcdefg"); }})),
              HasSubstr("trace id has 17 bytes, must be 16"));
  EXPECT_THAT(Refusal(Request({[](ProtoWriter& w) { w.Bytes(2, "1234567"); }})),
              HasSubstr("span id has 7 bytes, must be 8"));
  EXPECT_THAT(Refusal(OneSpan([](ProtoWriter& w) { w.Bytes(4, "x"); })),
              HasSubstr("parent span id has 1 bytes, must be 8"));
  EXPECT_THAT(Refusal(OneSpan([](ProtoWriter& w) {
                w.Bytes(13, Message([](ProtoWriter& l) { l.Bytes(1, "x"); }));
              })),
              HasSubstr("trace id has 1 bytes"));
}

TEST(DecodeOtlpProtobuf, DropsSpansWithoutIdsAndKeepsTheOthers) {
  const OtlpDecoded decoded = Decode(Request({
      [](ProtoWriter& w) { w.Bytes(2, "12345678"); },
      [](ProtoWriter& w) {
        w.Bytes(1, std::string(16, '\0'));
        w.Bytes(2, "12345678");
      },
      [](ProtoWriter& w) {
        w.Bytes(1, "0123456789abcdef");
        w.Bytes(9, KeyValue("k", AttrValue::String("v")));
        w.Bytes(11, Message([](ProtoWriter& e) { e.Bytes(2, "lost"); }));
      },
      [](ProtoWriter& w) {
        Ids(w);
        w.Bytes(4, std::string(8, '\0'));
        w.Bytes(11, Message([](ProtoWriter& e) { e.Bytes(2, "kept"); }));
      },
  }));
  ASSERT_EQ(decoded.batch.row_count(), 1u);
  EXPECT_TRUE(decoded.batch.spans().parent_span_id[0].IsZero());
  EXPECT_EQ(decoded.batch.events().name.size(), 1u);
  EXPECT_THAT(DescribeSpan(decoded.batch, 0), HasSubstr("event \"kept\""));
  EXPECT_EQ(decoded.counts[DropReason::kZeroTraceId], 2u);
  EXPECT_EQ(decoded.counts[DropReason::kZeroSpanId], 1u);
  EXPECT_EQ(decoded.message,
            "3 spans dropped: 2 zero_trace_id, 1 zero_span_id");
}

TEST(DecodeOtlpProtobuf, DropsASpanWhoseInsideIsMalformed) {
  const std::string body = Message([](ProtoWriter& w) {
    const size_t resource_spans = w.Begin(1);
    const size_t scope_spans = w.Begin(2);
    w.Bytes(2, Message(Ids) + "\x2a\x7f");  // a name longer than the span
    w.Bytes(2, Message([](ProtoWriter& s) {
              Ids(s);
              s.Bytes(9, "\x0a\x05");
            }));
    w.Bytes(2, Message(Ids));
    w.End(scope_spans);
    w.End(resource_spans);
  });
  const OtlpDecoded decoded = Decode(body);
  EXPECT_EQ(decoded.batch.row_count(), 1u);
  EXPECT_EQ(decoded.counts[DropReason::kMalformedSpan], 2u);
}

TEST(DecodeOtlpProtobuf, KeepsTheLastOfDuplicateKeysAndCountsThem) {
  const OtlpDecoded decoded = Decode(OneSpan([](ProtoWriter& w) {
    for (int i = 1; i <= 3; ++i) {
      w.Bytes(9, KeyValue("k", AttrValue::Int(i)));
      w.Bytes(9, KeyValue("", AttrValue::Int(-i)));
    }
  }));
  EXPECT_EQ(decoded.batch.spans().attributes[0].size(), 2u);
  EXPECT_EQ(ValueOf(decoded.batch, "k"), AttrValue::Int(3));
  EXPECT_EQ(ValueOf(decoded.batch, ""), AttrValue::Int(-3));
  EXPECT_EQ(decoded.counts[DropReason::kDuplicateAttributeKey], 4u);
}

TEST(DecodeOtlpProtobuf, TellsKeysApartThatShareEndsAndSize) {
  const OtlpDecoded decoded = Decode(OneSpan([](ProtoWriter& w) {
    for (int i = 0; i < 1000; ++i) {
      const std::string key =
          "abcdefgh" + std::to_string(1000 + i) + "-----ijklmnop";
      w.Bytes(9, KeyValue(key, AttrValue::Int(i)));
    }
  }));
  EXPECT_EQ(decoded.batch.spans().attributes[0].size(), 1000u);
  EXPECT_EQ(ValueOf(decoded.batch, "abcdefgh1999-----ijklmnop"),
            AttrValue::Int(999));
}

TEST(DecodeOtlpProtobuf, CutsAttributesAtTheLimit) {
  OtlpDecodeOptions options;
  options.max_attributes = 10;
  const OtlpDecoded decoded =
      Decode(OneSpan([](ProtoWriter& w) {
               w.Varint(10, UINT32_MAX - 1);
               for (int i = 0; i < 25; ++i) {
                 w.Bytes(9, KeyValue(std::to_string(i), AttrValue::Int(i)));
               }
               w.Bytes(9, KeyValue("3", {}));
             }),
             options);
  EXPECT_EQ(decoded.batch.spans().attributes[0].size(), 10u);
  EXPECT_EQ(decoded.batch.spans().dropped_attributes[0], UINT32_MAX);
  EXPECT_EQ(ValueOf(decoded.batch, "3"), AttrValue());
  EXPECT_EQ(decoded.counts[DropReason::kTooManyAttributes], 15u);
}

TEST(DecodeOtlpProtobuf, RepairsMalformedUtf8Everywhere) {
  std::string array;
  ProtoWriter(array).Bytes(1, "\x0a\x02z\xff");
  const OtlpDecoded decoded = Decode(OneSpan([&](ProtoWriter& w) {
    w.Bytes(5, "name\xff");
    w.Bytes(3, "\xc0\xaf");
    w.Bytes(9, KeyValue("key\x80", AttrValue::String("value\xfe")));
    w.Bytes(9, KeyValue("list", {AttrType::kArray, 0, array}));
    w.Bytes(9, KeyValue("raw", AttrValue::Bytes("\xff")));
  }));
  const SpanBatch& batch = decoded.batch;
  EXPECT_EQ(batch.String(batch.spans().name[0]), "name\ufffd");
  EXPECT_EQ(batch.String(batch.spans().trace_state[0]), "\ufffd\ufffd");
  EXPECT_EQ(ValueOf(batch, "key\ufffd"), AttrValue::String("value\ufffd"));
  EXPECT_EQ(ValueOf(batch, "raw"), AttrValue::Bytes("\xff"));
  EXPECT_THAT(DescribeSpan(batch, 0), HasSubstr("\"list\" = [\"z\ufffd\", ]"));
  EXPECT_EQ(decoded.counts[DropReason::kInvalidUtf8], 5u);
  EXPECT_EQ(decoded.message, "");
}

TEST(DecodeOtlpProtobuf, LimitsHowDeepValuesNest) {
  std::string nested;
  for (int level = 0; level < 3; ++level) {
    std::string any;
    model::AppendAnyValue({AttrType::kArray, 0, nested}, &any);
    nested.clear();
    ProtoWriter(nested).Bytes(1, any);
  }
  // Three arrays within one.
  const std::string body = OneSpan([&](ProtoWriter& w) {
    w.Bytes(9, KeyValue("deep", {AttrType::kArray, 0, nested}));
  });
  OtlpDecodeOptions options;
  options.max_attribute_depth = 4;
  EXPECT_EQ(Decode(body, options).batch.row_count(), 1u);
  options.max_attribute_depth = 3;
  const OtlpDecoded decoded = Decode(body, options);
  EXPECT_EQ(decoded.batch.row_count(), 0u);
  EXPECT_EQ(decoded.counts[DropReason::kAttributeTooDeep], 1u);
}

TEST(DecodeOtlpProtobuf, KeepsTimesAndEnumsAsSent) {
  const OtlpDecoded decoded = Decode(OneSpan([](ProtoWriter& w) {
    w.Varint(6, 77);
    w.Fixed64(7, UINT64_MAX);
    w.Fixed64(8, 5);
    w.Bytes(15, Message([](ProtoWriter& s) { s.Varint(3, 70'000); }));
    w.Fixed32(16, 0xffffffff);
  }));
  const model::SpanColumns& spans = decoded.batch.spans();
  EXPECT_EQ(spans.kind[0], static_cast<model::SpanKind>(77));
  EXPECT_EQ(spans.start[0], UnixNanos::Max());
  EXPECT_EQ(spans.end[0], UnixNanos{5});
  EXPECT_EQ(spans.status[0], model::StatusCode::kUnset);
  EXPECT_EQ(spans.flags[0], 0xffffffffu);
  EXPECT_EQ(decoded.counts[DropReason::kEndBeforeStart], 1u);
}

TEST(DecodeOtlpProtobuf, LeavesOutLinksThatPointNowhereAndSayNothing) {
  const OtlpDecoded decoded = Decode(OneSpan([](ProtoWriter& w) {
    w.Bytes(13, "");
    w.Bytes(13, Message([](ProtoWriter& l) { l.Bytes(3, "a=b"); }));
    w.Bytes(13, Message([](ProtoWriter& l) { Ids(l); }));
    w.Varint(14, 4);
  }));
  EXPECT_EQ(decoded.batch.links().trace_id.size(), 2u);
  EXPECT_EQ(decoded.batch.spans().dropped_links[0], 5u);
  EXPECT_EQ(decoded.counts[DropReason::kInvalidLink], 1u);
}

TEST(DecodeOtlpProtobuf, ReadsEveryTypeOfValue) {
  const model::RandomBatchOptions shape{.span_count = 200, .odd_times = true};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const SpanBatch batch = model::RandomBatchForTesting(seed, shape);
    std::string bytes;
    EncodeOtlpProtobuf(batch, &bytes);
    const OtlpDecoded decoded = Decode(bytes);
    EXPECT_EQ(DescribeBatch(decoded.batch), DescribeBatch(batch)) << seed;
    EXPECT_EQ(decoded.counts.Total(Outcome::kDropped), 0u);
    EXPECT_EQ(decoded.counts.Total(Outcome::kRepaired), 0u);
  }
}

}  // namespace
}  // namespace khtrace::codec
