// SPDX-License-Identifier: Apache-2.0
#include "app/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/text.h"

namespace khtrace::app {
namespace {

constexpr size_t kMinWidth = 60;
constexpr size_t kMaxWidth = 240;
constexpr size_t kDefaultWidth = 100;

// SGR codes by Style. The service colours are spread over the 256-colour
// cube, readable on dark and on light ground, and none of them is red.
constexpr std::array<std::string_view, 6 + kServiceStyles> kSgr{
    "",         "1",       "2",       "31",       "33",
    "32",       "38;5;33", "38;5;37", "38;5;133", "38;5;65",
    "38;5;136", "38;5;62", "38;5;30", "38;5;96"};

struct Range {
  char32_t first;
  char32_t last;
};
// Unicode 15: blocks whose characters are wide (East Asian Width W or F), and
// those that take no cell of their own. Whole blocks: a table that fits a
// screen, wrong only for rare characters.
constexpr std::array<Range, 13> kWide{{
    {0x1100, 0x115f},
    {0x2e80, 0x303e},
    {0x3041, 0x33ff},
    {0x3400, 0x4dbf},
    {0x4e00, 0x9fff},
    {0xa000, 0xa4cf},
    {0xac00, 0xd7a3},
    {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},
    {0xff00, 0xff60},
    {0xffe0, 0xffe6},
    {0x1f300, 0x1faff},
    {0x20000, 0x3fffd},
}};
constexpr std::array<Range, 6> kZero{{
    {0x0300, 0x036f},
    {0x1ab0, 0x1aff},
    {0x200b, 0x200f},
    {0x20d0, 0x20ff},
    {0xfe00, 0xfe0f},
    {0xfe20, 0xfe2f},
}};

template <size_t kSize>
bool In(const std::array<Range, kSize>& ranges, char32_t c) {
  return std::ranges::any_of(
      ranges, [c](Range r) { return c >= r.first && c <= r.last; });
}

size_t CellsOf(char32_t c) {
  if (c < 0x300) return 1;
  if (In(kZero, c)) return 0;
  return In(kWide, c) ? 2 : 1;
}

// The character that starts at `*pos` of well-formed text; moves past it.
char32_t NextChar(std::string_view text, size_t* pos) {
  const auto lead = static_cast<uint8_t>(text[(*pos)++]);
  if (lead < 0x80) return lead;
  const int more = lead >= 0xf0 ? 3 : lead >= 0xe0 ? 2 : 1;
  char32_t c = lead & (0x3f >> more);
  for (int i = 0; i < more && *pos < text.size(); ++i) {
    c = c << 6 | (static_cast<uint8_t>(text[(*pos)++]) & 0x3f);
  }
  return c;
}

bool LocaleIsUtf8(std::string_view locale) {
  if (locale.empty() || locale == "C" || locale == "POSIX") return false;
  const size_t dot = locale.find('.');
  if (dot == std::string_view::npos) return true;
  std::string encoding(locale.substr(dot + 1));
  std::ranges::transform(encoding, encoding.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  return encoding.starts_with("utf-8") || encoding.starts_with("utf8");
}

std::string_view Env(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

}  // namespace

std::optional<ColorMode> ParseColorMode(std::string_view text) {
  if (text == "auto") return ColorMode::kAuto;
  if (text == "always") return ColorMode::kAlways;
  if (text == "never") return ColorMode::kNever;
  return std::nullopt;
}

Terminal DecideTerminal(ColorMode mode, const TerminalFacts& facts) {
  Terminal terminal;
  terminal.color = mode == ColorMode::kAlways ||
                   (mode == ColorMode::kAuto && facts.is_tty &&
                    facts.no_color.empty() && facts.term != "dumb");
  // No locale at all, as in containers: what reads us is UTF-8 nowadays.
  terminal.utf8 = facts.locale.empty() || LocaleIsUtf8(facts.locale);
  size_t width = 0;
  std::from_chars(facts.columns.data(),
                  facts.columns.data() + facts.columns.size(), width);
  if (width == 0 && facts.is_tty) width = facts.tty_columns;
  if (width == 0) width = kDefaultWidth;
  terminal.width = std::clamp(width, kMinWidth, kMaxWidth);
  return terminal;
}

Terminal DetectTerminal(ColorMode mode) {
  TerminalFacts facts;
  facts.is_tty = isatty(STDOUT_FILENO) == 1;
  winsize size{};
  if (facts.is_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) {
    facts.tty_columns = size.ws_col;
  }
  facts.no_color = Env("NO_COLOR");
  facts.term = Env("TERM");
  facts.columns = Env("COLUMNS");
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    if (facts.locale.empty()) facts.locale = Env(name);
  }
  return DecideTerminal(mode, facts);
}

Style ServiceStyle(size_t index) {
  return static_cast<Style>(static_cast<size_t>(Style::kService0) +
                            index % kServiceStyles);
}

std::string Paint(const Terminal& terminal, Style style,
                  std::string_view text) {
  const std::string_view sgr = kSgr[static_cast<size_t>(style)];
  if (!terminal.color || sgr.empty() || text.empty()) return std::string(text);
  std::string out = "\x1b[";
  out.append(sgr).append("m").append(text).append("\x1b[0m");
  return out;
}

std::string Printable(const Terminal& terminal, std::string_view text) {
  const std::string clean = SanitizeUtf8(text);
  std::string out;
  out.reserve(clean.size());
  for (size_t pos = 0; pos < clean.size();) {
    const size_t begin = pos;
    const char32_t c = NextChar(clean, &pos);
    if (c == '\n' || c == '\t' || c == '\r') {
      out += ' ';
    } else if (c < 0x20 || (c >= 0x7f && c < 0xa0) ||
               // Controls of writing direction turn a whole line around.
               (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) ||
               (c >= 0x80 && !terminal.utf8)) {
      out += '?';
    } else {
      out.append(clean, begin, pos - begin);
    }
  }
  return out;
}

size_t DisplayWidth(std::string_view text) {
  size_t width = 0;
  for (size_t pos = 0; pos < text.size();) {
    width += CellsOf(NextChar(text, &pos));
  }
  return width;
}

std::string Truncate(const Terminal& terminal, std::string_view text,
                     size_t width) {
  if (DisplayWidth(text) <= width) return std::string(text);
  const std::string_view mark = terminal.utf8 ? "…" : "..";
  const size_t mark_width = terminal.utf8 ? 1 : 2;
  if (width < mark_width) return std::string(width, '.');
  size_t used = 0;
  size_t keep = 0;
  for (size_t pos = 0; pos < text.size();) {
    used += CellsOf(NextChar(text, &pos));
    if (used > width - mark_width) break;
    keep = pos;
  }
  std::string out(text.substr(0, keep));
  return out.append(mark);
}

std::string FitLeft(const Terminal& terminal, std::string_view text,
                    size_t width) {
  std::string out = Truncate(terminal, text, width);
  return out.append(width - DisplayWidth(out), ' ');
}

std::string FitRight(const Terminal& terminal, std::string_view text,
                     size_t width) {
  const std::string cut = Truncate(terminal, text, width);
  return std::string(width - DisplayWidth(cut), ' ') + cut;
}

}  // namespace khtrace::app
