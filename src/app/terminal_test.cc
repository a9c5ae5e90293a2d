// SPDX-License-Identifier: Apache-2.0
#include "app/terminal.h"

#include <gtest/gtest.h>

namespace khtrace::app {
namespace {

constexpr Terminal kUtf8{false, true, 80};
constexpr Terminal kAscii{false, false, 80};

TEST(Terminal, HasColourOnlyOnATerminalUnlessToldOtherwise) {
  EXPECT_FALSE(DecideTerminal(ColorMode::kAuto, {}).color);
  EXPECT_TRUE(DecideTerminal(ColorMode::kAuto, {.is_tty = true}).color);
  EXPECT_FALSE(
      DecideTerminal(ColorMode::kAuto, {.is_tty = true, .no_color = "1"})
          .color);
  EXPECT_FALSE(
      DecideTerminal(ColorMode::kAuto, {.is_tty = true, .term = "dumb"}).color);
  EXPECT_TRUE(DecideTerminal(ColorMode::kAlways, {.no_color = "1"}).color);
  EXPECT_FALSE(DecideTerminal(ColorMode::kNever, {.is_tty = true}).color);
}

TEST(Terminal, WidthComesFromColumnsThenFromTheTerminalAndIsBounded) {
  const auto width = [](const TerminalFacts& facts) {
    return DecideTerminal(ColorMode::kAuto, facts).width;
  };
  EXPECT_EQ(width({}), 100u);
  EXPECT_EQ(width({.is_tty = true, .tty_columns = 132}), 132u);
  EXPECT_EQ(width({.is_tty = true, .tty_columns = 132, .columns = "90"}), 90u);
  EXPECT_EQ(width({.columns = "3"}), 60u);
  EXPECT_EQ(width({.columns = "5000"}), 240u);
  EXPECT_EQ(width({.columns = "wide"}), 100u);
}

TEST(Terminal, DrawsAsciiInTheCLocale) {
  const auto utf8 = [](std::string_view locale) {
    return DecideTerminal(ColorMode::kAuto, {.locale = locale}).utf8;
  };
  EXPECT_TRUE(utf8(""));
  EXPECT_TRUE(utf8("en_US.UTF-8"));
  EXPECT_TRUE(utf8("C.utf8"));
  EXPECT_FALSE(utf8("C"));
  EXPECT_FALSE(utf8("de_DE.ISO-8859-1"));
}

TEST(Terminal, MeasuresCellsNotBytes) {
  EXPECT_EQ(DisplayWidth("abc"), 3u);
  EXPECT_EQ(DisplayWidth("größe"), 5u);
  EXPECT_EQ(DisplayWidth("検索"), 4u);
  EXPECT_EQ(DisplayWidth("e\xcc\x81"), 1u);  // e + combining acute
  EXPECT_EQ(DisplayWidth("🔥"), 2u);
}

TEST(Terminal, CutsBetweenCharactersAndNeverBeyondTheWidth) {
  EXPECT_EQ(Truncate(kUtf8, "abcdef", 6), "abcdef");
  EXPECT_EQ(Truncate(kUtf8, "abcdef", 4), "abc…");
  EXPECT_EQ(Truncate(kAscii, "abcdef", 4), "ab..");
  EXPECT_EQ(Truncate(kUtf8, "検索検索", 4), "検…");
  EXPECT_EQ(FitLeft(kUtf8, "検索検索", 4), "検… ");
  EXPECT_EQ(FitRight(kUtf8, "ab", 4), "  ab");
  EXPECT_EQ(Truncate(kUtf8, "abc", 0), "");
}

TEST(Terminal, OutsideTextCannotSteerIt) {
  EXPECT_EQ(Printable(kUtf8, "a\x1b[2Jb\nc\x7f"), "a?[2Jb c?");
  EXPECT_EQ(Printable(kUtf8, "\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(Printable(kUtf8, "a\xe2\x80\xae"), "a?");
  EXPECT_EQ(Printable(kAscii, "größe"), "gr??e");
}

TEST(Terminal, PaintsOnlyWithColour) {
  EXPECT_EQ(Paint(kUtf8, Style::kRed, "x"), "x");
  EXPECT_EQ(Paint({true, true, 80}, Style::kRed, "x"), "\x1b[31mx\x1b[0m");
}

}  // namespace
}  // namespace khtrace::app
