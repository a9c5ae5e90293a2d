// SPDX-License-Identifier: Apache-2.0
#include "traceql/lexer.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "traceql/utf8.h"

namespace khtrace::traceql {
namespace {

// Longest first among those that begin alike.
constexpr std::array<std::string_view, 35> kSymbols = {
    "!>>", "!<<", "&>>", "&<<", "&&", "||", "!=", "=~", "!~", "!>", "!<", ">>",
    "<<",  ">=",  "<=",  "&>",  "&<", "&~", "!",  "|",  "=",  ">",  "<",  "~",
    "+",   "-",   "*",   "/",   "%",  "^",  ",",  "(",  ")",  "{",  "}"};

// Words that, directly followed by '.', begin an attribute.
constexpr std::array<std::pair<std::string_view, AttributeScope>, 5>
    kDottedScopes = {{{"span", AttributeScope::kSpan},
                      {"resource", AttributeScope::kResource},
                      {"event", AttributeScope::kEvent},
                      {"link", AttributeScope::kLink},
                      {"instrumentation", AttributeScope::kInstrumentation}}};

// Words that, directly followed by ':', begin an intrinsic.
constexpr std::array<std::string_view, 6> kColonScopes = {
    "span", "trace", "event", "link", "instrumentation", "perf"};

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// Every character outside ASCII counts as a letter: no operator is one, so
// what it begins is an unknown word, shown as a whole in the message.
bool IsWordStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

}  // namespace

Lexer::Lexer(std::string_view query) : query_(query) {}

char32_t Lexer::PeekRune() const { return FirstRune(query_.substr(offset_)); }

void Lexer::Advance(size_t bytes) {
  for (size_t end = offset_ + bytes; offset_ < end;) {
    if (query_[offset_] == '\n') {
      ++position_.line;
      position_.column = 1;
    } else {
      ++position_.column;
    }
    offset_ += RuneBytes(query_[offset_]);
  }
}

bool Lexer::Fail(Position position, std::string message,
                 std::string suggestion) {
  diagnostic_.position = position;
  diagnostic_.message = std::move(message);
  diagnostic_.suggestion = std::move(suggestion);
  return false;
}

bool Lexer::SkipBlockComment() {
  const Position start = position_;
  const size_t end = query_.find("*/", offset_ + 2);
  if (end == query_.npos) {
    return Fail(start, "the comment that begins here is not closed by */");
  }
  Advance(end + 2 - offset_);
  return true;
}

bool Lexer::SkipBlanks() {
  while (!AtEnd()) {
    if (Peek() == '/' && Peek(1) == '/') {
      const size_t end = query_.find('\n', offset_);
      Advance((end == query_.npos ? query_.size() : end) - offset_);
    } else if (Peek() == '/' && Peek(1) == '*') {
      if (!SkipBlockComment()) return false;
    } else if (IsSpaceRune(PeekRune())) {
      Advance(RuneBytes(Peek()));
    } else {
      break;
    }
  }
  return true;
}

bool Lexer::Next(Token* token) {
  if (!SkipBlanks()) return false;
  token->position = position_;
  token->offset_bytes = offset_;
  bool ok = true;
  const char c = Peek();
  if (AtEnd()) {
    token->kind = TokenKind::kEnd;
  } else if (IsDigit(c) || (c == '.' && IsDigit(Peek(1)))) {
    ok = ReadNumber(token);
  } else if (c == '.') {
    Advance(1);
    ok = ReadAttribute(AttributeScope::kAny, false, token);
  } else if (IsWordStart(c)) {
    ok = ReadWord(token);
  } else if (c == '"') {
    ok = ReadString(token);
  } else if (c == '`') {
    ok = ReadRawString(token);
  } else {
    ReadSymbol(token);
  }
  token->source =
      query_.substr(token->offset_bytes, offset_ - token->offset_bytes);
  return ok;
}

bool Lexer::ReadWord(Token* token) {
  const size_t start = offset_;
  while (!AtEnd() && (IsWordStart(Peek()) || IsDigit(Peek())) &&
         !IsSpaceRune(PeekRune())) {
    Advance(RuneBytes(Peek()));
  }
  const std::string_view word = query_.substr(start, offset_ - start);
  if (Peek() == '.') {
    for (const auto& [name, scope] : kDottedScopes) {
      if (word != name) continue;
      Advance(1);
      return ReadAttribute(scope, false, token);
    }
    if (word == "parent") {
      Advance(1);
      for (const AttributeScope scope :
           {AttributeScope::kSpan, AttributeScope::kResource}) {
        const std::string inner = std::string(ScopeName(scope)) + ".";
        if (query_.substr(offset_, inner.size()) != inner) continue;
        Advance(inner.size());
        return ReadAttribute(scope, true, token);
      }
      return ReadAttribute(AttributeScope::kAny, true, token);
    }
  }
  token->kind = TokenKind::kWord;
  if (Peek() == ':') {
    for (const std::string_view scope : kColonScopes) {
      if (word != scope) continue;
      Advance(1);
      token->kind = TokenKind::kScope;
      break;
    }
  }
  token->text = query_.substr(start, offset_ - start);
  return true;
}

// A name goes on over everything but IsNameRune's exceptions, and over quoted
// pieces, which may hold anything: span.a"b c"d is "ab cd".
bool Lexer::ReadAttribute(AttributeScope scope, bool parent, Token* token) {
  token->kind = TokenKind::kAttribute;
  token->attribute = {};
  token->attribute.scope = scope;
  token->attribute.parent = parent;
  token->attribute.position = token->position;
  std::string* name = &token->attribute.name;
  const size_t start = offset_;
  while (!AtEnd()) {
    if (Peek() == '"') {
      if (!ReadQuotedPiece(name)) return false;
      continue;
    }
    if (!IsNameRune(PeekRune())) break;
    const size_t length = RuneBytes(Peek());
    name->append(query_.substr(offset_, length));
    Advance(length);
  }
  if (offset_ != start) return true;
  const std::string_view before =
      query_.substr(token->offset_bytes, offset_ - token->offset_bytes);
  return Fail(position_,
              fmt::format("syntax error: an attribute name must follow '{}' "
                          "directly",
                          before));
}

bool Lexer::ReadQuotedPiece(std::string* name) {
  const Position start = position_;
  Advance(1);
  while (!AtEnd()) {
    const char c = Peek();
    if (c == '"') {
      Advance(1);
      return true;
    }
    if (c == '\\') {
      if (Peek(1) != '"' && Peek(1) != '\\') {
        return Fail(position_,
                    "invalid escape sequence in a quoted attribute name: only "
                    "\\\" and \\\\ exist there");
      }
      Advance(1);
    }
    const size_t length = RuneBytes(Peek());
    name->append(query_.substr(offset_, length));
    Advance(length);
  }
  return Fail(start,
              "syntax error: unexpected the end of the query, expecting "
              "\" to close the attribute name that begins here");
}

void Lexer::ReadSymbol(Token* token) {
  token->kind = TokenKind::kSymbol;
  const std::string_view rest = query_.substr(offset_);
  for (const std::string_view symbol : kSymbols) {
    if (rest.substr(0, symbol.size()) != symbol) continue;
    Advance(symbol.size());
    return;
  }
  // The parser knows better what belongs here.
  token->kind = TokenKind::kUnknown;
  Advance(1);
}

}  // namespace khtrace::traceql
