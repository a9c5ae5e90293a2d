// SPDX-License-Identifier: Apache-2.0
// The attributes that nine tenths of a request consist of, in the form that
// every SDK writes them:
//
//   attribute := tag size 0x0a key_size key 0x12 value_size value
//   value     := 0x0a size text | 0x18 varint | 0x10 bool | 0x21 double
//
// Each size below 0x80, so one byte, and exactly what it encloses. Whatever
// differs, is repeated or is not ASCII is left to the general way, which
// knows every form.
#include <algorithm>
#include <cstring>

#include "codec/otlp_batch.h"
#include "codec/short_bytes.h"

namespace khtrace::codec {
namespace {

using model::AttrType;

// Attributes that are gathered before they go to the batch. Larger: more
// stack; smaller: more appends to the batch's vectors.
constexpr size_t kMaxStaged = 32;

// Bytes from the start of a record within which all that is looked at lies:
// the longest record, and what is read at once behind its last byte.
constexpr size_t kRecordReach = 2 + 0x7f + kShortBytes;

// Not set to zero first.
union StagedStrings {
  StagedStrings() {}
  model::StringRef refs[kMaxStaged];
};

uint64_t Load64(const char* p) {
  uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}
uint8_t Byte(const char* p) { return static_cast<uint8_t>(*p); }

// kShortBytes are readable behind either.
[[gnu::always_inline]] inline bool SameBytes(const char* a, const char* b,
                                             size_t size) {
  return size <= kShortBytes ? SameShortBytes(a, b, size)
                             : std::memcmp(a, b, size) == 0;
}
[[gnu::always_inline]] inline bool IsPlainText(const char* p, size_t size) {
  return size <= kShortBytes ? IsShortAscii(p, size) : IsAscii({p, size});
}

// The integer whose varint fills the `size` bytes at `p`. False if it is of
// another form.
[[gnu::always_inline]] inline bool ReadWholeVarint(const char* p, size_t size,
                                                   uint64_t* out) {
  if (size > 9) return false;
  uint64_t bits = 0;
  for (size_t i = 0; i + 1 < size; ++i) {
    if (Byte(p + i) < 0x80) return false;
    bits |= static_cast<uint64_t>(Byte(p + i) & 0x7f) << (7 * i);
  }
  *out = bits | static_cast<uint64_t>(Byte(p + size - 1)) << (7 * (size - 1));
  return Byte(p + size - 1) < 0x80;
}

// A value that is not a string: the `size` >= 2 bytes of AnyValue's other
// plain forms.
[[gnu::always_inline]] inline bool ReadPlainNumber(const char* p, size_t size,
                                                   model::Attr* out) {
  switch (Byte(p)) {
    case 0x18:
      out->type = AttrType::kInt;
      return ReadWholeVarint(p + 1, size - 1, &out->payload);
    case 0x10:
      out->type = AttrType::kBool;
      out->payload = Byte(p + 1);
      return size == 2 && out->payload <= 1;
    case 0x21:
      out->type = AttrType::kDouble;
      if (size != 9) return false;
      out->payload = Load64(p + 1);
      return true;
    default:
      return false;
  }
}

}  // namespace

// The entry of the key of the KeyValue at `p`, which has `size` bytes.
// nullptr if it is not of the usual form or the key is new. `last`: the entry
// of the key before, which learns what came after it.
[[gnu::always_inline]] inline OtlpBatch::Seen* OtlpBatch::UsualKey(
    const char* p, size_t size, Seen* last) {
  Seen* const guess = seen_.data() + last->next;
  if (guess->prefix_size < size &&
      SameBytes(p, guess->prefix, guess->prefix_size)) [[likely]] {
    return guess;
  }
  if (size < 4 || Byte(p) != 0x0a) return nullptr;
  const size_t key_size = Byte(p + 1);
  if (key_size + 3 >= size || Byte(p + key_size + 2) != 0x12) return nullptr;
  const std::string_view text(p + 2, key_size);
  const CachedKey* cached = FindCached(text, DigestOf(text));
  if (cached == nullptr) return nullptr;
  Seen* const found = seen_.data() + cached->code;
  found->prefix = p;
  found->prefix_size = key_size + 3;
  last->next = cached->code;
  return found;
}

std::string_view OtlpBatch::TakePlainAttributes(std::string_view bytes,
                                                uint8_t tag) {
  std::array<model::Attr, kMaxStaged> attributes;
  StagedStrings strings;
  size_t string_count = 0;
  model::Attr* out = attributes.data();
  const auto first = static_cast<uint32_t>(data_.attributes.size());
  const uint64_t first_string = data_.strings.size();
  const model::Attr* const out_end =
      out +
      std::min(kMaxStaged, options_.max_attributes - (first - list_begin_));
  Seen* last = seen_.data() + last_key_;
  const char* p = bytes.data();
  const char* const end = p + bytes.size();
  // The last records of a request go the general way.
  const size_t within = text_.size() - std::min(text_.size(), kRecordReach);
  const char* const safe_end = std::min(end, text_.data() + within);
  while (p < safe_end && Byte(p) == tag && out != out_end) {
    const size_t size = Byte(p + 1);
    if (size >= 0x80 || size + 2 > static_cast<size_t>(end - p)) break;
    Seen* const key = UsualKey(p + 2, size, last);
    if (key == nullptr || key->list == list_) break;
    const char* const value = p + 2 + key->prefix_size + 1;
    const char* const next = p + 2 + size;
    const size_t value_size = Byte(value - 1);
    if (value_size < 2 || value + value_size != next) break;
    if (Byte(value) == 0x0a) {
      const size_t text_size = value_size - 2;
      if (Byte(value + 1) != text_size || !IsPlainText(value + 2, text_size)) {
        break;
      }
      out->type = AttrType::kString;
      out->payload = text_size == 0 ? 0 : first_string + string_count;
      strings.refs[string_count] = {
          static_cast<uint32_t>(value + 2 - text_.data()),
          static_cast<uint32_t>(text_size)};
      string_count += text_size != 0;
    } else if (!ReadPlainNumber(value, value_size, out)) {
      break;
    }
    out->key = static_cast<model::KeyCode>(key - seen_.data());
    key->list = list_;
    key->index = first + static_cast<uint32_t>(out - attributes.data());
    ++out;
    last = key;
    p = next;
  }
  last_key_ = static_cast<model::KeyCode>(last - seen_.data());
  data_.attributes.insert(data_.attributes.end(), attributes.data(), out);
  data_.strings.insert(data_.strings.end(), strings.refs,
                       strings.refs + string_count);
  return {p, static_cast<size_t>(end - p)};
}

}  // namespace khtrace::codec
