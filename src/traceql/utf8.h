// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace khtrace::traceql {

// The length in bytes of the character that begins with `lead`.
inline size_t RuneBytes(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return 1;
  if (byte < 0xe0) return 2;
  return byte < 0xf0 ? 3 : 4;
}

// The first character of `text`, which is not empty and is valid UTF-8.
inline char32_t FirstRune(std::string_view text) {
  const size_t length = RuneBytes(text[0]);
  char32_t rune = static_cast<unsigned char>(text[0]);
  if (length > 1) rune &= 0x7fu >> length;
  for (size_t i = 1; i < length && i < text.size(); ++i) {
    rune = rune << 6 | (static_cast<unsigned char>(text[i]) & 0x3fu);
  }
  return rune;
}

// Removes the first character of `text` and returns it; see FirstRune.
inline char32_t TakeRune(std::string_view* text) {
  const char32_t rune = FirstRune(*text);
  const size_t length = RuneBytes((*text)[0]);
  text->remove_prefix(length < text->size() ? length : text->size());
  return rune;
}

// Appends `rune`, a Unicode scalar value.
inline void AppendRune(char32_t rune, std::string* out) {
  const auto tail = [&](int shift) {
    out->push_back(static_cast<char>(0x80 | (rune >> shift & 0x3f)));
  };
  if (rune < 0x80) {
    out->push_back(static_cast<char>(rune));
  } else if (rune < 0x800) {
    out->push_back(static_cast<char>(0xc0 | rune >> 6));
    tail(0);
  } else if (rune < 0x10000) {
    out->push_back(static_cast<char>(0xe0 | rune >> 12));
    tail(6), tail(0);
  } else {
    out->push_back(static_cast<char>(0xf0 | rune >> 18));
    tail(12), tail(6), tail(0);
  }
}

// `text`, valid UTF-8, or its beginning with "…" if it has more bytes: for
// messages, whose size must not follow that of the query.
inline std::string Shortened(std::string_view text, size_t max_bytes = 60) {
  if (text.size() <= max_bytes) return std::string(text);
  size_t end = max_bytes;
  while ((static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "…";
}

}  // namespace khtrace::traceql
