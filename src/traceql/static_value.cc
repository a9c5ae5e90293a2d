// SPDX-License-Identifier: Apache-2.0
#include "traceql/static_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>

#include "base/text.h"

namespace khtrace::traceql {
namespace {

bool IsControl(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

// Raw strings hold everything but a backtick; a carriage return in one would
// be dropped by the lexer, and control characters are better seen.
bool FitsBackticks(std::string_view text) {
  return IsValidUtf8(text) && text.find('`') == text.npos &&
         std::none_of(text.begin(), text.end(), IsControl);
}

void AppendEscaped(char c, std::string* out) {
  switch (c) {
    case '"':
      *out += "\\\"";
      return;
    case '\\':
      *out += "\\\\";
      return;
    case '\n':
      *out += "\\n";
      return;
    case '\r':
      *out += "\\r";
      return;
    case '\t':
      *out += "\\t";
      return;
    default:
      *out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
}

std::string Quote(std::string_view text) {
  const bool escapes = text.find_first_of("\"\\") != text.npos;
  if (escapes && FitsBackticks(text)) return fmt::format("`{}`", text);
  // Bytes that are no UTF-8 can only be written as escapes.
  const bool utf8 = IsValidUtf8(text);
  std::string out = "\"";
  for (const char c : text) {
    const bool plain = c != '"' && c != '\\' && !IsControl(c) &&
                       (utf8 || static_cast<unsigned char>(c) < 0x80);
    if (plain) {
      out.push_back(c);
    } else {
      AppendEscaped(c, &out);
    }
  }
  out.push_back('"');
  return out;
}

struct Printer {
  std::string operator()(Nil) const { return "nil"; }
  std::string operator()(int64_t v) const {
    // Its digits alone do not fit: '-' is an operator of its own.
    if (v == std::numeric_limits<int64_t>::min()) return "minInt";
    return fmt::format("{}", v);
  }
  std::string operator()(double v) const {
    std::string out = fmt::format("{}", v);
    if (out.find_first_of(".en") == out.npos) out += ".0";
    return out;
  }
  std::string operator()(const std::string& v) const { return Quote(v); }
  std::string operator()(bool v) const { return v ? "true" : "false"; }
  std::string operator()(std::chrono::nanoseconds v) const {
    return FormatGoDuration(v);
  }
  std::string operator()(model::StatusCode v) const {
    return std::string(StatusName(v));
  }
  std::string operator()(model::SpanKind v) const {
    return std::string(KindName(v));
  }
  template <typename T>
  std::string operator()(const std::vector<T>& values) const {
    std::string out = "[";
    for (const T& v : values) {
      if (out.size() > 1) out += ", ";
      out += (*this)(v);
    }
    return out + "]";
  }
};

}  // namespace

std::string_view TypeName(Type type) {
  constexpr std::array<std::string_view, 13> kNames = {"nil",
                                                       "int",
                                                       "float",
                                                       "string",
                                                       "bool",
                                                       "duration",
                                                       "status",
                                                       "kind",
                                                       "array of int",
                                                       "array of float",
                                                       "array of string",
                                                       "array of bool",
                                                       "attribute"};
  return kNames[static_cast<size_t>(type)];
}

bool IsNumeric(Type type) {
  return type == Type::kInt || type == Type::kFloat || type == Type::kDuration;
}

std::string ToString(const Static& value) {
  return std::visit(Printer(), value.value);
}

std::string_view StatusName(model::StatusCode status) {
  constexpr std::array<std::string_view, 3> kNames = {"unset", "ok", "error"};
  const auto index = static_cast<size_t>(status);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

std::string_view KindName(model::SpanKind kind) {
  constexpr std::array<std::string_view, 6> kNames = {
      "unspecified", "internal", "server", "client", "producer", "consumer"};
  const auto index = static_cast<size_t>(kind);
  return index < kNames.size() ? kNames[index] : kNames[0];
}

}  // namespace khtrace::traceql
