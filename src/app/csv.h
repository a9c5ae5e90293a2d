// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace khtrace::app {

// Writes RFC 4180: fields with commas, quotes or line ends in quotes; lines
// end with "\r\n". A field that a spreadsheet would take for a formula keeps
// its text: it is data, and an apostrophe would change it.
class CsvWriter {
 public:
  explicit CsvWriter(std::string* out) : out_(*out) {}

  void Field(std::string_view text) {
    if (!first_) out_ += ',';
    first_ = false;
    if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
      out_ += text;
      return;
    }
    out_ += '"';
    for (const char c : text) {
      if (c == '"') out_ += '"';
      out_ += c;
    }
    out_ += '"';
  }
  void EndLine() {
    out_ += "\r\n";
    first_ = true;
  }

 private:
  std::string& out_;
  bool first_ = true;
};

}  // namespace khtrace::app
