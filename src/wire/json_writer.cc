// SPDX-License-Identifier: Apache-2.0
#include "wire/json_writer.h"

#include <array>
#include <charconv>
#include <cmath>
#include <cstring>

#include "base/text.h"

namespace khtrace::wire {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

// What stands after the backslash for each byte: 0 = the byte needs no
// escape, 'u' = \u00XX, kCheckUtf8 = part of a multi-byte character.
constexpr char kCheckUtf8 = 1;
constexpr std::array<char, 256> kEscapes = [] {
  std::array<char, 256> escapes{};
  for (size_t c = 0; c < 0x20; ++c) escapes[c] = 'u';
  for (size_t c = 0x80; c < 0x100; ++c) escapes[c] = kCheckUtf8;
  escapes['"'] = '"';
  escapes['\\'] = '\\';
  escapes['\b'] = 'b';
  escapes['\f'] = 'f';
  escapes['\n'] = 'n';
  escapes['\r'] = 'r';
  escapes['\t'] = 't';
  return escapes;
}();

char EscapeOf(char c) { return kEscapes[static_cast<uint8_t>(c)]; }

void AppendEscape(char c, std::string* out) {
  const char escape = EscapeOf(c);
  *out += '\\';
  *out += escape;
  if (escape != 'u') return;
  *out += "00";
  *out += kHexDigits[static_cast<uint8_t>(c) >> 4];
  *out += kHexDigits[static_cast<uint8_t>(c) & 15];
}

// `text` is well-formed UTF-8.
void AppendEscaped(std::string_view text, std::string* out) {
  size_t copied = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (EscapeOf(text[i]) <= kCheckUtf8) [[likely]] {
      continue;
    }
    out->append(text, copied, i - copied);
    AppendEscape(text[i], out);
    copied = i + 1;
  }
  out->append(text, copied, text.size() - copied);
}

// Nearly every text has nothing to escape and is ASCII: seen eight bytes at a
// time by the usual tricks on words (a byte below 0x20, equal to a quote or to
// a backslash, or above 0x7f sets its high bit; false positives only cost the
// slow way).
bool IsPlain(std::string_view text) {
  constexpr uint64_t kOnes = 0x0101010101010101ull;
  constexpr uint64_t kHigh = 0x8080808080808080ull;
  size_t i = 0;
  for (; i + 8 <= text.size(); i += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + i, 8);
    const uint64_t quote = word ^ (kOnes * '"');
    const uint64_t backslash = word ^ (kOnes * '\\');
    const uint64_t bad =
        word | (word - kOnes * 0x20) | (quote - kOnes) | (backslash - kOnes);
    if (bad & kHigh) return false;
  }
  for (; i < text.size(); ++i) {
    if (EscapeOf(text[i]) != 0) return false;
  }
  return true;
}

template <typename Integer>
void AppendInteger(Integer value, std::string* out) {
  char buffer[24];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  out->append(buffer, result.ptr);
}

}  // namespace

void AppendJsonString(std::string_view text, std::string* out) {
  *out += '"';
  if (IsPlain(text)) [[likely]] {
    out->append(text);
  } else if (IsValidUtf8(text)) {
    AppendEscaped(text, out);
  } else {
    AppendEscaped(SanitizeUtf8(text), out);
  }
  *out += '"';
}

void AppendJsonDouble(double value, std::string* out) {
  if (std::isnan(value)) {
    *out += "\"NaN\"";
    return;
  }
  if (std::isinf(value)) {
    *out += value > 0 ? "\"Infinity\"" : "\"-Infinity\"";
    return;
  }
  char buffer[32];
  const auto result = std::to_chars(buffer, buffer + sizeof(buffer), value);
  const std::string_view text(buffer, result.ptr - buffer);
  out->append(text);
  // Without a fraction it is an integer to most readers: of zeroes they lose
  // the sign, and many refuse one over 64 bits.
  const bool integer = text.find_first_of(".e") == std::string_view::npos;
  if (integer && (text.size() > 15 || text == "-0")) *out += ".0";
}

void JsonWriter::Int(int64_t value) {
  Separate();
  AppendInteger(value, &out_);
  need_comma_ = true;
}

void JsonWriter::Uint(uint64_t value) {
  Separate();
  AppendInteger(value, &out_);
  need_comma_ = true;
}

void JsonWriter::QuotedInt(int64_t value) {
  Separate();
  out_ += '"';
  AppendInteger(value, &out_);
  out_ += '"';
  need_comma_ = true;
}

void JsonWriter::QuotedUint(uint64_t value) {
  Separate();
  out_ += '"';
  AppendInteger(value, &out_);
  out_ += '"';
  need_comma_ = true;
}

}  // namespace khtrace::wire
