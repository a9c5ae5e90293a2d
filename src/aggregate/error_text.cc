// SPDX-License-Identifier: Apache-2.0
#include "aggregate/error_text.h"

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "base/hash.h"

namespace khtrace::aggregate {
namespace {

// Longer messages differ early or not at all.
constexpr size_t kMaxMessage = 200;
// A quoted text longer than this is prose between two apostrophes.
constexpr size_t kMaxQuoted = 512;
constexpr size_t kMaxFrame = 160;
constexpr size_t kFrames = 3;
// Stack traces of more lines are recursions.
constexpr size_t kMaxLines = 200;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsHex(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
// Bytes of other scripts belong to words.
bool IsWord(char c) {
  return IsDigit(c) || IsLetter(c) || c == '_' || (c & 0x80) != 0;
}

size_t WordLength(std::string_view text) {
  return static_cast<size_t>(
      std::find_if_not(text.begin(), text.end(), IsWord) - text.begin());
}

bool IsUuid(std::string_view text) {
  if (text.size() < 36) return false;
  for (size_t i = 0; i < 36; ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !IsHex(text[i])) return false;
  }
  return text.size() == 36 || !IsWord(text[36]);
}

bool IsHexWord(std::string_view word) {
  if (word.starts_with("0x") || word.starts_with("0X")) {
    return word.size() > 2 && std::all_of(word.begin() + 2, word.end(), IsHex);
  }
  return word.size() >= 8 && std::all_of(word.begin(), word.end(), IsHex) &&
         std::any_of(word.begin(), word.end(), IsDigit);
}

// Bytes of a number at the beginning: digits, with points and letters on them.
size_t NumberLength(std::string_view text) {
  size_t n = WordLength(text);
  while (n + 1 < text.size() && (text[n] == '.' || text[n] == ',') &&
         IsDigit(text[n + 1])) {
    n += 1 + WordLength(text.substr(n + 1));
  }
  return n;
}

// Bytes of a quoted text with its quotes, 0 if none begins here.
size_t QuotedLength(std::string_view text, bool after_word) {
  const char quote = text[0];
  if (quote != '"' && quote != '`' && quote != '\'') return 0;
  if (quote == '\'' && after_word) return 0;  // an apostrophe
  const size_t end = text.substr(0, kMaxQuoted).find(quote, 1);
  return end == std::string_view::npos ? 0 : end + 1;
}

// What begins `text` and its placeholder; 0 bytes: nothing to replace.
struct Token {
  size_t length = 0;
  std::string_view placeholder = {};
};
Token NextToken(std::string_view text, bool after_word) {
  if (const size_t n = QuotedLength(text, after_word))
    return {n, kQuotedPlaceholder};
  if (after_word || !IsWord(text[0])) return {};
  if (IsUuid(text)) return {36, kUuidPlaceholder};
  const size_t n = WordLength(text);
  if (IsHexWord(text.substr(0, n)) &&
      !std::all_of(text.begin(), text.begin() + static_cast<ptrdiff_t>(n),
                   IsDigit)) {
    return {n, kHexPlaceholder};
  }
  if (IsDigit(text[0])) return {NumberLength(text), kNumberPlaceholder};
  return {};
}

std::string_view Trim(std::string_view line) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  while (!line.empty() && blank(line.front())) line.remove_prefix(1);
  while (!line.empty() && blank(line.back())) line.remove_suffix(1);
  return line;
}

bool Contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

// A line that names a place in a program: "at f (file:1)", "File "x", line 1",
// "/path/file.go:12 +0x1", "#1 0x… in f file.cc:3".
bool IsFrame(std::string_view line) {
  if (line.starts_with("at ") || line.starts_with("File \"")) return true;
  if (line.starts_with('#') && line.size() > 1 && IsDigit(line[1])) return true;
  return Contains(line, ".go:") && line.find(' ') != 0;
}

constexpr std::array<std::string_view, 21> kForeignMarks = {
    "at java.",      "at javax.",      "at jdk.",       "at sun.",
    "at org.spring", "at org.apache.", "at io.netty.",  "at reactor.",
    "at System.",    "at Microsoft.",  "node:",         "node_modules",
    "<anonymous>)",  "site-packages",  "dist-packages", "/usr/lib/",
    "lib/python",    "/go/src/",       "/pkg/mod/",     "<frozen ",
    "/usr/include/"};

// Bit i: mark i has this character at `position`.
using MarkBits = std::array<uint32_t, 256>;
constexpr MarkBits MarksWith(size_t position) {
  MarkBits bits{};
  for (size_t i = 0; i < kForeignMarks.size(); ++i) {
    bits[static_cast<uint8_t>(kForeignMarks[i][position])] |= uint32_t{1} << i;
  }
  return bits;
}

// Whether a mark is anywhere in the line. All are looked for at once, by their
// second and fourth characters: few places of a line have both.
bool IsForeign(std::string_view line) {
  static constexpr MarkBits kSecond = MarksWith(1);
  static constexpr MarkBits kFourth = MarksWith(3);
  const auto at = [&](size_t i) { return static_cast<uint8_t>(line[i]); };
  for (size_t i = 0; i + 4 < line.size(); ++i) {
    uint32_t marks = kSecond[at(i + 1)] & kFourth[at(i + 3)];
    for (; marks != 0; marks &= marks - 1) {
      const auto mark = static_cast<size_t>(std::countr_zero(marks));
      if (line.substr(i).starts_with(kForeignMarks[mark])) return true;
    }
  }
  return false;
}

// Without what changes from build to build: numbers and addresses.
std::string FrameText(std::string_view line) {
  line = line.substr(0, kMaxFrame);
  std::string text;
  text.reserve(line.size());
  for (size_t i = 0; i < line.size(); ++i) {
    const bool position = i > 0 && !IsWord(line[i - 1]) && IsDigit(line[i]);
    if (!position) {
      text.push_back(line[i]);
      continue;
    }
    i += WordLength(line.substr(i)) - 1;
    text.push_back('*');
  }
  return text;
}

}  // namespace

std::string NormaliseMessage(std::string_view message) {
  std::string out;
  bool after_word = false;
  bool blank = false;
  while (!message.empty() && out.size() <= kMaxMessage) {
    const Token token = NextToken(message, after_word);
    const char c = message[0];
    const bool space = static_cast<uint8_t>(c) <= ' ';
    if (token.length > 0) {
      if (blank && !out.empty()) out.push_back(' ');
      out += token.placeholder;
      message.remove_prefix(token.length);
    } else {
      if (!space && blank && !out.empty()) out.push_back(' ');
      if (!space) out.push_back(c);
      message.remove_prefix(1);
    }
    blank = token.length == 0 && space;
    after_word = token.length > 0 || IsWord(c);
  }
  // Not within a character of UTF-8.
  size_t end = std::min(out.size(), kMaxMessage);
  while (end < out.size() && end > 0 && (out[end] & 0xc0) == 0x80) --end;
  out.resize(end);
  return out;
}

Frames OwnFrames(std::string_view stacktrace) {
  std::vector<std::string_view> lines;
  std::vector<std::string_view> own;
  const auto collect = [&](std::string_view line) {
    if (own.size() < kFrames && !IsForeign(line)) own.push_back(line);
  };
  bool python = false;  // the innermost frame is last
  for (size_t n = 0; !stacktrace.empty() && n < kMaxLines; ++n) {
    const size_t end = std::min(stacktrace.find('\n'), stacktrace.size());
    const std::string_view line = Trim(stacktrace.substr(0, end));
    stacktrace.remove_prefix(std::min(end + 1, stacktrace.size()));
    if (!IsFrame(line)) continue;
    python |= lines.empty() && line.starts_with("File \"");
    lines.push_back(line);
    if (!python) collect(line);
    if (own.size() == kFrames) break;
  }
  if (python) {
    std::reverse(lines.begin(), lines.end());
    for (const std::string_view line : lines) collect(line);
  }
  if (own.empty()) own = lines;
  if (own.size() > kFrames) own.resize(kFrames);
  Frames frames;
  uint64_t hash = 0;
  for (const std::string_view line : own) {
    const std::string text = FrameText(line);
    if (frames.top.empty()) frames.top = text;
    hash = Hash64(text, hash);
  }
  frames.hash = static_cast<uint32_t>(hash);
  return frames;
}

}  // namespace khtrace::aggregate
