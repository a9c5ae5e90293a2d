// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

// What the program may draw with, and text measured in terminal cells.

namespace khtrace::app {

enum class ColorMode { kAuto, kAlways, kNever };
// "auto", "always", "never".
std::optional<ColorMode> ParseColorMode(std::string_view text);

struct Terminal {
  bool color = false;
  bool utf8 = true;  // box and block characters; else plain ASCII
  size_t width = 100;
};

// What DecideTerminal goes by. Environment variables are empty when not set.
struct TerminalFacts {
  bool is_tty = false;
  size_t tty_columns = 0;  // 0 = unknown
  std::string_view no_color{};
  std::string_view term{};
  std::string_view columns{};
  std::string_view locale{};  // the first of LC_ALL, LC_CTYPE, LANG that is set
};

// Colour: as told; else on a terminal, unless NO_COLOR is set
// (https://no-color.org) or TERM=dumb. Width: COLUMNS, else the terminal's,
// else 100; between 60 and 240. UTF-8: unless the locale is "C", "POSIX" or
// names another encoding.
Terminal DecideTerminal(ColorMode mode, const TerminalFacts& facts);
// The same for our stdout.
Terminal DetectTerminal(ColorMode mode);

// Foreground styles. kService0 and on: eight colours that tell services apart.
enum class Style : uint8_t {
  kPlain,
  kBold,
  kDim,
  kRed,
  kYellow,
  kGreen,
  kService0,
};
inline constexpr size_t kServiceStyles = 8;
Style ServiceStyle(size_t index);  // modulo kServiceStyles

// `text` in `style` if the terminal has colour, as it is otherwise.
std::string Paint(const Terminal& terminal, Style style, std::string_view text);

// Text from outside made fit to print: control characters (which could move
// the cursor or worse) become blanks or '?', malformed UTF-8 U+FFFD, and on a
// terminal without UTF-8 everything beyond ASCII '?'.
std::string Printable(const Terminal& terminal, std::string_view text);

// Cells that well-formed `text` takes: 2 for wide East Asian characters and
// emoji, 0 for combining marks.
size_t DisplayWidth(std::string_view text);
// At most `width` cells of `text`; what was cut off is an ellipsis.
std::string Truncate(const Terminal& terminal, std::string_view text,
                     size_t width);
// Exactly `width` cells: cut or filled up with blanks.
std::string FitLeft(const Terminal& terminal, std::string_view text,
                    size_t width);
std::string FitRight(const Terminal& terminal, std::string_view text,
                     size_t width);

}  // namespace khtrace::app
