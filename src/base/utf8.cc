// SPDX-License-Identifier: Apache-2.0
#include <cstring>

#include "base/text.h"

namespace khtrace {
namespace {

constexpr uint64_t kHighBits = 0x8080808080808080ull;

template <typename Word>
Word Load(const char* p) {
  Word word;
  std::memcpy(&word, p, sizeof(word));
  return word;
}

uint8_t Byte(const char* p) { return static_cast<uint8_t>(*p); }

// The first byte of [p, end) that is not ASCII, or `end`. Nearly every string
// of a span is short and all ASCII, so the tail is two overlapping loads
// instead of a loop over bytes.
const char* SkipAscii(const char* p, const char* end) {
  while (end - p >= 16) {
    if ((Load<uint64_t>(p) | Load<uint64_t>(p + 8)) & kHighBits) break;
    p += 16;
  }
  const ptrdiff_t left = end - p;
  if (left < 16 && left >= 8) {
    if (!((Load<uint64_t>(p) | Load<uint64_t>(end - 8)) & kHighBits)) {
      return end;
    }
  } else if (left < 8 && left >= 4) {
    constexpr auto kHighBits32 = static_cast<uint32_t>(kHighBits);
    if (!((Load<uint32_t>(p) | Load<uint32_t>(end - 4)) & kHighBits32)) {
      return end;
    }
  }
  while (p != end && Byte(p) < 0x80) ++p;
  return p;
}

struct Sequence {
  bool well_formed;
  // Of the character, or of the maximal malformed part: at least 1.
  int length_bytes;
};

// Reads one multi-byte sequence at `p` by table 3-7 of the Unicode standard:
// what the second byte may be depends on the first, the rest are 80..BF.
// `*p` is not ASCII.
Sequence ReadSequence(const char* p, const char* end) {
  const uint8_t lead = Byte(p);
  int length = 0;
  uint8_t low = 0x80;
  uint8_t high = 0xbf;
  if (lead >= 0xc2 && lead <= 0xdf) {
    length = 2;
  } else if (lead >= 0xe0 && lead <= 0xef) {
    length = 3;
    if (lead == 0xe0) low = 0xa0;   // shorter forms exist
    if (lead == 0xed) high = 0x9f;  // surrogates
  } else if (lead >= 0xf0 && lead <= 0xf4) {
    length = 4;
    if (lead == 0xf0) low = 0x90;   // shorter forms exist
    if (lead == 0xf4) high = 0x8f;  // beyond U+10FFFF
  } else {
    return {false, 1};
  }
  for (int i = 1; i < length; ++i) {
    if (p + i == end || Byte(p + i) < low || Byte(p + i) > high) {
      return {false, i};
    }
    low = 0x80;
    high = 0xbf;
  }
  return {true, length};
}

// The first byte that does not begin a well-formed character, or `end`.
const char* SkipWellFormed(const char* p, const char* end) {
  while ((p = SkipAscii(p, end)) != end) {
    while (p != end && Byte(p) >= 0x80) {
      const Sequence sequence = ReadSequence(p, end);
      if (!sequence.well_formed) return p;
      p += sequence.length_bytes;
    }
  }
  return p;
}

}  // namespace

bool IsValidUtf8(std::string_view text) {
  const char* end = text.data() + text.size();
  return SkipWellFormed(text.data(), end) == end;
}

std::string SanitizeUtf8(std::string_view text) {
  constexpr std::string_view kReplacement = "\xef\xbf\xbd";
  std::string out;
  out.reserve(text.size() + kReplacement.size());
  const char* p = text.data();
  const char* end = p + text.size();
  for (;;) {
    const char* stop = SkipWellFormed(p, end);
    out.append(p, stop);
    if (stop == end) return out;
    out.append(kReplacement);
    p = stop + ReadSequence(stop, end).length_bytes;
  }
}

}  // namespace khtrace
