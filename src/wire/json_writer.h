// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace khtrace::wire {

// Appends `text` as a JSON string, quotes included (RFC 8259). Control
// characters are escaped; malformed UTF-8 becomes U+FFFD, so that what we
// write always parses.
void AppendJsonString(std::string_view text, std::string* out);
// The shortest form that reads back as the same double; NaN and infinities
// as the strings "NaN", "Infinity", "-Infinity" (proto3 JSON).
void AppendJsonDouble(double value, std::string* out);

// Writes compact JSON straight into a string that outlives it: no tree, no
// allocation of its own. Commas are its business, correct nesting is the
// caller's. Confined to one thread.
//
//   JsonWriter w(&out);
//   w.BeginObject(); w.Key("data"); w.BeginArray(); … w.EndArray();
//   w.EndObject();
class JsonWriter {
 public:
  explicit JsonWriter(std::string* out) : out_(*out) {}

  void BeginObject() { Open('{'); }
  void EndObject() { Close('}'); }
  void BeginArray() { Open('['); }
  void EndArray() { Close(']'); }

  // `key` is written as it is: one of ours, without anything to escape.
  void Key(std::string_view key) {
    Separate();
    out_ += '"';
    out_ += key;
    out_ += "\":";
    need_comma_ = false;
  }
  // A key that came from outside.
  void EscapedKey(std::string_view key) {
    Separate();
    AppendJsonString(key, &out_);
    out_ += ':';
    need_comma_ = false;
  }

  void String(std::string_view text) {
    Separate();
    AppendJsonString(text, &out_);
    need_comma_ = true;
  }
  void Int(int64_t value);
  void Uint(uint64_t value);
  // 64-bit integers as proto3 JSON wants them: in quotes.
  void QuotedInt(int64_t value);
  void QuotedUint(uint64_t value);
  void Double(double value) {
    Separate();
    AppendJsonDouble(value, &out_);
    need_comma_ = true;
  }
  void Bool(bool value) { Raw(value ? "true" : "false"); }
  void Null() { Raw("null"); }
  // JSON text that is complete in itself.
  void Raw(std::string_view json) {
    Separate();
    out_ += json;
    need_comma_ = true;
  }

 private:
  void Separate() {
    if (need_comma_) out_ += ',';
  }
  void Open(char c) {
    Separate();
    out_ += c;
    need_comma_ = false;
  }
  void Close(char c) {
    out_ += c;
    need_comma_ = true;
  }

  std::string& out_;
  bool need_comma_ = false;
};

}  // namespace khtrace::wire
