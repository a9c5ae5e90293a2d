// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

namespace khtrace {
namespace {

struct SizeUnit {
  std::string_view name;  // lower case
  uint64_t bytes;
};
constexpr std::array<SizeUnit, 12> kSizeUnits{{
    {"", 1},
    {"b", 1},
    {"kb", 1'000},
    {"mb", 1'000'000},
    {"gb", 1'000'000'000},
    {"tb", 1'000'000'000'000},
    {"pb", 1'000'000'000'000'000},
    {"kib", 1ull << 10},
    {"mib", 1ull << 20},
    {"gib", 1ull << 30},
    {"tib", 1ull << 40},
    {"pib", 1ull << 50},
}};

char LowerAscii(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string Lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), LowerAscii);
  return out;
}

Error BadSize(std::string_view text, std::string_view why) {
  return Error{Code::kInvalidArgument,
               fmt::format("invalid size '{}': {}", text, why)};
}

// Insertions, deletions, replacements and swaps of neighbours that turn `a`
// into `b`; the case of letters is free.
size_t EditDistance(std::string_view a, std::string_view b) {
  // Row i has the distances of a's first i letters to b's first 0, 1, … .
  std::vector<size_t> before(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  const auto same = [&](size_t i, size_t j) {
    return LowerAscii(a[i]) == LowerAscii(b[j]);
  };
  for (size_t i = 1; i <= a.size(); ++i) {
    before.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = last[j - 1] + (same(i - 1, j - 1) ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && same(i - 1, j - 2) && same(i - 2, j - 1)) {
        row[j] = std::min(row[j], before[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

}  // namespace

Result<uint64_t> ParseByteSize(std::string_view text) {
  constexpr std::string_view kShape = "expected bytes, or such as 64MiB or 1GB";
  size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9') {
    ++digits;
  }
  uint64_t number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + digits, number);
  if (digits == 0) return BadSize(text, kShape);
  std::string_view unit_name = text.substr(digits);
  if (unit_name.size() > 1 && unit_name[0] == ' ') unit_name.remove_prefix(1);
  const std::string wanted = Lower(unit_name);
  const auto unit =
      std::find_if(kSizeUnits.begin(), kSizeUnits.end(),
                   [&](const SizeUnit& u) { return u.name == wanted; });
  if (unit == kSizeUnits.end()) return BadSize(text, kShape);
  uint64_t bytes = 0;
  if (error != std::errc() ||
      __builtin_mul_overflow(number, unit->bytes, &bytes)) {
    return BadSize(text, "larger than 16 EiB");
  }
  return bytes;
}

std::string FormatByteSize(uint64_t bytes) {
  constexpr std::array<std::string_view, 6> kNames{"KiB", "MiB", "GiB",
                                                   "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t i = 0;
  // 1023.95 would print as "1024.0": that is 1.0 of the next.
  for (; value >= 1023.95 && i + 1 < kNames.size(); ++i) value /= 1024;
  return fmt::format("{:.1f} {}", value, kNames[i]);
}

std::string PercentDecode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    std::byte decoded;
    if (text[i] == '%' && i + 2 < text.size() &&
        HexDecode(text.substr(i + 1, 2), std::span(&decoded, 1))) {
      out.push_back(static_cast<char>(decoded));
      i += 2;
    } else {
      out.push_back(plus_is_space && text[i] == '+' ? ' ' : text[i]);
    }
  }
  return out;
}

std::optional<std::string> NearestWord(
    std::string_view word, std::span<const std::string_view> candidates) {
  // The distance costs word * candidate steps, and nobody mistypes a word
  // that is longer than any of ours.
  constexpr size_t kLongestWord = 100;
  if (word.size() > kLongestWord) return std::nullopt;
  // One slip in a short word, one per three letters in a long one.
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::optional<std::string> nearest;
  for (const std::string_view candidate : candidates) {
    const size_t distance = EditDistance(word, candidate);
    if (distance >= best || distance >= candidate.size()) continue;
    best = distance;
    nearest = std::string(candidate);
  }
  return nearest;
}

}  // namespace khtrace
