// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <limits>
#include <optional>

#include "base/text.h"
#include "traceql/lexer.h"
#include "traceql/utf8.h"

namespace khtrace::traceql {
namespace {

constexpr std::string_view kMicro = "\xc2\xb5";  // U+00B5

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

int HexValue(char c) {
  if (IsDigit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// Reads `digits` digits of `base` at `text`; nullopt if they are not there.
std::optional<uint32_t> ReadDigits(std::string_view text, size_t digits,
                                   uint32_t base) {
  if (text.size() < digits) return std::nullopt;
  uint32_t value = 0;
  for (size_t i = 0; i < digits; ++i) {
    const int digit = HexValue(text[i]);
    if (digit < 0 || digit >= static_cast<int>(base)) return std::nullopt;
    value = value * base + static_cast<uint32_t>(digit);
  }
  return value;
}

char SimpleEscape(char c) {
  constexpr std::string_view kFrom = "abfnrtv\\\"";
  constexpr std::string_view kTo = "\a\b\f\n\r\t\v\\\"";
  const size_t at = kFrom.find(c);
  return at == kFrom.npos ? '\0' : kTo[at];
}

// Appends the value of the escape at `text`, which begins after its backslash;
// returns its length or 0 if there is no such escape.
size_t TakeEscape(std::string_view text, std::string* out) {
  if (text.empty()) return 0;
  if (const char simple = SimpleEscape(text[0])) {
    out->push_back(simple);
    return 1;
  }
  const bool octal = text[0] >= '0' && text[0] <= '7';
  const size_t prefix = octal ? 0 : 1;
  const size_t digits = octal            ? 3
                        : text[0] == 'x' ? 2
                        : text[0] == 'u' ? 4
                        : text[0] == 'U' ? 8
                                         : 0;
  if (digits == 0) return 0;
  const std::optional<uint32_t> value =
      ReadDigits(text.substr(prefix), digits, octal ? 8 : 16);
  if (!value) return 0;
  if (digits <= 3) {  // one byte, which need not be UTF-8
    if (*value > 0xff) return 0;
    out->push_back(static_cast<char>(*value));
  } else {
    if (*value > 0x10ffff || (*value >= 0xd800 && *value < 0xe000)) return 0;
    AppendRune(*value, out);
  }
  return prefix + digits;
}

struct DurationUnit {
  std::string_view name;
  int64_t ns;
};
constexpr int64_t kMillisecond = 1'000'000;
constexpr int64_t kHour = 3600 * 1000 * kMillisecond;
constexpr std::array<DurationUnit, 7> kPrometheusUnits = {
    {{"y", 365 * 24 * kHour},
     {"w", 7 * 24 * kHour},
     {"d", 24 * kHour},
     {"h", kHour},
     {"m", kHour / 60},
     {"s", 1000 * kMillisecond},
     {"ms", kMillisecond}}};

std::string_view TakeLetters(std::string_view* text) {
  size_t length = 0;
  while (length < text->size() && (*text)[length] >= 'a' &&
         (*text)[length] <= 'z') {
    ++length;
  }
  const std::string_view letters = text->substr(0, length);
  text->remove_prefix(length);
  return letters;
}

bool ParsePrometheusDuration(std::string_view text, int64_t* out) {
  int64_t total = 0;
  size_t next_unit = 0;  // each at most once, in falling order
  while (!text.empty()) {
    int64_t value = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || !IsDigit(text[0])) return false;
    text.remove_prefix(static_cast<size_t>(end - text.data()));
    const std::string_view name = TakeLetters(&text);
    while (next_unit < kPrometheusUnits.size() &&
           kPrometheusUnits[next_unit].name != name) {
      ++next_unit;
    }
    if (next_unit == kPrometheusUnits.size()) return false;
    int64_t part = 0;
    if (__builtin_mul_overflow(value, kPrometheusUnits[next_unit].ns, &part) ||
        __builtin_add_overflow(total, part, &total)) {
      return false;
    }
    ++next_unit;
  }
  *out = total;
  return true;
}

// Digits, '.', and the letters of units: what may belong to a duration.
size_t DurationRunBytes(std::string_view text) {
  constexpr std::string_view kLetters = ".nsumhdwy";
  size_t length = 0;
  while (length < text.size()) {
    if (IsDigit(text[length]) || kLetters.find(text[length]) != kLetters.npos) {
      ++length;
    } else if (text.substr(length, kMicro.size()) == kMicro) {
      length += kMicro.size();
    } else {
      break;
    }
  }
  return length;
}

struct NumberShape {
  size_t bytes = 0;
  bool is_float = false;
  bool complete = true;  // false: an exponent without digits
};

NumberShape ScanNumber(std::string_view text) {
  NumberShape shape;
  size_t at = 0;
  const auto digits = [&] {
    const size_t start = at;
    while (at < text.size() && IsDigit(text[at])) ++at;
    return at - start;
  };
  digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    shape.is_float = true;
    digits();
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    shape.is_float = true;
    if (at < text.size() && (text[at] == '+' || text[at] == '-')) ++at;
    shape.complete = digits() > 0;
  }
  shape.bytes = at;
  return shape;
}

// Where the number that begins `text` would end, were it well formed: letters
// behind it belong to it.
size_t WordBytes(std::string_view text, size_t from) {
  constexpr std::string_view kOperators = "+-*/%^\"`'";
  size_t end = from;
  while (end < text.size() && IsNameRune(FirstRune(text.substr(end))) &&
         kOperators.find(text[end]) == kOperators.npos) {
    end += RuneBytes(text[end]);
  }
  return end;
}

}  // namespace

bool ParseDuration(std::string_view text, std::chrono::nanoseconds* out) {
  if (text.empty()) return false;
  int64_t ns = 0;
  if (ParsePrometheusDuration(text, &ns)) {
    *out = std::chrono::nanoseconds(ns);
    return true;
  }
  const auto go = ParseGoDuration(text);
  if (!go) return false;
  *out = *go;
  return true;
}

bool Unescape(std::string_view inside, std::string* out, size_t* bad) {
  for (size_t i = 0; i < inside.size();) {
    if (inside[i] != '\\') {
      out->push_back(inside[i++]);
      continue;
    }
    const size_t length = TakeEscape(inside.substr(i + 1), out);
    if (length == 0) {
      *bad = i;
      return false;
    }
    i += 1 + length;
  }
  return true;
}

bool Lexer::ReadString(Token* token) {
  token->kind = TokenKind::kString;
  token->text.clear();
  size_t end = offset_ + 1;
  while (end < query_.size() && query_[end] != '"' && query_[end] != '\n') {
    end += query_[end] == '\\' && end + 1 < query_.size() ? 2 : 1;
  }
  if (end >= query_.size() || query_[end] != '"') {
    return Fail(token->position,
                "the text that begins here is not closed by \" on its line",
                "texts in backticks may go over several lines");
  }
  const std::string_view inside = query_.substr(offset_ + 1, end - offset_ - 1);
  size_t bad = 0;
  if (!Unescape(inside, &token->text, &bad)) {
    Advance(1 + bad);
    return Fail(position_, "invalid char escape in a text",
                "write \\\\ for a backslash, or put the text into backticks");
  }
  Advance(end + 1 - offset_);
  return true;
}

// Carriage returns are dropped, as Go does: a query that went through a form
// on Windows means the same.
bool Lexer::ReadRawString(Token* token) {
  token->kind = TokenKind::kString;
  token->text.clear();
  const size_t end = query_.find('`', offset_ + 1);
  if (end == query_.npos) {
    return Fail(token->position,
                "the text that begins here is not closed by a backtick");
  }
  for (size_t i = offset_ + 1; i < end; ++i) {
    if (query_[i] != '\r') token->text.push_back(query_[i]);
  }
  Advance(end + 1 - offset_);
  return true;
}

bool Lexer::ReadNumber(Token* token) {
  const std::string_view rest = query_.substr(offset_);
  const NumberShape shape = ScanNumber(rest);
  const std::string_view text = rest.substr(0, WordBytes(rest, shape.bytes));
  if (DurationRunBytes(text.substr(shape.bytes)) == text.size() - shape.bytes &&
      text.size() > shape.bytes && ParseDuration(text, &token->duration)) {
    token->kind = TokenKind::kDuration;
    Advance(text.size());
    return true;
  }
  if (text.size() != shape.bytes || !shape.complete) {
    return Fail(
        token->position,
        fmt::format("'{}' is neither a number nor a duration", Shortened(text)),
        text[0] == '.' ? "quote a name that begins with a digit: .\"7zip\""
                       : "durations are written like 1.5s, 100ms or 1d12h");
  }
  const char* end = text.data() + text.size();
  if (!shape.is_float) {
    token->kind = TokenKind::kInt;
    const auto result = std::from_chars(text.data(), end, token->integer);
    if (result.ec == std::errc()) {
      Advance(shape.bytes);
      return true;
    }
  } else {
    // strtod, because from_chars does not tell too large from too small.
    token->kind = TokenKind::kFloat;
    token->number = std::strtod(std::string(text).c_str(), nullptr);
    if (token->number <= std::numeric_limits<double>::max()) {
      Advance(shape.bytes);
      return true;
    }
  }
  return Fail(token->position,
              fmt::format("the number {} is out of range: {}", Shortened(text),
                          shape.is_float ? "floats go up to 1.8e308"
                                         : "integers go up to 2^63 - 1"));
}

}  // namespace khtrace::traceql
