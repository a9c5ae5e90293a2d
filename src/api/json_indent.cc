// SPDX-License-Identifier: Apache-2.0
#include "api/json_indent.h"

#include <cstddef>

namespace khtrace::api {
namespace {

// Position behind the string that starts at `begin`.
size_t EndOfString(std::string_view json, size_t begin) {
  size_t i = begin + 1;
  while (i < json.size() && json[i] != '"') i += json[i] == '\\' ? 2 : 1;
  return i + 1;
}

}  // namespace

std::string IndentJson(std::string_view json) {
  constexpr size_t kBlanks = 4;
  std::string out;
  out.reserve(json.size() * 2);
  size_t depth = 0;
  const auto new_line = [&] {
    out += '\n';
    out.append(depth * kBlanks, ' ');
  };
  for (size_t i = 0; i < json.size(); ++i) {
    const char c = json[i];
    if (c == '"') {
      const size_t end = EndOfString(json, i);
      out += json.substr(i, end - i);
      i = end - 1;
    } else if (c == '{' || c == '[') {
      out += c;
      const bool empty = json.substr(i + 1, 1).find_first_of("}]") == 0;
      if (empty) {
        out += json[++i];
      } else {
        ++depth;
        new_line();
      }
    } else if (c == '}' || c == ']') {
      --depth;
      new_line();
      out += c;
    } else if (c == ',') {
      out += c;
      new_line();
    } else {
      out += c;
      if (c == ':') out += ' ';
    }
  }
  return out;
}

}  // namespace khtrace::api
