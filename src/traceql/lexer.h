// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"
#include "traceql/attribute.h"
#include "traceql/diagnostic.h"

namespace khtrace::traceql {

enum class TokenKind : uint8_t {
  kEnd,
  kWord,       // name, rate, true, foo: `text`
  kScope,      // span: trace: … with its colon: `text` is "span:"
  kAttribute,  // span.foo, ."a b": `attribute`
  kString,     // `text` is its value
  kInt,        // `integer`
  kFloat,      // `number`
  kDuration,   // `duration`
  kUnknown,    // a character that begins no token: `text` is empty
  kSymbol,     // operators, braces, parentheses, comma: `text`
};

struct Token {
  TokenKind kind = TokenKind::kEnd;
  Position position;
  size_t offset_bytes = 0;  // of its first byte
  std::string_view source;  // as written, borrowed from the query
  std::string text;
  Attribute attribute;
  int64_t integer = 0;
  double number = 0;
  std::chrono::nanoseconds duration{0};

  bool Is(std::string_view symbol) const {
    return kind == TokenKind::kSymbol && source == symbol;
  }
  bool IsWord(std::string_view word) const {
    return kind == TokenKind::kWord && source == word;
  }
};

// Cuts a query into tokens, one at a time, skipping white space and comments
// (`// …` to the end of the line, `/* … */`). What a word means is left to the
// parser: `name` is an intrinsic here and part of an attribute there.
// Confined to one thread. Borrows the query.
class Lexer {
 public:
  // `query` is valid UTF-8 and has no NUL.
  explicit Lexer(std::string_view query);

  // Reads the next token; kEnd again and again at the end. On false,
  // diagnostic() says why and the lexer is of no further use.
  bool Next(Token* token);
  const Diagnostic& diagnostic() const { return diagnostic_; }

  // The rest of the query after the last token, for suggestions.
  std::string_view rest() const { return query_.substr(offset_); }

 private:
  bool SkipBlanks();
  bool SkipBlockComment();
  bool ReadWord(Token* token);
  bool ReadAttribute(AttributeScope scope, bool parent, Token* token);
  bool ReadQuotedPiece(std::string* name);
  bool ReadString(Token* token);
  bool ReadRawString(Token* token);
  bool ReadNumber(Token* token);
  void ReadSymbol(Token* token);

  bool AtEnd() const { return offset_ == query_.size(); }
  // The character `ahead` bytes on, NUL past the end.
  char Peek(size_t ahead = 0) const {
    return offset_ + ahead < query_.size() ? query_[offset_ + ahead] : '\0';
  }
  char32_t PeekRune() const;
  // Goes on by `bytes`, which end at a character's end, keeping count of lines.
  void Advance(size_t bytes);
  bool Fail(Position position, std::string message,
            std::string suggestion = {});

  std::string_view query_;
  size_t offset_ = 0;
  Position position_{1, 1};
  Diagnostic diagnostic_;
};

// The value of a double-quoted literal's inside, which has Go's escapes:
// \a \b \f \n \r \t \v \\ \" \xHH \OOO \uXXXX \UXXXXXXXX. False with the
// offset of the offending backslash in `*bad`.
bool Unescape(std::string_view inside, std::string* out, size_t* bad);

// A duration in Prometheus' form ("1d12h", "2w", "1y"; integers, units in
// falling order, d = 24h, w = 7d, y = 365d) or in Go's ("1.5m", "1h1m1.001s").
// False if it is neither or beyond 292 years.
bool ParseDuration(std::string_view text, std::chrono::nanoseconds* out);

}  // namespace khtrace::traceql
