// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "codec/otlp.h"
#include "model/span_batch_builder.h"
#include "telemetry/drop_reasons.h"

namespace khtrace::codec {

// A request larger than this is refused: malformed UTF-8 can grow threefold
// when it is repaired, and a batch holds at most 2 GiB of text.
inline constexpr size_t kMaxOtlpBodyBytes = size_t{256} << 20;

// What is wrong with a value that nests.
enum class NestedFault : uint8_t { kNone, kTooDeep, kMalformed };

// Texts of spans are short: two loads that overlap instead of a loop.
inline bool IsAscii(std::string_view text) {
  constexpr uint64_t kHighBits = 0x8080808080808080ull;
  const char* p = text.data();
  const size_t size = text.size();
  if (size >= 8) {
    uint64_t bits;
    std::memcpy(&bits, p + size - 8, 8);
    for (size_t i = 0; i + 8 < size; i += 8) {
      uint64_t word;
      std::memcpy(&word, p + i, 8);
      bits |= word;
    }
    return (bits & kHighBits) == 0;
  }
  if (size >= 4) {
    uint32_t first;
    uint32_t last;
    std::memcpy(&first, p, 4);
    std::memcpy(&last, p + size - 4, 4);
    return ((first | last) & static_cast<uint32_t>(kHighBits)) == 0;
  }
  char bits = 0;
  for (size_t i = 0; i < size; ++i) bits |= p[i];
  return (bits & 0x80) == 0;
}

// The batch that the two OTLP decoders fill, and the rules they share: keys
// interned, of duplicate keys the last one kept, lists cut at their limit,
// malformed UTF-8 repaired, unsound spans left out; each counted. Confined to
// one thread.
//
// The caller adds a resource and a scope, then spans: their attributes first,
// then events and links with theirs, then PushSpan() or RollBack().
class OtlpBatch {
 public:
  struct SpanRow {
    model::TraceId trace_id;
    model::SpanId span_id;
    model::SpanId parent_span_id;
    UnixNanos start;
    UnixNanos end;
    model::AttrRange attributes;
    model::StringCode name = 0;
    uint32_t flags = 0;
    model::SpanKind kind = model::SpanKind::kUnspecified;
    model::StatusCode status = model::StatusCode::kUnset;
    // Zero in nearly all spans.
    model::StringCode trace_state = 0;
    model::StringCode status_message = 0;
    uint32_t dropped_attributes = 0;
    uint32_t dropped_events = 0;
    uint32_t dropped_links = 0;
  };
  struct LinkRow {
    model::TraceId trace_id;
    model::SpanId span_id;
    model::StringCode trace_state = 0;
    uint32_t flags = 0;
    uint32_t dropped_attributes = 0;
    model::AttrRange attributes;
  };
  // Where the tables that belong to spans end.
  struct Mark {
    size_t attributes;
    size_t events;
    size_t links;
  };

  // `text` becomes the batch's text. `options` must outlive this.
  OtlpBatch(std::string text, const OtlpDecodeOptions& options);
  OtlpBatch(const OtlpBatch&) = delete;  // text() may lie inside the object
  OtlpBatch& operator=(const OtlpBatch&) = delete;

  model::SpanBatchData& data() { return data_; }
  std::string_view text() const { return text_; }
  telemetry::DropCounts& counts() { return counts_; }

  // A group is added, then filled, then ended with what was found out about
  // it; one of which no span was kept is forgotten, with its attributes since
  // `mark`: a service of which nothing was heard must not be listed.
  void BeginResource() { data_.resources.emplace_back(); }
  void EndResource(const model::Resource& resource, const Mark& mark);
  void BeginScope();
  // Sets `scope`'s resource.
  void EndScope(model::Scope scope, const Mark& mark);

  // A text, repaired if need be. Borrowed: it lies in text().
  model::StringCode AddBorrowedText(std::string_view text) {
    if (!IsAscii(text) && !IsValidUtf8(text)) [[unlikely]] {
      return AddRepaired(text);
    }
    return AddBorrowedBytes(text);
  }
  model::StringCode AddText(std::string_view text);
  // Bytes as they are.
  model::StringCode AddBorrowedBytes(std::string_view bytes) {
    if (bytes.empty()) return 0;
    data_.strings.push_back({static_cast<uint32_t>(bytes.data() - text_.data()),
                             static_cast<uint32_t>(bytes.size())});
    return static_cast<model::StringCode>(data_.strings.size() - 1);
  }
  model::StringCode AddBytes(std::string_view bytes) {
    return builder_.AddString(bytes);
  }

  // One list of attributes at a time. AddBorrowedAttribute: the key and the
  // value's bytes lie in text().
  void BeginList() {
    ++list_;
    list_begin_ = static_cast<uint32_t>(data_.attributes.size());
    list_cut_ = 0;
  }
  NestedFault AddBorrowedAttribute(std::string_view key,
                                   const model::AttrValue& value);
  // Adds the records with this one-byte `tag` at the front of `bytes` that
  // are KeyValues of the usual form (otlp_plain_attributes.cc), and returns
  // what is left: it begins with another record, or with a KeyValue that
  // AddBorrowedAttribute() must see. `bytes` lies in text().
  std::string_view TakePlainAttributes(std::string_view bytes, uint8_t tag);
  NestedFault AddAttribute(std::string_view key, const model::AttrValue& value);
  // What was cut off is added to `dropped_attributes`.
  model::AttrRange EndList(uint32_t* dropped_attributes);

  void AddEvent(UnixNanos time, model::StringCode name,
                model::AttrRange attributes, uint32_t dropped_attributes);
  // Leaves out, and adds to `dropped_links`, a link that points nowhere and
  // says nothing (OpenTelemetry specification, Trace API, "Link").
  void AddLink(const LinkRow& link, uint32_t* dropped_links);

  Mark mark() const {
    return {data_.attributes.size(), data_.events.time.size(),
            data_.links.trace_id.size()};
  }
  // Forgets what was added since. Strings and keys stay: nobody refers to
  // them any more, or another span does.
  void RollBack(const Mark& mark);
  void Drop(telemetry::DropReason reason, const Mark& mark) {
    counts_.Add(reason);
    RollBack(mark);
  }

  // A reason to drop the span, judged by its ids.
  static std::optional<telemetry::DropReason> FaultOf(const SpanRow& span) {
    if (span.trace_id.IsZero()) return telemetry::DropReason::kZeroTraceId;
    if (span.span_id.IsZero()) return telemetry::DropReason::kZeroSpanId;
    return std::nullopt;
  }
  // Adds the span to the last scope.
  void PushSpan(const SpanRow& span);

  // The batch with its counts and the message for the sender. Nothing may be
  // called afterwards.
  OtlpDecoded Finish();

 private:
  // A key as it was last seen.
  struct Seen {
    uint32_t list = 0;   // in which list,
    uint32_t index = 0;  // and where in data_.attributes.
    // Spans of one kind have the same keys in the same order, so the key that
    // came after this one is likely to do so again.
    model::KeyCode next = 0;
    // Its KeyValue's bytes before the value's size: tag, size, key, tag;
    // in text_. Not seen yet: a size that no KeyValue has.
    size_t prefix_size = SIZE_MAX;
    const char* prefix = nullptr;
  };
  // What tells one key from another at a glance: its size, and its first and
  // last bytes. Up to 16 bytes that is all of it.
  struct KeyDigest {
    uint64_t first = 0;
    uint64_t last = 0;
    uint64_t size = 0;  // 0: a free entry; the empty key is not cached
    bool operator==(const KeyDigest&) const = default;
  };
  struct CachedKey {
    KeyDigest digest;
    const char* text = nullptr;
    model::KeyCode code = 0;
  };
  // Bits of the index into the direct-mapped cache in front of the builder's
  // key table,
  // 40 bytes each. Larger: fewer collisions between the keys of one sender
  // (some dozens); smaller: stays in the first-level cache.
  static constexpr int kCacheBits = 9;

  static KeyDigest DigestOf(std::string_view key);
  static size_t CacheSlot(const KeyDigest& digest);
  // The entry of `key`, or nullptr if the cache does not have it.
  const CachedKey* FindCached(std::string_view key,
                              const KeyDigest& digest) const {
    const CachedKey& cached = cached_keys_[CacheSlot(digest)];
    const bool same =
        cached.digest == digest && !key.empty() &&
        (key.size() <= 16 ||
         std::memcmp(cached.text + 8, key.data() + 8, key.size() - 16) == 0);
    return same ? &cached : nullptr;
  }
  model::KeyCode BorrowedKey(std::string_view key) {
    const CachedKey* cached = FindCached(key, DigestOf(key));
    return cached != nullptr ? cached->code : NewBorrowedKey(key);
  }
  model::KeyCode NewBorrowedKey(std::string_view key);
  model::KeyCode CopiedKey(std::string_view key);
  Seen* UsualKey(const char* key_value, size_t size, Seen* last);
  model::KeyCode WithSeen(model::KeyCode key);
  void ResizeSpans(size_t span_count);
  model::StringCode AddRepaired(std::string_view text);
  // Checks a kArray or kKvList; if its texts need repair, `repaired` becomes
  // its new bytes.
  NestedFault CheckNested(const model::AttrValue& value, std::string* repaired);
  void Put(model::KeyCode key, model::AttrType type, uint64_t payload);

  const OtlpDecodeOptions& options_;
  model::SpanBatchBuilder builder_;
  model::SpanBatchData& data_;   // the builder's
  const std::string_view text_;  // the batch's text as given
  telemetry::DropCounts counts_;
  std::array<CachedKey, 1 << kCacheBits> cached_keys_;
  std::vector<Seen> seen_;       // by key, at least as long as the keys
  model::KeyCode last_key_ = 0;  // the one before, for Seen::next
  uint32_t list_ = 0;
  uint32_t list_begin_ = 0;
  uint32_t list_cut_ = 0;
  // Rows of data_.spans that are filled; the columns are longer, so that one
  // look is enough to know that a span fits into all of them.
  size_t span_count_ = 0;
  size_t span_room_ = 0;
};

inline OtlpBatch::KeyDigest OtlpBatch::DigestOf(std::string_view key) {
  const char* p = key.data();
  const size_t size = key.size();
  KeyDigest digest{0, 0, size};
  if (size >= 8) {
    std::memcpy(&digest.first, p, 8);
    std::memcpy(&digest.last, p + size - 8, 8);
  } else if (size >= 4) {
    std::memcpy(&digest.first, p, 4);
    std::memcpy(&digest.last, p + size - 4, 4);
  } else if (size > 0) {
    digest.first = static_cast<uint8_t>(p[0]);
    digest.last = static_cast<uint64_t>(static_cast<uint8_t>(p[size / 2]))
                      << 8 |
                  static_cast<uint8_t>(p[size - 1]);
  }
  return digest;
}

inline size_t OtlpBatch::CacheSlot(const KeyDigest& digest) {
  const uint64_t mixed =
      (digest.first ^ (digest.last * 0x9e3779b97f4a7c15ull) ^ digest.size) *
      0xff51afd7ed558ccdull;
  return mixed >> (64 - kCacheBits);
}

inline void OtlpBatch::Put(model::KeyCode key, model::AttrType type,
                           uint64_t payload) {
  Seen& seen = seen_[key];
  if (seen.list == list_) [[unlikely]] {
    counts_.Add(telemetry::DropReason::kDuplicateAttributeKey);
    data_.attributes[seen.index] = {key, type, payload};
    return;
  }
  if (data_.attributes.size() - list_begin_ >= options_.max_attributes)
      [[unlikely]] {
    ++list_cut_;
    return;
  }
  seen = {list_, static_cast<uint32_t>(data_.attributes.size())};
  data_.attributes.push_back({key, type, payload});
}

inline void OtlpBatch::PushSpan(const SpanRow& span) {
  if (span.end < span.start) {
    counts_.Add(telemetry::DropReason::kEndBeforeStart);
  }
  model::SpanColumns& s = data_.spans;
  if (span_count_ == span_room_) [[unlikely]]
    ResizeSpans(2 * span_room_ + 16);
  const size_t i = span_count_++;
  s.trace_id[i] = span.trace_id;
  s.span_id[i] = span.span_id;
  s.parent_span_id[i] = span.parent_span_id;
  s.start[i] = span.start;
  s.end[i] = span.end;
  s.name[i] = span.name;
  s.scope[i] = static_cast<uint32_t>(data_.scopes.size() - 1);
  s.kind[i] = span.kind;
  s.status[i] = span.status;
  s.flags[i] = span.flags;
  s.attributes[i] = span.attributes;
  s.events_end[i] = static_cast<uint32_t>(data_.events.time.size());
  s.links_end[i] = static_cast<uint32_t>(data_.links.trace_id.size());
  // The columns hold zeros.
  if ((span.trace_state | span.status_message | span.dropped_attributes |
       span.dropped_events | span.dropped_links) == 0) [[likely]] {
    return;
  }
  s.trace_state[i] = span.trace_state;
  s.status_message[i] = span.status_message;
  s.dropped_attributes[i] = span.dropped_attributes;
  s.dropped_events[i] = span.dropped_events;
  s.dropped_links[i] = span.dropped_links;
}

}  // namespace khtrace::codec
