// SPDX-License-Identifier: Apache-2.0
#include "app/traceql_refusal.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace khtrace::app {
namespace {

// Longer lines are cut around the place.
constexpr size_t kMaxMessageBytes = 2000;
constexpr std::string_view kIndent = "  ";

struct Place {
  size_t line = 0;
  size_t column = 0;  // characters, from 1
};

// The number behind the first `word` at or behind `*at`, which moves on.
std::optional<size_t> NumberBehind(std::string_view text, std::string_view word,
                                   size_t* at) {
  const size_t found = text.find(word, *at);
  if (found == std::string_view::npos) return std::nullopt;
  const char* begin = text.data() + found + word.size();
  size_t number = 0;
  const auto [stopped, error] =
      std::from_chars(begin, text.data() + text.size(), number);
  if (error != std::errc() || number == 0) return std::nullopt;
  *at = static_cast<size_t>(stopped - text.data());
  return number;
}

std::optional<Place> FindPlace(std::string_view message) {
  size_t at = 0;
  const auto line = NumberBehind(message, "line ", &at);
  if (!line) return std::nullopt;
  const auto column = NumberBehind(message, ", col ", &at);
  if (!column) return std::nullopt;
  return Place{*line, *column};
}

std::optional<std::string_view> LineOf(std::string_view text, size_t number) {
  for (; number > 1; --number) {
    const size_t end = text.find('\n');
    if (end == std::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  return text.substr(0, text.find('\n'));
}

// The bytes of the first `count` characters.
std::string_view Characters(std::string_view text, size_t count) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    const bool begins = (static_cast<uint8_t>(text[at]) & 0xC0) != 0x80;
    if (begins && count-- == 0) break;
  }
  return text.substr(0, at);
}

}  // namespace

std::string RefusalText(std::string_view message, std::string_view query,
                        const Terminal& terminal) {
  while (!message.empty() && message.back() == '\n') message.remove_suffix(1);
  std::string text = Printable(terminal, message.substr(0, kMaxMessageBytes));
  const auto place = FindPlace(message);
  if (!place) return text;
  const auto line = LineOf(query, place->line);
  if (!line) return text;
  const std::string before =
      Printable(terminal, Characters(*line, place->column - 1));
  const size_t room =
      terminal.width > kIndent.size() ? terminal.width - kIndent.size() : 1;
  if (DisplayWidth(before) >= room) return text;
  text += fmt::format("\n{}{}\n{}{:{}}^", kIndent,
                      Truncate(terminal, Printable(terminal, *line), room),
                      kIndent, "", DisplayWidth(before));
  return text;
}

}  // namespace khtrace::app
