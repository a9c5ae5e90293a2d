// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <simdjson.h>

#include <charconv>
#include <cstdint>
#include <string_view>

// Fields of answers in protobuf's JSON: what is zero is left out, 64-bit
// integers are in quotes.

namespace khtrace::app {

// Empty without the field, or when it is no text.
inline std::string_view TextOf(const simdjson::dom::element& object,
                               const char* key) {
  std::string_view text;
  if (object[key].get(text) != simdjson::SUCCESS) return {};
  return text;
}

// 0 likewise.
inline uint64_t NumberOf(const simdjson::dom::element& object,
                         const char* key) {
  uint64_t number = 0;
  if (object[key].get(number) == simdjson::SUCCESS) return number;
  const std::string_view text = TextOf(object, key);
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

// 0 likewise; of a number with a fraction.
inline double FigureOf(const simdjson::dom::element& object, const char* key) {
  double figure = 0;
  return object[key].get(figure) == simdjson::SUCCESS ? figure : 0;
}

}  // namespace khtrace::app
