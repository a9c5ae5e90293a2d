// SPDX-License-Identifier: Apache-2.0
#include "model/testing.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "base/hash.h"
#include "model/span_batch_builder.h"
#include "wire/protobuf.h"

namespace khtrace::model {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array kWords = {
    "GET /users/{id}"sv, "checkout"sv, "db.query"sv,   "cart"sv,
    "redis"sv,           "SELECT 1"sv, "payments"sv,   "publish"sv,
    "eu-west-1"sv,       "v1.2.3"sv,   "production"sv, "200"sv,
};
constexpr std::array kOddTexts = {
    ""sv,
    " "sv,
    "na\u00efve caf\u00e9"sv,
    "\u65e5\u672c\u8a9e"sv,
    "\U0001f600 \U0010ffff"sv,
    "quote \" backslash \\ slash / tick `"sv,
    "line\nfeed\ttab\rreturn"sv,
    "nul\0inside"sv,
    "\x01\x1f\x7f"sv,
    "\u2028\ufeff\ufffd"sv,
    "</script><b>&amp;"sv,
    "true"sv,
};
constexpr std::array kKeys = {
    "http.request.method"sv,
    "http.response.status_code"sv,
    "db.system"sv,
    "url.path"sv,
    "user.id"sv,
    "retry"sv,
    "cache.hit"sv,
    "payload"sv,
    "exception.type"sv,
    "exception.message"sv,
    "peer.service"sv,
    "net.bytes"sv,
    "\u30ad\u30fc"sv,
    "a \"quoted\" key"sv,
    "service.name"sv,
    "ratio"sv,
};

class Generator {
 public:
  Generator(uint64_t seed, const RandomBatchOptions& options)
      : options_(options), random_(Mix64(seed + 1)) {}

  SpanBatch Run();

 private:
  struct Made {
    TraceId trace_id;
    SpanId span_id;
  };

  uint64_t Below(uint64_t bound) { return bound == 0 ? 0 : random_() % bound; }
  bool OneIn(uint64_t n) { return Below(n) == 0; }

  std::string Text() {
    if (options_.odd_strings && OneIn(4)) {
      if (OneIn(12)) return std::string(300, 'x');
      return std::string(kOddTexts[Below(kOddTexts.size())]);
    }
    std::string text(kWords[Below(kWords.size())]);
    if (OneIn(2)) text += fmt::format("-{}", Below(20));
    return text;
  }
  int64_t Integer() {
    switch (Below(5)) {
      case 0:
        return static_cast<int64_t>(random_());
      case 1:
        return std::numeric_limits<int64_t>::min();
      case 2:
        return 0;
      default:
        return static_cast<int64_t>(Below(1000)) - 100;
    }
  }
  double Real() {
    switch (Below(7)) {
      case 0:
        return std::numeric_limits<double>::quiet_NaN();
      case 1:
        return -std::numeric_limits<double>::infinity();
      case 2:
        return -0.0;
      case 3:
        return std::numeric_limits<double>::denorm_min();
      case 4:
        return 1e300;
      default:
        return static_cast<double>(Below(100'000)) / 1000.0;
    }
  }
  // `storage` keeps the bytes that the value borrows.
  AttrValue Value(int nesting, std::string* storage);
  std::string NestedBytes(AttrType type, int nesting);

  template <typename Add>
  void Attributes(Add add) {
    const uint64_t count = Below(options_.max_attributes + 1);
    const uint64_t first = random_();
    for (uint64_t i = 0; i < std::min<uint64_t>(count, kKeys.size()); ++i) {
      std::string storage;
      const AttrValue value = Value(options_.max_nesting, &storage);
      add(kKeys[(first + i) % kKeys.size()], value);
    }
  }
  TraceId Trace(uint64_t number) const {
    return {Mix64(number + 17) | 1, Mix64(number * 31 + 5)};
  }
  uint32_t DroppedCount() { return OneIn(5) ? Below(1000) : 0; }
  void Groups();
  void Span();
  void Times(SpanBatchBuilder::SpanFields* fields);
  void Events(UnixNanos start);
  void Links();

  const RandomBatchOptions options_;
  std::mt19937_64 random_;
  SpanBatchBuilder builder_;
  std::vector<Made> made_;
};

AttrValue Generator::Value(int nesting, std::string* storage) {
  switch (Below(nesting > 0 ? 10 : 8)) {
    case 0:
      return {};
    case 1:
      return AttrValue::Bool(OneIn(2));
    case 2:
      return AttrValue::Int(Integer());
    case 3:
      return AttrValue::Double(Real());
    case 4:
      for (uint64_t n = Below(20); n > 0; --n) {
        storage->push_back(static_cast<char>(random_()));
      }
      return AttrValue::Bytes(*storage);
    case 8:
      *storage = NestedBytes(AttrType::kArray, nesting);
      return {AttrType::kArray, 0, *storage};
    case 9:
      *storage = NestedBytes(AttrType::kKvList, nesting);
      return {AttrType::kKvList, 0, *storage};
    default:
      *storage = Text();
      return AttrValue::String(*storage);
  }
}

std::string Generator::NestedBytes(AttrType type, int nesting) {
  std::string out;
  wire::ProtoWriter writer(out);
  for (uint64_t n = Below(4); n > 0; --n) {
    std::string storage;
    const AttrValue value = Value(nesting - 1, &storage);
    std::string any;
    AppendAnyValue(value, &any);
    if (type == AttrType::kArray) {
      writer.Bytes(1, any);
      continue;
    }
    const size_t begin = writer.Begin(1);
    writer.Bytes(1, Text());
    writer.Bytes(2, any);
    writer.End(begin);
  }
  return out;
}

// Starts a new resource or scope for the spans that follow.
void Generator::Groups() {
  if (builder_.data().resources.empty() ||
      OneIn(options_.scopes_per_resource)) {
    std::string entity;
    if (OneIn(3)) {
      wire::ProtoWriter writer(entity);
      const size_t begin = writer.Begin(3);
      writer.Bytes(2, "service");
      writer.Bytes(3, "service.name");
      writer.End(begin);
    }
    builder_.AddResource(DroppedCount(), OneIn(3) ? Text() : "", entity);
    builder_.AddResourceAttribute(
        "service.name",
        AttrValue::String(
            kWords[builder_.data().resources.size() % kWords.size()]));
    Attributes([&](std::string_view key, const AttrValue& value) {
      if (key != "service.name") builder_.AddResourceAttribute(key, value);
    });
  }
  builder_.AddScope(Text(), OneIn(2) ? "1.0" : "", DroppedCount(),
                    OneIn(3) ? Text() : "");
  Attributes([&](std::string_view key, const AttrValue& value) {
    builder_.AddScopeAttribute(key, value);
  });
}

void Generator::Times(SpanBatchBuilder::SpanFields* fields) {
  fields->start = {options_.start.ns + Below(options_.window_ns)};
  fields->end = {fields->start.ns + Below(1'000'000'000)};
  if (!options_.odd_times || !OneIn(6)) return;
  switch (Below(4)) {
    case 0:
      fields->start = {};
      break;
    case 1:
      fields->end = UnixNanos::Max();
      break;
    case 2:
      fields->end = {};
      break;
    default:
      std::swap(fields->start, fields->end);
  }
}

void Generator::Span() {
  SpanBatchBuilder::SpanFields fields;
  fields.trace_id = Trace(Below(std::max(1u, options_.trace_count)));
  fields.span_id = {Mix64(random_()) | 1};
  for (const Made& other : made_) {
    if (other.trace_id == fields.trace_id && OneIn(2)) {
      fields.parent_span_id = other.span_id;
    }
  }
  made_.push_back({fields.trace_id, fields.span_id});
  Times(&fields);
  const std::string name = Text();
  const std::string trace_state = OneIn(5) ? "k=v," + Text() : "";
  const std::string message = OneIn(5) ? Text() : "";
  fields.name = name;
  fields.trace_state = trace_state;
  fields.status_message = message;
  fields.kind = static_cast<SpanKind>(Below(6));
  fields.status = static_cast<StatusCode>(Below(3));
  fields.flags = OneIn(2) ? 0x101 : 0;
  fields.dropped_attributes = DroppedCount();
  fields.dropped_events = DroppedCount();
  fields.dropped_links = DroppedCount();
  builder_.AddSpan(fields);
  Attributes([&](std::string_view key, const AttrValue& value) {
    builder_.AddSpanAttribute(key, value);
  });
  Events(fields.start);
  Links();
}

void Generator::Events(UnixNanos start) {
  for (uint64_t n = Below(options_.max_events + 1); n > 0; --n) {
    builder_.AddEvent({start.ns + Below(1'000'000)}, Text(), DroppedCount());
    Attributes([&](std::string_view key, const AttrValue& value) {
      builder_.AddEventAttribute(key, value);
    });
  }
}

void Generator::Links() {
  for (uint64_t n = Below(options_.max_events + 1); n > 0; --n) {
    builder_.AddLink(Trace(Below(100)), {random_() | 1}, OneIn(3) ? "a=b" : "",
                     OneIn(2) ? 0x301 : 0, DroppedCount());
    Attributes([&](std::string_view key, const AttrValue& value) {
      builder_.AddLinkAttribute(key, value);
    });
  }
}

SpanBatch Generator::Run() {
  const uint32_t groups =
      std::max(1u, options_.resource_count * options_.scopes_per_resource);
  const uint32_t per_group = options_.span_count / groups + 1;
  for (uint32_t i = 0; i < options_.span_count; ++i) {
    if (i % per_group == 0) Groups();
    Span();
  }
  return builder_.Build();
}

}  // namespace

SpanBatch RandomBatchForTesting(uint64_t seed,
                                const RandomBatchOptions& options) {
  return Generator(seed, options).Run();
}

}  // namespace khtrace::model
