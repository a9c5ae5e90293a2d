// SPDX-License-Identifier: Apache-2.0
#include "api/logfmt.h"

#include <fmt/format.h>
#include <simdjson.h>

namespace khtrace::api {
namespace {

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  Result<LogfmtPairs> Read() {
    LogfmtPairs pairs;
    for (SkipBlanks(); at_ < text_.size(); SkipBlanks()) {
      ASSIGN_OR_RETURN(std::string key, ReadKey());
      std::string value;
      if (Peek() == '=') {
        ++at_;
        ASSIGN_OR_RETURN(value, ReadValue());
      }
      pairs.emplace_back(std::move(key), std::move(value));
    }
    return pairs;
  }

 private:
  static bool IsBlank(char c) { return static_cast<uint8_t>(c) <= ' '; }
  // NUL, a blank, behind the end.
  char Peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void SkipBlanks() {
    while (at_ < text_.size() && IsBlank(text_[at_])) ++at_;
  }

  Error Unexpected() const {
    return {Code::kInvalidArgument,
            fmt::format("logfmt syntax error at pos {}: unexpected '{}'",
                        at_ + 1, Peek())};
  }

  Result<std::string> ReadKey() {
    const size_t begin = at_;
    while (!IsBlank(Peek()) && Peek() != '=' && Peek() != '"') ++at_;
    if (at_ == begin || Peek() == '"') return Unexpected();
    return std::string(text_.substr(begin, at_ - begin));
  }

  Result<std::string> ReadValue() {
    if (Peek() == '"') return ReadQuoted();
    const size_t begin = at_;
    while (!IsBlank(Peek())) {
      if (Peek() == '=' || Peek() == '"') return Unexpected();
      ++at_;
    }
    return std::string(text_.substr(begin, at_ - begin));
  }

  Result<std::string> ReadQuoted() {
    const size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') {
      at_ += text_[at_] == '\\' ? 2 : 1;
    }
    if (at_ >= text_.size()) {
      return Error{Code::kInvalidArgument,
                   fmt::format("logfmt syntax error at pos {}: "
                               "unterminated quoted value",
                               begin + 1)};
    }
    ++at_;
    simdjson::dom::parser parser;
    const simdjson::padded_string json(text_.substr(begin, at_ - begin));
    std::string_view value;
    if (parser.parse(json).get_string().get(value) != simdjson::SUCCESS) {
      return Error{Code::kInvalidArgument,
                   fmt::format("logfmt syntax error at pos {}: "
                               "invalid quoted value",
                               begin + 1)};
    }
    return std::string(value);
  }

  const std::string_view text_;
  size_t at_ = 0;
};

}  // namespace

Result<LogfmtPairs> ParseLogfmt(std::string_view text) {
  return Reader(text).Read();
}

}  // namespace khtrace::api
