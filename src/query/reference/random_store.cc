// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <memory>
#include <numeric>
#include <set>
#include <string>
#include <tuple>
#include <utility>

#include "model/span_batch_builder.h"
#include "query/reference/random_query.h"

namespace khtrace::query::reference {
namespace {

using model::AttrType;
using model::AttrValue;
using model::SpanBatchBuilder;

constexpr uint64_t kSecond = 1'000'000'000;
constexpr std::string_view kKeys[] = {"n", "m", "f", "s", "b", "t", "x"};
constexpr std::string_view kTexts[] = {"a", "b", "ab", "", "A", "2"};
constexpr std::string_view kNames[] = {"get",   "put",  "a",         "",
                                       "get b", "cron", "memory.get"};
constexpr std::string_view kTraits[] = {"db.system", "llm.model", "gen_ai.x",
                                        "messaging.system"};
constexpr std::string_view kServices[] = {"front", "back", "a"};
constexpr int64_t kInts[] = {1, 2, 3, 5, -1, 7, 2, 1, 4, 0};
constexpr double kFloats[] = {0.5, 1.0, 2.5, -1.5, 2.0, 1e300};
constexpr uint64_t kDurations[] = {kSecond,     100'000'000, 0, 2 * kSecond,
                                   250'000'000, 10'000'000,  1};

AttrValue ScalarOf(ByteSource& bytes, std::string_view key) {
  // Now and then, of another type than the key's usual one.
  const uint32_t type = bytes.OneIn(8) ? bytes.Below(4)
                        : key == "f"   ? 1
                        : key == "s"   ? 2
                        : key == "b"   ? 3
                                       : 0;
  switch (type) {
    case 0:
      return AttrValue::Int(bytes.Of(kInts));
    case 1:
      return AttrValue::Double(bytes.Of(kFloats));
    case 2:
      return AttrValue::String(bytes.Of(kTexts));
    default:
      return AttrValue::Bool(bytes.OneIn(2));
  }
}

// `scratch` keeps the bytes of nested values.
AttrValue ValueOf(ByteSource& bytes, std::string_view key,
                  std::string* scratch) {
  if (bytes.OneIn(24)) {
    const AttrValue odd[] = {
        AttrValue(), AttrValue::Bytes("a"), {AttrType::kKvList, 0, ""}};
    return bytes.Of(odd);
  }
  if (key != "t") return ScalarOf(bytes, key);
  constexpr std::string_view kOfElements[] = {"s", "n", "f", "b"};
  const std::string_view element_key = bytes.Of(kOfElements);
  for (uint32_t left = bytes.Below(4); left > 0; --left) {
    std::string element;
    model::AppendAnyValue(ScalarOf(bytes, element_key), &element);
    wire::ProtoWriter(*scratch).Bytes(1, element);
  }
  return {AttrType::kArray, 0, *scratch};
}

// Calls add(key, value) for some keys, each once.
template <typename Add>
void AddAttributes(ByteSource& bytes, uint32_t most, const Add& add) {
  std::set<std::string_view> keys;
  for (uint32_t left = bytes.Below(most + 1); left > 0; --left) {
    const std::string_view key = bytes.Of(kKeys);
    if (!keys.insert(key).second) continue;
    std::string scratch;
    add(key, ValueOf(bytes, key, &scratch));
  }
}

class TraceMaker {
 public:
  TraceMaker(ByteSource& bytes, uint64_t id) : bytes_(bytes), id_{0, id} {}

  model::SpanBatchPtr Make() {
    base_ = kRandomStoreStart.ns + bytes_.Below(50) * kSecond;
    for (uint32_t left = 1 + bytes_.Below(8); left > 0; --left) AddSpan();
    const model::SpanBatch batch = builder_.Build();
    std::vector<model::RowIndex> rows(batch.row_count());
    std::iota(rows.begin(), rows.end(), 0);
    const auto key = [&spans = batch.spans()](uint32_t row) {
      return std::tuple(spans.start[row], spans.span_id[row], spans.kind[row]);
    };
    std::sort(rows.begin(), rows.end(),
              [&key](uint32_t a, uint32_t b) { return key(a) < key(b); });
    return std::make_shared<model::SpanBatch>(model::Compact(batch, rows));
  }

 private:
  void AddSpan() {
    if (builder_.row_count() == 0 || bytes_.OneIn(3)) AddScope();
    SpanBatchBuilder::SpanFields fields;
    fields.trace_id = id_;
    // Ids come twice now and then; parents lie before and behind, are the span
    // itself, or 9, which no span has.
    fields.span_id = {bytes_.OneIn(10) ? 1 + bytes_.Below(3)
                                       : builder_.row_count() + 1};
    const uint32_t root = builder_.row_count() == 0 ? 2 : 8;
    fields.parent_span_id = {bytes_.OneIn(root) ? 0 : 1 + bytes_.Below(9)};
    if (bytes_.OneIn(2) && builder_.row_count() > 0) {
      fields.parent_span_id = {builder_.row_count()};
    }
    fields.kind = static_cast<model::SpanKind>(bytes_.Below(6));
    fields.status = static_cast<model::StatusCode>(bytes_.Below(3));
    fields.name = bytes_.Of(kNames);
    if (bytes_.OneIn(4)) fields.status_message = bytes_.Of(kTexts);
    fields.start = {base_ + bytes_.Below(8) * kSecond};
    fields.start.ns += bytes_.Below(2);
    fields.end = {fields.start.ns + bytes_.Of(kDurations)};
    if (bytes_.OneIn(20)) fields.end = {fields.start.ns - 1};
    // The store knows spans by these three.
    const std::tuple key(fields.start, fields.span_id, fields.kind);
    if (!taken_.insert(key).second) return;
    builder_.AddSpan(fields);
    AddAttributes(bytes_, 5, [this](std::string_view k, const AttrValue& v) {
      builder_.AddSpanAttribute(k, v);
    });
    if (bytes_.OneIn(3)) {
      builder_.AddSpanAttribute(bytes_.Of(kTraits), AttrValue::String("x"));
    }
    AddEventsAndLinks(fields.start.ns);
  }

  void AddScope() {
    builder_.AddResource();
    if (!bytes_.OneIn(6)) {
      builder_.AddResourceAttribute("service.name",
                                    AttrValue::String(bytes_.Of(kServices)));
    }
    AddAttributes(bytes_, 2, [this](std::string_view k, const AttrValue& v) {
      builder_.AddResourceAttribute(k, v);
    });
    builder_.AddScope(bytes_.OneIn(2) ? "lib" : "", "");
    AddAttributes(bytes_, 1, [this](std::string_view k, const AttrValue& v) {
      builder_.AddScopeAttribute(k, v);
    });
  }

  void AddEventsAndLinks(uint64_t start) {
    const uint32_t most = bytes_.OneIn(2) ? 4 : 1;
    for (uint32_t left = bytes_.Below(most); left > 0; --left) {
      const UnixNanos time{start + bytes_.Below(3)};
      builder_.AddEvent(time, bytes_.Of(kNames));
      AddAttributes(bytes_, 2, [this](std::string_view k, const AttrValue& v) {
        builder_.AddEventAttribute(k, v);
      });
    }
    for (uint32_t left = bytes_.Below(most); left > 1; --left) {
      const model::TraceId trace{0, 1 + bytes_.Below(3)};
      builder_.AddLink(trace, {1 + bytes_.Below(3)});
      AddAttributes(bytes_, 2, [this](std::string_view k, const AttrValue& v) {
        builder_.AddLinkAttribute(k, v);
      });
    }
  }

  ByteSource& bytes_;
  model::TraceId id_;
  uint64_t base_ = 0;
  SpanBatchBuilder builder_;
  std::set<std::tuple<UnixNanos, model::SpanId, model::SpanKind>> taken_;
};

}  // namespace

uint32_t ByteSource::Below(uint32_t bound) {
  if (bytes_.empty()) return 0;
  const uint32_t byte = bytes_[0];
  bytes_ = bytes_.subspan(1);
  return byte * bound >> 8;
}

std::vector<model::SpanBatchPtr> RandomStore(ByteSource& bytes) {
  std::vector<model::SpanBatchPtr> out;
  const uint32_t count = 1 + bytes.Below(6);
  for (uint32_t id = 1; id <= count; ++id) {
    out.push_back(TraceMaker(bytes, id).Make());
  }
  return out;
}

}  // namespace khtrace::query::reference
